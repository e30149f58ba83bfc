//! The promise in the rarer shapes of a call: without a body, after an interim response, in countless
//! pieces, pipelined. Each is stored when its client has it, and withheld where it cannot be stored.

use sidehook::model::{BodyState, EventRule};

use super::stand::{Storage, rule, settings, start};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Signal, Upstream, message_end, ok, send};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

struct Shape {
    id: &'static str,
    request: &'static str,
    has_body: bool,
    response: String,
    status: u16,
    body: String,
}

fn shape(id: &'static str, request: &'static str, response: &str, status: u16) -> Shape {
    let (has_body, response) = (false, response.to_owned());
    Shape { id, request, has_body, response, status, body: String::new() }
}

fn shapes() -> Vec<Shape> {
    let many = "done".repeat(500);
    let pieces: String = many.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let in_pieces = format!("{CHUNKED}{pieces}0\r\n\r\n");
    let known = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    let with_body = |body: &str, shape| Shape { has_body: true, body: body.into(), ..shape };
    vec![
        shape("HEAD", "HEAD / HTTP/1.1", known, 200),
        shape("HEAD, chunked", "HEAD / HTTP/1.1", CHUNKED, 200),
        shape("304", "GET / HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304),
        with_body(
            "",
            shape("205", "GET / HTTP/1.1", "HTTP/1.1 205 R\r\ncontent-length: 0\r\n\r\n", 205),
        ),
        with_body(
            "done",
            shape(
                "after a 100",
                "GET / HTTP/1.1",
                &format!("HTTP/1.1 100 Continue\r\n\r\n{known}done"),
                200,
            ),
        ),
        with_body(
            "done",
            shape(
                "HTTP/1.0",
                "GET / HTTP/1.1",
                &format!("{}done", known.replace("1.1", "1.0")),
                200,
            ),
        ),
        with_body(&many, shape("in countless pieces", "GET / HTTP/1.1", &in_pieces, 200)),
    ]
}

fn rules() -> Vec<EventRule> {
    let mut rule = rule("seen", "* ^/$");
    rule.status = vec![200..=399];
    rule.max_response_body = Some(10_000);
    vec![rule]
}

#[tokio::test]
async fn every_shape_is_stored_before_its_client_sees_it() {
    for Shape { id, request, has_body, response, status, body } in shapes() {
        let upstream = Upstream::always(vec![send(&response)]).await;
        let storage = Storage::new();
        let proxy = start(settings(upstream.addr), rules(), storage.store.clone());
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(format!("{request}\r\nHost: a\r\n\r\n")).await;
        let reply = if has_body { client.reply().await } else { client.reply_without_body().await };
        let events = storage.as_after_a_crash();
        assert_eq!((reply.status(), events.len()), (status, 1), "{id}");
        let stored = &events[0].exchange.response;
        assert_eq!((stored.status, stored.body.state), (status, BodyState::Complete), "{id}");
        assert_eq!(String::from_utf8_lossy(&stored.body.bytes), body, "{id}");
        // The connection is fit for another.
        client.send(format!("{request}\r\nHost: a\r\n\r\n")).await;
        let reply = if has_body { client.reply().await } else { client.reply_without_body().await };
        assert_eq!(reply.status(), status, "{id}");
    }
}

#[tokio::test]
async fn no_shape_gets_past_a_store_that_fails() {
    for Shape { id, request, response, .. } in shapes() {
        let closed = Signal::new();
        let acts = vec![Act::Await(closed.clone()), send(&response)];
        let upstream = Upstream::always(acts).await;
        let storage = Storage::new();
        let proxy = start(settings(upstream.addr), rules(), storage.store.clone());
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        upstream.request(0).await;
        storage.store.close();
        closed.give();
        let rest = client.rest().await;
        let text = String::from_utf8_lossy(&rest.bytes);
        let is_problem = text.starts_with("HTTP/1.1 503 ");
        let is_broken = id == "in countless pieces" && message_end(&rest.bytes).is_none();
        assert!(is_problem || is_broken, "{id}: {text:.300}");
        assert!(storage.as_after_a_crash().is_empty(), "{id}");
    }
}

#[tokio::test]
async fn pipelined_calls_are_events_in_their_order() {
    const CALLS: usize = 20;
    let upstream = Upstream::start(|_, request| ok(request.split(' ').nth(1).expect("one"))).await;
    let storage = Storage::new();
    let rules = vec![rule("seen", "POST ^/")];
    let proxy = start(settings(upstream.addr), rules, storage.store.clone());
    let mut client = RawClient::connect(proxy.local_addr()).await;
    let call = |n| format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    client.send((0..CALLS).map(call).collect::<String>()).await;
    for n in 0..CALLS {
        assert_eq!(client.reply().await.text(), format!("/{n}"));
        assert!(storage.as_after_a_crash().len() > n, "{n} is stored");
    }
    let urls = storage.events_of(CALLS).await.into_iter().map(|e| e.exchange.request.url);
    assert_eq!(urls.collect::<Vec<_>>(), (0..CALLS).map(|n| format!("/{n}")).collect::<Vec<_>>());
}
