//! The proxy's own answers, its limits, its start and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidehook::proxy::{Drained, Proxy, StartError};
use sidehook::rules::RuleSet;
use sidehook::shutdown::Stop;
use sidehook::telemetry::Metrics;
use tokio::net::TcpListener;

use super::callers::closes;
use super::stand::{Storage, plain, settings, start, with};
use crate::support::client::RawClient;
use crate::support::until;
use crate::support::upstream::{Act, Signal, Upstream, ok, send};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn c4_an_upstream_that_is_not_there_is_named() {
    let address = nowhere().await;
    let (proxy, mut client) = with(settings(address)).await;
    client.send(GET).await;
    let detail = client.reply().await.problem(502, "connection_refused");
    assert!(detail.contains(&address.to_string()) && detail.contains("refused"), "{detail}");
    assert!(detail.contains("[proxy] upstream"), "names the cure: {detail}");
    assert!(!proxy.upstream_health().is_healthy());
    assert!(proxy.upstream_health().last_error().is_some_and(|error| error.contains("refused")));
    client.send(GET).await;
    client.reply().await.problem(502, "connection_refused");
}

#[tokio::test]
async fn c4_broken_and_invalid_answers_are_502() {
    for (acts, error) in [
        (vec![Act::Close], "connection_terminated"),
        (vec![send("HTTP/1.1 200 OK\r\ncontent-le"), Act::Close], "connection_terminated"),
        (vec![send("garbage\r\n\r\n"), Act::Stall], "http_protocol_error"),
        (
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello"), Act::Stall],
            "http_protocol_error",
        ),
        (
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), Act::Stall],
            "http_protocol_error",
        ),
        (vec![send("HTTP/1.1 99 Low\r\n\r\n"), Act::Stall], "http_protocol_error"),
        (
            vec![send(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(500))), Act::Stall],
            "http_protocol_error",
        ),
        (
            vec![
                send(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
                ),
                Act::Stall,
            ],
            "http_upgrade_failed",
        ),
    ] {
        let upstream = Upstream::always(acts).await;
        let (proxy, mut client) = plain(&upstream).await;
        client.send(GET).await;
        client.reply().await.problem(502, error);
        assert!(!proxy.upstream_health().is_healthy(), "{error}");
        until("the bad connection to close", || upstream.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn c4_a_silent_upstream_is_504_and_recovers() {
    let upstream = Upstream::start(|n, _| if n == 0 { vec![Act::Stall] } else { ok("back") }).await;
    let mut settings = settings(upstream.addr);
    settings.response_timeout = Some(Duration::from_millis(100));
    let (proxy, mut client) = with(settings).await;
    client.send(GET).await;
    let detail = client.reply().await.problem(504, "http_response_timeout");
    assert!(detail.contains("response_timeout"), "{detail}");
    assert!(!proxy.upstream_health().is_healthy());
    until("the silent connection to close", || upstream.open_connections() == 0).await;
    client.send(GET).await;
    assert_eq!(client.reply().await.text(), "back");
    assert!(proxy.upstream_health().is_healthy());
}

#[tokio::test]
async fn a_slow_upload_is_the_clients_fault_and_a_moving_one_nobodys() {
    let upstream = Upstream::always(ok("thanks")).await;
    let mut settings = settings(upstream.addr);
    settings.response_timeout = Some(Duration::from_millis(300));
    let (proxy, mut client) = with(settings).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").await;
    client.reply().await.problem(408, "http_request_error");
    assert!(proxy.upstream_health().is_healthy(), "not the upstream's fault");

    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n").await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        client.send("x").await;
    }
    assert_eq!(client.reply().await.text(), "thanks");
}

/// C1: a pooled connection that the upstream has closed costs the client nothing.
#[tokio::test]
async fn a_stale_connection_is_replaced() {
    let upstream = Upstream::start(|_, _| vec![ok("x").remove(0), Act::Close]).await;
    let (_proxy, mut client) = plain(&upstream).await;
    for n in 0..5 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
        assert_eq!(client.reply().await.text(), "x");
        until("the upstream to close", || {
            upstream.connections() == n + 1 && upstream.open_connections() == 0
        })
        .await;
    }
    assert_eq!(upstream.requests().len(), 5, "nothing was sent twice");
}

/// L9: two timeouts that do not disturb each other.
#[tokio::test]
async fn l9_slow_heads_get_408_and_idle_connections_close() {
    let upstream = Upstream::always(ok("x")).await;
    let mut quick = settings(upstream.addr);
    quick.header_timeout = Duration::from_millis(100);
    let (_proxy, mut client) = with(quick).await;
    client.send(GET).await;
    client.reply().await;
    client.send("GET / HT").await;
    client.reply().await.problem(408, "http_request_error");
    assert!(client.rest().await.bytes.is_empty());

    let mut quick = settings(upstream.addr);
    quick.idle_timeout = Duration::from_millis(100);
    let (proxy, client) = with(quick).await;
    assert!(client.rest().await.bytes.is_empty(), "closed without a word");
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(GET).await;
    client.reply().await;
    assert!(client.rest().await.bytes.is_empty(), "closed after its call");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away() {
    let upstream = Upstream::always(ok("x")).await;
    let mut one = settings(upstream.addr);
    one.connections_max = 1;
    let (proxy, mut first) = with(one).await;
    first.send(GET).await;
    first.reply().await;
    let mut second = RawClient::connect(proxy.local_addr()).await;
    second.send(GET).await;
    let reply = second.reply().await;
    reply.problem(503, "connection_limit_reached");
    assert_eq!(reply.field("retry-after"), ["1"]);
    first.send(GET).await;
    assert_eq!(first.reply().await.status(), 200);
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let upstream = Upstream::always(ok("x")).await;
    let (proxy, _client) = plain(&upstream).await;
    let mut settings = settings(upstream.addr);
    settings.listen = proxy.local_addr().into();
    let rules = RuleSet::new(Vec::new());
    let store = Storage::new().store;
    let error = Proxy::start(settings, rules, store, Arc::new(Metrics::default()), Stop::new())
        .expect_err("in use");
    assert!(matches!(error, StartError::InUse { .. }));
    let words = error.to_string();
    assert!(words.contains(&proxy.local_addr().to_string()) && words.contains("[proxy] listen"));
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"),
        Act::Await(signal.clone()),
        send("done"),
    ])
    .await;
    let proxy = Arc::new(start(settings(upstream.addr), Vec::new(), Storage::new().store));
    let address = proxy.local_addr();
    let idle = RawClient::connect(address).await;
    let mut busy = RawClient::connect(address).await;
    busy.send(GET).await;
    busy.read_until("\r\n\r\n").await;
    let draining = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move { proxy.drain(crate::support::PATIENCE).await }
    });
    assert!(idle.rest().await.bytes.is_empty(), "idle connections close at once");
    closes(address).await;
    signal.give();
    assert_eq!(busy.reply().await.text(), "done");
    assert_eq!(draining.await.expect("ended"), Drained::default());
}

#[tokio::test]
async fn a_drain_without_time_says_what_it_cut_off() {
    let upstream = Upstream::always(vec![Act::Stall]).await;
    let (proxy, mut client) = plain(&upstream).await;
    client.send(GET).await;
    upstream.request(0).await;
    let drained = proxy.drain(Duration::ZERO).await;
    assert_eq!(drained, Drained { calls_cut: 1, matched_cut: 0 });
    assert!(client.rest().await.bytes.is_empty());
}
