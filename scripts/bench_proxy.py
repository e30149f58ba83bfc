"""`scripts/bench proxy`: what a call costs in sidehook, beside nginx and HAProxy.

    scripts/bench proxy [--quick] [--both-cores] [--only sidehook,nginx] [--workload get,post]

All proxies run at once, with one worker each on core 0; the load (wrk) and the upstream
(examples/bench_upstream.rs) share core 1. `--both-cores` gives every proxy a worker per core and
pins nothing. The proxies take turns (A B C A B C), BENCH_ROUNDS times for BENCH_SECONDS each.
`--quick` is for work on this script: two short rounds, fewer workloads.

How to read it
- CPU us is the main figure: the scheduler's count over all threads of the proxy's processes, divided
  by the calls that the upstream has answered in the same time. The time when connections are opened
  is left out; wrk's own figures (p50, p99) have it in them.
- The microseconds drift with whatever else the machine does, by 20 % and more. `/nginx` is the
  median of the ratios within the rounds, with their range behind it: a ratio whose range is wide says
  little, and differences under 5 % are noise. "waited" is how long the proxy's threads were ready
  but not on their core, in percent of the time: something else ran there. A rotation in which a
  proxy waited more than 10 % is repeated (as often as there are rounds), and left out once three
  others are quiet; where none are, take the figures again. Root may keep others away with
  BENCH_NICE=-10, the priority of all that is started (while it runs, of the session's autogroup).
  Threads of a sidehook that stores wait for each other, and with --both-cores everybody does: there
  it means nothing.
- syscalls and switches (voluntary and not) are per call as well; syscalls come from a run of their
  own under `perf stat` (`strace -c` where perf may not count: slower calls, hence fewer waits each).
- `rules`: the same sidehook with 0, 10 and 1000 rules, half of them for the method of the call,
  none for its path. Everywhere else it has 10 of them.
- `matched`: the whole process, from before the load until every webhook has been delivered, so that
  work put off is counted. "no webhook": the event is made durable and nobody wants it. nginx's
  mirror closes its connection after a copy that is answered with a body, so there are two of them:
  one whose sink says `ok` as sidehook's receiver does, one whose sink answers 204.
- `memory`: resident memory of fresh processes under POST 2 KiB / 2 KiB; nginx's master is left out.
- `allocations`: examples/allocations.rs, heap allocations of the whole process per call.

Needs nginx, haproxy, wrk and perf or strace. Everything is on loopback, and ends with the script.
"""

import argparse
import contextlib
import math
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from bench_servers import Servers, counted_syscalls, spent, threads
from bench_tools import ROOT, pending, stop

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1"))
NICE = int(os.environ.get("BENCH_NICE", "0"))
SETTLE = 0.4  # Until all connections are open and warm.
SETTLE_MANY = 1.0
DRAIN_MAX = 90
QUIET = 10  # Percent of the time that a proxy may have waited for its core.
QUIET_MIN = 3  # Fewer quiet rotations than this say less than all of them.
WRK_SPARE = 30  # It is told to stop; on its own it ends so much later.
CALLS_MIN = 20

#            name        title                        path        connections  POST   target  stretch
WORKLOADS = [("get", "GET 200 B, 64 connections", "/small", 64, False, 1.00, 0.90),
             ("post", "POST 2 KiB / 2 KiB, 64 connections", "/orders/none", 64, True, 0.95, 0.85),
             ("large", "GET 64 KiB, 64 connections", "/large", 64, False, 1.00, 0.95),
             ("one", "GET 200 B, 1 connection", "/small", 1, False, 1.05, 1.00),
             ("thousand", "GET 200 B, 1000 connections", "/small", 1000, False, 1.00, 0.90)]
PARTS = [w[0] for w in WORKLOADS] + ["rules", "matched", "memory", "allocations"]
PROXIES = ["nginx", "haproxy", "sidehook"]
SYSCALLS_MAX, RULES_MAX, MATCHED_MAX, MEMORY_MAX = 4.2, 1.03, 0.70, 45


def main(arguments):
    options = parse(arguments)
    os.environ.setdefault("LC_ALL", "C")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("stopped"))
    where = "a worker per core, not pinned" if options.both_cores else "proxies on core 0, the rest on core 1"
    print(f"{options.rounds} rounds of {options.seconds:g} s each, medians; {where}\n")
    with favoured(NICE), tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        bench = Bench(pathlib.Path(folder), options)
        try:
            bench.run()
        finally:
            stop(bench.servers.processes)
    if "allocations" in options.parts:
        print("heap allocations of the whole process per unmatched call at steady state, and where (dhat)")
        subprocess.run([ROOT / "target/release/examples/allocations"], stderr=subprocess.DEVNULL, check=True)
    print()
    bench.summary()


@contextlib.contextmanager
def favoured(nice):
    """Where the kernel groups processes by session, the group's own priority is what counts."""
    if not nice:
        yield
        return
    group = pathlib.Path("/proc/self/autogroup")
    before = re.search(r"nice (-?\d+)", group.read_text()) if group.exists() else None
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    if before:
        group.write_text(str(nice))
    try:
        yield
    finally:
        if before:
            group.write_text(before.group(1))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench proxy", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--both-cores", action="store_true")
    parser.add_argument("--only", default=",".join(PROXIES), metavar="PROXIES", help="of " + ",".join(PROXIES))
    parser.add_argument("--workload", metavar="PARTS", help="of " + ",".join(PARTS))
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    everything = ["get", "post", "rules", "matched"] if options.quick else PARTS
    options.parts = options.workload.split(",") if options.workload else everything
    for given, known in ((options.only, PROXIES), (options.parts, PARTS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.rounds, options.spare, options.seconds = (2, 0, 1) if options.quick else (ROUNDS, ROUNDS, SECONDS)
    return options


class Bench:
    def __init__(self, folder, options):
        self.options = options
        self.targets = []
        cores = os.sched_getaffinity(0)
        workers = len(cores) if options.both_cores else 1
        if len(cores) < 2 and not options.both_cores:
            sys.exit("one core only: --both-cores pins nothing")
        first, second = (cores, cores) if options.both_cores else ({min(cores)}, {max(cores)})
        os.sched_setaffinity(0, second)
        self.threads = len(second)
        self.servers = Servers(folder, first, workers)

    def run(self):
        self.servers.start_upstream()
        try:
            self.parts()
        except subprocess.CalledProcessError as error:
            sys.exit(f"{error}\n{error.stderr or ''}")

    def parts(self):
        wanted = [w for w in WORKLOADS if w[0] in self.options.parts]
        if wanted:
            proxies = [self.servers.start(name) for name in PROXIES if name in self.options.only]
            for workload in wanted:
                self.unmatched(workload, proxies)
            stop([p.process for p in proxies])
        if "rules" in self.options.parts and "sidehook" in self.options.only:
            self.rules()
        if "matched" in self.options.parts:
            self.matched()
        if "memory" in self.options.parts:
            self.memory()

    def unmatched(self, workload, proxies):
        name, title, path, connections, is_post, target, stretch = workload
        load = (path, connections, is_post)
        seen = self.rotate(proxies, [load] * len(proxies))
        ratios = self.table(title, proxies, seen, [load] * len(proxies))
        if "sidehook" in ratios and "nginx" in ratios:
            self.aim(f"CPU per call / nginx: {title}", ratios["sidehook"], target, stretch)
            p99 = [s["p99"] / n["p99"] for s, n in zip(seen["sidehook"], seen["nginx"])]
            self.aim(f"p99 / nginx: {title}", statistics.median(p99), 1)
        if "sidehook" in seen and name in ("get", "post"):
            self.aim(f"system calls per call: {title}", seen["sidehook"][0]["syscalls"], SYSCALLS_MAX)

    def rules(self):
        proxies = [self.servers.start("sidehook", rules=n) for n in (0, 10, 1000)]
        for title, load in (("GET 200 B, 64 connections", ("/orders/none", 64, False)),
                            ("POST 2 KiB / 2 KiB, 64 connections", ("/orders/none", 64, True))):
            loads = [load] * 3
            ratios = self.table(f"rules that do not match, {title}", proxies, self.rotate(proxies, loads), loads)
            self.aim(f"CPU per call, 1000 rules / none: {title}", ratios["sidehook, 1000 rules"], RULES_MAX)
        stop([p.process for p in proxies])

    def matched(self):
        rows = []
        if "nginx" in self.options.only:
            nginx = self.servers.start("nginx")
            rows += [(nginx.named("nginx, mirror"), "/mirrored"), (nginx.named("nginx, mirror answered 204"), "/mirrored/empty"),
                     (nginx.named("nginx, no mirror"), "/orders/none")]
        if "sidehook" in self.options.only:
            sidehook = self.servers.start("sidehook")
            rows += [(sidehook.named("sidehook, no webhook"), "/orders/silent"), (sidehook.named("sidehook, one webhook"), "/orders")]
        proxies, loads = [p for p, _ in rows], [(path, 64, True) for _, path in rows]
        title = "matched, before-response, POST 2 KiB / 2 KiB, 64 connections"
        seen = self.rotate(proxies, loads, is_whole=True)
        ratios = self.table(title, proxies, seen, loads, is_whole=True)
        if "sidehook" in self.options.only:
            rate = statistics.median(r["calls"] / r["seconds"] for r in seen["sidehook, one webhook"])
            print(f"  webhooks delivered from the first call to the last delivery: {rate:.0f}/s\n")
            if "nginx" in self.options.only:
                for row in ("sidehook, one webhook", "sidehook, no webhook"):
                    self.aim(f"CPU per call / nginx with mirror: {row}", ratios[row], MATCHED_MAX)
        stop({p.process for p in proxies})

    def memory(self):
        print("resident memory, POST 2 KiB / 2 KiB, fresh processes      64 connections   1000 connections")
        for name in PROXIES:
            if name not in self.options.only:
                continue
            proxy = self.servers.start(name)
            few, many = (self.measure(proxy, ("/orders/none", n, True))["rss"] for n in (64, 1000))
            print(f"  {name:<55} {few:>11.1f} MB {many:>15.1f} MB")
            if name == "sidehook":
                self.aim("MB at 1000 connections", many, MEMORY_MAX)
            stop([proxy.process])
        print()

    def rotate(self, proxies, loads, is_whole=False):
        """The rounds of each proxy, by its name: those of quiet rotations, when there are enough."""
        # On shared cores, and with a store, threads wait for each other anyway.
        is_judged = not is_whole and not self.options.both_cores
        rotations, n = [], self.options.rounds
        while len(rotations) < n or (is_judged and count_quiet(rotations) < n and len(rotations) < n + self.options.spare):
            rotations.append([self.measure(proxy, load, is_whole) for proxy, load in zip(proxies, loads)])
        kept = rotations
        if is_judged and count_quiet(rotations) >= QUIET_MIN:
            kept = [rotation for rotation in rotations if is_quiet(rotation)]
        if is_judged and (disturbed := len(rotations) - count_quiet(rotations)):
            what = "left out" if len(kept) < len(rotations) else "too many to leave them out: take these figures again"
            print(f"  ({disturbed} of {len(rotations)} rotations were disturbed; {what})")
        return {p.name: [rotation[n] for rotation in kept] for n, p in enumerate(proxies)}

    def measure(self, proxy, load, is_whole=False):
        """One round. Whole: from before the load until nothing waits for delivery any more."""
        proxy.check_alone()
        time.sleep(0.05)  # What the one before has left to do.
        before = self.sample(proxy)
        with self.load(proxy, load) as wrk:
            time.sleep(SETTLE_MANY if load[1] > 64 else SETTLE)
            before = before if is_whole else self.sample(proxy)
            time.sleep(self.options.seconds)
            after = self.sample(proxy)
            wrk.send_signal(signal.SIGINT)
            text = wrk.communicate()[0]
        rate = (after["calls"] - before["calls"]) / (after["time"] - before["time"])
        if is_whole:
            after = self.drained(proxy)
        calls, seconds = after["calls"] - before["calls"], after["time"] - before["time"]
        bad = re.findall(r"Non-2xx.*|Socket errors:.*", text)
        if calls < CALLS_MIN or bad:
            print(f"  ({proxy.name}: {calls} calls in this round; {'; '.join(bad)})")
        cpu, waited, switches = (figure / max(calls, 1) for figure in spent(before["threads"], after["threads"]))
        return {"cpu": cpu / 1000, "rate": rate, "calls": calls, "seconds": seconds, "rss": after["rss"],
                "switches": switches, "waited": waited * calls / seconds / 1e7,
                "p50": quantile(text, 50), "p99": quantile(text, 99)}

    @contextlib.contextmanager
    def load(self, proxy, load):
        path, connections, is_post = load
        command = ["wrk", f"-t{min(self.threads, connections)}", f"-c{connections}", f"-d{math.ceil(self.options.seconds) + WRK_SPARE}s", "--latency"]
        command += ["-s", self.servers.post] if is_post else []
        command += [f"http://127.0.0.1:{proxy.port}{path}"]
        wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.servers.processes.append(wrk)
        try:
            yield wrk
        finally:
            wrk.kill()
            wrk.wait()
            self.servers.processes.remove(wrk)

    def sample(self, proxy):
        return {"calls": self.servers.calls(), "time": time.monotonic(), "threads": threads(proxy.pids()), "rss": proxy.rss_mb()}

    def drained(self, proxy):
        began = time.monotonic()
        while proxy.admin and sum(pending(proxy.admin).values()) > 0:
            if time.monotonic() - began > DRAIN_MAX:
                print(f"  ({proxy.name}: webhooks still wait {DRAIN_MAX} s after the load, their cost is not counted)")
                break
            time.sleep(0.1)
        return self.sample(proxy)

    def table(self, title, proxies, seen, loads, is_whole=False):
        """Prints a row per proxy; the median ratios of CPU per call to the first one, by name."""
        base = proxies[0].name
        print(f"{title}\n{'':30} CPU us  /{base:<22} calls/s   p50 ms   p99 ms  syscalls  switches  waited")
        ratios = {}
        for proxy, load in zip(proxies, loads):
            rounds = seen[proxy.name]
            rounds[0]["syscalls"] = self.syscalls(proxy, load)
            shares = sorted(r["cpu"] / b["cpu"] for r, b in zip(rounds, seen[base]))
            ratios[proxy.name] = statistics.median(shares)
            middle = lambda key: statistics.median(r[key] for r in rounds)
            shown = f"{ratios[proxy.name]:.2f} ({shares[0]:.2f}-{shares[-1]:.2f})"
            print(f"  {proxy.name:<28} {middle('cpu'):>6.1f}  {shown:<20} {middle('rate'):>10.0f} {middle('p50'):>8.2f} "
                  f"{middle('p99'):>8.2f} {rounds[0]['syscalls']:>9.2f} {middle('switches'):>9.2f} {middle('waited'):>6.1f}%")
        print(flush=True)
        return ratios

    def syscalls(self, proxy, load):
        """Per call, in a run of their own."""
        with self.load(proxy, load):
            time.sleep(SETTLE_MANY if load[1] > 64 else SETTLE)
            with counted_syscalls(proxy.pids()) as counted:
                before = self.servers.calls()
                time.sleep(min(self.options.seconds, 1))
                calls = self.servers.calls() - before
        self.drained(proxy)
        return counted() / max(calls, 1)

    def aim(self, name, value, target, stretch=None):
        self.targets.append((name, value, target, stretch))

    def summary(self):
        print(f"{'targets':<74} found   target  stretch")
        for name, value, target, stretch in self.targets:
            if math.isnan(value):
                verdict = "not measured"
            elif value > target:
                verdict = f"missed by {value - target:.2f}"
            else:
                verdict = "met, stretch too" if stretch and value <= stretch else "met"
            print(f"  {name:<72} {value:>5.2f} <= {target:<6} {stretch or '':<7} {verdict}")


def is_quiet(rotation):
    return all(r["waited"] <= QUIET for r in rotation)


def count_quiet(rotations):
    return sum(map(is_quiet, rotations))


def quantile(text, q):
    """Of wrk's latencies, in milliseconds."""
    found = re.search(rf"\s{q}%\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found.group(1)) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[found.group(2)] if found else math.nan
