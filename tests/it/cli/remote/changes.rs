use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::fake::{DELIVERY, EVENT, Fake, Says, WEBHOOK, on_terminal};
use super::{delivery, nothing, ordinary, webhook};
use crate::cli::{stderr, stdout};

/// Answers what the commands of this file ask.
fn api(seen: &super::Seen, _: usize) -> Says {
    let (path, found) = match seen.line.split_once(' ') {
        Some(("GET", path)) => (path, true),
        Some((_, path)) => (path, false),
        None => return nothing(),
    };
    let mut made = webhook();
    made["signing_secret"] = json!("whsec_c2VjcmV0");
    made["warnings"] = json!(["no rule makes `tsak.created`"]);
    match (found, path) {
        (true, path) if path.starts_with("/v1/history/evt_") => {
            Says::Json(200, json!({"type": "event", "id": EVENT}))
        }
        (true, path) if path.starts_with("/v1/history/") => {
            Says::Json(200, json!({"type": "delivery", "id": DELIVERY, "event_id": EVENT}))
        }
        (true, _) => ordinary(seen),
        (_, "/v1/webhooks") if seen.body["url"] == "http://127.0.0.1/" => Says::Json(
            422,
            json!({"detail": "the body is not what this call takes", "code": "invalid", "errors": [
                {"field": "url", "message": "a loopback address"},
                {"field": "events[0]", "message": "not a pattern"}]}),
        ),
        (_, "/v1/webhooks") => Says::Json(201, made),
        (_, path) if path.ends_with("/rotate-secret") => Says::Json(200, made),
        (_, path) if path.ends_with("/test") => {
            let is_good = seen.body["event"] == "good";
            Says::Json(
                200,
                json!({"id": EVENT, "delivery_id": DELIVERY,
                    "status": if is_good { "delivered" } else { "failed" },
                    "response_code": 500, "response_body": "oh\u{1b}[2J no",
                    "response_time_ms": 12, "error": "the receiver answered 500"}),
            )
        }
        (_, path) if path.ends_with("/replay") => Says::Json(202, json!({"count": 2})),
        (_, path) if path.ends_with("/cancel") => Says::Json(200, delivery("cancelled", 2)),
        (_, path) if path.ends_with("/retry") => Says::Json(202, delivery("pending", 2)),
        (_, "/v1/reload") => Says::Json(
            422,
            json!({"detail": "the configuration has mistakes", "code": "invalid", "errors": [
                {"field": "sidehook.toml:3:1",
                 "message": "unknown key; did you mean `upstream`?"}]}),
        ),
        _ if seen.line.starts_with("DELETE ") => Says::Json(204, Value::Null),
        _ => Says::Json(200, webhook()),
    }
}

/// Runs a command, which must ask for this.
fn assert_asks(fake: &Fake, arguments: &[&str], line: &str, body: &Value) {
    let output = fake.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice::<Value>(&output.stdout).expect("one JSON document");
    let asked = fake.changes().pop().expect("it asked");
    assert_eq!((asked.line.as_str(), &asked.body), (line, body), "{arguments:?}");
    let token = "authorization: Bearer a-token";
    assert!(asked.headers.iter().any(|header| header == token), "{:?}", asked.headers);
}

#[test]
fn a_webhook_is_managed_by_its_name() {
    let fake = Fake::start(api);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    secret.as_file().write_all(b"s3cret\n").expect("written");
    let secret = secret.path().to_str().expect("plain").to_owned();
    let create = ["webhooks", "create", "--url", "https://e.com/", "--event", "a.*"];
    let more = ["--header", "X-Env: prod", "--set", "ordered=true", "--set", "timeout=5s"];
    let body = json!({"url": "https://e.com/", "events": ["a.*"], "secret": "s3cret",
        "headers": {"X-Env": "prod"}, "ordered": true, "timeout": "5s"});
    let arguments = [&create[..], &more, &["--secret-file", &secret]].concat();
    assert_asks(&fake, &arguments, "POST /v1/webhooks", &body);
    for (arguments, method, path, body) in [
        (
            &["update", "billing", "--set", "concurrency=4"][..],
            "PATCH",
            "",
            json!({"concurrency": 4}),
        ),
        (&["enable", "billing"], "PATCH", "", json!({"status": "active"})),
        (&["disable", WEBHOOK], "PATCH", "", json!({"status": "disabled"})),
        (
            &["rotate", "billing", "--overlap", "1h"],
            "POST",
            "/rotate-secret",
            json!({"overlap": "1h"}),
        ),
        (&["delete", "billing", "--yes"], "DELETE", "", Value::Null),
    ] {
        let arguments = [&["webhooks"], arguments].concat();
        let line = format!("{method} /v1/webhooks/{WEBHOOK}{path}");
        assert_asks(&fake, &arguments, &line, &body);
    }
    let line = format!("POST /v1/webhooks/{WEBHOOK}/test");
    assert_asks(&fake, &["test", "billing", "--event", "good"], &line, &json!({"event": "good"}));
}

#[test]
fn events_and_deliveries_are_known_by_any_spelling() {
    let fake = Fake::start(api);
    let hyphenless = DELIVERY.replace('-', "").to_uppercase();
    let replay = format!("POST /v1/events/{EVENT}/replay");
    assert_asks(&fake, &["replay", EVENT], &replay, &Value::Null);
    let to_one = json!({"webhooks": [WEBHOOK]});
    assert_asks(&fake, &["replay", EVENT, "--webhook", "billing"], &replay, &to_one);
    for command in ["cancel", "retry"] {
        let line = format!("POST /v1/deliveries/{DELIVERY}/{command}");
        assert_asks(&fake, &[command, &hyphenless], &line, &Value::Null);
    }
}

#[test]
fn mistakes_are_told_one_by_one() {
    let fake = Fake::start(api);
    for (arguments, code, hints) in [
        (
            &["webhooks", "create", "--url", "http://127.0.0.1/"][..],
            1,
            &["url: a loopback address", "events[0]: not a pattern"][..],
        ),
        (&["reload"], 1, &["sidehook.toml:3:1: unknown key; did you mean `upstream`?"]),
        (&["retry", EVENT], 1, &["is an event", "sidehook replay"]),
        (&["replay", DELIVERY], 1, &["is a delivery", "sidehook retry", EVENT]),
        (&["webhooks", "delete", "billing"], 2, &["--yes"]),
        (&["webhooks", "update", "billing"], 2, &["nothing to change"]),
        (&["webhooks", "create", "--url", "x", "--set", "ordered"], 2, &["timeout=5s"]),
        (&["webhooks", "enable", "bill"], 1, &["there are: billing"]),
    ] {
        let output = fake.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        for hint in hints {
            assert!(stderr(&output).contains(hint), "{arguments:?}: {}", stderr(&output));
        }
        assert!(stdout(&output).is_empty(), "errors go to stderr");
    }
}

#[test]
fn a_test_that_failed_is_a_failure_and_shows_the_answer() {
    let fake = Fake::start(api);
    let output = fake.run(&["test", "billing"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["response_code"], 500);
    let (shown, code) = fake.show(&["test", "billing"], &[("NO_COLOR", "1")]);
    assert_eq!(code, 1);
    assert!(shown.contains("failed: 500 in 12 ms"), "{shown}");
    assert!(shown.contains("oh\\u{1b}[2J no"), "{shown}");
}

#[test]
fn a_made_key_is_shown_and_so_is_a_warning() {
    let fake = Fake::start(api);
    let create = ["webhooks", "create", "--url", "https://e.com/"];
    let (shown, code) = fake.show(&create, &[("NO_COLOR", "1")]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("signing_secret: whsec_c2VjcmV0"), "{shown}");
    assert!(shown.contains("warning: no rule makes `tsak.created`"), "{shown}");
}

#[test]
fn a_deletion_is_asked_about_on_a_terminal() {
    let fake = Fake::start(api);
    for (answer, n_deletions, code) in [("n\n", 0, 1), ("\n", 0, 1), ("y\n", 1, 0)] {
        let folder = tempfile::tempdir().expect("a folder");
        let command = fake.command(folder.path(), &["webhooks", "delete", "billing"]);
        let (mut terminal, mut child) = on_terminal(command, 100);
        terminal.until("[y/N] ");
        terminal.types(answer);
        terminal.rest();
        assert_eq!(child.wait().expect("our child").code(), Some(code), "{answer:?}");
        assert_eq!(fake.changes().len(), n_deletions, "{answer:?}");
    }
}

#[test]
fn a_secret_can_come_from_standard_input() {
    let fake = Fake::start(api);
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["webhooks", "create", "--url", "https://e.com/", "--signing-secret-file", "-"];
    let mut command = fake.command(folder.path(), &arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    child.stdin.take().expect("piped").write_all(b"whsec_YQ==\n").expect("read");
    assert!(child.wait().expect("our child").success());
    assert_eq!(fake.changes()[0].body["signing_secret"], "whsec_YQ==");
}
