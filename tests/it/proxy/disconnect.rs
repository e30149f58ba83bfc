//! Clients that hang up: what becomes of their calls, at the upstream and as events.

use sidehook::model::{BodyState, EventRule, OnDisconnect};
use sidehook::proxy::{Drained, Proxy};

use super::stand::{Storage, rule, settings, start};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Signal, Upstream, ok, reply, send};
use crate::support::{PATIENCE, until};

const POST: &str = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// Where a call stands when its client hangs up; the acts of the upstream until then, and after.
fn places() -> Vec<(&'static str, Vec<Act>, Vec<Act>)> {
    vec![
        ("before the head", vec![], ok("done")),
        (
            "within a body with a length",
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo")],
            vec![send("ne")],
        ),
        (
            "within a chunked body",
            vec![send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\ndo\r\n")],
            vec![send("2\r\nne\r\n0\r\n\r\n")],
        ),
    ]
}

/// Rules for `/orders` with these labels, and what becomes of their calls.
fn rules(kinds: &[(&str, OnDisconnect)]) -> Vec<EventRule> {
    let of = |&(label, on_disconnect): &(&str, OnDisconnect)| EventRule {
        on_disconnect,
        ..rule(label, "* ^/orders")
    };
    kinds.iter().map(of).collect()
}

/// Brings a call to the point where the client hangs up.
async fn leave(proxy: &Proxy, upstream: &Upstream, n: usize, has_body: bool, by_reset: bool) {
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(POST).await;
    upstream.request(n).await;
    if has_body {
        client.read_until("do").await;
    }
    if by_reset {
        client.reset();
    } else {
        drop(client);
    }
}

#[tokio::test]
async fn cancel_ends_the_call_with_its_client() {
    for (id, before, _) in places() {
        for by_reset in [false, true] {
            let upstream = Upstream::always([before.clone(), vec![Act::Stall]].concat()).await;
            let storage = Storage::new();
            let rules = rules(&[("ordered", OnDisconnect::Cancel)]);
            let proxy = start(settings(upstream.addr), rules, storage.store.clone());
            leave(&proxy, &upstream, 0, !before.is_empty(), by_reset).await;
            until(id, || upstream.open_connections() == 0).await;
            assert_eq!(proxy.drain(PATIENCE).await, Drained::default(), "{id}");
            assert!(storage.as_after_a_crash().is_empty(), "{id}");
        }
    }
}

#[tokio::test]
async fn cancel_takes_no_event_from_a_client_that_stays_to_the_end() {
    for (id, before, after) in places() {
        let upstream = Upstream::always([before, after].concat()).await;
        let storage = Storage::new();
        let rules = rules(&[("ordered", OnDisconnect::Cancel)]);
        let proxy = start(settings(upstream.addr), rules, storage.store.clone());
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(POST).await;
        client.reply().await;
        client.reset();
        assert_eq!(storage.as_after_a_crash().len(), 1, "{id}");
    }
}

/// One rule that wants the call carried on is enough, and then each has its event.
#[tokio::test]
async fn continue_wins_over_cancel() {
    for (id, before, after) in places() {
        let signal = Signal::new();
        let wait = vec![Act::Await(signal.clone())];
        let upstream = Upstream::always([before.clone(), wait, after].concat()).await;
        let storage = Storage::new();
        let rules = rules(&[("a", OnDisconnect::Cancel), ("b", OnDisconnect::Continue)]);
        let proxy = start(settings(upstream.addr), rules, storage.store.clone());
        leave(&proxy, &upstream, 0, !before.is_empty(), true).await;
        signal.give();
        let events = storage.events_of(2).await;
        let mut labels: Vec<_> = events.iter().map(|event| event.rule.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, ["a", "b"], "{id}");
        assert_eq!(proxy.drain(PATIENCE).await, Drained::default(), "{id}");
    }
}

#[tokio::test]
async fn a_rule_that_the_status_leaves_out_has_no_say() {
    let upstream =
        Upstream::always(vec![send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo"), Act::Stall])
            .await;
    let storage = Storage::new();
    let mut rules = rules(&[("a", OnDisconnect::Cancel), ("b", OnDisconnect::Continue)]);
    rules[1].status = vec![404..=404];
    let proxy = start(settings(upstream.addr), rules, storage.store.clone());
    leave(&proxy, &upstream, 0, true, false).await;
    until("the upstream to be told", || upstream.open_connections() == 0).await;
    assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
    assert!(storage.as_after_a_crash().is_empty());
}

/// Above 64 MiB the rest of a response is not read for a client that is gone: the event says so.
#[tokio::test]
async fn what_is_read_for_a_client_that_is_gone_is_bounded() {
    const N: usize = 80 << 20;
    let signal = Signal::new();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\ndo", N * 2);
    let upstream = Upstream::always(vec![
        send(&head),
        Act::Await(signal.clone()),
        Act::Send(vec![b'x'; N]),
        Act::Stall,
    ])
    .await;
    let storage = Storage::new();
    let rules = rules(&[("ordered", OnDisconnect::Continue)]);
    let proxy = start(settings(upstream.addr), rules, storage.store.clone());
    leave(&proxy, &upstream, 0, true, false).await;
    signal.give();
    let events = storage.events_of(1).await;
    let body = &events[0].exchange.response.body;
    assert_eq!((body.state, body.bytes.len()), (BodyState::ClientAborted, 1000));
    assert!((64 << 20..N as u64).contains(&body.size), "{}", body.size);
    until("the upstream to be told", || upstream.open_connections() == 0).await;
    assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
}

/// Clients that leave cannot heap up calls without end, and none that was let in is lost.
#[tokio::test]
async fn matched_calls_in_flight_are_bounded() {
    const N: usize = 200;
    let signal = Signal::new();
    let wait = signal.clone();
    let upstream = Upstream::start(move |_, request| match request.contains("/orders") {
        true => vec![Act::Await(wait.clone()), Act::Send(reply("200 OK", "done"))],
        false => ok("other"),
    })
    .await;
    let storage = Storage::new();
    let mut settings = settings(upstream.addr);
    settings.capture.calls_max = N;
    settings.connections_max = N * 2;
    let rules = rules(&[("ordered", OnDisconnect::Continue)]);
    let proxy = start(settings, rules, storage.store.clone());
    for n in 0..N {
        leave(&proxy, &upstream, n, false, n % 2 == 0).await;
    }
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(POST).await;
    let refused = client.reply().await;
    let detail = refused.problem(503, "connection_limit_reached");
    assert!(detail.contains("200 such calls"), "{detail}");
    assert_eq!(refused.field("retry-after"), ["1"]);
    client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "other", "calls that make no event go on");
    assert_eq!(upstream.requests().len(), N + 1, "what was refused was not forwarded");
    (0..=N).for_each(|_| signal.give());
    assert_eq!(storage.events_of(N).await.len(), N);
    client.send(POST).await;
    assert_eq!(client.reply().await.text(), "done", "there is room again");
}
