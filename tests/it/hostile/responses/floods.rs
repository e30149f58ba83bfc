//! Upstreams that send too much before their answer (P86), and none at all.

use std::time::Duration;

use super::{Act, Front, Report, Talk, Upstream, ok, problem};

const ROUNDS: usize = 100_000;

/// The answer to a call of an upstream that sends this first, under short limits.
async fn after(flood: Vec<u8>, end: Vec<Act>) -> Vec<String> {
    let script: Vec<Act> = std::iter::once(Act::Send(flood)).chain(end).collect();
    let upstream = Upstream::start(move |_, request| {
        if request.starts_with("GET /flood ") { script.clone() } else { ok("fine") }
    })
    .await;
    let limit = Some(Duration::from_secs(1));
    let front = Front::before(upstream.addr, |settings| settings.response_timeout = limit);
    let mut client = Talk::to(front.addr()).await;
    client.send(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut findings = match client.response(false).await {
        Ok(got) => problem(&got, &[502, 504]).into_iter().collect(),
        Err(_) if client.end.is_some() && !client.interim.is_empty() => Vec::new(),
        Err(error) => vec![error],
    };
    let mut other = Talk::to(front.addr()).await;
    other.send(b"GET /next HTTP/1.1\r\nHost: b\r\n\r\n").await;
    match other.response(false).await {
        Ok(got) if got.body == b"fine" => {}
        other => findings.push(format!("the next call: {other:?}")),
    }
    let events = front.events();
    if events.iter().any(|event| event.exchange.request.url == "/flood") {
        findings.push("an event of a refused call".into());
    }
    findings
}

#[tokio::test]
async fn p86_interim_responses_without_end() {
    let mut report = Report::new("P86");
    for (id, one) in [
        ("P86", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("P86", "HTTP/1.1 102 Processing\r\n\r\n"),
        ("P86", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        ("P86", "HTTP/1.1 199 X\r\nX: y\r\n\r\n"),
    ] {
        let findings = after(one.repeat(ROUNDS).into_bytes(), vec![Act::Stall]).await;
        report.row(id, format!("{ROUNDS} times {one:?}, then nothing"), findings);
    }
    let endless = "X: y\r\n".repeat(ROUNDS);
    let head = format!("HTTP/1.1 103 Early Hints\r\n{endless}");
    report.row(
        "P86 P88",
        "103 with a head that does not end",
        after(head.into_bytes(), vec![Act::Stall]).await,
    );
    let head = format!("HTTP/1.1 200 OK\r\n{endless}");
    report.row(
        "P88",
        "200 with a head that does not end",
        after(head.into_bytes(), vec![Act::Stall]).await,
    );
    let line = format!("HTTP/1.1 200 {}", "x".repeat(4 << 20));
    report.row(
        "P87 P88",
        "a status line that does not end",
        after(line.into_bytes(), vec![Act::Stall]).await,
    );
    let blank = "\r\n".repeat(ROUNDS);
    report.row(
        "P92",
        "blank lines instead of a response",
        after(blank.into_bytes(), vec![Act::Stall]).await,
    );
    report.row("P90", "nothing", after(Vec::new(), vec![Act::Stall]).await);
    report.row("P92", "one byte", after(b"H".to_vec(), vec![Act::Stall]).await);
    report.finish();
}

/// B13: a few are passed on, to those who know them.
#[tokio::test]
async fn b13_interim_responses_are_passed_on() {
    let mut report = Report::new("B13");
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX-CaSe: 1\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let upstream = Upstream::start(move |_, request| {
        let n = if request.contains("/two") { 2 } else { 1 };
        vec![Act::Send(format!("{}{last}", hints.repeat(n)).into_bytes())]
    })
    .await;
    let front = Front::before(upstream.addr, |_| {});
    for (what, request, expected) in [
        ("103 and 200", "GET /one HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("103, 103 and 200", "GET /two HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("103 and 200 to HTTP/1.0", "GET /one HTTP/1.0\r\nHost: a\r\n\r\n", 0),
    ] {
        let mut client = Talk::to(front.addr()).await;
        client.send(request.as_bytes()).await;
        let mut findings = Vec::new();
        match client.response(false).await {
            Ok(got) if got.status() == 200 && got.body == b"hi" => {}
            other => findings.push(format!("the final one: {other:?}")),
        }
        let is_hint = |m: &super::Message| {
            m.status() == 103
                && m.fields.contains(&(b"X-CaSe".to_vec(), b"1".to_vec()))
                && m.values("link") == ["</a>; rel=preload"]
        };
        if client.interim.len() != expected || !client.interim.iter().all(is_hint) {
            let lines: Vec<String> = client.interim.iter().map(|m| super::text(&m.start)).collect();
            findings.push(format!("interim responses: {lines:?}"));
        }
        report.row("B13", what, findings);
    }
    report.finish();
}
