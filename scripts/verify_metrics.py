"""Runs sidehook with calls of every kind, has promtool read its metrics, and has a Prometheus server
scrape it and answer every query of the alert rules and the dashboard. Loopback only; ends by itself."""

import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from loopback import free_port, serve

TOKEN = "verify-token-0123456789abcdef0123456789"
PATIENCE = 60
# All of them: name, type, labels.
METRICS = {
    "sidehook_calls_total": ("counter", {"matched"}),
    "sidehook_upstream_errors_total": ("counter", {"kind"}),
    "sidehook_events_total": ("counter", {"label"}),
    "sidehook_events_lost_total": ("counter", {"reason"}),
    "sidehook_condition_errors_total": ("counter", {"label"}),
    "sidehook_loops_stopped_total": ("counter", {"label"}),
    "sidehook_responses_broken_total": ("counter", {"label"}),
    "sidehook_captures_cut_total": ("counter", {"side"}),
    "sidehook_commit_seconds": ("histogram", set()),
    "sidehook_attempts_total": ("counter", {"webhook", "outcome"}),
    "sidehook_attempt_seconds": ("histogram", {"webhook"}),
    "sidehook_delivery_lag_seconds": ("histogram", {"webhook"}),
    "sidehook_deliveries_finished_total": ("counter", {"webhook", "status"}),
    "sidehook_queue_depth": ("gauge", {"webhook", "state"}),
    "sidehook_queue_oldest_seconds": ("gauge", {"webhook"}),
    "sidehook_webhook_status": ("gauge", {"webhook", "status"}),
    "sidehook_store_bytes": ("gauge", set()),
    "sidehook_store_max_bytes": ("gauge", set()),
    "sidehook_store_reclaimable_bytes": ("gauge", set()),
    "sidehook_store_healthy": ("gauge", set()),
    "sidehook_config_healthy": ("gauge", set()),
    "sidehook_config_reloads_total": ("counter", {"outcome"}),
    "sidehook_connections": ("gauge", {"side"}),
    "sidehook_connections_unserved_total": ("counter", {"reason"}),
    "sidehook_log_lines_dropped_total": ("counter", set()),
    "sidehook_build_info": ("gauge", {"version"}),
}
HOSTILE = ["/tasks/%22%7Bx%3D%221%22%7D", "/tasks\\\"}", "/tasks/" + "x" * 900, "/\u202e".encode().decode("latin-1")]


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/tasks/broken":
            self.close_connection = True
            return
        self.send_response(201)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_DELETE = do_POST

    def log_message(self, *_):
        pass


class Failing(Api):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(500)
        self.send_header("content-length", "0")
        self.end_headers()


def until(what, question):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    sys.exit(f"waited in vain: {what}")


def configuration(proxy, admin):
    hooks = {'good': serve(Api), 'failing "quoted"': serve(Failing), "nobody": 1}
    webhooks = "".join(f"""
[[webhook]]
name = {json.dumps(name)}
url = "http://127.0.0.1:{port}/"
events = ["*"]
retry = ["1s"]
pause_after = 0
""" for name, port in hooks.items())
    return f"""
[proxy]
listen = "127.0.0.1:{proxy}"
upstream = "http://127.0.0.1:{serve(Api)}"
[admin]
listen = "127.0.0.1:{admin}"
token = "{TOKEN}"
[delivery]
allow_networks = ["127.0.0.0/8"]
[[event]]
label = "task.created"
method = "*"
url = '^/tasks'
when = 'request.body.n < 10 or true'
{webhooks}"""


def call(port, method, path, body=b'{"n": 1}'):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        stream.sendall(head.encode("latin-1") + body)
        while stream.recv(65536):
            pass


def traffic(port):
    for n in range(30):
        call(port, "POST", "/tasks")
        call(port, "GET", "/other")
    for path in HOSTILE:
        for method in ["POST", "X\"Y{", "A" * 200]:
            call(port, method, path)
    call(port, "POST", "/tasks/broken")


def scrape(admin, accept=""):
    request = urllib.request.Request(f"http://127.0.0.1:{admin}/metrics",
                                     headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept})
    return urllib.request.urlopen(request, timeout=10).read().decode()


def check_format(text):
    """promtool accepts it without a remark, and it is the table above."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True)
    said = (done.stdout + done.stderr).decode().strip()
    assert done.returncode == 0 and not said, f"promtool check metrics: {done.returncode}\n{said}"
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert types == {name: kind for name, (kind, _) in METRICS.items()}, f"{set(types) ^ set(METRICS)}"
    for name, (kind, labels) in METRICS.items():
        own = {"le"} if kind == "histogram" else set()
        series = re.findall(rf"^{name}(?:_bucket)?(?:{{(.*)}})? \S+$", text, re.M)
        assert series, f"{name} has no series"
        for found in series:
            names = set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', found))
            assert names == labels | own, f"{name}: {names}"
    print(f"promtool check metrics: no remarks; {len(types)} metrics, {sum(l[0] != '#' for l in text.splitlines())} series")


def check_cardinality(admin, proxy):
    """What callers choose makes no series."""
    count = lambda: len([line for line in scrape(admin).splitlines() if not line.startswith("#")])
    before = count()
    for n in range(50):
        call(proxy, f"M{n}", f"/tasks/{n}?q={n}")
        call(proxy, "GET", f"/other/{n}")
    assert count() == before, "calls made series"
    print("cardinality: 100 calls of 50 methods to 100 URLs made no new series")


# What the dashboard leaves out.
NO_PANEL = {"sidehook_responses_broken_total", "sidehook_store_reclaimable_bytes", "sidehook_config_reloads_total"}


class Prometheus:
    def __init__(self, folder, admin):
        self.port = free_port()
        root = pathlib.Path.cwd()
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(root / "docs/alerts.yml")],
                  "scrape_configs": [{"job_name": "sidehook", "authorization": {"credentials": TOKEN},
                                      "static_configs": [{"targets": [f"127.0.0.1:{admin}"]}]}]}
        file = pathlib.Path(folder, "prometheus.yml")
        file.write_text(json.dumps(config))  # YAML is a superset
        self.log = open(pathlib.Path(folder, "prometheus.log"), "w+")
        self.child = subprocess.Popen(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def ask(self, path, **question):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(question)}"
        try:
            answer = urllib.request.urlopen(url, timeout=10).read()
        except urllib.error.HTTPError as error:
            sys.exit(f"prometheus: {question}: {error.read().decode()}")
        return json.loads(answer)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]


def check_prometheus(folder, admin, proxy):
    prometheus = Prometheus(folder, admin)
    try:
        enough = lambda: prometheus.query('count_over_time(up{job="sidehook"}[1m]) >= 5')
        until("prometheus has scraped", lambda: urllib.request.urlopen(
            f"http://127.0.0.1:{prometheus.port}/-/ready", timeout=2))
        calls = threading.Thread(target=lambda: [traffic(proxy) for _ in range(3)])
        calls.start()
        until("five scrapes", enough)
        [target] = prometheus.ask("targets")["activeTargets"]
        assert target["health"] == "up" and not target["lastError"], target
        for name, (kind, _) in METRICS.items():
            assert prometheus.query(f"{name}_bucket" if kind == "histogram" else name), name
        rules = prometheus.ask("rules")["groups"][0]["rules"]
        until("every rule has been evaluated", lambda: all(
            rule["health"] == "ok" for rule in prometheus.ask("rules")["groups"][0]["rules"]))
        print(f"prometheus: target up (OpenMetrics), {len(METRICS)} metrics there, {len(rules)} alert rules evaluated")
        check_dashboard(prometheus)
        calls.join(PATIENCE)
    finally:
        prometheus.child.terminate()
        prometheus.child.wait(20)


def check_dashboard(prometheus):
    dashboard = json.loads(pathlib.Path("docs/grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    missing = {name for name in METRICS if not any(name in query for query in queries)}
    assert missing == NO_PANEL, f"metrics without a panel, or with one now: {missing ^ NO_PANEL}"
    empty = []
    for query in queries:
        asked = query.replace("$__rate_interval", "1m")
        for variable in ["job", "instance", "webhook"]:
            asked = asked.replace(f'"${variable}"', '".*"')
        assert "$" not in asked, f"a variable that nobody fills: {query}"
        if not prometheus.query(asked) and not asked.endswith("> 0"):
            empty.append(query)
    assert not empty, f"queries without an answer: {empty}"
    print(f"dashboard: {len(queries)} queries answered")


def main(binary):
    proxy, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "sidehook.toml")
        file.write_text(configuration(proxy, admin))
        log = open(pathlib.Path(folder, "log"), "w+")
        child = subprocess.Popen([pathlib.Path(binary).resolve(), "run", "--config", file], cwd=folder, stderr=log)
        try:
            until("sidehook is ready", lambda: urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2))
            traffic(proxy)
            until("deliveries have ended", lambda: re.search(
                r'deliveries_finished_total\{webhook="nobody",status="failed"\} [1-9]', scrape(admin)))
            check_format(scrape(admin))
            check_cardinality(admin, proxy)
            check_prometheus(folder, admin, proxy)
        finally:
            child.terminate()
            child.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:])
