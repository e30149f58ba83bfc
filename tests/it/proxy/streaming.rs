//! Responses that take their time or never end, switches of protocol, gRPC: what passes, when, and
//! what becomes an event.

use std::time::Duration;

use sidehook::model::BodyState;
use sidehook::proxy::{CommitMode, Drained, Proxy, Settings};
use sidehook::rules::RuleSet;
use sidehook::telemetry::{Exposition, Scrape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::stand::{Storage, measured, rule, settings, start};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Signal, Upstream, message_end, send};
use crate::support::wire::Wire;
use crate::support::{PATIENCE, soon, until};

const GET: &str = "GET /orders HTTP/1.1\r\nHost: a\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                      transfer-encoding: chunked\r\n\r\n3\r\none\r\n";

/// A proxy that makes events of `/orders`, after a short while of those that do not end.
async fn impatient(
    upstream: &Upstream,
    storage: &Storage,
    change: impl FnOnce(&mut Settings),
) -> (Proxy, RawClient) {
    let mut settings = settings(upstream.addr);
    settings.capture.max_duration = Duration::from_millis(100);
    change(&mut settings);
    let proxy = start(settings, vec![rule("ordered", "* ^/orders")], storage.store.clone());
    let client = RawClient::connect(proxy.local_addr()).await;
    (proxy, client)
}

#[tokio::test]
async fn a_stream_becomes_an_event_after_a_while_and_goes_on() {
    for commit in [CommitMode::BeforeResponse, CommitMode::AfterResponse] {
        let signal = Signal::new();
        let upstream = Upstream::always(vec![
            send(STREAM),
            Act::Await(signal.clone()),
            send("3\r\ntwo\r\n"),
            Act::Await(signal.clone()),
            send("5\r\nthree\r\n0\r\n\r\n"),
        ])
        .await;
        let storage = Storage::new();
        let (proxy, mut client) = impatient(&upstream, &storage, |s| s.commit = commit).await;
        client.send(GET).await;
        client.read_until("one").await;
        let body = storage.events_of(1).await.remove(0).exchange.response.body;
        assert_eq!((body.bytes.as_slice(), body.state), (&b"one"[..], BodyState::Streaming));
        signal.give();
        client.read_until("two").await;
        // What cannot be stored any more concerns it no more.
        storage.store.close();
        signal.give();
        assert!(client.reply().await.text().ends_with("5\r\nthree\r\n0\r\n\r\n"));
        assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
        assert_eq!(storage.as_after_a_crash().len(), 1, "one call, one event");
    }
}

#[tokio::test]
async fn a_stream_that_has_its_event_ends_with_its_client() {
    let upstream = Upstream::always(vec![send(STREAM), Act::Stall]).await;
    let storage = Storage::new();
    let (proxy, mut client) = impatient(&upstream, &storage, |_| {}).await;
    client.send(GET).await;
    client.read_until("one").await;
    storage.events_of(1).await;
    drop(client);
    until("the upstream to be told", || upstream.open_connections() == 0).await;
    assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
    assert_eq!(storage.as_after_a_crash().len(), 1);
}

#[tokio::test]
async fn a_stream_without_its_client_becomes_an_event_too() {
    let upstream = Upstream::always(vec![send(STREAM), Act::Stall]).await;
    let storage = Storage::new();
    let late = |settings: &mut Settings| settings.capture.max_duration = Duration::from_secs(1);
    let (proxy, mut client) = impatient(&upstream, &storage, late).await;
    client.send(GET).await;
    client.read_until("one").await;
    drop(client);
    let body = storage.events_of(1).await.remove(0).exchange.response.body;
    assert_eq!((body.bytes.as_slice(), body.state), (&b"one"[..], BodyState::ClientAborted));
    until("the upstream to be told", || upstream.open_connections() == 0).await;
    assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
}

#[tokio::test]
async fn a_stream_whose_event_cannot_be_stored_is_broken_off() {
    let upstream = Upstream::always(vec![send(STREAM), Act::Stall]).await;
    let storage = Storage::new();
    let late = |settings: &mut Settings| settings.capture.max_duration = Duration::from_secs(1);
    let (_proxy, mut client) = impatient(&upstream, &storage, late).await;
    client.send(GET).await;
    client.read_until("one").await;
    storage.store.close();
    let rest = client.rest().await;
    assert!(message_end(&rest.bytes).is_none(), "{}", String::from_utf8_lossy(&rest.bytes));
    until("the upstream to be told", || upstream.open_connections() == 0).await;
    assert!(storage.as_after_a_crash().is_empty());
}

#[tokio::test]
async fn a_stream_gives_its_memory_back_with_its_event() {
    let signal = Signal::new();
    let wait = signal.clone();
    let upstream = Upstream::start_at_head(move |n, _| match n {
        0 => vec![send(STREAM), Act::Await(wait.clone()), send("3\r\ntwo\r\n"), Act::Stall],
        _ => vec![send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nit all")],
    })
    .await;
    let storage = Storage::new();
    let small = |settings: &mut Settings| settings.capture.total_max = 6;
    let (proxy, mut stream) = impatient(&upstream, &storage, small).await;
    // Its request goes on for as long as its response does.
    stream.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nuno").await;
    stream.read_until("one").await;
    let request = storage.events_of(1).await.remove(0).exchange.request.body;
    assert_eq!((request.bytes.as_slice(), request.state), (&b"uno"[..], BodyState::Streaming));
    stream.send("due").await;
    signal.give();
    stream.read_until("two").await;
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(GET).await;
    assert_eq!(client.reply().await.text(), "it all");
    let body = storage.events_of(2).await.remove(1).exchange.response.body;
    assert_eq!((body.bytes.as_slice(), body.state), (&b"it all"[..], BodyState::Complete));
}

/// A client that reads nothing until it has sent all of its request, and an upstream that answers
/// while it reads: neither waits for the other.
#[tokio::test]
async fn an_upload_goes_on_while_the_response_waits_for_its_client() {
    const N: usize = 30_000_000;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {N}\r\n\r\n");
    let (told, all_read) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let wire = Wire::start(move |stream| {
        let (mut from, mut to) = stream.into_split();
        let (head, told) = (head.clone(), told.lock().expect("sound").take());
        let response = async move {
            to.write_all(head.as_bytes()).await.expect("writable");
            let _ = to.write_all(&vec![b'x'; N]).await;
        };
        let request = async move {
            let mut seen = 0;
            let mut buffer = vec![0; 64 << 10];
            while seen < N {
                match from.read(&mut buffer).await {
                    Ok(n) if n > 0 => seen += n,
                    _ => return,
                }
            }
            let _ = told.map(|told| told.send(()));
            std::future::pending::<()>().await;
        };
        async move {
            tokio::join!(response, request);
        }
    })
    .await;
    let storage = Storage::new();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], wire.port));
    let rules = vec![rule("ordered", "* ^/orders")];
    let proxy = start(settings(address), rules, storage.store.clone());
    let mut client = RawClient::connect(proxy.local_addr()).await;
    let head = format!("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: {N}\r\n\r\n");
    client.send(head).await;
    soon("the request to be taken", client.send(vec![b'y'; N])).await;
    soon("the upstream to have it all", all_read).await.expect("told");
    assert_eq!(client.reply().await.body.len(), N);
    assert_eq!(storage.as_after_a_crash()[0].exchange.request.body.size, N as u64);
}

#[tokio::test]
async fn a_success_that_breaks_off_is_counted() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    for acts in [vec![send(broken), Act::Close], vec![send(broken), Act::Stall]] {
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let rules = RuleSet::new(vec![rule("ordered", "* ^/orders")]);
        let mut settings = settings(upstream.addr);
        settings.upstream_body_timeout = Some(Duration::from_millis(100));
        let (proxy, metrics) = measured(settings, &rules, storage.store.clone());
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(GET).await;
        client.read_until("\r\n\r\n").await;
        assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
        let metrics = metrics.encode(&Scrape::default(), Exposition::Text);
        let counted = "sidehook_responses_broken_total{label=\"ordered\"} 1";
        assert!(metrics.contains(counted), "{metrics}");
        assert!(storage.as_after_a_crash().is_empty());
    }
}

#[tokio::test]
async fn a_switch_of_protocols_is_a_success_only_where_the_rule_says_so() {
    for (id, status, n_events) in [("2xx", 200..=299, 0), ("101", 101..=101, 1)] {
        let signal = Signal::new();
        let upstream = Upstream::always(vec![
            send(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n",
            ),
            Act::Await(signal.clone()),
            send("pong"),
            Act::Stall,
        ])
        .await;
        let storage = Storage::new();
        let mut rule = rule("switched", "GET ^/orders");
        rule.status = vec![status];
        let proxy = start(settings(upstream.addr), vec![rule], storage.store.clone());
        let mut client = RawClient::connect(proxy.local_addr()).await;
        let upgrade = "Host: a\r\nConnection: upgrade\r\nUpgrade: test";
        client.send(GET.replace("Host: a", upgrade)).await;
        client.read_until("\r\n\r\n").await;
        assert_eq!(storage.as_after_a_crash().len(), n_events, "{id}: before the client sees 101");
        signal.give();
        client.read_until("pong").await;
        if n_events > 0 {
            let body = storage.events_of(1).await.remove(0).exchange.response.body;
            assert!(body.is_none(), "what passes afterwards is no body");
        }
    }
}

#[tokio::test]
async fn a_switch_of_protocols_whose_event_cannot_be_stored_is_withheld() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        Act::Await(signal.clone()),
        send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n"),
        Act::Stall,
    ])
    .await;
    let storage = Storage::new();
    let mut rule = rule("switched", "GET ^/orders");
    rule.status = vec![101..=101];
    let proxy = start(settings(upstream.addr), vec![rule], storage.store.clone());
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(GET.replace("Host: a", "Host: a\r\nConnection: upgrade\r\nUpgrade: test")).await;
    upstream.request(0).await;
    storage.store.close();
    signal.give();
    client.reply().await.problem(503, "proxy_internal_error");
}

const GRPC: &str = "POST /orders HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\
                    Content-Type: application/grpc+proto\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";

#[tokio::test]
async fn a_grpc_call_is_a_success_when_its_status_is_0() {
    let chunked =
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n";
    let bare = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n";
    for (id, response, n_events) in [
        ("0 in the trailers", format!("{chunked}\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n"), 1),
        ("5 in the trailers", format!("{chunked}\r\n2\r\nok\r\n0\r\ngrpc-status: 5\r\n\r\n"), 0),
        ("other trailers", format!("{chunked}\r\n2\r\nok\r\n0\r\nx-sum: 0\r\n\r\n"), 0),
        ("no trailers", format!("{chunked}\r\n2\r\nok\r\n0\r\n\r\n"), 0),
        ("0 in the head alone", format!("{bare}grpc-status: 0\r\n\r\n"), 1),
        ("7 in the head alone", format!("{bare}grpc-status: 7\r\n\r\n"), 0),
        ("nothing at all", format!("{bare}\r\n"), 0),
    ] {
        for in_pieces in [false, true] {
            let at = response.len() - 6;
            let acts = match in_pieces {
                false => vec![send(&response)],
                true => vec![send(&response[..at]), Act::Await(given()), send(&response[at..])],
            };
            let upstream = Upstream::always(acts).await;
            let storage = Storage::new();
            let rules = vec![rule("ordered", "POST ^/orders")];
            let proxy = start(settings(upstream.addr), rules, storage.store.clone());
            let mut client = RawClient::connect(proxy.local_addr()).await;
            client.send(GRPC).await;
            let reply = client.reply().await;
            let passed = [reply.head.as_bytes(), &reply.body].concat();
            let passed = String::from_utf8_lossy(&passed).to_lowercase();
            assert_eq!(
                passed.contains("grpc-status: "),
                response.contains("grpc-status: "),
                "{id}"
            );
            assert_eq!(storage.as_after_a_crash().len(), n_events, "{id}, pieces: {in_pieces}");
        }
    }
}

#[tokio::test]
async fn the_status_of_a_grpc_call_waits_for_its_event() {
    let signal = Signal::new();
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"),
        Act::Await(signal.clone()),
        send("0\r\ngrpc-status: 0\r\n\r\n"),
    ])
    .await;
    let storage = Storage::new();
    let rules = vec![rule("ordered", "POST ^/orders")];
    let proxy = start(settings(upstream.addr), rules, storage.store.clone());
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send(GRPC).await;
    client.read_until("ok").await;
    storage.store.close();
    signal.give();
    let rest = client.rest().await;
    let text = String::from_utf8_lossy(&rest.bytes);
    assert!(!text.contains("grpc-status"), "{text}");
}

fn given() -> Signal {
    let signal = Signal::new();
    signal.give();
    signal
}
