"""What a living sidehook answers, held against its OpenAPI document: each answer's status, content
type and body, where a member that the document does not know is an error, and the statuses and
members of the contract. Every operation must have been answered with success once."""

import json
import threading
import time
import urllib.error
import urllib.request

import jsonschema

FOREVER = "00000000000000000000000000000001"
DELIVERY = "id event_id webhook_id event status response_code response_time_ms attempts created_at " \
           "timestamp next_attempt_at error"
EVENT = "id label tag subject method url status created_at deliveries"
RULE = "id label tag method url query status when subject on_disconnect max_request_body max_response_body hits " \
       "last_hit_at condition_errors last_condition_error"
WEBHOOK = "id name url status disabled_reason events format signatures headers basic_auth has_secret " \
          "retry source created_at updated_at"


def closed(schema):
    """The schema with members that it does not name forbidden."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def merged(document, schema):
    """`allOf` of objects as one object: what a member of the one is, the other must not forbid."""
    if "allOf" not in schema:
        return schema
    parts = [document["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
             for part in schema["allOf"]]
    properties = {name: value for part in parts for name, value in part["properties"].items()}
    return {"type": "object", "properties": properties,
            "required": [name for part in parts for name in part.get("required", [])]}


class Answers:
    """Calls, checks what comes back, and remembers what was called."""

    def __init__(self, base, token, document):
        found = document["components"]["schemas"]["Found"]
        found["oneOf"] = [merged(document, one) for one in found["oneOf"]]
        self.base, self.token = base, token
        self.document = {**document, "components": closed(document["components"])}
        self.answered = set()
        self.n_checked = 0

    def __call__(self, method, path, body=None, *, expect, operation=None, headers=None, members=None):
        path_of = operation or path.split("?")[0]
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.token}"}
        if data is not None:
            sent["content-type"] = "application/json"
        sent.update(headers or {})
        request = urllib.request.Request(
            self.base + path, data, {k: v for k, v in sent.items() if v is not None}, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            status, text, head = answer.status, answer.read(), answer.headers
        where = f"{method} {path}: {status} {text[:600]!r}"
        assert status == expect, f"{where}, expected {expect}"
        item = self.document["paths"].get(path_of)
        if item and method.lower() in item:
            self.check(item[method.lower()], method, path_of, status, head, text, where)
        elif text:
            self.validate({"$ref": "#/components/schemas/Problem"}, json.loads(text), where)
        shown = json.loads(text) if "json" in (head["content-type"] or "") else text
        if members:
            missing = set(members.split()) - set(shown)
            assert not missing, f"{where} has no {missing}"
        return shown, head

    def check(self, described, method, path_of, status, head, text, where):
        assert str(status) in described["responses"], f"{where}: the document has no such status"
        answer = described["responses"][str(status)]
        if "$ref" in answer:
            answer = self.document["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
        for name in answer.get("headers", {}):
            assert head[name], f"{where}: no header {name}"
        content = answer.get("content", {})
        assert bool(content) == bool(text), f"{where}: a body, or none, against the document"
        if content:
            content_type = head["content-type"]
            one = content.get(content_type) or content.get("*/*")
            assert one, f"{where}: the document has no {content_type}"
            if "json" in content_type and "schema" in one:
                self.validate(one["schema"], json.loads(text), where)
        if status < 300:
            self.answered.add((method, path_of))

    def validate(self, schema, value, where):
        whole = {**closed(schema), "components": self.document["components"]}
        validator = jsonschema.Draft202012Validator(
            whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        errors = sorted(validator.iter_errors(value), key=lambda error: len(error.path))
        assert not errors, f"{where}\n  {errors[0].json_path}: {errors[0].message}\n  {errors[0].context}"
        self.n_checked += 1

    def missing(self):
        every = {(method.upper(), path) for path, item in self.document["paths"].items() for method in item}
        return every - self.answered


class Follower(threading.Thread):
    """Reads the live stream from now on."""

    def __init__(self, base, token):
        super().__init__(daemon=True)
        request = urllib.request.Request(
            base + "/v1/stream", headers={"authorization": f"Bearer {token}"})
        self.stream = urllib.request.urlopen(request, timeout=60)
        self.told = []
        self.start()

    def run(self):
        name = None
        for line in self.stream:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                self.told.append((name, json.loads(line[6:])))


def until(what, look, seconds=30):
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


def check_answers(base, token, document, receiver, make_call, configure):
    """Everything that the API can be asked, once and more; `configure` adds to the file."""
    call = Answers(base, token, document)
    follower = Follower(base, token)
    make_call()
    webhooks(call, receiver)
    events(call)
    deliveries(call)
    recoveries(call)
    standing(call, configure)
    mistakes(call)
    told(call, follower)
    call.answered.add(("GET", "/v1/stream"))
    assert not call.missing(), f"never answered with success: {call.missing()}"
    print(f"{call.n_checked} answers of all {len(call.answered)} operations are as the document says")


def webhooks(call, receiver):
    of_one = "/v1/webhooks/{id}"
    first, _ = call("GET", "/v1/webhooks?limit=2", expect=200, members="data next")
    assert len(first["data"]) == 2 and first["next"]
    second, _ = call("GET", f"/v1/webhooks?limit=200&cursor={first['next']}", expect=200)
    assert second["next"] is None and {one["id"] for one in second["data"]}.isdisjoint(
        one["id"] for one in first["data"])
    of_file = second["data"][0]
    assert of_file["source"] == "config" and set(WEBHOOK.split()) <= set(of_file), of_file
    whole = {
        "url": f"{receiver}/made", "events": ["task.*"], "headers": {"X-Env": "prod", "X-Api-Key": "k"},
        "basic_auth": {"username": "u", "password": "a password"}, "method": "PUT",
        "format": {"json": "{'what': event.label}"}, "signing_secret": "a key of our own", "retry": ["5s"],
        "signatures": ["stripe", {"header": "X-Sig", "prefix": "v=", "encoding": "base64",
                                  "content": "id.timestamp.body", "algorithm": "sha512"}],
        "timeout": "3s", "concurrency": 2, "rate_limit": "90/m", "ordered": True, "disable_after": 3,
        "pause_after": 0, "active": False,
    }
    made, head = call("POST", "/v1/webhooks", whole, expect=201, members=WEBHOOK)
    path = f"/v1/webhooks/{made['id']}"
    assert head["location"] == path and made["name"] == "127.0.0.1", (head["location"], made)
    assert made["signing_secret"] == "a key of our own" and made["status"] == "disabled", made
    shown, _ = call("GET", path, expect=200, operation=of_one, members=WEBHOOK)
    assert not {"secret", "signing_secret", "ed25519_key", "password"} & set(shown), shown
    assert "a password" not in json.dumps(shown) and shown["headers"]["x-api-key"] == "***", shown
    other = {"url": f"{receiver}/made", "events": ["nothing.yet"],
             "format": {"template": "{{ event.label }}", "content_type": "text/plain"}}
    text, _ = call("POST", "/v1/webhooks", other, expect=201)
    assert text["name"] == "127.0.0.1-2" and text["warnings"] and text["signing_secret"], text
    call("POST", "/v1/webhooks", {**other, "name": made["name"]}, expect=409)
    call("PATCH", path, {"status": "active", "timeout": None, "headers": {"x-env": "dev"}}, expect=200,
         operation=of_one, members=WEBHOOK)
    rotated, _ = call("POST", f"{path}/rotate-secret", {"overlap": "1h"}, expect=200,
                      operation=of_one + "/rotate-secret")
    assert rotated["signing_secret"] and rotated["previous_secret_until"], rotated
    tested, _ = call("POST", f"{path}/test", {"event": "task.created"}, expect=200,
                     operation=of_one + "/test",
                     members="id delivery_id status response_code response_body response_time_ms error")
    assert tested["status"] == "delivered" and tested["id"].startswith("evt_"), tested
    assert tested["response_body_truncated"] and tested["response_body_encoding"] == "base64", tested
    call("GET", f"/v1/deliveries/{tested['delivery_id']}", expect=200, operation="/v1/deliveries/{id}")
    preview, _ = call("GET", f"/v1/deliveries/{tested['delivery_id']}/payload?view=request", expect=200,
                      operation="/v1/deliveries/{id}/payload")
    call.validate({"$ref": "#/components/schemas/RequestPreview"}, preview, "view=request")
    call("GET", f"{path}/deliveries?limit=1", expect=200, operation=of_one + "/deliveries")
    call("PATCH", f"/v1/webhooks/{of_file['id']}", {"name": "other"}, expect=409, operation=of_one)
    call("DELETE", f"/v1/webhooks/{of_file['id']}", expect=409, operation=of_one)
    call("POST", f"/v1/webhooks/{of_file['id']}/rotate-secret", expect=409,
         operation=of_one + "/rotate-secret")
    for status in ["disabled", "active"]:
        stands, _ = call("PATCH", f"/v1/webhooks/{of_file['id']}", {"status": status}, expect=200,
                         operation=of_one)
        assert stands["status"] == status, stands
    for one in [made, text]:
        call("DELETE", f"/v1/webhooks/{one['id']}", expect=204, operation=of_one)
        call("GET", f"/v1/webhooks/{one['id']}", expect=404, operation=of_one)
    call("GET", f"/v1/deliveries/{tested['delivery_id']}/payload", expect=409,
         operation="/v1/deliveries/{id}/payload")


def events(call):
    of_one = "/v1/events/{id}"
    page, _ = call("GET", "/v1/events?limit=2", expect=200, members="data next")
    assert page["next"] and set(page["data"][0]) == set(EVENT.split()), page
    call("GET", f"/v1/events?cursor={page['next']}", expect=200)
    one = call("GET", "/v1/events?label=task.created&q=/tasks&limit=1&code=201", expect=200)[0]["data"][0]
    since = "1970-01-01T00:00:00%2B01:00"
    webhook = call("GET", "/v1/webhooks?limit=1", expect=200)[0]["data"][0]["id"]
    filters = f"label=task.created&since={since}&until=2999-01-01T00:00:00Z&status=failed&webhook={webhook}"
    call("GET", f"/v1/events?{filters}&code=201&q={one['id']}&limit=200", expect=200)
    whole, _ = call("GET", f"/v1/events/{one['id']}", expect=200, operation=of_one,
                    members=EVENT + " request response")
    assert len(whole["deliveries"]) > 8 and whole["request"]["method"] == "post", whole
    bare = one["id"][4:].upper()
    found, _ = call("GET", f"/v1/history/{bare}", expect=200, operation="/v1/history/{id}")
    assert found["type"] == "event" and found["id"] == one["id"], found
    delivery = whole["deliveries"][0]["id"]
    found, _ = call("GET", f"/v1/history/del_{delivery.replace('-', '')}", expect=200,
                    operation="/v1/history/{id}")
    assert found["type"] == "delivery" and found["id"] == delivery, found
    counted, _ = call("POST", f"/v1/events/{one['id']}/replay", {"webhooks": [webhook]}, expect=202,
                      operation=of_one + "/replay")
    assert counted == {"count": 1}, counted
    call("POST", f"/v1/events/{one['id']}/replay", expect=202, operation=of_one + "/replay")


def deliveries(call):
    of_one = "/v1/deliveries/{id}"
    page, _ = call("GET", "/v1/deliveries?limit=200", expect=200, members="data next")
    assert set(page["data"][0]) == set(DELIVERY.split()), page["data"][0]
    hooks = call("GET", "/v1/webhooks?limit=200", expect=200)[0]["data"]
    webhook = next(one["id"] for one in hooks if one["name"] == "broken")
    filters = f"webhook={webhook}&status=pending&limit=1&event=task.created"
    broken = call("GET", f"/v1/deliveries?{filters}", expect=200)[0]["data"][0]
    path = f"/v1/deliveries/{broken['id']}"
    whole, _ = call("GET", path, expect=200, operation=of_one, members=DELIVERY)
    until("the attempt", lambda: call("GET", path, expect=200, operation=of_one)[0]["attempts"])
    whole, _ = call("GET", path, expect=200, operation=of_one)
    names = set("number started_at response_code response_headers response_body response_time_ms error "
                "next_attempt_at".split())
    assert names <= set(whole["attempts"][0]) and whole["attempts"][0]["response_code"] == 500, whole
    call("GET", path + "/payload", expect=200, operation=of_one + "/payload")
    again, _ = call("POST", path + "/retry", {}, expect=202, operation=of_one + "/retry")
    assert set(again) == set(DELIVERY.split()) and again["id"] == broken["id"], again
    call("POST", path + "/cancel", expect=200, operation=of_one + "/cancel")
    call("POST", path + "/cancel", expect=409, operation=of_one + "/cancel")
    by_webhook = f"/v1/webhooks/{broken['webhook_id']}/deliveries"
    filters = "status=cancelled&event=task.created&since=2000-01-01T00:00:00Z&q=/tasks"
    some, _ = call("GET", f"{by_webhook}?{filters}", expect=200, operation="/v1/webhooks/{id}/deliveries")
    assert [one["id"] for one in some["data"]] == [broken["id"]], some


def recoveries(call):
    some = call("GET", "/v1/deliveries?status=cancelled&limit=1", expect=200)[0]["data"][0]
    path, operation = f"/v1/webhooks/{some['webhook_id']}/recover", "/v1/webhooks/{id}/recover"
    counted, _ = call("POST", path, {"status": "cancelled", "dry_run": True, "backfill": True}, expect=200,
                      operation=operation)
    assert counted == {"count": 1}, counted
    began, _ = call("POST", path, {"status": "cancelled", "since": "2000-01-01T00:00:00Z"}, expect=202,
                    operation=operation)
    assert began["count"] == 1, began
    call("GET", f"/v1/recoveries/{began['id']}", expect=200, operation="/v1/recoveries/{id}")
    call("GET", "/v1/recoveries?limit=1", expect=200, members="data next")
    after, _ = call("GET", f"/v1/recoveries?cursor={began['id']}", expect=200)
    assert after["data"] == [], after
    # A cursor stays good when its recovery is forgotten.
    forgotten = "ffffffff-ffff-7fff-bfff-ffffffffffff"
    after, _ = call("GET", f"/v1/recoveries?cursor={forgotten}", expect=200)
    assert [one["id"] for one in after["data"]] == [began["id"]], after
    call("POST", f"/v1/recoveries/{began['id']}/stop", expect=200, operation="/v1/recoveries/{id}/stop")


def standing(call, configure):
    rules, _ = call("GET", "/v1/rules", expect=200, members="data next")
    assert set(rules["data"][0]) == set(RULE.split()) and rules["data"][0]["hits"] > 0, rules
    page, _ = call("GET", "/v1/rules?limit=1", expect=200)
    call("GET", f"/v1/rules?limit=1&cursor={page['next']}", expect=200)
    asked = {"method": "POST", "url": "/tasks/7?notify=1", "status": 201,
             "request": {"headers": {"X-A": ["1", "2"]}, "body": "text"},
             "response": {"headers": {"content-type": "application/json"}, "body": {"id": 7}}}
    said, _ = call("POST", "/v1/rules/test", asked, expect=200)
    assert [one["matched"] for one in said["data"]] == [True, False], said
    call("GET", "/v1/status", expect=200,
         members="version uptime_seconds upstream store webhooks config proxy problems")
    hook = call("GET", "/v1/webhooks?limit=1", expect=200)[0]["data"][0]["id"]
    for query in ["", "?range=15m", f"?range=1h&webhooks={hook}", f"?range=24h&webhooks={hook},wh_{FOREVER}"]:
        series, _ = call("GET", f"/v1/series{query}", expect=200, operation="/v1/series")
        assert len(series["calls"]) == 180 and sum(n or 0 for n in series["calls"]) >= 6, series
    config, _ = call("GET", "/v1/config", expect=200)
    assert call.token not in config["effective"]
    configure('[nonsense]\n')
    refused, _ = call("POST", "/v1/reload", expect=422)
    assert refused["code"] == "invalid_configuration" and refused["errors"], refused
    assert refused["problems"] == call("GET", "/v1/config", expect=200)[0]["problems"], refused
    configure("")
    call("POST", "/v1/reload", expect=200)
    call("GET", "/v1/openapi.json", expect=200)
    for path in ["/livez", "/readyz"]:
        call("GET", path, expect=200, headers={"authorization": None})
    call("GET", "/metrics", expect=200)


def mistakes(call):
    """The statuses of errors, and that each says so in its own body."""
    hook = {"url": "https://203.0.113.7/", "events": ["*"]}

    def wrong(method, path, body=None, **more):
        problem, head = call(method, path, body, **more)
        assert head["content-type"] == "application/problem+json" and problem["status"] == more["expect"]
        return problem

    assert wrong("POST", "/v1/webhooks", b"{", expect=400)["code"] == "bad_json"
    wrong("POST", "/v1/webhooks", b"{}", expect=415, headers={"content-type": "text/plain"})
    wrong("POST", "/v1/webhooks", b" " * ((64 << 10) + 1), expect=413)
    fields = wrong("POST", "/v1/webhooks", {"url": "x", "nothing": 1}, expect=422)["errors"]
    assert {"url", "events", "nothing"} <= {error["field"] for error in fields}, fields
    for bad in [{"url": "http://10.0.0.1/"}, {"retry": ["1 week"]}, {"signatures": [{"header": "X", "a": 1}]},
                {"format": {"json": "("}}, {"format": {"json": "1", "x": 1}}, {"secret": {"env": "HOME"}}]:
        assert wrong("POST", "/v1/webhooks", {**hook, **bad}, expect=422)["errors"], bad
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x", "since=yesterday", "status=odd", "code=99",
                  "q=%20", "q=%00", "webhook=x", "nothing=1", "limit=1&limit=2"]:
        assert wrong("GET", f"/v1/events?{query}", expect=400)["code"] == "bad_query", query
    wrong("GET", "/v1/webhooks?status=active", expect=400)
    for query in ["range=2h", "webhooks=", "webhooks=x"]:
        wrong("GET", f"/v1/series?{query}", expect=400)
    for kind in ["webhooks", "events", "deliveries", "recoveries", "history"]:
        for one in ["x", "wh_", FOREVER, "evt_" + FOREVER]:
            wrong("GET", f"/v1/{kind}/{one}", expect=404, operation=f"/v1/{kind}/{{id}}")
    wrong("GET", "/v1/status", expect=401, headers={"authorization": None})
    wrong("GET", "/v1/status", expect=401, headers={"authorization": "Bearer wrong"})
    wrong("GET", "/v1/status", expect=403, headers={"host": "elsewhere.example"})
    wrong("GET", "/v1/status", expect=403, headers={"origin": "https://elsewhere.example"})
    wrong("GET", "/v1/nothing", expect=404)
    _, head = call("DELETE", "/v1/status", expect=405)
    assert "GET" in head["allow"], head


def told(call, follower):
    """Everything that the stream said, by the schema of its name."""
    schemas = {"event": ["EventSummary"], "delivery": ["Delivery"], "webhook": ["Webhook", "WebhookGone"]}
    until("every kind of event", lambda: {name for name, _ in follower.told} >= set(schemas))
    until("a deletion", lambda: any(data.get("deleted") for _, data in follower.told))
    for name, data in list(follower.told):
        either = [{"$ref": f"#/components/schemas/{schema}"} for schema in schemas[name]]
        call.validate({"oneOf": either}, data, f"GET /v1/stream: {name}")
        call.validate({"$ref": "#/components/schemas/StreamData"}, data, f"GET /v1/stream: {name}")
