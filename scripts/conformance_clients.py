"""The soak's clients: raw HTTP/1.1, so that they can hang up where they like and notice what is not theirs."""

import asyncio
import contextlib
import json

# Kind of call and its weight.
KINDS = {"plain": 30, "matched": 40, "upload": 8, "slow": 4, "matched upload": 4, "hang up in the request": 4,
         "hang up before the answer": 4, "hang up in the answer": 4, "tunnel": 4}
TIMEOUT = 30


class Broken(Exception):
    """The answer did not come, or not whole."""


class Session:
    def __init__(self, port, chance, seen, succeeded, name):
        self.port, self.chance, self.seen, self.succeeded, self.name = port, chance, seen, succeeded, name
        self.connection, self.number = None, 0

    async def one(self, kind):
        """Makes a call and counts what came of it."""
        try:
            method = getattr(self, kind.replace(" ", "_"))
            outcome = await asyncio.wait_for(method(), TIMEOUT)
        except (Broken, ConnectionError, asyncio.IncompleteReadError):
            outcome = "broken off"
        except asyncio.TimeoutError:
            outcome = "wrong: no end"
        if not str(outcome).startswith(("2", "101")):
            self.close()
        self.seen[outcome if str(outcome).startswith("wrong") else f"{kind} {outcome}".strip()] += 1

    def close(self):
        if self.connection:
            self.connection[1].close()
        self.connection = None

    def reset(self):
        """A client's crash, or a polite end."""
        if self.chance.random() < 0.5:
            self.connection[1].transport.abort()
        self.close()

    async def send(self, data):
        if self.connection is None:
            self.connection = await asyncio.open_connection("127.0.0.1", self.port)
        self.connection[1].write(data)
        with contextlib.suppress(ConnectionError):    # the answer may be there all the same
            await self.connection[1].drain()

    async def answer(self):
        """Status and whole body of an answer, after any 1xx."""
        reader = self.connection[0]
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(head[9:12])
            if status >= 200 or status == 101:
                break
        if status == 101:
            return status, b""
        if b"transfer-encoding: chunked" in head:
            parts = []
            while size := int(await line(reader), 16):
                parts.append(await reader.readexactly(size))
                await line(reader)
            await line(reader)
            body = b"".join(parts)
        else:
            lengths = [part for part in head.split(b"\r\n") if part.startswith(b"content-length:")]
            if not lengths:
                raise Broken
            body = await reader.readexactly(int(lengths[0].split(b":")[1]))
        if b"\r\nconnection: close" in head:
            self.close()
        return status, body

    async def told(self, wanted, expected):
        """The status, or what is wrong: a success is the upstream's own answer to this very call."""
        status, body = await self.answer()
        if status == wanted and body != expected:
            return f"wrong body: {body[:80]}"
        return status if status in (wanted, 502, 503, 504) else f"wrong status {status}: {body[:80]}"

    def next_body(self, padding=0):
        self.number += 1
        name = f"{self.name}-{self.number}"
        return name, json.dumps({"id": name, "padding": "p" * padding}).encode()

    def head(self, method, path, length):
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        return (f"{method} {path} HTTP/1.1\r\nHost: api.test\r\ncontent-type: application/json\r\n"
                f"{framing}\r\n\r\n").encode()

    async def plain(self):
        await self.send(b"GET /plain HTTP/1.1\r\nHost: api.test\r\n\r\n")
        return await self.told(200, b"ok")

    async def slow(self):
        await self.send(b"GET /slow HTTP/1.1\r\nHost: api.test\r\n\r\n")
        return await self.told(200, b"s" * 20_000)

    async def matched(self, padding=100):
        name, body = self.next_body(padding)
        await self.send(self.head("POST", "/tasks", len(body)) + body)
        outcome = await self.told(201, body)
        if outcome == 201:
            self.succeeded.add(name)
        return outcome

    async def matched_upload(self):
        return await self.matched(200_000)

    async def upload(self):
        size = self.chance.randrange(1, 1_000_000)
        await self.send(self.head("PUT", "/upload", None))
        left = size
        while left:
            part = min(left, self.chance.randrange(1, 200_000))
            await self.send(b"%x\r\n%s\r\n" % (part, b"u" * part))
            left -= part
        await self.send(b"0\r\n\r\n")
        return await self.told(200, b"%d" % size)

    async def hang_up_in_the_request(self):
        _, body = self.next_body(50_000)
        await self.send(self.head("POST", "/tasks", len(body)) + body[:self.chance.randrange(len(body))])
        self.reset()
        return ""

    async def hang_up_before_the_answer(self):
        _, body = self.next_body()
        await self.send(self.head("POST", "/tasks", len(body)) + body)
        self.reset()
        return ""

    async def hang_up_in_the_answer(self):
        _, body = self.next_body(200_000)
        await self.send(self.head("POST", "/tasks", len(body)) + body)
        await self.connection[0].readexactly(100)
        self.reset()
        return ""

    async def tunnel(self):
        self.close()
        await self.send(b"GET /tunnel HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        status, _ = await self.answer()
        if status != 101:
            self.close()
            return status
        for _ in range(5):
            sent = b"t" * self.chance.randrange(1, 30_000)
            await self.send(sent)
            if await self.connection[0].readexactly(len(sent)) != sent:
                return "wrong bytes in a tunnel"
        self.reset()
        return status


async def line(reader):
    """A line of the chunked coding; its end before that is an abort."""
    text = await reader.readline()
    if not text.endswith(b"\n"):
        raise Broken
    return text
