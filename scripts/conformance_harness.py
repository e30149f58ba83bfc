"""What the suites of scripts/conformance share: programs that surely end, sidehook with its admin API, a receiver,
a certificate, and the comparing of two results. Loopback only."""

import contextlib
import http.server
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from loopback import free_port

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("SIDEHOOK_BIN", HERE.parent / "target/debug/sidehook")).resolve()
NODE = pathlib.Path(os.environ.get("CONFORMANCE_NODE", HERE.parent / "target/conformance-node")).resolve()
TOKEN = "conformance-token-0123456789abcdef"


started = []    # programs, for the case that this one is ended from outside


class Different(Exception):
    """A suite's finding: what differs, or what must not be."""


def wait_for(what, ready, seconds=30):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Different(f"{what} did not happen in {seconds} s")
        time.sleep(0.05)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def raise_file_limit(files):
    """Children inherit it. Returns what there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        if hard != resource.RLIM_INFINITY and hard < files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))    # root may
            return files
    soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


class Stage(contextlib.ExitStack):
    """One suite's folder and programs; all end with it, also when it fails."""

    def __enter__(self):
        super().__enter__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="sidehook-conformance-")))
        return self

    def start(self, name, command, environment=None, cwd=None, port=None):
        """A program in its own process group, its output in a file; waits until it listens on `port`."""
        log = open(self.folder / f"{name}.log", "ab")
        child = subprocess.Popen(
            [str(part) for part in command], cwd=cwd or self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )
        log.close()
        started.append(child)
        self.callback(end, child)
        if port is not None:
            wait_for(f"the start of {name}", lambda: listens(port) or child.poll() is not None)
            if child.poll() is not None:
                raise Different(f"{name} ended at its start:\n{self.log(name)[-3000:]}")
        return child

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def run(self, command, seconds, environment=None, cwd=None):
        """A program that ends by itself; its status and output."""
        child = subprocess.Popen(
            [str(part) for part in command], cwd=cwd or self.folder, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )
        started.append(child)
        self.callback(end, child)
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end(child)
            raise Different(f"{command[0]} did not end in {seconds} s") from None
        return child.returncode, output

    def certificate(self):
        """A certificate for 127.0.0.1 and localhost, that is its own CA, and its key."""
        cert, key = self.folder / "tls.crt", self.folder / "tls.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                   "-keyout", key, "-out", cert]
        status, output = self.run(command, 30)
        if status != 0:
            raise Different(f"openssl: {output}")
        return cert, key


def end(child):
    """Ends a program with everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)    # its own children, when it died alone


def end_all(number, _):
    """On a signal: first the programs, so that nothing waits for them, then this one, with what it has to tidy up."""
    for child in started:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    sys.exit(128 + number)


class Sidehook:
    """A running sidehook before `upstream`. `proxy` are further lines of [proxy], `rest` further sections."""

    def __init__(self, stage, upstream, proxy="", rest="", name="sidehook", grace=3):
        self.stage, self.name, self.port, self.admin_port = stage, name, free_port(), free_port()
        self.folder = stage.folder / name
        self.folder.mkdir()
        self.file = self.folder / "sidehook.toml"
        self.head = (
            f'[proxy]\nlisten = "127.0.0.1:{self.port}"\nupstream = "{upstream}"\nshutdown_grace = "{grace}s"\n{proxy}\n'
            f'[delivery]\nallow_networks = ["127.0.0.0/8"]\nretry = ["1s", "1s", "2s", "5s", "5s"]\n'
            f'[admin]\nlisten = "127.0.0.1:{self.admin_port}"\ntoken = "{TOKEN}"\nwatch_config = false\n'
        )
        self.file.write_text(self.head + rest)
        self.child = stage.start(name, [BINARY, "run"], cwd=self.folder)
        wait_for("sidehook's start", lambda: self.child.poll() is not None or self.is_ready())
        if self.child.poll() is not None:
            raise Different(f"sidehook did not start:\n{stage.log(name)[-3000:]}")

    def is_ready(self):
        try:
            return self.admin("/readyz") is not None
        except OSError:
            return False

    def admin(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}",
                                         headers={"authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["content-type"] else text

    def metric(self, line):
        """The value of the sample whose name and labels are `line`, or the sum over its labels."""
        samples = self.admin("/metrics").splitlines()
        return sum(float(sample.split()[-1]) for sample in samples if sample.startswith((line + " ", line + "{")))

    def events(self):
        """All stored events, newest first."""
        events, cursor = [], ""
        while cursor is not None:
            page = self.admin(f"/v1/events?limit=200{cursor}")
            events += page["data"]
            cursor = f"&cursor={page['next']}" if page["next"] else None
        return events

    def reload(self):
        self.child.send_signal(signal.SIGHUP)

    def stop(self, seconds):
        """Asks it to end, and takes the time: it waits for each of its tasks, up to the grace."""
        begin = time.monotonic()
        self.child.terminate()
        try:
            status = self.child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Different(f"after SIGTERM sidehook did not end in {seconds} s: something in it does not end") from None
        told = [line for line in self.stage.log(self.name).splitlines() if "cut off" in line or "panic" in line.lower()]
        if status != 0 or told:
            raise Different(f"sidehook's end: status {status}\n" + "\n".join(told[:5]))
        return time.monotonic() - begin

    def rss(self, peak=False):
        """Resident memory in MB."""
        name = "VmHWM" if peak else "VmRSS"
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        raise Different("sidehook is gone")

    def files(self):
        """Open descriptors: sockets, files of the store, all else."""
        kinds = {"socket": 0, "store": 0, "other": 0}
        for entry in os.scandir(f"/proc/{self.child.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(entry.path)
                kinds["socket" if target.startswith("socket:") else "store" if "/data/" in target else "other"] += 1
        return kinds

    def check_log(self):
        """Alive, and no panic told."""
        if self.child.poll() is not None:
            raise Different(f"sidehook ended:\n{self.stage.log(self.name)[-3000:]}")
        told = [line for line in self.stage.log(self.name).splitlines() if "panic" in line.lower()]
        if told:
            raise Different("\n".join(told[:5]))


class Receiver:
    """Takes webhooks, and gives each body to `take`."""

    def __init__(self, stage, take):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 2    # of an idle connection, so that what is open can be counted soon

            def do_POST(self):
                take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass    # a connection that ends

        server = Server(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stage.callback(server.shutdown)


def compare(direct, through, most=20):
    """Differences of two tables, as text: one line each."""
    keys = sorted(set(direct) | set(through), key=str)
    lines = [f"  {key}\n    direct  {direct.get(key)}\n    through {through.get(key)}"
             for key in keys if direct.get(key) != through.get(key)]
    more = [f"  ... and {len(lines) - most} more"] if len(lines) > most else []
    return lines[:most] + more


def tool(name):
    """A program of the virtual environment that this runs in."""
    return pathlib.Path(sys.executable).parent / name
