//! The promise: no client sees the completed success of a matching call unless its event is
//! stored, no event without a complete success, and no event lost with its client.

use std::time::Duration;

use sidehook::model::BodyState;
use sidehook::proxy::{CommitMode, Drained, Proxy, Settings};
use sidehook::store::OnFailure;

use super::stand::{Storage, rule, settings, start};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Signal, Upstream, message_end, ok, reply, send};
use crate::support::{PATIENCE, until};

const POST: &str = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// A proxy that makes events of `/orders`, in front of this upstream.
async fn ordering(
    upstream: &Upstream,
    storage: &Storage,
    change: impl FnOnce(&mut Settings),
) -> (Proxy, RawClient) {
    let mut settings = settings(upstream.addr);
    change(&mut settings);
    let rules = vec![rule("ordered", "* ^/orders")];
    let proxy = start(settings, rules, storage.store.clone());
    let client = RawClient::connect(proxy.local_addr()).await;
    (proxy, client)
}

/// A store whose disk counts as full.
fn full() -> Storage {
    Storage::with(|settings| settings.free_bytes_min = u64::MAX)
}

/// Responses of every framing, and what a client sees of their body.
fn successes() -> Vec<(&'static str, Vec<Act>)> {
    let signal = || {
        let signal = Signal::new();
        signal.give();
        Act::Await(signal)
    };
    vec![
        ("length, at once", ok("done")),
        (
            "length, in pieces",
            vec![
                send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"),
                signal(),
                send("do"),
                signal(),
                send("ne"),
            ],
        ),
        (
            "chunked, at once",
            vec![send(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n",
            )],
        ),
        (
            "chunked, in pieces",
            vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n"),
                signal(),
                send("0\r\n\r\n"),
            ],
        ),
        (
            "to the connection's end",
            vec![send("HTTP/1.1 201 Created\r\n\r\ndone"), signal(), Act::Close],
        ),
        ("empty", ok("")),
        ("no content", vec![send("HTTP/1.1 204 No Content\r\n\r\n")]),
    ]
}

#[tokio::test]
async fn every_complete_success_is_stored_before_its_client_sees_it() {
    for (id, acts) in successes() {
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
        client.send(POST).await;
        let reply = client.reply().await;
        let events = storage.as_after_a_crash();
        assert_eq!(events.len(), 1, "{id}: stored when the client has it all");
        let exchange = &events[0].exchange;
        assert_eq!(exchange.response.status, reply.status(), "{id}");
        let body = String::from_utf8_lossy(&exchange.response.body.bytes).into_owned();
        assert_eq!(body.is_empty(), !reply.text().contains("done"), "{id}");
        assert!(body.is_empty() || body == "done", "{id}: {body}");
        assert_eq!(exchange.request.body.bytes, b"hi", "{id}");
    }
}

#[tokio::test]
async fn no_client_sees_a_complete_success_that_is_not_stored() {
    for (id, acts) in successes() {
        let closed = Signal::new();
        let acts = [vec![Act::Await(closed.clone())], acts].concat();
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
        client.send(POST.replace("Host: a", "Host: a\r\nConnection: close")).await;
        upstream.request(0).await;
        // The call was let through by a store that is gone when the event comes.
        storage.store.close();
        closed.give();
        if ["length, at once", "chunked, at once", "empty", "no content"].contains(&id) {
            let reply = client.reply().await;
            let detail = reply.problem(503, "proxy_internal_error");
            assert!(detail.contains("could not be stored"), "{id}: {detail}");
            assert_eq!(reply.field("retry-after"), ["1"], "{id}");
        } else {
            let rest = client.rest().await;
            let text = String::from_utf8_lossy(&rest.bytes);
            let is_problem = text.starts_with("HTTP/1.1 503");
            assert!(is_problem || message_end(&rest.bytes).is_none(), "{id}: complete: {text}");
        }
        assert!(storage.as_after_a_crash().is_empty(), "{id}");
    }
}

#[tokio::test]
async fn pass_lets_responses_through_when_the_store_fails() {
    for (id, acts) in successes() {
        let upstream = Upstream::always(acts).await;
        let storage = full();
        let pass = |settings: &mut Settings| settings.on_store_failure = OnFailure::Keep;
        let (_proxy, mut client) = ordering(&upstream, &storage, pass).await;
        client.send(POST).await;
        assert!(client.reply().await.status() < 300, "{id}");
    }
}

#[tokio::test]
async fn after_response_never_holds_and_still_stores() {
    for (id, acts) in successes() {
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let after = |settings: &mut Settings| settings.commit = CommitMode::AfterResponse;
        let (_proxy, mut client) = ordering(&upstream, &storage, after).await;
        client.send(POST).await;
        assert!(client.reply().await.status() < 300, "{id}");
        assert_eq!(storage.events_of(1).await.len(), 1, "{id}");
    }
}

#[tokio::test]
async fn only_the_end_is_held_back() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n"),
        Act::Await(signal.clone()),
        send("3\r\none\r\n"),
        Act::Await(signal.clone()),
        send("3\r\ntwo\r\n0\r\n\r\n"),
    ])
    .await;
    let storage = Storage::new();
    let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send("GET /orders HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    signal.give();
    client.read_until("one").await;
    assert!(storage.as_after_a_crash().is_empty(), "not complete yet");
    signal.give();
    assert!(client.reply().await.text().ends_with("two\r\n0\r\n\r\n"));
    assert_eq!(storage.events_of(1).await[0].exchange.response.body.bytes, b"onetwo");
}

#[tokio::test]
async fn no_event_without_a_complete_success() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let unended = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let signal = Signal::new();
    for (id, acts) in [
        ("not a success", vec![Act::Send(reply("404 Not Found", "no"))]),
        ("a redirect", vec![Act::Send(reply("302 Found", ""))]),
        ("length, closed", vec![send(broken), Act::Close]),
        ("length, reset", vec![send(broken), Act::Reset]),
        ("length, later closed", vec![send(broken), Act::Await(signal.clone()), Act::Close]),
        ("chunked, closed", vec![send(unended), Act::Close]),
        ("chunked, later reset", vec![send(unended), Act::Await(signal.clone()), Act::Reset]),
        ("no answer", vec![Act::Close]),
        ("no end of the head", vec![send("HTTP/1.1 200 OK\r\n"), Act::Close]),
        ("refused upgrade", vec![send("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Act::Close]),
    ] {
        signal.give();
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
        client.send(POST.replace("Host: a", "Host: a\r\nConnection: close")).await;
        let rest = client.rest().await;
        let text = String::from_utf8_lossy(&rest.bytes);
        let is_success = text.starts_with("HTTP/1.1 2");
        assert!(!is_success || message_end(&rest.bytes).is_none(), "{id}: complete: {text}");
        assert_eq!(proxy.drain(PATIENCE).await, Drained::default(), "{id}");
        assert!(storage.as_after_a_crash().is_empty(), "{id}");
    }
}

#[tokio::test]
async fn an_event_survives_its_client() {
    for (id, acts) in [
        ("before the head", [None, Some(Act::Send(reply("200 OK", "done")))]),
        (
            "within the body",
            [Some(send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo")), Some(send("ne"))],
        ),
        (
            "before the terminator",
            [
                Some(send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n")),
                Some(send("0\r\n\r\n")),
            ],
        ),
    ] {
        for is_reset in [false, true] {
            let signal = Signal::new();
            let [first, second] = acts.clone();
            let acts = [first, Some(Act::Await(signal.clone())), second].into_iter().flatten();
            let upstream = Upstream::always(acts.collect()).await;
            let storage = Storage::new();
            let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
            client.send(POST).await;
            upstream.request(0).await;
            if id != "before the head" {
                client.read_until("do").await;
            }
            if is_reset {
                client.reset();
            } else {
                drop(client);
            }
            signal.give();
            let events = storage.events_of(1).await;
            assert_eq!(events[0].exchange.response.body.bytes, b"done", "{id}");
            assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
        }
    }
}

#[tokio::test]
async fn a_request_broken_off_by_its_client_is_no_event() {
    let upstream =
        Upstream::start_at_head(|_, _| vec![Act::ReadBody, Act::Send(reply("200 OK", "done"))])
            .await;
    let storage = Storage::new();
    let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    upstream.request(0).await;
    drop(client);
    until("the upstream's connection to close", || upstream.open_connections() == 0).await;
    assert!(!upstream.request(0).await.complete);
    proxy.drain(PATIENCE).await;
    assert!(storage.as_after_a_crash().is_empty());
}

#[tokio::test]
async fn a_store_that_refuses_stops_matching_calls_only() {
    let upstream = Upstream::always(ok("done")).await;
    let storage = full();
    let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    until("the store to notice that its disk is full", || storage.store.check().is_err()).await;
    client.send(POST).await;
    let answer = client.reply().await;
    let detail = answer.problem(503, "proxy_internal_error");
    assert!(detail.contains("not forwarded"), "{detail}");
    assert_eq!(answer.field("retry-after"), ["1"]);
    assert!(upstream.requests().is_empty(), "the upstream was not touched");
    client.send("POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(client.reply().await.text(), "done");

    let pass = |settings: &mut Settings| settings.on_store_failure = OnFailure::Keep;
    let (_proxy, mut client) = ordering(&upstream, &storage, pass).await;
    client.send(POST).await;
    assert_eq!(client.reply().await.text(), "done", "`pass` forwards all the same");
}

#[tokio::test]
async fn a_drain_waits_for_matched_calls_without_a_client() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![Act::Await(signal.clone()), ok("done").remove(0)]).await;
    let storage = Storage::new();
    let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send(POST).await;
    upstream.request(0).await;
    drop(client);
    let (drained, ()) = tokio::join!(proxy.drain(PATIENCE), async { signal.give() });
    assert_eq!(drained, Drained::default());
    assert_eq!(storage.as_after_a_crash().len(), 1);

    let upstream = Upstream::always(vec![Act::Stall]).await;
    let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send(POST).await;
    upstream.request(0).await;
    let drained = proxy.drain(Duration::ZERO).await;
    assert_eq!(drained, Drained { calls_cut: 1, matched_cut: 1 });
    assert!(client.rest().await.bytes.is_empty());
}

/// A response that ends with its connection has no other mark of its end: a connection that is
/// closed before the event is stored must not look like it.
#[tokio::test]
async fn a_cut_off_is_never_taken_for_the_end_of_a_response() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\n\r\ndo"),
        Act::Await(signal.clone()),
        send("ne"),
        Act::Stall,
    ])
    .await;
    let storage = Storage::new();
    let (proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send("GET /orders HTTP/1.0\r\nHost: a\r\n\r\n").await;
    client.read_until("do").await;
    signal.give();
    client.read_until("done").await;
    let drained = proxy.drain(Duration::ZERO).await;
    assert_eq!(drained.matched_cut, 1);
    assert!(client.rest().await.was_reset, "looks complete, but its event is not stored");
    assert!(storage.as_after_a_crash().is_empty());
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_its_event() {
    let mut response = b"HTTP/1.1 200 OK\r\ncontent-length: 30000000\r\n\r\n".to_vec();
    response.resize(response.len() + 30_000_000, b'x');
    let upstream = Upstream::always(vec![Act::Send(response)]).await;
    let storage = Storage::new();
    let soon = |settings: &mut Settings| settings.send_timeout = Duration::from_millis(300);
    let (_proxy, mut client) = ordering(&upstream, &storage, soon).await;
    client.send(POST).await;
    assert_eq!(storage.events_of(1).await[0].exchange.response.body.size, 30_000_000);
    let rest = client.rest().await;
    assert!(rest.was_reset && rest.bytes.len() < 30_000_000, "it was cut off");
}

#[tokio::test]
async fn an_early_success_before_the_request_ends_is_stored_too() {
    let upstream = Upstream::start_at_head(|_, _| ok("early")).await;
    let storage = Storage::new();
    let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf").await;
    assert_eq!(client.reply().await.text(), "early");
    let events = storage.as_after_a_crash();
    assert_eq!(events.len(), 1, "stored when the client has it all");
    let body = &events[0].exchange.request.body;
    assert_eq!((body.bytes.as_slice(), body.state), (&b"half"[..], BodyState::UpstreamAborted));
}

#[tokio::test]
async fn a_closed_store_breaks_off_a_success_for_a_client_of_http_1_0() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\ndo\r\n"),
        Act::Await(signal.clone()),
        send("2\r\nne\r\n0\r\nx-t: 1\r\n\r\n"),
    ])
    .await;
    let storage = Storage::new();
    let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
    client.send("GET /orders HTTP/1.0\r\nHost: a\r\n\r\n").await;
    client.read_until("do").await;
    storage.store.close();
    signal.give();
    assert!(client.rest().await.was_reset, "looks complete, but its event is not stored");
}

#[tokio::test]
async fn a_stored_success_ends_properly_for_a_client_of_http_1_0() {
    for end in ["0\r\n\r\n", "0\r\nx-t: 1\r\n\r\n"] {
        let signal = Signal::new();
        let upstream = Upstream::always(vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\ndo\r\n"),
            Act::Await(signal.clone()),
            send("2\r\nne\r\n"),
            send(end),
        ])
        .await;
        let storage = Storage::new();
        let (_proxy, mut client) = ordering(&upstream, &storage, |_| {}).await;
        client.send("GET /orders HTTP/1.0\r\nHost: a\r\n\r\n").await;
        client.read_until("do").await;
        signal.give();
        let rest = client.rest().await;
        assert!(!rest.was_reset && rest.bytes.ends_with(b"done"), "{end:?}");
        assert_eq!(storage.as_after_a_crash().len(), 1, "{end:?}");
    }
}
