"""Runs the sidehook binary before Python's own HTTP server and checks what comes out of it: real
webhooks, one per format and signature, recorded by a receiver and verified by the libraries that
receivers use (here those of PyPI, in verify_outside.mjs those of npm); metrics with promtool.
Loopback only."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import stripe
from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from loopback import free_port, serve
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAIN = "a key that is used as its own bytes"
SEED = bytes(range(32))
TOKEN = "verify-token-0123456789abcdef0123456789"
# Webhook, and what it sets beside a URL of its own.
WEBHOOKS = {
    "standard": f'secret = "shown"\nsigning_secret = "{SECRET}"\nsignatures = ["standard", "sha256"]',
    "both": f'format = "standard"\nsecret = "{SECRET}"\nsignatures = ["standard", "standard-ed25519"]\n'
            f'ed25519_key = "whsk_{base64.b64encode(SEED).decode()}"',
    "ed25519": f'format = "typed"\ned25519_key = "whsk_{base64.b64encode(SEED).decode()}"',
    "github": f'format = "timestamped"\nsecret = "{PLAIN}"\nsignatures = ["github"]',
    "stripe": f'format = "typed"\nsecret = "{PLAIN}"\nsignatures = ["stripe"]',
    "vikunja": f'format = "vikunja"\nsecret = "{PLAIN}"\nsignatures = ["vikunja"]',
    "portal": 'format = "wireguard-portal"\nsecret = "Bearer verbatim"\nsignatures = ["authorization"]',
    "own": f'format = "standard"\nsecret = "{PLAIN}"\nsignatures = [{{ header = "X-Sig", prefix = "v9 ", '
           'encoding = "base64", content = "timestamp.body", algorithm = "sha512" }]',
    "json": """format = { json = '{"text": event.label, "n": response.body.id}' }\n"""
            f'secret = "{PLAIN}"\nsignatures = ["standard"]',
    "template": """format = { template = 'made {{ response.body.name }}' }""",
    "structured": f'format = "cloudevents"\nsecret = "{PLAIN}"',
    "binary": f'format = "cloudevents-binary"\nsecret = "{PLAIN}"',
}
ANSWER = b'{"id": 1234567890123, "name": "\xc3\xa9", "price": 1.50}'
BODIES = [b'{"n": 1}', b'{"text": "\xe2\x82\xac \xf0\x9f\x8e\x89"}', b'{"big": 12345678901234567890, "dup": 1, "dup": 2}']
received = queue.Queue()


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


class Receiver(Api):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((self.path[1:], {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()


def wait_until_ready(port, child, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and child.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    log.seek(0)
    sys.exit(f"sidehook did not become ready:\n{log.read().decode()}")


def configuration(proxy, admin, upstream, receiver):
    webhooks = "".join(f"""
[[webhook]]
name = "{name}"
url = "http://127.0.0.1:{receiver}/{name}"
events = ["*"]
{keys}
""" for name, keys in WEBHOOKS.items())
    return f"""
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
url = '^/things/(?<name>.*)$'
subject = 'request.path'
{webhooks}"""


def main(binary, rotated_request, node):
    binary = str(pathlib.Path(binary).resolve())
    upstream, receiver = serve(Api), serve(Receiver)
    proxy, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "sidehook.toml").write_text(configuration(proxy, admin, upstream, receiver))
        log = open(pathlib.Path(folder, "log"), "w+b")
        child = subprocess.Popen([binary, "run"], cwd=folder, stderr=log)
        try:
            wait_until_ready(admin, child, log)
            requests = call_and_record(proxy)
            check_metrics(admin)
        finally:
            child.send_signal(signal.SIGTERM)
            code = child.wait(40)
        if code != 0:
            sys.exit(f"sidehook left with {code} after SIGTERM")
        check_contents(requests, upstream)
        check_with_pypi(requests)
        check_with_npm(requests, node, folder)
        check_with_our_own(requests, binary)
        check_rotation(rotated_request)
    print("outside: all checks passed")


def call_and_record(proxy):
    """Makes each call and takes what each webhook gets: {webhook: [(headers, body, the call's body)]}"""
    requests = {name: [] for name in WEBHOOKS}
    for body in BODIES:
        call = urllib.request.Request(f"http://127.0.0.1:{proxy}/things/%C3%A9%20%22", data=body,
                                      headers={"content-type": "application/json"})
        assert urllib.request.urlopen(call, timeout=10).status == 201
        for _ in WEBHOOKS:
            name, headers, payload = received.get(timeout=20)
            requests[name].append((headers, payload, body))
    for name, recorded in requests.items():
        assert len(recorded) == len(BODIES), f"{name} got {len(recorded)}"
        assert all(headers["x-webhook-attempt"] == "1" for headers, _, _ in recorded)
    print(f"outside: {len(BODIES)} calls made {sum(map(len, requests.values()))} webhooks")
    return requests


def check_contents(requests, upstream):
    """The bodies, read by Python's own JSON."""
    for headers, payload, body in requests["standard"]:
        assert b'"body":' + body in payload and b'"body":' + ANSWER in payload, payload
        assert json.loads(payload)["id"] == headers["webhook-id"]
    for name in ["both", "ed25519", "github", "stripe", "vikunja"]:
        assert all(b'"data":' + ANSWER in payload for _, payload, _ in requests[name]), name
    for headers, payload, _ in requests["portal"]:
        shown = json.loads(payload)
        assert (shown["entity"], shown["event"], shown["payload"]["name"]) == ("thing", "created", "\u00e9")
        assert headers["authorization"] == "Bearer verbatim"
    for _, payload, _ in requests["json"]:
        assert json.loads(payload) == {"text": "thing.created", "n": 1234567890123}, payload
    for headers, payload, _ in requests["template"]:
        assert payload == "made \u00e9".encode() and headers["content-type"].startswith("text/plain")
    for mode in ["structured", "binary"]:
        for headers, payload, body in requests[mode]:
            event = from_http(HTTPMessage(headers, payload), JSONFormat())
            assert (event.get_specversion(), event.get_type()) == ("1.0", "thing.created")
            assert event.get_source() == f"//127.0.0.1:{upstream}", event.get_source()
            assert event.get_subject() == "/things/%C3%A9%20%22", event.get_subject()
            assert event.get_id().startswith("evt_") and event.get_time().tzinfo is not None
            data = event.get_data()
            if mode == "structured":
                assert data["request"]["body"] == json.loads(body)
                data = data["response"]["body"]
            assert data == json.loads(ANSWER)
        print(f"outside: {len(BODIES)} {mode} events read by cloudevents (PyPI)")


def ed25519(headers, payload):
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + payload
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    assert len(public.public_bytes(Encoding.Raw, PublicFormat.Raw)) == 32
    signatures = [one[4:] for one in headers["webhook-signature"].split(" ") if one.startswith("v1a,")]
    assert len(signatures) == 1
    public.verify(base64.b64decode(signatures[0]), content)


def hmac_equals(header, digest, content, encode):
    def check(headers, payload):
        tag = hmac.new(PLAIN.encode(), content(headers, payload), digest).digest()
        if not hmac.compare_digest(headers[header], encode(tag)):
            raise InvalidSignature
    return check


def check_with_pypi(requests):
    base64_of = lambda text: "whsec_" + base64.b64encode(text.encode()).decode()
    checks = [
        ("standardwebhooks", "standard", lambda h, p: Webhook(SECRET).verify(p, h)),
        ("standardwebhooks", "both", lambda h, p: Webhook(SECRET).verify(p, h)),
        ("standardwebhooks", "json", lambda h, p: Webhook(base64_of(PLAIN)).verify(p, h)),
        ("svix", "standard", lambda h, p: SvixWebhook(SECRET).verify(p, h)),
        ("svix", "both", lambda h, p: SvixWebhook(SECRET).verify(p, h)),
        ("svix", "binary", lambda h, p: SvixWebhook(base64_of(PLAIN)).verify(p, h)),
        ("stripe", "stripe", lambda h, p: stripe.Webhook.construct_event(p, h["stripe-signature"], PLAIN)),
        ("pyca ed25519", "ed25519", ed25519),
        ("pyca ed25519", "both", ed25519),
        ("hmac", "vikunja", hmac_equals("x-vikunja-signature", hashlib.sha256, lambda h, p: p, bytes.hex)),
        ("hmac", "own", hmac_equals("x-sig", hashlib.sha512, lambda h, p: h["webhook-timestamp"].encode() + b"." + p,
                                    lambda tag: "v9 " + base64.b64encode(tag).decode())),
    ]
    for library, name, verify in checks:
        for headers, payload, _ in requests[name]:
            verify(headers, payload)
            refuses(library, verify, headers, flipped(payload))
        print(f"outside: {len(BODIES)} of `{name}` verified by {library} (Python), flipped ones refused")


def check_rotation(example):
    """While a key is rotated, the receivers of both keys verify, and nobody's of an expired one."""
    new, old, expired = ("whsec_" + base64.b64encode(name * 8).decode() for name in (b"new-", b"old-", b"gone"))
    out = subprocess.run([example, new, old, expired], capture_output=True, text=True, check=True).stdout
    request = json.loads(out)
    headers, payload = request["headers"], request["body"].encode()
    plain = lambda secret: base64.b64decode(secret.removeprefix("whsec_")).decode()
    libraries = {
        "standardwebhooks": lambda secret: lambda h, p: Webhook(secret).verify(p, h),
        "svix": lambda secret: lambda h, p: SvixWebhook(secret).verify(p, h),
        "stripe": lambda secret: lambda h, p: stripe.Webhook.construct_event(p, h["stripe-signature"], plain(secret)),
    }
    for library, verifier in libraries.items():
        for secret in (new, old):
            verifier(secret)(headers, payload)
            refuses(library, verifier(secret), headers, flipped(payload))
        refuses(library, verifier(expired), headers, payload)
    print(f"outside: a rotated key and the one before verified by {', '.join(libraries)} (Python), an expired one refused")


def flipped(payload):
    """One bit changed in the middle, so that JSON stays JSON and text stays text."""
    at = next(n for n, byte in enumerate(payload) if chr(byte).isdigit() or byte in b"g")
    return payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]


def refuses(library, verify, headers, payload):
    try:
        verify(headers, payload)
    except Exception as refusal:  # each library has its own class
        names = {"WebhookVerificationError", "SignatureVerificationError", "InvalidSignature"}
        assert type(refusal).__name__ in names, f"{library}: {refusal!r}"
        return
    sys.exit(f"{library} took a changed payload")


def check_with_npm(requests, node, folder):
    """The same requests, for the libraries of npm."""
    recorded = {name: [{"headers": headers, "body": base64.b64encode(payload).decode(),
                        "flipped": base64.b64encode(flipped(payload)).decode()}
                       for headers, payload, _ in requests[name]]
                for name in ["standard", "both", "github", "stripe", "structured", "binary"]}
    recorded["keys"] = {"secret": SECRET, "plain": PLAIN, "answer": json.loads(ANSWER)}
    file = pathlib.Path(folder, "recorded.json")
    file.write_text(json.dumps(recorded))
    script = pathlib.Path(__file__).with_name("verify_outside.mjs")
    subprocess.run(["node", script, file, pathlib.Path(node).resolve()], check=True, timeout=120)


def check_with_our_own(requests, binary):
    """`sidehook verify` says the same of the same requests."""
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    questions = [
        ("standard", ["--scheme", "standard", "--secret", SECRET]),
        ("standard", ["--scheme", "sha256", "--secret", SECRET]),
        ("both", ["--scheme", "standard-ed25519", "--public-key", "whpk_" + base64.b64encode(public).decode()]),
        ("github", ["--scheme", "github", "--secret", PLAIN]),
        ("stripe", ["--scheme", "stripe", "--secret", PLAIN]),
        ("vikunja", ["--scheme", "vikunja", "--secret", PLAIN]),
        ("portal", ["--scheme", "authorization", "--secret", "Bearer verbatim"]),
        ("own", ["--scheme", "custom", "--header", "X-Sig", "--prefix", "v9 ", "--encoding", "base64",
                 "--content", "timestamp.body", "--algorithm", "sha512", "--secret", PLAIN]),
    ]
    for name, question in questions:
        headers, payload, _ = requests[name][0]
        for body, expected in [(payload, 0), (flipped(payload), 0 if name == "portal" else 1)]:
            head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
            raw = f"POST /{name} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
            done = subprocess.run([binary, "verify", *question], input=raw, capture_output=True, timeout=20)
            assert done.returncode == expected, f"{name}: {done.stderr.decode()}"
    print(f"outside: sidehook verify agrees on {len(questions)} schemes")


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
    main(*sys.argv[1:])
