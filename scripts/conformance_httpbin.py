"""schemathesis with httpbin (both PyPI): the same seed makes the same calls directly and through sidehook; each
call must get the same answer, and schemathesis must find the same. What differs between two direct runs
is httpbin's own (dates, random bytes) and is not compared."""

import base64
import concurrent.futures
import email.utils
import json
import re
import time

from conformance_harness import Different, Sidehook, Stage, compare, free_port, tool

# Slow by design, or another status at random.
EXCLUDED = "^/(delay|drip|unstable)"
# Not TRACE: sidehook does not pass it on.
METHODS = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "QUERY"]
NOW = "now"
# Of a connection, not of an answer.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "via"}


def run(is_quick):
    with Stage() as stage:
        port = free_port()
        server = [tool("gunicorn"), "--worker-class", "gthread", "--threads", "8", "--keep-alive", "30",
                  "--no-control-socket", "--bind", f"127.0.0.1:{port}", "httpbin:app"]
        stage.start("httpbin", server, port=port)
        sidehook = Sidehook(stage, f"http://127.0.0.1:{port}")
        runs = {"direct": port, "again": port, "through": sidehook.port}
        calls, findings = {}, {}
        one = lambda name: schemathesis(stage, name, runs[name], 2 if is_quick else 10)
        with concurrent.futures.ThreadPoolExecutor() as all_at_once:
            for name, (made, found) in zip(runs, all_at_once.map(one, runs)):
                calls[name], findings[name] = made, found
        sidehook.check_log()
    if not calls["direct"]:
        raise Different("schemathesis made no calls")
    requests = {name: [call["request"] for call in calls[name]] for name in runs}
    for name in ("again", "through"):
        both = zip(requests["direct"], requests[name])
        first = next((n for n, (one, other) in enumerate(both) if one != other), None)
        if first is not None or len(requests[name]) != len(requests["direct"]):
            at = first if first is not None else "end"
            raise Different(f"not the same calls were made ({name}, call {at}): "
                            + "\n".join(str(requests[which][first or -1]) for which in ("direct", name)))
    return judge(calls, findings)


def judge(calls, findings):
    own, differences = 0, []
    triples = zip(calls["direct"], calls["again"], calls["through"])
    for number, (direct, again, through) in enumerate(triples):
        parts = [part for part in direct["answer"] if direct["answer"][part] == again["answer"].get(part)]
        own += len(parts) < len(direct["answer"])
        pick = lambda call: {part: call["answer"].get(part) for part in parts}
        new = {part: None for part in through["answer"] if part not in direct["answer"]}
        one, other = {**new, **pick(direct)}, {**{part: through["answer"][part] for part in new}, **pick(through)}
        if one != other:
            differences.append(f"  call {number}: {direct['request']}")
            differences += compare(one, other)
    if findings["direct"] == findings["again"] != findings["through"]:
        differences += ["  what schemathesis found:"] + compare(findings["direct"], findings["through"])
    if differences:
        raise Different("\n".join(differences[:60]))
    statuses = {call["answer"]["status"] for call in calls["direct"]}
    found = sum(findings["direct"].values())
    return (f"{len(calls['direct'])} calls, {len(statuses)} statuses, the same answers (in {own} httpbin itself answers "
            f"anew each time: the rest of them is compared); {found} findings, the same")


def schemathesis(stage, name, port, examples):
    """Its calls in their order, and its findings as counts."""
    base = f"http://127.0.0.1:{port}"
    har, settings = stage.folder / f"{name}.har", stage.folder / "schemathesis.toml"
    settings.write_text(f"[phases.coverage]\nunexpected-methods = {json.dumps(METHODS)}\n")
    command = [
        tool("schemathesis"), "--config-file", settings, "run", f"{base}/spec.json", "--url", base,
        "--seed", "7", "--workers", "1",
        "--generation-deterministic", "--no-shrink", "--continue-on-failure",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--request-timeout", "30",
        "--max-redirects", "0", "--exclude-path-regex", EXCLUDED, "--exclude-method", "TRACE",
        "--header", "Host: api.test",
        "--report-har-path", har, "--report-preserve-bytes", "--output-sanitize", "false",
        "--suppress-health-check", "all",
    ]
    status, output = stage.run(command, 600, {"NO_COLOR": "1"})
    if status not in (0, 1) or not har.exists():
        raise Different(f"schemathesis ({name}): {output[-3000:]}")
    entries = json.loads(har.read_text())["log"]["entries"]
    findings = {}
    for kind in re.findall(r"^- (.+)$", output, re.M):
        findings[kind] = findings.get(kind, 0) + 1
    return [call(entry, base) for entry in entries], findings


def is_now(value):
    """A date of these minutes, such as `/cache` gives itself as its last change."""
    try:
        return abs(email.utils.parsedate_to_datetime(value).timestamp() - time.time()) < 3600
    except ValueError:
        return False


def call(entry, base):
    request, response = entry["request"], entry["response"]
    headers = sorted((header["name"].lower(), header["value"]) for header in request["headers"])
    sent = [header for header in headers if header[0] not in ("x-schemathesis-testcaseid", "user-agent")]
    content = response.get("content", {})
    body = content.get("text", "")
    body = base64.b64decode(body) if content.get("encoding") == "base64" else body.encode()
    # httpbin shows what it got; these belong to a proxy or a connection, and it does not leave them out itself.
    body = re.sub(rb'\n *"(X-Forwarded-Host|Connection)": "[^"]*",?', b"", body)
    answer = {"status": response["status"], "reason": response["statusText"], "body": body}
    for header in response["headers"]:
        if header["name"].lower() not in HOP_BY_HOP:
            answer.setdefault(header["name"], []).append(NOW if is_now(header["value"]) else header["value"])
    if b"X-Schemathesis" in body or answer["status"] == 0:
        answer["body"] = re.sub(rb'("X-Schemathesis-Testcaseid": )"[^"]*"', rb"\1ID", body)
    for name in ("Content-Length", "content-length"):
        answer.pop(name, None)    # the body is compared itself
    return {"request": (request["method"], request["url"].removeprefix(base), sent, request.get("postData")),
            "answer": answer}
