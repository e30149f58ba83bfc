"""gRPC with `grpcio` (PyPI): every kind of call, trailers, errors, cancellation, deadlines, big messages and metadata,
directly and through sidehook (prior knowledge, and TLS with ALPN) before the same h2c upstream. Only calls that end
with grpc-status 0 become events."""

import concurrent.futures
import hashlib
import queue
import threading
import time

import grpc

from conformance_harness import Different, Sidehook, Stage, compare, wait_for

BIG = bytes(range(256)) * (16 * 1024)    # 4 MiB
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
# By default a matched call is carried to its end though its client cancels it: what the upstream accepts is an event.
# For the other case its rule says otherwise.
RULES = '''
[[event]]
label = "grpc"
method = "POST"
url = "^/conformance[.]Test/(Echo|[^E])"
[[event]]
label = "endless"
method = "POST"
url = "^/conformance[.]Test/Endless$"
on_disconnect = "cancel"
'''


class Service(grpc.GenericRpcHandler):
    """Bytes in, bytes out: nothing needs to be generated."""

    def __init__(self):
        self.cancelled = threading.Semaphore(0)
        one, many = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        self.methods = {
            "Echo": one(self.echo), "Fail": one(self.fail), "FailAtOnce": one(self.fail_at_once),
            "Sleep": one(self.sleep), "Count": many(self.count), "FailAfter": many(self.fail_after),
            "Endless": many(self.endless), "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
        }

    def service(self, details):
        return self.methods.get(details.method.rsplit("/", 1)[-1])

    def echo(self, request, context):
        metadata = dict(context.invocation_metadata())
        told = [(name, metadata[name]) for name in ("x-text", "x-raw-bin") if name in metadata]
        context.send_initial_metadata([("x-first", "1"), *told])
        context.set_trailing_metadata([("x-last", "2"), ("x-last-bin", b"\x00\xff")])
        return request

    def fail(self, _, context):
        context.set_trailing_metadata([("x-why", "because")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100 % of \u00e9")

    def fail_at_once(self, _, context):
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "trailers only")

    def sleep(self, _, context):
        over = threading.Event()
        context.add_callback(over.set)
        if over.wait(20):
            self.cancelled.release()
        return b""

    def count(self, request, _):
        for number in range(int(request)):
            yield b"%d" % number

    def fail_after(self, request, context):
        yield from self.count(request, context)
        context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")

    def endless(self, _, context):
        over = threading.Event()
        context.add_callback(lambda: (over.set(), self.cancelled.release()))
        while not over.wait(0.02):
            yield b"tick"

    def sum(self, requests, _):
        digest = hashlib.sha256()
        for request in requests:
            digest.update(request)
        return digest.digest()

    def talk(self, requests, _):
        for request in requests:
            yield b"you said " + request


class Calls:
    """The client's side: each case tells what it saw."""

    def __init__(self, channel, service):
        self.channel, self.service = channel, service

    def path(self, method):
        return f"/conformance.Test/{method}"

    def unary(self, method):
        return self.channel.unary_unary(self.path(method))

    def metadata(self):
        sent = [("x-text", "some text"), ("x-raw-bin", b"\x00\x01\xfe\xff")]
        answer, call = self.unary("Echo").with_call(b"hello", metadata=sent, timeout=20)
        return answer, fields(call.initial_metadata()), fields(call.trailing_metadata()), call.code().name

    def empty(self):
        return self.unary("Echo")(b"", timeout=20)

    def big(self):
        answer = self.unary("Echo")(BIG, timeout=60)
        return len(answer), answer == BIG

    def server_stream(self):
        answers = self.channel.unary_stream(self.path("Count"))(b"500", timeout=20)
        return list(answers) == [b"%d" % n for n in range(500)]

    def client_stream(self):
        parts = [b"%d" % n * 1000 for n in range(500)]
        answer = self.channel.stream_unary(self.path("Sum"))(iter(parts), timeout=20)
        return answer == hashlib.sha256(b"".join(parts)).digest()

    def bidirectional(self):
        """Each answer comes before the next question is asked."""
        questions, seen = queue.Queue(), []
        answers = self.channel.stream_stream(self.path("Talk"))(iter(questions.get, None), timeout=20)
        for number in range(100):
            questions.put(b"%d" % number)
            seen.append(next(answers))
        questions.put(None)
        rest = list(answers)
        return seen == [b"you said %d" % n for n in range(100)], rest, answers.code().name

    def error(self, method="Fail"):
        try:
            return self.unary(method)(b"", timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details(), fields(error.trailing_metadata())

    def trailers_only(self):
        return self.error("FailAtOnce")

    def unknown_method(self):
        return self.error("NoSuchMethod")

    def late_error(self):
        seen, call = [], self.channel.unary_stream(self.path("FailAfter"))(b"10", timeout=20)
        try:
            seen.extend(call)
        except grpc.RpcError as error:
            return len(seen), error.code().name, error.details()
        return seen

    def deadline(self):
        try:
            self.unary("Sleep")(b"", timeout=0.5)
        except grpc.RpcError as error:
            return error.code().name, self.service.cancelled.acquire(timeout=10)
        return "no deadline"

    def cancellation(self):
        """The upstream learns of it."""
        call = self.channel.unary_stream(self.path("Endless"))(b"", timeout=30)
        seen = [next(call) for _ in range(3)]
        call.cancel()
        return seen, call.code().name, self.service.cancelled.acquire(timeout=10)

    def many(self):
        futures = [self.unary("Echo").future(b"%d" % n, timeout=30) for n in range(300)]
        return all(future.result() == b"%d" % n for n, future in enumerate(futures))


CASES = ["metadata", "empty", "big", "server_stream", "client_stream", "bidirectional", "error", "trailers_only",
         "unknown_method", "late_error", "deadline", "cancellation", "many"]
# Calls with grpc-status 0: 300 of `many`, and one of each of the first six cases.
SUCCESSES = 300 + 6


def run(_):
    service = Service()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), [service], options=OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Stage() as stage:
            return before(stage, service, port)
    finally:
        server.stop(0)


def before(stage, service, port):
    cert, key = stage.certificate()
    upstream = f"h2c://127.0.0.1:{port}"
    plain = Sidehook(stage, upstream, "h2c = true", RULES, name="h2c")
    secure = Sidehook(stage, upstream, f'tls = {{ cert = "{cert}", key = "{key}" }}', RULES, name="tls")
    trusted = grpc.ssl_channel_credentials(cert.read_bytes())
    channels = {
        "direct": grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS),
        "h2c": grpc.insecure_channel(f"127.0.0.1:{plain.port}", OPTIONS),
        "tls": grpc.secure_channel(f"localhost:{secure.port}", trusted, OPTIONS),
    }
    results = {name: everything(Calls(channel, service)) for name, channel in channels.items()}
    differences = []
    for name in ("h2c", "tls"):
        found = compare(results["direct"], results[name])
        differences += [f"  over {name}:", *found] if found else []
    failed = {case: got for case, got in results["direct"].items() if got[0] == "failed"}
    if failed:
        raise Different(f"directly, too: {failed}")
    if differences:
        raise Different("\n".join(differences))
    for sidehook in (plain, secure):
        # The client of `deadline` and `cancellation` is gone: what came of those calls is no success either.
        wait_for("the events", lambda: sidehook.metric("sidehook_events_total") >= SUCCESSES, 20)
        time.sleep(1)
        paths = [event["url"].rsplit("/", 1)[-1] for event in sidehook.events()]
        made = {path: paths.count(path) for path in sorted(set(paths))}
        if made != {"Count": 1, "Echo": 303, "Sum": 1, "Talk": 1}:
            raise Different(f"{sidehook.name}: events of {made}")
        sidehook.check_log()
    for channel in channels.values():
        channel.close()
    return f"{len(CASES)} cases the same over h2c and TLS; {SUCCESSES} events each, only of grpc-status 0"


def fields(metadata):
    """Without the date, which a proxy adds where there is none (RFC 9110 6.6.1)."""
    return sorted((name, value) for name, value in metadata if name != "date")


def everything(calls):
    seen = {}
    for case in CASES:
        try:
            seen[case] = ("saw", getattr(calls, case)())
        except Exception as error:
            code = error.code().name if isinstance(error, grpc.RpcError) else type(error).__name__
            seen[case] = ("failed", code, str(error)[:300])
    return seen
