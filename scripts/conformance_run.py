"""Runs suites of scripts/conformance by name, each with one line of summary, and fails when one finds a difference."""

import importlib
import signal
import sys
import time
import traceback

from conformance_harness import BINARY, Different, end_all

# Name, module, whether `quick` has it, whether a call without names has it.
SUITES = {
    "cache": ("conformance_cache", True, True),
    "httpbin": ("conformance_httpbin", True, True),
    "websocket": ("conformance_websocket", True, True),
    "http2": ("conformance_http2", True, True),
    "grpc": ("conformance_grpc", True, True),
    "slow": ("conformance_slow", True, True),
    "idle": ("conformance_idle", False, False),
    "big": ("conformance_big", False, False),
    "soak": ("conformance_soak", False, False),
}


def names(arguments):
    """The suites to run, and whether in their short form; `soak 60` gives the soak its seconds."""
    if not arguments:
        return [name for name, (_, _, by_default) in SUITES.items() if by_default], False, None
    if arguments == ["quick"]:
        return [name for name, (_, is_quick, _) in SUITES.items() if is_quick], True, None
    seconds = next((int(argument) for argument in arguments if argument.isdigit()), None)
    wanted = [argument for argument in arguments if not argument.isdigit()]
    unknown = [name for name in wanted if name not in SUITES]
    if unknown or (seconds is not None and "soak" not in wanted):
        print(f"usage: scripts/conformance [quick | {' | '.join(SUITES)} [SECONDS] ...]", file=sys.stderr)
        sys.exit(2)
    return wanted, False, seconds


def once(name, is_quick, seconds):
    """Runs a suite and tells what came of it."""
    begin = time.monotonic()
    try:
        suite = importlib.import_module(SUITES[name][0])
        summary = suite.run(is_quick) if name != "soak" else suite.run(seconds or 600)
        outcome = "same"
    except Different as finding:
        summary, outcome = str(finding), "DIFFERENT"
    except Exception:
        summary, outcome = traceback.format_exc(), "FAILED"
    print(f"{name}: {outcome} ({time.monotonic() - begin:.0f} s): {summary}", flush=True)
    return outcome


def main(arguments):
    wanted, is_quick, seconds = names(arguments)
    if not BINARY.exists():
        sys.exit(f"there is no {BINARY}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end_all)
    failed = []
    for name in wanted:
        outcome = once(name, is_quick, seconds)
        # On a busy machine a wait ends too early now and then; a fault comes again. The first is told all the same.
        if outcome != "same" and is_quick:
            print(f"{name}: once more: what is wrong comes again, the noise of a machine does not", flush=True)
            outcome = once(name, is_quick, seconds)
        if outcome != "same":
            failed.append(name)
    if failed:
        sys.exit(f"conformance: {', '.join(failed)}")


main(sys.argv[1:])
