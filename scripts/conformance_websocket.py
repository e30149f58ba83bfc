"""WebSockets through the tunnel against direct: Autobahn's cases as `kosoku` (PyPI) runs them, and with `websockets`
(PyPI) what they leave out: many at once, close codes, pings of the server, large messages, half-closed tunnels."""

import asyncio
import hashlib
import sys

import kosoku
import websockets
from websockets.asyncio.client import connect

from conformance_harness import HERE, Different, Sidehook, Stage, compare, free_port

# 1000 messages each, compressed in Python: of the 18 sizes those that end in Autobahn's 20 s on a small machine.
HEAVY = ["12.*", "13.*"]
FULL = [f"{group}.{kind}.{size}" for group, kinds in ((12, 5), (13, 7)) for kind in range(1, kinds + 1)
        for size in range(1, 6)]
SAMPLE = ["12.1.1", "12.1.2", "12.1.3", "12.4.5", "13.1.3", "13.3.4", "13.6.5", "13.7.6"]
SLOW = ("did not finish",)
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999]


def run(is_quick):
    with Stage() as stage:
        port, counter = free_port(), free_port()
        stage.start("echo", [sys.executable, HERE / "conformance_echo.py", port, counter], port=port)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{port}")
        before = Sidehook(stage, f"http://127.0.0.1:{counter}", name="counter")
        results = {}
        for name, at, count in [("direct", port, counter), ("through", sidehook.port, before.port)]:
            results[name] = {**autobahn(at, is_quick), **asyncio.run(more(at, count))}
        sidehook.check_log()
        before.check_log()
        slow = {case for table in results.values() for case in table if table[case] == SLOW}
        differences = compare(*({case: got for case, got in table.items() if case not in slow}
                                for table in results.values()))
        if differences:
            raise Different("\n".join(differences))
        passed = [case for case, got in results["through"].items() if got[0] in ("OK", "as it should")]
        if len(passed) < 290:
            raise Different(f"only {len(passed)} cases pass, directly too: the echo server is at fault")
        late = f", {len(slow)} not compared: too slow for this machine" if slow else ""
        return f"{len(results['direct']) - len(slow)} cases, the same results, {len(passed)} pass{late}"


def autobahn(port, is_quick):
    address = f"127.0.0.1:{port}"

    async def cases(include, exclude):
        try:
            return await kosoku.run_fuzzingclient(address, include, exclude, concurrency=8)
        except kosoku.FailureError as failure:
            return failure.results

    results = asyncio.run(cases(["*"], HEAVY))
    results += asyncio.run(cases(SAMPLE if is_quick else FULL, None))
    return {result.case_id: verdict(result) for result in results}


def verdict(result):
    """All of a case that does not depend on how the network cuts it into pieces."""
    if "did not finish" in (result.result or ""):
        return SLOW
    # Whether an echo still comes before a failure's close is chance: Autobahn calls the one OK, the other not strict.
    behavior = "OK" if str(result.behavior) in ("Behavior.OK", "Behavior.NON_STRICT") else str(result.behavior)
    return behavior, str(result.behavior_close), result.remote_close_code, result.remote_close_reason


async def more(port, counter):
    """What the client saw in each case, by the case's name."""
    cases = {"large": large, "many": many, "server's ping": server_ping, "subprotocol and headers": handshake}
    cases |= {f"close {code}": lambda base, code=code: closes(base, code) for code in CODES}
    seen = {}
    for name, case in cases.items():
        try:
            seen[name] = await asyncio.wait_for(case(f"ws://127.0.0.1:{port}"), 60)
        except Exception as error:
            seen[name] = ("failed", type(error).__name__, str(error))
    for name, case in {"half-close": half_close, "client's reset": reset}.items():
        try:
            seen[name] = await asyncio.wait_for(case(counter), 60)
        except Exception as error:
            seen[name] = ("failed", type(error).__name__, str(error))
    return seen


async def large(base):
    """16 MB in one frame, and in 1000."""
    async with connect(base, max_size=None, compression=None, ping_interval=None) as connection:
        for parts in (1, 1000):
            whole = bytes(range(256)) * (16 * 4096)
            size = len(whole) // parts + 1
            pieces = [whole[at:at + size] for at in range(0, len(whole), size)]
            await connection.send(pieces if parts > 1 else whole)
            if hashlib.sha256(await connection.recv()).digest() != hashlib.sha256(whole).digest():
                return ("other bytes came back",)
    return ("as it should",)


async def many(base):
    """200 at once, each with its own messages in its order."""
    async def one(number):
        async with connect(base, ping_interval=None, open_timeout=60) as connection:
            sent = [f"{number} {n} " + "x" * (n * 37) for n in range(20)]
            for message in sent:
                await connection.send(message)
            return [await connection.recv() for _ in sent] == sent

    rights = await asyncio.gather(*(one(number) for number in range(200)))
    return ("as it should",) if all(rights) else (f"{rights.count(False)} got other messages",)


async def server_ping(base):
    async with connect(f"{base}/ping", ping_interval=None) as connection:
        pong = await connection.ping(b"and you")
        said = await connection.recv()
        await pong
        return ("as it should" if said == "the pong came" else said,)


async def handshake(base):
    """A refused handshake keeps the server's own answer."""
    try:
        async with connect(base, additional_headers={"Sec-WebSocket-Version": "99"}, ping_interval=None):
            return ("taken",)
    except websockets.InvalidStatus as refused:
        answer = refused.response
        headers = sorted({name.lower() for name in answer.headers} - {"connection"})
        return ("refused", answer.status_code, answer.reason_phrase, bytes(answer.body), headers)


async def closes(base, code):
    """The server's code and reason."""
    async with connect(f"{base}/close", ping_interval=None) as connection:
        await connection.send(f"{code} because of {code}")
        try:
            return ("a message came", await connection.recv())
        except websockets.ConnectionClosed as closed:
            return ("closed", closed.rcvd and (closed.rcvd.code, closed.rcvd.reason))


UPGRADE = b"GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: counter\r\n\r\n"


async def half_close(port):
    """Bytes in the request's packet belong to the tunnel; the client's end is passed on, and the answer still comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(UPGRADE + b"early")
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"x" * 1_000_000)
    await writer.drain()
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    return (head.split(b"\r\n")[0], rest)


async def reset(port):
    """A client that is gone leaves nothing that would keep the next from its tunnel."""
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    return await half_close(port)
