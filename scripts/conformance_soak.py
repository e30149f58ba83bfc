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
from conformance_harness import HERE, Different, Receiver, Sidehook, Stage, free_port, wait_for

CLIENTS = 48
RESTARTS, RELOADS = 11, 3    # seconds between them
# What the store may have more than before: segments that it reads (64 stay open), and memory for new events: the
# index's cache of 64 MiB, and about as much again for its pages. What calls leave is measured before, without events.
MORE_FILES, MORE_MB, MORE_MB_OF_CALLS = 64, 160, 12
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
        self.no_events = self.rest[0].replace("^/tasks", "^/no-such-path")
        self.start_upstream()
        self.sidehook = Sidehook(stage, f"http://127.0.0.1:{self.port}", TIMES, self.no_events, grace=GRACE)

    def rules(self, port, tag):
        return (f'[[event]]\nlabel = "posted"\ntag = "{tag}"\nmethod = "POST"\nurl = "^/tasks"\n'
                f'[[webhook]]\nname = "all"\nurl = "http://127.0.0.1:{port}/"\nevents = ["*"]\n'
                f'concurrency = 32\npause_after = 0\n')

    def take(self, body):
        self.delivered[json.loads(body)["response"]["body"]["id"]] += 1

    def start_upstream(self):
        program = [sys.executable, HERE / "conformance_upstream.py", self.port]
        self.upstream = self.stage.start("upstream", program, port=self.port)

    def revive(self):
        if self.upstream.poll() is not None:
            self.start_upstream()

    def reload(self, rest):
        self.sidehook.file.write_text(self.sidehook.head + rest)
        self.sidehook.reload()

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
            # Now and then a file with a mistake, which changes nothing.
            self.reload("[nonsense]\n" if number % 5 == 0 else self.rest[number % 2])
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

    async def load(self, seconds, *more):
        """All clients for so long, with restarts and what else is given."""
        self.begin = time.monotonic()
        self.end = self.begin + seconds
        beside = [asyncio.create_task(task) for task in (self.restarts(), self.watch(), *more)]
        clients = asyncio.gather(*(self.client(number) for number in range(CLIENTS)))
        done, _ = await asyncio.wait([clients, *beside], return_when=asyncio.FIRST_COMPLETED,
                                     timeout=seconds + 60)
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
        of_calls = without_events(soak)
        # What stays open after the first calls belongs to it.
        soak.reload(soak.rest[0])
        wait_for("the first events", lambda: asyncio.run(warm(soak)) or soak.delivered)
        settle(sidehook)
        soak.succeeded.clear()    # some of them came before the rules
        before = counts(sidehook)
        asyncio.run(soak.load(seconds, soak.reloads()))
        soak.revive()
        soak.reload(soak.rest[0])
        missing = lambda: soak.succeeded - set(soak.delivered)
        try:
            wait_for("the deliveries", lambda: not missing(), 60)
        except Different:
            raise Different(f"{len(missing())} of {len(soak.succeeded)} matching successes were not delivered: "
                            f"{sorted(missing())[:5]}") from None
        settle(sidehook)
        with contextlib.suppress(Different):    # connections to the receiver and idle threads end a little later
            wait_for("the end of the rest", lambda: not left_over(before, counts(sidehook)), 45)
        after = counts(sidehook)
        sidehook.check_log()
        judge(soak, before, after)
        took = sidehook.stop(MOST_SECONDS)
        calls = ", ".join(f"{count} {what}" for what, count in sorted(soak.seen.items()))
        again = sum(count - 1 for count in soak.delivered.values())
        return (f"{seconds} s: {calls}; {len(soak.succeeded)} matching successes seen, all delivered "
                f"({again} twice, {len(set(soak.delivered) - soak.succeeded)} more whose client did not see the end); "
                f"{of_calls}; before {before}, after {after}, RSS {course(soak.memory)}; no panic; "
                f"no task left over: after SIGTERM it ended in {took:.1f} s of {GRACE}")


def without_events(soak):
    """A tenth of the load before, and no event of it: what memory the calls leave behind."""
    asyncio.run(warm(soak))
    settle(soak.sidehook)
    before = soak.sidehook.rss()
    asyncio.run(soak.load(soak.seconds / 10))
    soak.revive()
    settle(soak.sidehook)
    after = soak.sidehook.rss()
    if after > before + MORE_MB_OF_CALLS:
        raise Different(f"calls without events left memory behind: RSS {before:.0f} MB before, {after:.0f} MB after")
    soak.seen.clear()
    soak.succeeded.clear()
    return f"RSS {before:.0f} MB before and {after:.0f} MB after {soak.seconds / 10:.0f} s of it without events"


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
    """Sockets and threads must be what they were; the store has a file more for each segment that it reads."""
    more = {kind: after["files"][kind] - before["files"][kind] for kind in before["files"]}
    threads = after["threads"] - before["threads"]
    return more["store"] > MORE_FILES or more["socket"] > 2 or more["other"] > 2 or threads > 4


def judge(soak, before, after):
    if left_over(before, after):
        raise Different(f"file descriptors or threads are left over: {before}, {after}")
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
