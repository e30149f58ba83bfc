"""slowhttptest in its four modes: slow heads, slow bodies, slow reading, overlapping ranges. A normal client is served
at once all the time, and the slow connections are ended by sidehook, not by slowhttptest's end."""

import re
import shutil
import sys
import threading
import time
import urllib.request

from conformance_harness import HERE, Different, Sidehook, Stage, free_port, raise_file_limit

CONNECTIONS = 200
# Short times, so that they can be seen to work.
TIMES = """
header_timeout = "3s"
idle_timeout = "4s"
response_timeout = "10s"
body_timeout = "4s"
send_timeout = "4s"
"""


# Mode, arguments, length in seconds: always longer than what must end it.
MODES = [
    ("slow heads", ["-H", "-x", "24", "-i", "1"], 12),
    ("slow bodies", ["-B", "-s", "8192", "-x", "10", "-i", "8"], 20),
    ("slow reading", ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32"], 20),
    ("ranges", ["-R", "-a", "1", "-b", "3000", "-t", "HEAD"], 12),
]
# A body that never stands still, but trickles: under 1 KiB/s over 30 s is too slow.
TRICKLE = ("trickling bodies", ["-B", "-s", "8192", "-x", "10", "-i", "1"], 50)


def run(is_quick):
    raise_file_limit(4096)
    told = []
    with Stage() as stage:
        port = free_port()
        stage.start("upstream", [sys.executable, HERE / "conformance_upstream.py", port], port=port)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{port}", TIMES)
        for mode in MODES if is_quick else [*MODES, TRICKLE]:
            told.append(attack(stage, sidehook, port, *mode))
        sidehook.check_log()
        return f"{CONNECTIONS} connections each; " + "; ".join(told)


def attack(stage, sidehook, upstream, mode, arguments, seconds):
    """One mode, with a normal client beside it, and one that calls the upstream itself: what the machine costs."""
    url = f"http://127.0.0.1:{sidehook.port}/{'big' if mode == 'slow reading' else ''}"
    command = [shutil.which("slowhttptest"), *arguments, "-c", str(CONNECTIONS), "-r", str(CONNECTIONS // 2),
               "-l", str(seconds), "-p", "5", "-u", url]
    client, control = Client(sidehook.port), Client(upstream)
    client.start()
    control.start()
    begin, most, gone, output = time.monotonic(), 0, None, []
    watch = threading.Thread(target=lambda: output.append(stage.run(command, seconds + 40)))
    watch.start()
    while watch.is_alive():
        together = sidehook.metric('sidehook_connections{side="client"}')
        most = max(most, together)
        if gone is None and most > CONNECTIONS / 2 and together < CONNECTIONS / 20:
            gone = time.monotonic() - begin
        watch.join(0.2)
    client.stop()
    control.stop()
    text = output[0][1] if output else "it did not end"
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    if client.failures or client.slowest > 4 + 2 * control.slowest:
        raise Different(f"{mode}: of {client.calls} calls of a normal client {len(client.failures)} failed "
                        f"({client.failures[:3]}), the slowest took {client.slowest:.2f} s; directly "
                        f"{control.slowest:.2f} s")
    # There it asks for 3 MB itself, which a slow machine's upstream has no time for; the normal client has told.
    if mode != "slow reading" and re.search(r"service available:\s+NO", text):
        raise Different(f"{mode}: slowhttptest found sidehook not available:\n{text[-1500:]}")
    # It answers ranges at once, so that they need not come together.
    if most < CONNECTIONS / 2 and mode != "ranges":
        raise Different(f"{mode}: only {most:.0f} connections came together: nothing was tried\n{text[-1500:]}")
    # slowhttptest does not look for the end of a connection that it reads slowly: sidehook's own count tells it.
    is_ended = "No open connections left" in text or (gone is not None and gone < seconds - 2)
    if not is_ended:
        raise Different(f"{mode}: sidehook did not end the slow connections in {seconds} s\n{text[-1500:]}")
    within = gone if gone is not None else time.monotonic() - begin
    return (f"{mode}: {most:.0f} together, ended by sidehook within {within:.0f} s, beside {client.calls} normal calls, "
            f"slowest {client.slowest * 1000:.0f} ms (directly {control.slowest * 1000:.0f} ms)")


class Client(threading.Thread):
    """A new connection and a call, ten times a second."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.calls, self.slowest, self.failures, self.is_over = port, 0, 0.0, [], threading.Event()

    def run(self):
        while not self.is_over.wait(0.1):
            begin = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/normal", timeout=20) as answer:
                    answer.read()
            except (OSError, ValueError) as error:
                self.failures.append(str(error))
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def stop(self):
        self.is_over.set()
        self.join()
