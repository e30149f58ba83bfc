"""A response of 10 GB through a client that stops again and again: every byte arrives in its place, and memory stays
flat. Then one that matches a rule: it is captured in part, and that is all that it costs."""

import socket
import threading
import time

from conformance_harness import Different, Sidehook, Stage, wait_for

BLOCK = 1 << 20
RULES = '[[event]]\nlabel = "big"\nmethod = "GET"\nurl = "^/matched"\n'
MOST_MB = 16    # buffers of a connection, and what a capture may hold


def run(_):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=[listener], daemon=True).start()
    with Stage() as stage:
        stage.callback(listener.close)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{listener.getsockname()[1]}", rest=RULES)
        told = [download(sidehook, "/all", 10_000, 500, 3), download(sidehook, "/matched", 2_000, 200, 1)]
        wait_for("the event", lambda: sidehook.metric("sidehook_events_total") == 1)
        sidehook.check_log()
        return "; ".join(told)


def serve(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def answer(connection):
    """Blocks that begin with their number; `/matched` in chunks, the other with a length."""
    with connection:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (part := connection.recv(4096)):
                return
            head += part
        blocks = int(head.split(b"blocks=")[1].split(b" ")[0])
        is_chunked = head.startswith(b"GET /matched")
        framing = b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % (blocks * BLOCK)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + framing + b"\r\n\r\n")
            rest = b"x" * (BLOCK - 8)
            for number in range(blocks):
                block = number.to_bytes(8, "big") + rest
                connection.sendall(b"%x\r\n%s\r\n" % (BLOCK, block) if is_chunked else block)
            connection.sendall(b"0\r\n\r\n" if is_chunked else b"")
        except OSError:
            pass    # the client has told more than this could


def download(sidehook, path, blocks, between, seconds):
    """Takes `between` blocks at full speed, then nothing for `seconds`, and so on."""
    before, most, begin = sidehook.rss(), [0.0], time.monotonic()
    is_over = threading.Event()

    def sample():
        while not is_over.wait(0.1):
            most[0] = max(most[0], sidehook.rss())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        take(sidehook.port, f"{path}?blocks={blocks}", blocks, between, seconds)
    finally:
        is_over.set()
        sampler.join()
    if most[0] - before > MOST_MB:
        raise Different(f"{path}: RSS went from {before:.0f} MB to {most[0]:.0f} MB")
    return (f"{path}: {blocks * BLOCK / 1e9:.1f} GB in {time.monotonic() - begin:.0f} s, "
            f"RSS {before:.1f} MB before, at most {most[0]:.1f} MB, {sidehook.rss():.1f} MB after")


def take(port, target, blocks, between, seconds):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n".encode())
        stream = connection.makefile("rb", buffering=BLOCK)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.readline()
        is_chunked = b"chunked" in head.lower()
        body = Chunks(stream) if is_chunked else stream
        for number in range(blocks):
            if number and number % between == 0:
                time.sleep(seconds)
            block = body.read(BLOCK)
            if len(block) != BLOCK or int.from_bytes(block[:8], "big") != number:
                raise Different(f"{target}: block {number} is not in its place")
        if is_chunked and body.read(1) != b"":
            raise Different(f"{target}: more came than was sent")


class Chunks:
    """A body in chunks, of whatever sizes they come."""

    def __init__(self, stream):
        self.stream, self.left = stream, 0

    def read(self, size):
        parts = []
        while size:
            if self.left == 0:
                line = self.stream.readline()
                self.left = int(line or b"0", 16)
                if self.left == 0:
                    break
            part = self.stream.read(min(size, self.left))
            if not part:
                break
            parts.append(part)
            size, self.left = size - len(part), self.left - len(part)
            if self.left == 0:
                self.stream.readline()
        return b"".join(parts)
