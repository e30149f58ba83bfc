"""The upstream of the WebSocket suite: sends each message back, as text or binary, fragments joined. `/close` closes
with the code and reason of the first message; `/ping` pings first and says what came back; `/half` reads everything
until the end of a raw tunnel, then answers with the number of bytes."""

import asyncio
import sys

import websockets
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


async def talk(connection):
    try:
        if connection.request.path == "/close":
            code, reason = (await connection.recv()).split(" ", 1)
            await connection.close(int(code), reason)
        elif connection.request.path == "/ping":
            await (await connection.ping(b"are you there"))
            await connection.send("the pong came")
        async for message in connection:
            await connection.send(message)
    except websockets.ConnectionClosed:
        pass


async def half(reader, writer):
    """A protocol of its own: takes the upgrade, then counts until the client has closed its half."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: counter\r\n\r\nhello")
    await writer.drain()
    count = 0
    while data := await reader.read(65536):
        count += len(data)
    writer.write(b" %d bytes, and then your end" % count)
    await writer.drain()
    writer.close()


async def main(port, counter_port):
    deflate = ServerPerMessageDeflateFactory(compress_settings={"level": 1})
    async with serve(talk, "127.0.0.1", port, max_size=None, max_queue=None, ping_interval=None, close_timeout=5,
                     compression=None, extensions=[deflate], open_timeout=30):
        async with await asyncio.start_server(half, "127.0.0.1", counter_port) as server:
            await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
