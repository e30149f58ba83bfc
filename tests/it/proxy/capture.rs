//! What is stored of a call: within its limits, redacted, byte for byte.

use sidehook::clock;
use sidehook::model::{BodyState, Event, EventRule};
use sidehook::proxy::{CaptureSettings, Proxy};
use sidehook::view::{request_view, response_view};

use super::stand::{Storage, rule, settings, start};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Upstream, ok, send};

/// The events of one request, with these rules and capture settings.
async fn events_of(
    request: &[u8],
    acts: Vec<Act>,
    rules: Vec<EventRule>,
    change: impl FnOnce(&mut CaptureSettings),
) -> Vec<Event> {
    let upstream = Upstream::always(acts).await;
    let storage = Storage::new();
    let (_proxy, mut client) = front(&upstream, &storage, rules, change).await;
    client.send(request).await;
    assert_eq!(client.reply().await.status(), 200);
    storage.as_after_a_crash()
}

async fn front(
    upstream: &Upstream,
    storage: &Storage,
    rules: Vec<EventRule>,
    change: impl FnOnce(&mut CaptureSettings),
) -> (Proxy, RawClient) {
    let mut settings = settings(upstream.addr);
    change(&mut settings.capture);
    let proxy = start(settings, rules, storage.store.clone());
    let client = RawClient::connect(proxy.local_addr()).await;
    (proxy, client)
}

fn post(target: &str, lines: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
        .into()
}

#[tokio::test]
async fn an_event_tells_the_call() {
    let before = clock::now();
    let rules = vec![rule("task.done", "POST ^/tasks/(?<id>[0-9]+)$")];
    let request =
        post("/tasks/7?a=%20b", "X-Kept: 1\r\nX-Other: 2\r\nX-KEPT: 3\r\n", "{\"n\": 1.0}");
    let reply = "HTTP/1.1 200 Fine\r\nX-Kept: r\r\nServer: s\r\ncontent-length: 3\r\n\r\n\x00\x01z";
    let events = events_of(&request, vec![send(reply)], rules, |_| {}).await;
    let [event] = events.as_slice() else { panic!("{} events", events.len()) };
    assert_eq!((event.rule.id, event.rule.label.as_str()), (1, "task.done"));
    assert_eq!(event.rule.tag.as_deref(), Some("tag-1"));
    assert!(event.time >= before && event.time <= clock::now());
    assert_eq!(event.id.uuid().get_version_num(), 7);
    let request = &event.exchange.request;
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "/tasks/7?a=%20b"));
    assert_eq!(request.params, [("id".to_owned(), "7".to_owned())]);
    let kept = |n: &str, v: &str| (n.to_owned(), v.as_bytes().to_vec());
    assert_eq!(request.headers.0, [kept("x-kept", "1"), kept("x-kept", "3")]);
    assert_eq!((request.body.bytes.as_slice(), request.body.size), (&b"{\"n\": 1.0}"[..], 10));
    let response = &event.exchange.response;
    assert_eq!((response.status, response.headers.0.as_slice()), (200, &[kept("x-kept", "r")][..]));
    assert_eq!(
        (response.body.bytes.as_slice(), response.body.state),
        (&b"\x00\x01z"[..], BodyState::Complete)
    );
}

#[tokio::test]
async fn limits_cut_what_is_kept_and_never_what_passes() {
    for (length, kept, state) in [
        (999, 999, BodyState::Complete),
        (1000, 1000, BodyState::Complete),
        (1001, 1000, BodyState::Truncated),
        (50_000, 1000, BodyState::Truncated),
    ] {
        let body = "x".repeat(length);
        let request = post("/a", "", &body);
        let events = events_of(&request, ok(&body), vec![rule("a", "* ^/a$")], |_| {}).await;
        let exchange = &events[0].exchange;
        for body in [&exchange.request.body, &exchange.response.body] {
            assert_eq!((body.bytes.len(), body.size, body.state), (kept, length as u64, state));
        }
    }
    let chunks = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        "3\r\nabc\r\n".repeat(400)
    );
    let events =
        events_of(&post("/a", "", ""), vec![send(&chunks)], vec![rule("a", "* ^/a$")], |_| {})
            .await;
    let exchange = &events[0].exchange;
    assert_eq!((exchange.request.body.size, exchange.request.body.state), (0, BodyState::Complete));
    assert_eq!((exchange.response.body.bytes.len(), exchange.response.body.size), (1000, 1200));
}

#[tokio::test]
async fn each_rule_makes_its_own_event_within_its_own_limits() {
    let mut small = rule("small", "* ^/a");
    (small.max_request_body, small.max_response_body) = (Some(2), Some(0));
    let mut large = rule("large", "POST /a$");
    large.max_response_body = Some(1 << 20);
    let mut other = rule("other", "* ^/a");
    other.status = vec![404..=404];
    let body = "y".repeat(2000);
    let rules = vec![small, large, other, rule("elsewhere", "* ^/b")];
    let events = events_of(&post("/a", "", "hello"), ok(&body), rules, |_| {}).await;
    let mut kept: Vec<_> = events
        .iter()
        .map(|event| {
            let Event { rule, exchange, .. } = event;
            let (request, response) = (&exchange.request.body, &exchange.response.body);
            (
                rule.label.as_str(),
                request.bytes.len(),
                response.bytes.len(),
                response.size,
                response.state,
            )
        })
        .collect();
    kept.sort_unstable_by_key(|event| event.0);
    assert_eq!(
        kept,
        [
            ("large", 5, 2000, 2000, BodyState::Complete),
            ("small", 2, 0, 2000, BodyState::Truncated)
        ]
    );
}

#[tokio::test]
async fn captures_share_a_budget_and_give_it_back() {
    let upstream = Upstream::always(ok("0123456789")).await;
    let storage = Storage::new();
    let rules = vec![rule("a", "* ^/a$")];
    let (_proxy, mut client) = front(&upstream, &storage, rules, |c| c.total_max = 12).await;
    for body in ["hello world, hello", "hi", "hi"] {
        client.send(post("/a", "", body)).await;
        assert_eq!(client.reply().await.text(), "0123456789", "the call is not touched");
    }
    let states: Vec<_> = storage
        .as_after_a_crash()
        .iter()
        .map(|e| {
            (
                e.exchange.request.body.state,
                e.exchange.response.body.state,
                e.exchange.request.body.size,
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            (BodyState::OverBudget, BodyState::Complete, 18),
            (BodyState::Complete, BodyState::Complete, 2),
            (BodyState::Complete, BodyState::Complete, 2),
        ]
    );
}

#[tokio::test]
async fn secrets_are_redacted_before_anything_is_stored() {
    let lines = "Authorization: Bearer SECRET\r\nCookie: SECRET\r\nX-Api-Key: SECRET\r\nX-Open: 1\r\n\
                 Proxy-Authorization: SECRET\r\nContent-Type: application/json\r\n";
    let request = post(
        "/a?access_token=SECRET&x=1",
        lines,
        r#"{"user": "u", "password": "SECRET", "n": 1e400}"#,
    );
    let reply = "HTTP/1.1 200 OK\r\nSet-Cookie: SECRET\r\ncontent-length: 12\r\n\r\npin: SECRET!";
    let events = events_of(&request, vec![send(reply)], vec![rule("a", "* ^/a")], |capture| {
        capture.keep_headers = None;
        capture.redact_headers = vec!["x-api-key".into()];
        capture.redact_query = vec!["access_token".into()];
        capture.redact_fields =
            vec!["/request/body/password".into(), "/response/body/*/pin".into()];
    })
    .await;
    let exchange = &events[0].exchange;
    let stored = format!("{exchange:?} {}", String::from_utf8_lossy(&exchange.request.body.bytes));
    assert!(!stored.contains("SECRET") && !stored.contains("83, 69, 67, 82, 69, 84"), "{stored}");
    for name in ["authorization", "cookie", "x-api-key", "proxy-authorization"] {
        assert_eq!(exchange.request.headers.get(name), Some(&b"REDACTED"[..]), "{name}");
    }
    assert_eq!(exchange.request.headers.get("x-open"), Some(&b"1"[..]));
    assert_eq!(exchange.response.headers.get("set-cookie"), Some(&b"REDACTED"[..]));
    assert_eq!(exchange.request.url, "/a?access_token=REDACTED&x=1");
    let body = &exchange.request.body;
    assert_eq!(body.bytes, br#"{"user": "u", "password": "REDACTED", "n": 1e400}"#);
    let left_out = &exchange.response.body;
    assert_eq!((left_out.state, left_out.size), (BodyState::Redacted, 12));
}

#[tokio::test]
async fn a_body_is_understood_also_when_its_type_is_not_kept() {
    let request = post("/a", "Content-Type: text/plain\r\n", "17");
    let reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\n\
                 content-length: 2\r\n\r\n42";
    let change = |capture: &mut CaptureSettings| capture.keep_headers = Some(Vec::new());
    let rules = vec![rule("a", "POST ^/a")];
    let events = events_of(&request, vec![send(reply)], rules, change).await;
    let shown = |view: serde_json::Result<serde_json::Value>| view.expect("serialisable");
    let request = shown(serde_json::to_value(request_view(&events[0])));
    assert_eq!((&request["body"], &request["body_encoding"]), (&"17".into(), &"text".into()));
    assert_eq!(request["headers"], serde_json::json!({}), "it is not shown");
    let response = shown(serde_json::to_value(response_view(&events[0])));
    assert_eq!((&response["body"], &response["body_encoding"]), (&"NDI=".into(), &"base64".into()));
    assert_eq!(response["headers"], serde_json::json!({}), "it is not shown");
}
