"""h2load and nghttp (nghttp2-client) over TLS with ALPN and with prior knowledge: no call fails, trailers arrive."""

import http.server
import pathlib
import re
import threading

from conformance_harness import Different, Sidehook, Stage

BIG = bytes(range(256)) * 400    # more than one window of 64 KiB


class Upstream(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; `/trailers` ends with one, `/big` has 100 KiB, POST sends the length back."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/trailers":
            return self.trailers()
        self.answer(BIG if self.path == "/big" else b"ok")

    def do_POST(self):
        left, chunked = int(self.headers.get("content-length", 0)), "transfer-encoding" in self.headers
        count = len(self.rfile.read(left))
        while chunked and (size := int(self.rfile.readline().split(b";")[0], 16)) >= 0:
            count += len(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                break
        self.answer(b"%d" % count)

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-seen", self.headers.get("x-sent", ""))
        self.end_headers()
        self.wfile.write(body)

    def trailers(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("trailer", "x-sum")
        self.end_headers()
        self.wfile.write(b"4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def run(is_quick):
    server = Server(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    upstream = f"http://127.0.0.1:{server.server_port}"
    rest = '[[event]]\nlabel = "posted"\nmethod = "POST"\nurl = "^/matched"\n'
    with Stage() as stage:
        stage.callback(server.shutdown)
        cert, key = stage.certificate()
        secure = Sidehook(stage, upstream, f'tls = {{ cert = "{cert}", key = "{key}" }}', rest, name="tls")
        plain = Sidehook(stage, upstream, "h2c = true", rest, name="h2c")
        calls = 2_000 if is_quick else 20_000
        made = 0
        for sidehook, base in [(secure, f"https://127.0.0.1:{secure.port}"), (plain, f"http://127.0.0.1:{plain.port}")]:
            made += load(stage, base, calls, is_plain=sidehook is plain)
            matched = load(stage, f"{base}/matched", calls // 10, ["--data", body(stage)], sidehook is plain)
            if (events := sidehook.metric('sidehook_events_total{label="posted"}')) != matched:
                raise Different(f"{base}: {matched} matched calls made {events:.0f} events")
            made += matched
            check_nghttp(stage, base)
            sidehook.check_log()
        http1(stage, secure.port, cert)
        return f"{made} calls of h2load, none failed; nghttp's headers, bodies and trailers as they should be"


def body(stage):
    file = pathlib.Path(stage.folder / "body")
    file.write_bytes(BIG)
    return file


def load(stage, url, calls, more=(), is_plain=False):
    """Calls over 10 connections of 20 streams each; the number of those that succeeded is all."""
    known = ["--no-tls-proto=h2c"] if is_plain else []
    command = ["h2load", "-n", str(calls), "-c", "10", "-m", "20", *known, *more, url]
    status, text = stage.run(command, 120)
    wanted = f"{calls} total, {calls} started, {calls} done, {calls} succeeded, 0 failed, 0 errored, 0 timeout"
    answers = re.search(r"status codes: (\d+) 2xx", text)
    if status != 0 or wanted not in text or not answers or int(answers[1]) != calls:
        raise Different(f"{' '.join(map(str, command))}:\n{text[-1500:]}")
    if "Application protocol: h2" not in text:
        raise Different(f"h2load did not speak HTTP/2:\n{text[-1500:]}")
    return calls


def nghttp(stage, url, *more):
    """What was received: the header fields, by the kind of their frame."""
    status, text = stage.run(["nghttp", "--no-verify-peer", "-nv", *more, url], 30)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    fields = re.findall(r"recv \(stream_id=(\d+)\) ([^\n]+?): ([^\n]*)", text)
    if status != 0 or not fields:
        raise Different(f"nghttp {url}:\n{text[-1500:]}")
    return [(name, value.strip()) for _, name, value in fields], text


def check_nghttp(stage, base):
    fields, text = nghttp(stage, f"{base}/trailers", "-H", "te: trailers")
    if fields[0] != (":status", "200") or fields[-1] != ("x-sum", "42"):
        raise Different(f"{base}/trailers: {fields}\n{text[-1500:]}")
    banned = {"transfer-encoding", "connection", "keep-alive"} & {name for name, _ in fields}
    if banned:
        raise Different(f"{base}/trailers: {banned} have no place in HTTP/2 (RFC 9113 8.2.2)")
    fields, text = nghttp(stage, f"{base}/big", "-H", "x-sent: here", "-m", "50")
    seen = [value for name, value in fields if name == "x-seen"]
    if seen != ["here"] * 50 or text.count("END_STREAM") < 50:
        raise Different(f"{base}/big: {len(seen)} of 50 answers\n{text[-1500:]}")
    fields, text = nghttp(stage, f"{base}/posted", "--data", body(stage))
    if ("content-length", str(len(str(len(BIG))))) not in fields:
        raise Different(f"{base}/posted: {fields}\n{text[-1500:]}")


def http1(stage, port, cert):
    """A client of the same listener that does not offer h2 gets HTTP/1.1."""
    status, text = stage.run(["h2load", "--h1", "-n", "200", "-c", "4", f"https://127.0.0.1:{port}/"], 60)
    if status != 0 or "200 succeeded" not in text:
        raise Different(f"HTTP/1.1 over the same TLS listener:\n{text[-1500:]}")
