"""What `scripts/bench proxy` measures: nginx, HAProxy and sidehook before one upstream, alike in what they do."""

import contextlib
import dataclasses
import glob
import http.client
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from bench_tools import ROOT, TOKEN, children, start_sidehook, wait_for
from loopback import free_port

NGINX = """
worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log crit; daemon off;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000; client_body_buffer_size 64k;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffering on; proxy_buffer_size 16k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;
    location / {{ proxy_pass http://api; }}
    location = /mirrored {{ mirror /copy; proxy_pass http://api; }}
    location = /mirrored/empty {{ mirror /copy/empty; proxy_pass http://api; }}
    location = /copy {{ internal; proxy_pass http://api/sink; }}
    location = /copy/empty {{ internal; proxy_pass http://api/sink/empty; }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 8192
  nbthread {workers}
defaults
  mode http
  option http-keep-alive
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 75s
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend api
backend api
  server upstream 127.0.0.1:{upstream}
"""

SIDEHOOK = """
[proxy]
listen = "127.0.0.1:{port}"
upstream = "http://127.0.0.1:{upstream}"
workers = {workers}
[store]
path = "data"
[delivery]
allow_networks = ["127.0.0.0/8"]
[admin]
listen = "127.0.0.1:{admin}"
token = "{token}"
[[event]]
label = "order.silent"
method = "POST"
url = '^/orders/silent$'
[[event]]
label = "order.created"
method = "POST"
url = '^/orders$'
[[webhook]]
name = "receiver"
url = "http://127.0.0.1:{upstream}/sink"
events = ["order.created"]
signing_secret = "bench-signing-secret"
concurrency = 64
"""

POST = """
wrk.method = "POST"
wrk.body = '{"order":1,"pad":"' .. string.rep("z", 2048 - 20) .. '"}'
wrk.headers["Content-Type"] = "application/json"
"""

RULES_AT = SIDEHOOK.index("[[event]]")


@dataclasses.dataclass
class Proxy:
    name: str
    port: int
    process: subprocess.Popen
    workers: int
    admin: int = 0

    def named(self, name):
        return dataclasses.replace(self, name=name)

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def rss_mb(self):
        pids = children(self.process.pid) or [self.process.pid]
        return sum(map(rss_kb, pids)) / 1024

    def check_alone(self):
        """A second process on the port (SO_REUSEPORT) would take calls that are not counted."""
        if self.process.poll() is not None:
            sys.exit(f"{self.name} has ended with {self.process.returncode}")
        sockets = listening(self.port)
        owners = owners_of(sockets)
        if not sockets or len(sockets) > self.workers or owners - set(self.pids()):
            sys.exit(f"{self.name}: {len(sockets)} sockets listen on port {self.port}, of processes {sorted(owners)}; "
                     f"{self.pids()} should, alone")


class Servers:
    """Starts everything; `cores` is where proxies run, the others run where this process does."""

    def __init__(self, folder, cores, workers):
        self.folder, self.cores, self.workers = folder, cores, workers
        self.processes = []
        self.post = folder / "post.lua"
        self.post.write_text(POST)
        self.started = 0

    def start_upstream(self):
        self.upstream = free_port()
        self.processes.append(subprocess.Popen([ROOT / "target/release/examples/bench_upstream", str(self.upstream)]))
        wait_for(self.upstream)
        self.control = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)

    def calls(self):
        """How many calls the upstream has answered, copies and webhooks not counted."""
        self.control.request("GET", "/calls")
        return int(self.control.getresponse().read())

    def start(self, name, rules=None):
        """`rules`: sidehook with so many that match no call, instead of its usual ones."""
        self.started += 1
        folder = self.folder / f"{name}-{self.started}"
        folder.mkdir()
        port = free_port()
        here = os.sched_getaffinity(0)
        # Inherited by what is started.
        os.sched_setaffinity(0, self.cores)
        try:
            proxy = getattr(self, f"start_{name}")(folder, port, rules)
        finally:
            os.sched_setaffinity(0, here)
        wait_for(port)
        deadline = time.monotonic() + 5
        while name == "nginx" and len(children(proxy.process.pid)) < self.workers and time.monotonic() < deadline:
            time.sleep(0.02)
        self.check_alike(proxy)
        return proxy

    def start_nginx(self, folder, port, _):
        values = {"folder": folder, "port": port, "upstream": self.upstream, "workers": self.workers}
        (folder / "nginx.conf").write_text(NGINX.format(**values))
        return self.spawn("nginx", port, ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])

    def start_haproxy(self, folder, port, _):
        values = {"port": port, "upstream": self.upstream, "workers": self.workers}
        (folder / "haproxy.cfg").write_text(HAPROXY.format(**values))
        return self.spawn("haproxy", port, ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])

    def start_sidehook(self, folder, port, rules):
        admin = free_port()
        values = {"port": port, "admin": admin, "upstream": self.upstream, "workers": self.workers, "token": TOKEN}
        config = (SIDEHOOK if rules is None else SIDEHOOK[:RULES_AT]).format(**values)
        config += "".join(rule(n) for n in range(8 if rules is None else rules))
        process = start_sidehook(folder, config, (port, admin))
        self.processes.append(process)
        name = "sidehook" if rules is None else f"sidehook, {rules} rules"
        return Proxy(name, port, process, self.workers, admin)

    def spawn(self, name, port, command):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        return Proxy(name, port, process, self.workers)

    def check_alike(self, proxy):
        """It forwards, adds X-Forwarded-For as the others do, and carries both bodies whole."""
        proxy.check_alone()
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        client.request("GET", "/echo")
        head = client.getresponse().read().decode().lower()
        client.request("POST", "/orders/none", body=b"z" * 2048)
        response = client.getresponse()
        length = len(response.read())
        client.close()
        if "\r\nx-forwarded-for: 127.0.0.1\r\n" not in head or (response.status, length) != (201, 2048):
            sys.exit(f"{proxy.name} does not do what the others do: POST gave {response.status} with {length} bytes, GET sent\n{head}")


def rule(n):
    method = ("POST", "GET")[n % 2]
    return f"[[event]]\nlabel = \"order.no{n}\"\nmethod = \"{method}\"\nurl = '^/orders/{n}/items(/[0-9]+)?$'\n"


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def threads(pids):
    """Of each thread: nanoseconds on a CPU, nanoseconds ready without one, context switches."""
    found = {}
    for pid in pids:
        for task in glob.glob(f"/proc/{pid}/task/*"):
            with contextlib.suppress(OSError):  # It may end meanwhile.
                on, waited, _ = map(int, pathlib.Path(task, "schedstat").read_text().split())
                switches = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", pathlib.Path(task, "status").read_text())
                found[task] = (on, waited, sum(map(int, switches)))
    return found


def spent(before, after):
    """What all threads have added; those that have ended between are not missed from the rest."""
    none = (0, 0, 0)
    return [sum(figures[n] - before.get(task, none)[n] for task, figures in after.items()) for n in range(3)]


def listening(port):
    """Inodes of the sockets that listen there."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    found.add(fields[9])
    return found


def owners_of(inodes):
    """The processes that hold these sockets, among those that may be looked at."""
    names = {f"socket:[{inode}]" for inode in inodes}
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(fd) in names for fd in os.scandir(path / "fd")):
                found.add(int(path.name))
    return found


@contextlib.contextmanager
def counted_syscalls(pids):
    """System calls of these processes while it lasts; gives a function for their number, after."""
    found = [math.nan]
    count = counted_by_perf if can_perf() else counted_by_strace if shutil.which("strace") else None
    if count is None:
        yield lambda: math.nan
        return
    with count(pids, found):
        yield lambda: found[0]


def can_perf():
    if not shutil.which("perf"):
        return False
    command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"]
    counted = subprocess.run(command, capture_output=True, text=True, check=False)
    return counted.returncode == 0 and re.search(r"^\d+,", counted.stderr, re.M) is not None


@contextlib.contextmanager
def counted_by_perf(pids, found):
    control, ack = os.pipe(), os.pipe()
    command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-D", "-1", "--control", f"fd:{control[0]},{ack[1]}"]
    command += ["-p", ",".join(map(str, pids))]
    perf = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, pass_fds=(control[0], ack[1]))
    try:
        os.close(control[0])
        os.close(ack[1])
        tell(control[1], ack[0], b"enable\n")
        yield
        tell(control[1], ack[0], b"disable\n")
        perf.send_signal(signal.SIGINT)
        text = perf.communicate()[1]
        number = re.search(r"^(\d+),", text, re.M)
        found[0] = int(number.group(1)) if number else math.nan
    finally:
        perf.kill()
        perf.wait()
        os.close(control[1])
        os.close(ack[0])


def tell(control, ack, command):
    os.write(control, command)
    os.read(ack, 16)


@contextlib.contextmanager
def counted_by_strace(pids, found):
    command = ["strace", "-c", "-f", *[part for pid in pids for part in ("-p", str(pid))]]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        strace.stderr.readline()  # "Process ... attached"
        time.sleep(0.1)
        yield
        strace.send_signal(signal.SIGINT)
        text = strace.communicate()[1]
        number = re.search(r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s.*total$", text, re.M)
        found[0] = int(number.group(1)) if number else math.nan
    finally:
        strace.kill()
        strace.wait()
