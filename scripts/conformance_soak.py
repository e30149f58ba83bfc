"""Mixed load for some minutes while the upstream is killed and started again, clients hang up in the middle, and
the configuration changes. Afterwards: no panic, no connection and no file descriptor left over, memory as it was,
and every matching success that a client has seen complete has reached the receiver."""

import asyncio
import collections
import contextlib
import json
import logging
import pathlib
import random
import sys
import time

from conformance_clients import KINDS, Session
from conformance_harness import HERE, Different, Receiver, Sidehook, Stage, end, free_port, wait_for

CLIENTS = 48
RESTARTS, RELOADS = 11, 3    # seconds between them
# Segments of the store; what the store keeps in memory of its new events.
MORE_FILES, MORE_MB = 64, 96
# Seconds that sidehook waits at its end for tasks that do not end, and that it must not need.
GRACE, MOST_SECONDS = 60, 30
TIMES = """
upstream_idle_timeout = "2s"
idle_timeout = "20s"
response_timeout = "5s"
[capture]
max_duration = "20s"
"""


class Soak:
    def __init__(self, stage, seconds):
        self.stage, self.seconds = stage, seconds
        self.port, self.upstream = free_port(), None
        self.delivered, self.succeeded = collections.Counter(), set()
        self.seen = collections.Counter()
        receiver = Receiver(stage, self.take)
        self.rest = [self.rules(receiver.port, tag) for tag in ("one", "two")]
        self.start_upstream()
        self.sidehook = Sidehook(stage, f"http://127.0.0.1:{self.port}", TIMES, self.rest[0], grace=GRACE)

    def rules(self, port, tag):
        return (f'[[event]]\nlabel = "posted"\ntag = "{tag}"\nmethod = "POST"\nurl = "^/tasks"\n'
                f'[[webhook]]\nname = "all"\nurl = "http://127.0.0.1:{port}/"\nevents = ["*"]\n'
                f'concurrency = 32\npause_after = 0\n')

    def take(self, body):
        self.delivered[json.loads(body)["response"]["body"]["id"]] += 1

    def start_upstream(self):
        program = [sys.executable, HERE / "conformance_upstream.py", self.port]
        self.upstream = self.stage.start("upstream", program, port=self.port)

    async def restarts(self):
        while True:
            await asyncio.sleep(RESTARTS)
            await asyncio.to_thread(end_at_once, self.upstream)
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.to_thread(self.start_upstream)
            self.seen["upstream restarts"] += 1

    async def reloads(self):
        for number in range(1, 1_000_000):
            await asyncio.sleep(RELOADS)
            rest = self.rest[number % 2]
            # Now and then a file with a mistake, which changes nothing.
            self.sidehook.file.write_text(self.sidehook.head + ("[nonsense]\n" if number % 5 == 0 else rest))
            self.sidehook.reload()
            self.seen["reloads"] += 1

    async def watch(self):
        """Memory over the time; a panic or an end is told at once."""
        self.memory = []
        while True:
            self.sidehook.check_log()
            self.memory.append((time.monotonic() - self.begin, self.sidehook.rss()))
            await asyncio.sleep(2)

    async def client(self, number):
        """One kind of call after the other, each on the connection there is or a new one."""
        chance = random.Random(number)
        session = Session(self.sidehook.port, chance, self.seen, self.succeeded, number)
        while time.monotonic() < self.end:
            await session.one(chance.choices(list(KINDS), list(KINDS.values()))[0])
            await asyncio.sleep(chance.uniform(0, 0.1))
        session.close()

    async def load(self):
        self.begin = time.monotonic()
        self.end = self.begin + self.seconds
        beside = [asyncio.create_task(task) for task in (self.restarts(), self.reloads(), self.watch())]
        clients = asyncio.gather(*(self.client(number) for number in range(CLIENTS)))
        done, _ = await asyncio.wait([clients, *beside], return_when=asyncio.FIRST_COMPLETED,
                                     timeout=self.seconds + 60)
        for task in beside:
            task.cancel()
        if clients not in done:
            clients.cancel()
            for task in done:
                task.result()    # what went wrong
            raise Different("the clients did not end: calls hang")
        clients.result()


def end_at_once(child):
    child.kill()
    child.wait()


def run(seconds):
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)    # says that connections are gone; they are to be
    with Stage() as stage:
        soak = Soak(stage, seconds)
        sidehook = soak.sidehook
        # What stays open after the first calls belongs to it.
        asyncio.run(warm(soak))
        wait_for("the first events", lambda: soak.delivered)
        settle(sidehook)
        before = counts(sidehook)
        asyncio.run(soak.load())
        if soak.upstream.poll() is not None:
            soak.start_upstream()
        sidehook.file.write_text(sidehook.head + soak.rest[0])
        sidehook.reload()
        missing = lambda: soak.succeeded - set(soak.delivered)
        try:
            wait_for("the deliveries", lambda: not missing(), 60)
        except Different:
            raise Different(f"{len(missing())} of {len(soak.succeeded)} matching successes were not delivered: "
                            f"{sorted(missing())[:5]}") from None
        settle(sidehook)
        with contextlib.suppress(Different):    # connections to the receiver end a little later
            wait_for("the end of the rest", lambda: not left_over(before["files"], sidehook.files()), 30)
        after = counts(sidehook)
        sidehook.check_log()
        judge(soak, before, after)
        took = sidehook.stop(MOST_SECONDS)
        calls = ", ".join(f"{count} {what}" for what, count in sorted(soak.seen.items()))
        again = sum(count - 1 for count in soak.delivered.values())
        return (f"{seconds} s: {calls}; {len(soak.succeeded)} matching successes seen, all delivered "
                f"({again} twice, {len(set(soak.delivered) - soak.succeeded)} more whose client did not see the end); "
                f"before {before}, after {after}, RSS {course(soak.memory)}; no panic; "
                f"no task left over: after SIGTERM it ended in {took:.1f} s of {GRACE}")


def course(memory):
    """RSS at ten times of the run, in MB: whether it still grows at the end."""
    tenths = [memory[(len(memory) - 1) * number // 10] for number in range(11)]
    return ", ".join(f"{rss:.0f} MB at {second:.0f} s" for second, rss in tenths) + \
        f", at most {max(rss for _, rss in memory):.0f} MB"


async def warm(soak):
    session = Session(soak.sidehook.port, random.Random(0), soak.seen, soak.succeeded, "first")
    for kind in [*KINDS] * 3:
        await session.one(kind)
    session.close()


def settle(sidehook):
    for side in ("client", "upstream"):
        wait_for(f"the end of all connections to the {side}",
                 lambda: sidehook.metric(f'sidehook_connections{{side="{side}"}}') == 0, 60)


def counts(sidehook):
    threads = len(list(pathlib.Path(f"/proc/{sidehook.child.pid}/task").iterdir()))
    return {"files": sidehook.files(), "threads": threads, "RSS MB": round(sidehook.rss())}


def left_over(before, after):
    """Sockets must be what they were; the store has a file more for each of its segments."""
    more = {kind: after[kind] - before[kind] for kind in before}
    return more["store"] > MORE_FILES or more["socket"] > 2 or more["other"] > 2


def judge(soak, before, after):
    if left_over(before["files"], after["files"]):
        raise Different(f"file descriptors are left over: {before}, {after}")
    if after["threads"] > before["threads"] + 8:
        raise Different(f"threads are left over: {before}, {after}")
    if after["RSS MB"] > before["RSS MB"] + MORE_MB:
        raise Different(f"memory grew: {before}, {after}")
    lost = soak.sidehook.metric("sidehook_events_lost_total")
    wrong = {what: count for what, count in soak.seen.items() if what.startswith("wrong")}
    if wrong:
        raise Different(f"clients got what was not theirs: {wrong}")
    if soak.seen["matched 201"] < soak.seconds or soak.seen["upstream restarts"] < soak.seconds // (2 * RESTARTS):
        raise Different(f"too little happened: {dict(soak.seen)}")
    # A client that hangs up may cost the event of a success that it has not seen, never of one it has.
    soak.seen["events lost whose clients were gone"] += int(lost)
