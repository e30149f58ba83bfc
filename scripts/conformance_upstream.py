"""The upstream of the big suites, a program of its own so that it can be killed. HTTP/1.1 with keep-alive: a POST is
answered 201 with its own body, an upload with its length, `/slow` in 20 chunks, `/big` in 3 MB, `/tunnel` with 101 and an echo;
anything else with `ok`."""

import asyncio
import sys

ANSWER = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


async def read_body(reader, head):
    if b"transfer-encoding: chunked" in head:
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.split(b":")[1]))
    return b""


async def serve(reader, writer):
    try:
        while True:
            raw = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = raw.split(b" ", 2)
            if path == b"/tunnel":
                await tunnel(reader, writer)
                return
            body = await read_body(reader, raw.lower())
            if method == b"POST":
                writer.write(ANSWER % (b"201 Created", len(body), body))
            elif method == b"PUT":
                count = b"%d" % len(body)
                writer.write(ANSWER % (b"200 OK", len(count), count))
            elif path.startswith(b"/slow"):
                await slow(writer)
            elif path.startswith(b"/big"):
                await big(writer)
            elif method == b"HEAD":
                writer.write(ANSWER % (b"200 OK", 2, b""))
            else:
                writer.write(ANSWER % (b"200 OK", 2, b"ok"))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()


async def slow(writer):
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(20):
        writer.write(b"3e8\r\n" + b"s" * 1000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.write(b"0\r\n\r\n")


async def big(writer):
    """More than the sockets' buffers on the way take."""
    writer.write(ANSWER % (b"200 OK", 3_000_000, b""))
    for _ in range(100):
        writer.write(b"b" * 30_000)
        await writer.drain()


async def tunnel(reader, writer):
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def main(port):
    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=2048) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
