"""10,000 idle connections, and 1,000 active ones beside them: no error, and what that costs in memory."""

import asyncio
import sys
import time

from conformance_harness import HERE, Different, Sidehook, Stage, free_port, raise_file_limit

IDLE, ACTIVE, SECONDS = 10_000, 1_000, 20
CALL = b"GET /idle HTTP/1.1\r\nHost: api.test\r\n\r\n"
# Per idle connection, the system's share not counted. sidehook's own, not the kernel's.
MOST_KB = 24
SETTINGS = f'max_connections = {IDLE + ACTIVE + 500}\nidle_timeout = "10m"\n'


def run(_):
    files = raise_file_limit(65536)
    needed = IDLE + 2 * ACTIVE + 1000
    if files < needed:
        raise Different(f"{files} open files are allowed, this needs {needed} (ulimit -Hn)")
    with Stage() as stage:
        port = free_port()
        stage.start("upstream", [sys.executable, HERE / "conformance_upstream.py", port], port=port)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{port}", SETTINGS)
        summary = asyncio.run(scene(sidehook))
        sidehook.check_log()
        return summary


async def scene(sidehook):
    before = sidehook.rss()
    idle = []
    for _ in range(IDLE):
        idle.append(await opened(sidehook.port))
        await call(*idle[-1])    # at once: a connection that says nothing ends with `header_timeout`
    held = sidehook.rss()
    together = sidehook.metric('sidehook_connections{side="client"}')
    if together < IDLE:
        raise Different(f"{together:.0f} of {IDLE} connections are there")
    active = [await opened(sidehook.port) for _ in range(ACTIVE)]
    begin = time.monotonic()
    calls = sum(await asyncio.gather(*(busy(*connection, begin + SECONDS) for connection in active)))
    both = sidehook.rss()
    for connection in idle:
        await call(*connection)    # each still serves
    for _, writer in idle + active:
        writer.close()
    end = time.monotonic() + 20
    while sidehook.metric('sidehook_connections{side="client"}') > 0:
        if time.monotonic() > end:
            raise Different("connections are left after all clients went")
        await asyncio.sleep(0.2)
    each = (held - before) * 1024 / IDLE
    if each > MOST_KB:
        raise Different(f"{each:.1f} KiB for each idle connection, more than {MOST_KB}")
    return (f"RSS {before:.0f} MB at the start, {held:.0f} MB with {IDLE} idle connections ({each:.1f} KiB each), "
            f"{both:.0f} MB with {ACTIVE} active ones beside them ({calls / SECONDS:.0f} calls/s), "
            f"{sidehook.rss():.0f} MB after; no error")


async def opened(port):
    return await asyncio.open_connection("127.0.0.1", port, limit=4096)


async def call(reader, writer):
    writer.write(CALL)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    body = await asyncio.wait_for(reader.readexactly(2), 30)
    if not head.startswith(b"HTTP/1.1 200 ") or body != b"ok":
        raise Different(f"an answer was {head + body}")


async def busy(reader, writer, end):
    calls = 0
    while time.monotonic() < end:
        await call(reader, writer)
        calls += 1
    return calls
