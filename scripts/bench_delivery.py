"""`scripts/bench delivery`: throughput, latency and isolation of the delivery half.

The load is `examples/delivery_load.rs`: it paces calls, receives their webhooks, and follows every
event from the end of its call to its arrival. Everything runs on this machine.
"""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from bench_tools import ROOT, TOKEN, cpu_ns, memory_mb, pending, start_sidehook, stop, wait_for
from loopback import free_port

SECONDS = int(os.environ.get("BENCH_DELIVERY_SECONDS", "60"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "1000000"))
ROUNDS = int(os.environ.get("BENCH_DELIVERY_ROUNDS", "5"))
LOAD = ROOT / "target/release/examples/delivery_load"

HEALTHY = """
[[webhook]]
name = "healthy"
url = "http://127.0.0.1:{receiver}/"
events = ["order.created"]
signing_secret = "bench-signing-secret"
concurrency = 64
"""

TROUBLED = """
[[webhook]]
name = "hanging"
url = "http://127.0.0.1:{hanging}/"
events = ["order.created"]
[[webhook]]
name = "broken"
url = "http://127.0.0.1:{broken}/"
events = ["order.created"]
[[webhook]]
name = "waiting"
url = "http://127.0.0.1:{slow}/"
events = ["backlog"]
"""


def main():
    if (ROOT / "target/release/examples/render_sign").exists():
        subprocess.run([ROOT / "target/release/examples/render_sign"], check=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        bench = Bench(pathlib.Path(folder))
        try:
            bench.throughput()
            bench.latency()
            bench.isolation()
        finally:
            stop(bench.processes)


class Bench:
    def __init__(self, folder):
        self.folder = folder
        names = ("upstream", "hanging", "broken", "slow", "receiver")
        self.ports = {name: free_port() for name in names}
        served = [str(self.ports[name]) for name in names[:4]]
        self.processes = [subprocess.Popen([LOAD, "serve", *served])]
        for name in names[:4]:
            wait_for(self.ports[name])

    def sidehook(self, name, webhooks):
        """One more sidehook with a store of its own; its proxy, its admin port, its process."""
        proxy, admin = free_port(), free_port()
        config = f"""
[proxy]
listen = "127.0.0.1:{proxy}"
upstream = "http://127.0.0.1:{self.ports["upstream"]}"
[store]
path = "data"
[delivery]
allow_networks = ["127.0.0.0/8"]
[admin]
listen = "127.0.0.1:{admin}"
token = "{TOKEN}"
[[event]]
label = "order.created"
method = "POST"
url = '^/orders$'
[[event]]
label = "backlog"
method = "GET"
url = '^/backlog$'
""" + webhooks.format(**self.ports)
        child = start_sidehook(self.folder / name, config, (proxy, admin))
        self.processes.append(child)
        return proxy, admin, child

    def load(self, proxy, rate, seconds):
        command = [LOAD, "load", str(proxy), str(self.ports["receiver"]), str(rate), str(seconds)]
        figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if figures["errors"] or figures["missing"]:
            print(f"  (in this round: {figures['errors']} calls failed, {figures['missing']} webhooks did not arrive)")
        return figures

    def throughput(self):
        print(f"3,000 events/s for {SECONDS} s, one webhook, signed")
        proxy, admin, child = self.sidehook("throughput", HEALTHY)
        self.load(proxy, 1000, 3)
        command = [LOAD, "load", str(proxy), str(self.ports["receiver"]), "3000", str(SECONDS)]
        before = cpu_ns([child.pid])
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        depths = []
        began = time.monotonic()
        while load.poll() is None:
            time.sleep(1)
            if time.monotonic() - began < SECONDS:
                depths.append(sum(pending(admin).values()))
        figures = json.loads(load.stdout.read())
        used = cpu_ns([child.pid]) - before
        third = max(len(depths) // 3, 1)
        print(f"  {figures['calls']} events, {figures['errors']} failed calls, {figures['missing']} webhooks missing, "
              f"all there after {figures['seconds']:.1f} s")
        print(f"  waiting deliveries, median of the first / last third: {statistics.median(depths[:third]):.0f} / "
              f"{statistics.median(depths[-third:]):.0f}, most {max(depths)}; CPU {used / 1000 / figures['calls']:.0f} us/event")
        self.row("call", figures["call_p50_ms"], figures["call_p99_ms"])
        self.row("end of call to receiver", figures["lag_p50_ms"], figures["lag_p99_ms"])
        stop([child])

    def latency(self):
        print("\n500 events/s for 20 s, one webhook, signed")
        proxy, _, child = self.sidehook("latency", HEALTHY)
        self.load(proxy, 500, 3)
        figures = self.load(proxy, 500, 20)
        self.row("call", figures["call_p50_ms"], figures["call_p99_ms"])
        self.row("end of call to receiver", figures["lag_p50_ms"], figures["lag_p99_ms"])
        stop([child])

    def isolation(self):
        """Both sidehooks stay; the one that is not measured is stopped meanwhile."""
        print(f"\nisolation: 500 events/s; alone, and beside a hanging, a broken and a webhook with {BACKLOG:,} waiting")
        alone = self.sidehook("alone", HEALTHY)
        crowd = self.sidehook("crowd", HEALTHY + TROUBLED)
        self.pile_up(crowd)
        seen = {"alone": [], "crowd": []}
        for _ in range(ROUNDS):
            for name, (proxy, _, child), other in (("alone", alone, crowd), ("crowd", crowd, alone)):
                other[2].send_signal(signal.SIGSTOP)
                self.load(proxy, 500, 1)
                seen[name].append(self.load(proxy, 500, 10))
                other[2].send_signal(signal.SIGCONT)
        middle = lambda name, key: statistics.median(r[key] for r in seen[name])
        for name in seen:
            self.row(f"end of call to receiver, {name}", middle(name, "lag_p50_ms"), middle(name, "lag_p99_ms"))
        ratios = [c["lag_p99_ms"] / a["lag_p99_ms"] for a, c in zip(seen["alone"], seen["crowd"])]
        print(f"  p99, crowd / alone: {statistics.median(ratios):.2f} (median of {ROUNDS}, {min(ratios):.2f} to {max(ratios):.2f})")
        rss, peak = memory_mb(crowd[2].pid)
        print(f"  waiting: {pending(crowd[1])}")
        print(f"  memory of the crowded one: {rss} MB now, {peak} MB at most")

    def pile_up(self, crowd):
        proxy, admin, child = crowd
        began = time.monotonic()
        while pending(admin)["waiting"] < BACKLOG:
            left = BACKLOG - pending(admin)["waiting"]
            seconds = max(1, min(20, left // 10000))
            command = ["wrk", "-t1", "-c64", f"-d{seconds}s", f"http://127.0.0.1:{proxy}/backlog"]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        print(f"  (piled up in {time.monotonic() - began:.0f} s; memory {memory_mb(child.pid)[0]} MB)")

    def row(self, name, p50, p99):
        print(f"  {name:<42} p50 {p50:>7.2f} ms   p99 {p99:>7.2f} ms")
