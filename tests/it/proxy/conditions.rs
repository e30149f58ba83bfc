//! Conditions and subjects, judged on real calls: what becomes an event, what it is about, and that
//! nothing that goes wrong with them reaches the client.

use std::io::Write as _;

use sidehook::expr::Expression;
use sidehook::model::{Event, EventRule};
use sidehook::proxy::{CaptureSettings, CommitMode};
use sidehook::rules::{Counts, RuleSet};
use sidehook::telemetry::{Exposition, Scrape};

use super::stand::{Storage, measured, rule, settings};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Upstream, ok};

/// What one call came to.
struct Came {
    events: Vec<Event>,
    counts: Vec<Counts>,
    metrics: String,
}

fn on(rule: EventRule, when: &str, subject: &str) -> EventRule {
    let expression =
        |source: &str| (!source.is_empty()).then(|| Expression::parse(source).expect(source));
    EventRule { when: expression(when), subject: expression(subject), ..rule }
}

/// Sends one request; the client must get its 200 whatever the conditions say.
async fn call(
    request: &str,
    acts: Vec<Act>,
    rules: Vec<EventRule>,
    change: impl FnOnce(&mut CaptureSettings),
) -> Came {
    let upstream = Upstream::always(acts).await;
    let storage = Storage::new();
    let mut settings = settings(upstream.addr);
    change(&mut settings.capture);
    let rules = RuleSet::new(rules);
    let (proxy, metrics) = measured(settings, &rules, storage.store.clone());
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(request).await;
    assert_eq!(client.reply().await.status(), 200);
    Came {
        events: storage.as_after_a_crash(),
        counts: rules.tallies().map(|tally| tally.counts()).collect(),
        metrics: metrics.encode(&Scrape::default(), Exposition::Text),
    }
}

fn post(lines: &str, body: &str) -> String {
    let n = body.len();
    format!("POST /tasks/7?full=1 HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {n}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_call_becomes_an_event_where_its_condition_is_true() {
    let base = || rule("task.done", "POST ^/tasks/(?<task_id>[0-9]+)$");
    let done = "response.body.status == 'done' and request.query.full == '1'";
    let rules = vec![
        on(base(), done, "request.params.task_id"),
        on(EventRule { label: "task.open".into(), ..base() }, "response.body.status == 'open'", ""),
        on(EventRule { label: "task.any".into(), ..base() }, "", "request.body.who|upper"),
    ];
    let came =
        call(&post("", r#"{"who": "me"}"#), ok(r#"{"status": "done"}"#), rules, |_| {}).await;
    let mut made: Vec<_> = came
        .events
        .iter()
        .map(|e| (e.rule.label.as_str(), e.subject.as_deref(), e.depth))
        .collect();
    made.sort_unstable();
    assert_eq!(made, [("task.any", Some("ME"), 0), ("task.done", Some("7"), 0)]);
    let hits: Vec<u64> = came.counts.iter().map(|counts| counts.hits).collect();
    assert_eq!(hits, [1, 0, 1]);
    let at = came.counts[0].last_hit_at.expect("it was hit");
    assert_eq!(at, came.events[0].time);
    assert_eq!((came.counts[1].last_hit_at, came.counts[1].condition_errors), (None, 0));
}

#[tokio::test]
async fn conditions_see_all_headers_but_secrets_and_the_event_keeps_only_its_own() {
    let lines = "X-Other: 1\r\nAuthorization: Bearer SECRET\r\nX-Key: SECRET\r\nX-Kept: k\r\n\
                 Content-Type: text/plain\r\n";
    let seen = "[request.headers.x_other, request.headers.authorization, request.headers.x_key, \
                request.body, request.url]|join(' ')";
    let rules = vec![on(rule("a", "POST ^/tasks"), "request.headers.x_other == '1'", seen)];
    let came = call(&post(lines, "17"), ok(""), rules, |capture| {
        capture.redact_headers = vec!["x-key".into()];
        capture.redact_query = vec!["full".into()];
        capture.keep_headers = Some(vec!["x-kept".into()]);
    })
    .await;
    let [event] = came.events.as_slice() else { panic!("{} events", came.events.len()) };
    let subject = event.subject.as_deref();
    assert_eq!(subject, Some("1 REDACTED REDACTED 17 /tasks/7?full=REDACTED"));
    let request = &event.exchange.request;
    assert_eq!(request.headers.0, [("x-kept".to_owned(), b"k".to_vec())]);
    let described: Vec<_> = request.body.described_by().map(|(name, _)| name.as_str()).collect();
    assert_eq!(described, ["content-type"], "how to read the body is known still");
}

#[tokio::test]
async fn conditions_see_redacted_and_decoded_bodies() {
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(br#"{"pin": "SECRET", "n": 5}"#).expect("into memory");
    let zipped = zipped.finish().expect("into memory");
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        zipped.len()
    )
    .into_bytes();
    reply.extend_from_slice(&zipped);
    let subject = "response.body.pin ~ ' ' ~ response.body.n";
    let rules = vec![on(rule("a", "POST ^/tasks"), "response.body.n > 4", subject)];
    let came = call(&post("", ""), vec![Act::Send(reply)], rules, |capture| {
        capture.redact_fields = vec!["/response/body/pin".into()];
    })
    .await;
    assert_eq!(came.events[0].subject.as_deref(), Some("REDACTED 5"));
    let body = &came.events[0].exchange.response.body;
    assert_eq!(body.bytes, br#"{"pin": "REDACTED", "n": 5}"#);
    assert_eq!((body.size, body.decoded), (zipped.len() as u64, true));
}

#[tokio::test]
async fn a_failing_condition_is_counted_and_never_stops_the_call() {
    let rules = vec![
        on(rule("a", "POST ^/tasks"), "response.body.n + 1 > 2", ""),
        on(rule("b", "POST ^/tasks"), "", "response.body"),
        on(rule("c", "POST ^/tasks"), "range(10**9)|length > 1", ""),
    ];
    let came = call(&post("", ""), ok(r#"{"n": []}"#), rules, |_| {}).await;
    let [event] = came.events.as_slice() else { panic!("{} events", came.events.len()) };
    assert_eq!((event.rule.label.as_str(), event.subject.as_deref()), ("b", None));
    let errors: Vec<u64> = came.counts.iter().map(|counts| counts.condition_errors).collect();
    assert_eq!(errors, [1, 1, 1]);
    let told = came.counts[0].last_condition_error.as_deref().expect("kept");
    assert!(told.contains("`when` failed at byte 1 (`response.body.n + 1`)"), "{told}");
    for label in ["a", "b", "c"] {
        let line = format!("sidehook_condition_errors_total{{label=\"{label}\"}} 1");
        assert!(came.metrics.contains(&line), "{}", came.metrics);
    }
}

#[tokio::test]
async fn a_call_whose_condition_is_false_needs_no_store() {
    let upstream = Upstream::always(ok("{}")).await;
    for commit in [CommitMode::BeforeResponse, CommitMode::AfterResponse] {
        let storage = Storage::new();
        let mut settings = settings(upstream.addr);
        settings.commit = commit;
        settings.on_store_failure = sidehook::store::OnFailure::Keep;
        let rules = vec![on(rule("a", "POST ^/tasks"), "response.body.yes", "")];
        let rules = RuleSet::new(rules);
        let (proxy, metrics) = measured(settings, &rules, storage.store.clone());
        storage.store.close();
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(post("", "")).await;
        assert_eq!(client.reply().await.status(), 200);
        let metrics = metrics.encode(&Scrape::default(), Exposition::Text);
        assert!(!metrics.contains("events_lost_total{reason=\"closed\"} 1"), "{metrics}");
    }
}
