use serde_json::{Value, json};

use super::fake::{DELIVERY, EVENT, Fake, Says};
use super::{event, nothing, ordinary};
use crate::cli::{stderr, stdout};

const COLOURS: [(&str, &str); 1] = [("TERM", "xterm")];

#[test]
fn a_terminal_gets_tables_that_fit_with_whole_ids_and_nothing_it_would_obey() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    let (shown, code) = fake.show(&["deliveries"], &[("NO_COLOR", "1")]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("LAST OUTCOME") && shown.contains(DELIVERY), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.contains("\\u{1b}[2J"), "{shown}");
    // The outcome is the last column: cut, where the rest leaves it less than it would take.
    let (shown, _) = fake.show(&["events", "--color", "never"], &COLOURS);
    assert!(shown.contains(EVENT) && shown.contains("POST /tasks/1?xx"), "{shown}");
    assert!(shown.contains("...") && !shown.contains(&"x".repeat(80)), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    let red = "\u{1b}[31mfailed\u{1b}[0m";
    let (shown, _) = fake.show(&["deliveries"], &COLOURS);
    assert!(shown.contains(red), "{shown:?}");
    for environment in [&[("NO_COLOR", "yes"), ("TERM", "xterm")][..], &[("TERM", "dumb")]] {
        let (shown, _) = fake.show(&["deliveries"], environment);
        assert!(!shown.contains('\u{1b}'), "{environment:?}: {shown:?}");
    }
    let (shown, _) = fake.show(&["deliveries"], &[("NO_COLOR", ""), ("TERM", "xterm")]);
    assert!(shown.contains(red), "an empty NO_COLOR says nothing: {shown:?}");
    let (shown, _) = fake.show(&["deliveries", "--color", "always"], &[("NO_COLOR", "1")]);
    assert!(shown.contains(red), "{shown:?}");
}

#[test]
fn webhooks_and_status_tell_what_is_wrong() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    let (shown, code) = fake.show(&["status"], &[("NO_COLOR", "1")]);
    assert_eq!(code, 0, "{shown}");
    for part in [
        "connection refused",
        "generation 3",
        "unknown key `upstraem`",
        "4711",
        "1 h 1 min",
        "error     The webhook billing is paused.",
        "\n          Mend it, \\u{1b}[2Jthen test.",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (shown, code) = fake.show(&["webhooks"], &[("NO_COLOR", "1")]);
    assert_eq!(code, 0, "{shown}");
    let pause = "\nbilling is paused since 2026-01-31T09:31:30.000Z, tried next \
                 2026-01-31T09:41:30.000Z: 10 failed attempts in a row";
    let rest = "\nbilling rests until 2026-01-31T09:41:00.000Z: its receiver asked for it";
    for part in ["billing", "paused: 10 failed", "4711", "1 h 1 min", "api", pause, rest] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (shown, _) = fake.show(&["webhooks", "--json"], &[]);
    let told: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(told["data"][0]["name"], "billing");
}

#[test]
fn a_list_is_followed_until_enough_is_found() {
    // The first page is full of what the filter left out.
    let fake = Fake::start(|seen, _| {
        let page = |n: usize, next: Value| {
            let rows: Vec<Value> = (0..n).map(event).collect();
            Says::Json(200, json!({"data": rows, "next": next}))
        };
        match seen.line.as_str() {
            "GET /v1/events?q=42&limit=3" => page(0, json!("a")),
            "GET /v1/events?q=42&limit=3&cursor=a" => page(2, json!("b")),
            "GET /v1/events?q=42&limit=1&cursor=b" => page(1, json!("c")),
            _ => nothing(),
        }
    });
    let output = fake.run(&["events", "-q", "42", "--limit", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(told["next"], "c");
}

#[test]
fn a_list_that_leads_nowhere_ends() {
    let fake = Fake::start(|_, _| Says::Json(200, json!({"data": [], "next": "same"})));
    let output = fake.run(&["events"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fake.seen().len(), 2);
}

#[test]
fn an_age_is_as_good_as_a_time() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    for since in ["1h", "2026-01-31T10:30:00+01:00"] {
        let output = fake.run(&["events", "--since", since]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let lines: Vec<String> = fake.seen().into_iter().map(|seen| seen.line).collect();
    let after = |line: &str| {
        let text = line.split("since=").nth(1).expect("it is sent");
        let text = text.split('&').next().expect("a value").replace("%3A", ":");
        sidehook::model::Timestamp::parse(&text).expect("RFC 3339")
    };
    let age = sidehook::clock::now().since(after(&lines[0])).as_secs();
    assert!((3600..3700).contains(&age), "{lines:?}");
    assert_eq!(after(&lines[1]).to_string(), "2026-01-31T09:30:00.000Z");
}

#[test]
fn a_name_that_is_nearly_right_is_recognised() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    let output = fake.run(&["deliveries", "--webhook", "biling"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean `billing`?"), "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
}
