"""http-cache-tests (npm): its client calls its server directly and through sidehook. A proxy that keeps nothing and
changes nothing gives every test the result that it has without a proxy."""

import concurrent.futures
import json
import re
import shutil

from conformance_harness import NODE, Different, Sidehook, Stage, compare, free_port

# The test's server answers with a `Transfer-Encoding` that nobody asked for; its own client believes it, sidehook
# answers 502, since it cannot know where such a body ends (RFC 9112 6.1, 6.3).
REFUSED = {"headers-store-Transfer-Encoding"}


def run(is_quick):
    with Stage() as stage:
        tests = NODE / "node_modules/http-cache-tests"
        port, more = free_port(), {"npm_config_id": "", "npm_package_config_id": "", "npm_config_protocol": "http"}
        node = shutil.which("node")
        server = {**more, "npm_config_port": str(port), "npm_config_pidfile": str(stage.folder / "pid")}
        stage.start("cache-tests", [node, "server/server.mjs"], server, cwd=tests, port=port)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{port}")

        def results(of):
            base = {**more, "npm_config_base": f"http://127.0.0.1:{of}"}
            status, output = stage.run([node, "--no-warnings", "cli.mjs"], 180, base, cwd=tests)
            if status != 0:
                raise Different(f"the client of http-cache-tests: {output[-2000:]}")
            return {test: plain(result) for test, result in json.loads(output).items()}

        differences, rounds = None, 0
        # Its tests sleep and look at ages: on a busy machine one fails now and then, never thrice the same.
        while differences is None or (differences and rounds < 3):
            rounds += 1
            with concurrent.futures.ThreadPoolExecutor() as both:
                direct, through = both.map(results, [port, sidehook.port])
            broken = {test for test, result in direct.items() if is_broken(result)}
            if not through or any(through.get(test) is True for test in broken):
                raise Different("a test whose server breaks the connection cannot succeed")
            compared = set(direct) - broken - REFUSED
            found = {test for test in compared if direct[test] != through.get(test)}
            differences = found if differences is None else differences & found
        sidehook.check_log()
        if differences:
            pick = lambda table: {test: table.get(test) for test in differences}
            raise Different("\n".join(compare(pick(direct), pick(through))))
        passed = sum(result is True for result in direct.values())
        return (f"{len(compared)} tests the same ({passed} pass on both sides); not compared: {len(broken)} whose "
                f"server breaks the connection or the framing, {len(REFUSED)} with a foreign transfer coding"
                + (f"; {rounds} rounds" if rounds > 1 else ""))


def is_broken(result):
    """Without a proxy the client sees no response at all; behind one it is a 502 or the response's valid part."""
    return result is not True and result[0] == "FetchError"


def plain(result):
    """Without what is new in each run: ids and ports."""
    if result is True:
        return True
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", result[1])
    return [result[0], re.sub(r"127\.0\.0\.1:\d+", "HOST", text)]
