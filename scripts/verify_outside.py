"""Runs the sidehook binary before Python's own HTTP server and checks what comes out of it:
signatures with the Standard Webhooks library, metrics with promtool. Loopback only."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "verify-token-0123456789abcdef0123456789"
received = queue.Queue()


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = b'{"id": 12345678901234567890, "name": "\xc3\xa9"}'
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Receiver(Api):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((dict((k.lower(), v) for k, v in self.headers.items()), body))
        self.send_response(204)
        self.end_headers()


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(port, child):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and child.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    sys.exit("sidehook did not become ready")


def main(binary):
    upstream, receiver = serve(Api), serve(Receiver)
    proxy, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "sidehook.toml").write_text(f"""
[proxy]
listen = "127.0.0.1:{proxy}"
upstream = "http://127.0.0.1:{upstream}"
[delivery]
allow_networks = ["127.0.0.0/8"]
[admin]
listen = "127.0.0.1:{admin}"
token = "{TOKEN}"
[[event]]
label = "thing.created"
method = "POST"
url = '^/things$'
[[webhook]]
name = "verifier"
url = "http://127.0.0.1:{receiver}/"
events = ["*"]
secret = "shown"
signing_secret = "{SECRET}"
signatures = ["standard", "sha256"]
""")
        child = subprocess.Popen([str(pathlib.Path(binary).resolve()), "run"], cwd=folder, stderr=subprocess.DEVNULL)
        try:
            wait_until_ready(admin, child)
            check_deliveries(proxy)
            check_metrics(admin)
        finally:
            child.send_signal(signal.SIGTERM)
            code = child.wait(40)
        if code != 0:
            sys.exit(f"sidehook left with {code} after SIGTERM")
    print("outside: all checks passed")


def check_deliveries(proxy):
    bodies = [b'{"n": 1}', b'{"text": "\xe2\x82\xac \xf0\x9f\x8e\x89"}', b'{"big": 1e400, "dup": 1, "dup": 2}']
    for body in bodies:
        request = urllib.request.Request(f"http://127.0.0.1:{proxy}/things", data=body,
                                         headers={"content-type": "application/json"})
        assert urllib.request.urlopen(request, timeout=10).status == 201
        headers, payload = received.get(timeout=10)
        Webhook(SECRET).verify(payload, headers)
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        assert headers["x-webhook-signature"] == "sha256=" + hmac.new(key, payload, hashlib.sha256).hexdigest()
        assert b'"body":' + body in payload, payload
        assert json.loads(payload)["id"] == headers["webhook-id"]
        tampered = payload.replace(b"thing", b"thong", 1)
        try:
            Webhook(SECRET).verify(tampered, headers)
            sys.exit("a tampered payload verified")
        except Exception as refusal:  # the library's own error class
            assert type(refusal).__name__ == "WebhookVerificationError", refusal
    print(f"outside: {len(bodies)} deliveries verified by standardwebhooks, tampered ones refused")


def check_metrics(admin):
    request = urllib.request.Request(f"http://127.0.0.1:{admin}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    text = urllib.request.urlopen(request, timeout=10).read()
    if not shutil.which("promtool"):
        print("SKIPPED: promtool is not installed")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    print("outside: promtool", "accepts the metrics" if done.returncode == 0 else done.stderr.decode())
    # 1: not readable; 3: readable, with remarks of style
    assert done.returncode in (0, 3), done.stderr.decode()


if __name__ == "__main__":
    main(sys.argv[1])
