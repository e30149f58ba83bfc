"""Runs the sidehook binary with an upstream, webhooks of every format and some history, then checks
its admin API against its OpenAPI document: schemathesis calls it, spectral lints it, and the bodies
that a receiver really got are validated against the schemas of the document. Loopback only."""

import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import jsonschema

from loopback import free_port, serve
from verify_api_answers import check_answers, closed

HERE = pathlib.Path(__file__).resolve().parent
TOKEN = "verify-api-token-0123456789abcdef"
FORMATS = ["exchange", "vikunja", "timestamped", "wireguard-portal", "typed", "standard", "cloudevents",
           "cloudevents-binary"]
received = {}


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        answer = b'{"id": 7, "name": "\xc3\xa9"}'
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
        name = self.path[1:]
        received.setdefault(name, []).append((dict(self.headers.items()), body))
        answer = b"\xff" * 20_000 if name == "made" else b""    # not text, and more than is kept
        self.send_response(500 if name == "broken" else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST


def wait_for(what, ready, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.05)
    sys.exit(f"{what} did not happen in {seconds} s")


def call(url, body=None):
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read()


def is_ready(admin):
    try:
        return call(f"http://127.0.0.1:{admin}/readyz")[0] == 200
    except OSError:
        return False


def configuration(proxy, admin, upstream, receiver):
    webhooks = "".join(
        f'[[webhook]]\nname = "{name}"\nurl = "http://127.0.0.1:{receiver}/{name}"\n'
        f'events = ["*"]\nformat = "{"typed" if name == "broken" else name}"\n'
        f'secret = "shown"\nsigning_secret = "a key of our own"\n'
        for name in [*FORMATS, "broken"]
    )
    return f"""
[proxy]
listen = "127.0.0.1:{proxy}"
upstream = "http://127.0.0.1:{upstream}"
[store]
path = "data"
[delivery]
allow_networks = ["127.0.0.0/8"]
retry = ["1h"]
[admin]
listen = "127.0.0.1:{admin}"
token = "{TOKEN}"
[[event]]
label = "task.created"
tag = "tasks"
method = "POST"
url = "^/tasks"
subject = "response.body.id"
[[event]]
id = 10
label = "task.changed"
method = ["PUT", "PATCH"]
url = '^/tasks/(?<task_id>[0-9]+)$'
query = 'notify=1'
status = ["2xx", 304, "400-404"]
when = 'response.body.id == 7'
subject = 'request.params.task_id'
max_request_body = "1MiB"
{webhooks}"""


def check_received(document):
    """What receivers get is as the document says, and nothing more."""
    document = closed(document)
    for name in FORMATS:
        operation = document["webhooks"][name]["post"]
        headers, body = received[name][0]
        sent = {header.lower() for header in headers}
        parameters = {parameter["name"] for parameter in operation["parameters"]}
        required = {parameter["name"] for parameter in operation["parameters"] if parameter["required"]}
        if not required <= sent:
            sys.exit(f"{name}: {required - sent} are not sent")
        # What every request of HTTP has.
        if unknown := sent - parameters - {"host", "content-type", "content-length", "user-agent", "accept"}:
            sys.exit(f"{name}: the document does not know {unknown}")
        content_type = headers.get("Content-Type") or headers.get("content-type")
        content = operation["requestBody"]["content"]
        if name == "cloudevents-binary":
            continue    # its body is the response's own
        schema = content[content_type]["schema"]
        whole = {**schema, "components": document["components"]}
        jsonschema.Draft202012Validator(whole).validate(json.loads(body))
    print(f"the requests of {len(FORMATS)} formats are as the document says")


def run_schemathesis(admin, is_full, folder):
    base = f"http://127.0.0.1:{admin}"
    command = [
        pathlib.Path(sys.executable).parent / "schemathesis",
        "--config-file", HERE / "schemathesis.toml",
        "run", f"{base}/v1/openapi.json",
        "--header", f"Authorization: Bearer {TOKEN}", "--checks", "all",
        # A stream does not end, so it cannot be called here: verify_api_answers.py holds what it says
        # against the document, tests/it/admin/stream.rs and src/admin/stream/tests.rs do the rest.
        "--exclude-path", "/v1/stream",
        "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure",
        "--max-examples", "200" if is_full else "40", "--seed", "1",
        # One: its generator falls over its own threads before Python 3.11.5.
        "--workers", "1",
        "--request-timeout", "30",
    ]
    more = {"NO_COLOR": "1", "SCHEMATHESIS_HOOKS": "verify_api_hooks", "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env={**os.environ, **more}).returncode


def main(binary, spectral, is_full):
    binary, spectral = pathlib.Path(binary).resolve(), pathlib.Path(spectral).resolve()
    rules = HERE / "spectral.yaml"
    proxy, admin, receiver = free_port(), free_port(), serve(Receiver)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = configuration(proxy, admin, serve(Api), receiver)
        configure = lambda more: (folder / "sidehook.toml").write_text(file + more)
        configure("")
        with open(folder / "log", "w") as log:
            child = subprocess.Popen([binary, "run"], cwd=folder, stderr=log)
        try:
            wait_for("the start", lambda: is_ready(admin) or child.poll() is not None)
            if child.poll() is not None:
                sys.exit((folder / "log").read_text())
            for n in range(5):
                call(f"http://127.0.0.1:{proxy}/tasks?n={n}", b'{"title": "x"}')
            wait_for("the deliveries", lambda: all(len(received.get(f, [])) >= 5 for f in FORMATS))
            text = call(f"http://127.0.0.1:{admin}/v1/openapi.json")[1]
            (folder / "openapi.json").write_bytes(text)
            check_received(json.loads(text))
            check_answers(f"http://127.0.0.1:{admin}", TOKEN, json.loads(text),
                          f"http://127.0.0.1:{receiver}",
                          lambda: call(f"http://127.0.0.1:{proxy}/tasks/7?n=6", b'{"title": "x"}'), configure)
            lint = subprocess.run([spectral, "lint", "--ruleset", rules, "--fail-severity", "warn",
                                   folder / "openapi.json"], cwd=folder)
            tested = run_schemathesis(admin, is_full, folder)
            if child.poll() is not None:
                sys.exit("sidehook ended: " + (folder / "log").read_text()[-4000:])
            if lint.returncode or tested:
                sys.exit(1)
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)
    print("the admin API is as its document says")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "--full" in sys.argv[3:])
