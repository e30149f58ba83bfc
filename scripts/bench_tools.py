"""What the benchmarks share: ports, processes, CPU time, the admin API."""

import glob
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "bench-token-0123456789abcdef0123456789"


def wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def cpu_ns(pids):
    """Nanoseconds on a CPU, all threads of these processes (first figure of schedstat)."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                total += int(pathlib.Path(path).read_text().split()[0])
            except OSError:
                pass
    return total


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def start_sidehook(folder, config, ports):
    """Starts the release binary on this configuration; gives its process when all ports answer."""
    folder.mkdir(exist_ok=True)
    (folder / "sidehook.toml").write_text(config)
    command = [ROOT / "target/release/sidehook", "run", "--config", "sidehook.toml"]
    child = subprocess.Popen(command, cwd=folder, stderr=open(folder / "sidehook.log", "w"))
    try:
        for port in ports:
            wait_for(port)
    except BaseException:
        child.kill()
        raise
    return child


def stop(processes):
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def admin(port, path):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    return urllib.request.urlopen(request, timeout=30).read().decode()


def pending(port):
    """Deliveries that wait, by the name of their webhook."""
    return {w["name"]: w["pending"] + w["held"] for w in json.loads(admin(port, "/v1/status"))["webhooks"]}


def memory_mb(pid):
    """Resident and peak memory of a process, MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    read = lambda key: int(status.split(f"{key}:")[1].split()[0]) // 1024
    return read("VmRSS"), read("VmHWM")
