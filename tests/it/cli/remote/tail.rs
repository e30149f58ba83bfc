use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::fake::{EVENT, Fake, Says, Seen, WEBHOOK, on_terminal};
use super::{delivery, event, ordinary, webhook};
use crate::cli::process::exit_code;
use crate::cli::stderr;

fn message(id: usize, kind: &str, data: &Value) -> String {
    format!("id: 7-{id}\nevent: {kind}\ndata: {data}\n\n")
}

fn refused() -> Says {
    Says::Json(401, json!({"detail": "send the admin token", "code": "unauthorized"}))
}

/// The ids that connections to the stream said they were at.
fn places(fake: &Fake) -> Vec<Option<String>> {
    let place = |seen: &Seen| {
        let headers = seen.headers.iter();
        headers.clone().find_map(|line| line.strip_prefix("last-event-id: ").map(str::to_owned))
    };
    fake.seen().iter().filter(|seen| seen.line == "GET /v1/stream").map(place).collect()
}

fn json_lines(text: &[u8]) -> Vec<Value> {
    let lines = text.lines().map(|line| line.expect("text"));
    lines.map(|line| serde_json::from_str(&line).expect("a JSON object per line")).collect()
}

#[test]
fn it_begins_with_the_latest_and_goes_on_where_it_was() {
    let fake = Fake::start(|seen, n| match (seen.line.as_str(), n) {
        // What the lists showed already is not shown again.
        ("GET /v1/stream", 0) => Says::Stream(
            ": hello\n\n".to_owned()
                + &message(1, "delivery", &delivery("failed", 2))
                + &message(2, "delivery", &delivery("pending", 3)),
        ),
        ("GET /v1/stream", 1) => Says::Json(503, json!({"detail": "draining"})),
        ("GET /v1/stream", 2) => Says::Stream(
            message(3, "webhook", &webhook())
                + &message(4, "unheard-of", &json!({}))
                + "event: reset\ndata: {}\n\n"
                + &message(5, "closed", &json!({"reason": "x", "detail": "too slow"})),
        ),
        ("GET /v1/stream", _) => refused(),
        _ => ordinary(seen),
    });
    let output = fake.run(&["tail"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "the token is refused in the end: {said}");
    let told = json_lines(&output.stdout);
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|line| {
            let status = line["data"]["status"].as_str().unwrap_or_default();
            (line["type"].as_str().expect("a type"), status)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("event", ""),
            ("delivery", "failed"),
            ("delivery", "pending"),
            ("webhook", "paused"),
            ("reset", "")
        ]
    );
    let place = |id: &str| Some(id.to_owned());
    assert_eq!(places(&fake), [None, place("7-2"), place("7-2"), place("7-5")]);
    for (part, n) in
        [("broke off", 2), ("connected again", 1), ("may be missing", 1), ("too slow", 1)]
    {
        assert_eq!(said.matches(part).count(), n, "{part}: {said}");
    }
    assert!(said.contains("SIDEHOOK_TOKEN"), "{said}");
}

#[test]
fn people_get_a_line_per_change_that_their_terminal_does_not_obey() {
    let fake = Fake::start(|seen, n| match (seen.line.as_str(), n) {
        ("GET /v1/stream", 0) => Says::Stream(
            message(1, "webhook", &webhook())
                + &message(2, "webhook", &json!({"id": WEBHOOK, "deleted": true})),
        ),
        ("GET /v1/stream", _) => refused(),
        _ => ordinary(seen),
    });
    let (shown, code) = fake.show(&["tail"], &[("NO_COLOR", "1")]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].contains("event     task.created  POST /tasks/1?xx"), "{shown}");
    assert!(
        lines[1].ends_with(
            "201 -> billing failed  attempt 2 503 12 ms  the receiver \\u{1b}[2J answered 503"
        ),
        "{shown}"
    );
    assert!(lines[2].ends_with("webhook   billing paused  10 failed attempts in a row"), "{shown}");
    assert!(lines[3].ends_with("webhook   billing deleted"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn only_what_is_asked_for_is_shown() {
    let all = message(1, "event", &event(2))
        + &message(2, "delivery", &delivery("pending", 3))
        + &message(3, "delivery", &delivery("delivered", 4))
        + &message(4, "webhook", &webhook());
    let of_webhook = format!("GET /v1/stream?webhook={WEBHOOK}");
    let fake = Fake::start(move |seen, n| match seen.line.as_str() {
        line if line != "GET /v1/stream" && line != of_webhook => ordinary(seen),
        _ if n % 2 == 0 => Says::Stream(all.clone()),
        _ => refused(),
    });
    for (arguments, expected) in [
        (&["--events"][..], &["event"][..]),
        (&["--deliveries"], &["delivery", "delivery"]),
        (&["--status", "delivered"], &["delivery"]),
        (&["--webhook", "billing"], &["delivery", "delivery", "webhook"]),
        (&["--label", "other"], &[]),
    ] {
        let output = fake.run(&[&["tail", "-n", "0"], arguments].concat());
        let told = json_lines(&output.stdout);
        let kinds: Vec<&str> = told.iter().filter_map(|line| line["type"].as_str()).collect();
        assert_eq!(kinds, expected, "{arguments:?}");
    }
    let asked = fake.seen();
    assert!(asked.iter().all(|seen| !seen.line.contains("/v1/events")), "-n 0 reads no list");
}

/// A tail whose stream stays open after one change.
fn quiet() -> Fake {
    Fake::start(|seen, _| match seen.line.as_str() {
        "GET /v1/stream" => Says::OpenStream(message(1, "event", &event(2))),
        _ => ordinary(seen),
    })
}

#[test]
fn ctrl_c_ends_it_well() {
    let fake = quiet();
    let folder = tempfile::tempdir().expect("a folder");
    let command = fake.command(folder.path(), &["tail", "-n", "0", "--color", "never"]);
    let (mut terminal, mut child) = on_terminal(command, 100);
    terminal.until("task.created");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    assert_eq!(exit_code(&mut child), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let many: String = (0..200).map(|n| message(n, "delivery", &delivery("failed", 9))).collect();
    let fake = Fake::start(move |seen, _| match seen.line.as_str() {
        "GET /v1/stream" => Says::OpenStream(many.repeat(20)),
        _ => ordinary(seen),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = fake.command(folder.path(), &["tail"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    assert!(line.contains(EVENT), "{line}");
    drop(out);
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!(exit_code(&mut child), Some(0), "{said}");
    assert_eq!(said, "");
}

#[test]
fn what_cannot_be_followed_is_said_at_once() {
    let nobody = Fake::start(|seen, _| match seen.line.as_str() {
        "GET /v1/stream" => Says::Json(200, json!({})),
        _ => ordinary(seen),
    });
    let output = nobody.run(&["tail"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("has no stream"), "{}", stderr(&output));
    let output = nobody.run(&["tail", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("127.0.0.1:1/: Connection refused"), "first what happened: {said}");
    assert!(said.contains("\n  is `sidehook run` up"), "and then what to look at: {said}");
}
