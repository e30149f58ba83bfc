//! Bodies: streamed both ways, and broken off on both sides when one side breaks off.

use super::stand::plain;
use crate::support::client::RawClient;
use crate::support::until;
use crate::support::upstream::{Act, Signal, Upstream, ok, reply, send};

#[tokio::test]
async fn b1_each_piece_of_a_response_passes_when_it_comes() {
    for (head, pieces) in [
        (
            "transfer-encoding: chunked\r\ncontent-type: text/event-stream; charset=utf-8\r\n",
            ["6\r\nfirst!\r\n", "7\r\nsecond!\r\n0\r\n\r\n"],
        ),
        ("content-length: 13\r\n", ["first!", "second!"]),
    ] {
        let signal = Signal::new();
        let upstream = Upstream::always(vec![
            send(&format!("HTTP/1.1 200 OK\r\n{head}\r\n")),
            Act::Await(signal.clone()),
            send(pieces[0]),
            Act::Await(signal.clone()),
            send(pieces[1]),
        ])
        .await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.read_until("\r\n\r\n").await;
        signal.give();
        client.read_until("first!").await;
        assert!(!client.received().contains("second!"));
        signal.give();
        client.read_until("second!").await;
        client.reply().await;
    }
}

#[tokio::test]
async fn b1_b2_requests_stream_and_responses_may_come_before_their_end() {
    let upstream = Upstream::start_at_head(|_, _| {
        vec![
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n"),
            Act::ReadBody,
            send("4\r\nlate\r\n0\r\n\r\n"),
        ]
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").await;
    client.read_until("early").await;
    client.send("world").await;
    let reply = client.reply().await;
    assert!(reply.text().ends_with("4\r\nlate\r\n0\r\n\r\n"));
    assert_eq!(upstream.requests()[0].body(), b"helloworld");
}

#[tokio::test]
async fn b5_a_response_broken_off_upstream_looks_broken_to_the_client() {
    for (id, acts) in [
        (
            "length, closed",
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Act::Close],
        ),
        (
            "length, reset",
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Act::Reset],
        ),
        (
            "chunked, closed",
            vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
                Act::Close,
            ],
        ),
        (
            "chunked, in a chunk",
            vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf"),
                Act::Close,
            ],
        ),
        (
            "chunked, garbled",
            vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"),
                Act::Stall,
            ],
        ),
    ] {
        let upstream = Upstream::always(acts).await;
        let (proxy, mut client) = plain(&upstream).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let rest = client.rest().await;
        let text = String::from_utf8_lossy(&rest.bytes);
        assert!(!text.contains("0\r\n\r\n"), "{id}: no terminator: {text}");
        assert!(
            rest.bytes.len() < 200 && crate::support::upstream::message_end(&rest.bytes).is_none(),
            "{id}"
        );

        // A client of HTTP/1.0 gets chunked bodies without framing: only a reset tells it.
        let mut old = RawClient::connect(proxy.local_addr()).await;
        old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        let rest = old.rest().await;
        assert!(
            rest.was_reset || id.starts_with("length"),
            "{id}: {:?}",
            String::from_utf8_lossy(&rest.bytes)
        );
    }
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_is_complete() {
    let upstream =
        Upstream::always(vec![send("HTTP/1.1 200 OK\r\n\r\nall of it"), Act::Close]).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "9\r\nall of it\r\n0\r\n\r\n");
}

#[tokio::test]
async fn b6_a_request_broken_off_by_the_client_looks_broken_to_the_upstream() {
    for (framing, is_reset) in [
        ("Content-Length: 10\r\n\r\nhalf", false),
        ("Content-Length: 10\r\n\r\nhalf", true),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true),
    ] {
        let upstream = Upstream::start_at_head(|_, _| {
            vec![Act::ReadBody, send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]
        })
        .await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        upstream.request(0).await;
        if is_reset {
            client.reset();
        } else {
            drop(client);
        }
        until("the upstream's connection to close", || upstream.open_connections() == 0).await;
        let seen = upstream.request(0).await;
        assert!(!seen.complete, "{framing:?}: {}", seen.text());
    }
}

/// A chunk that is none: the request is not complete for the upstream either (F10).
#[tokio::test]
async fn f10_a_garbled_request_body_breaks_the_upstream_request_off() {
    let upstream = Upstream::start_at_head(|_, _| vec![Act::ReadBody]).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n\r\n").await;
    until("the upstream's connection to close", || {
        upstream.connections() == 1 && upstream.open_connections() == 0
    })
    .await;
    assert!(upstream.requests().iter().all(|request| !request.complete));
    drop(client);
}

/// L5: a response that is complete before its request leaves no connection behind.
#[tokio::test]
async fn l5_an_early_response_ends_the_upload() {
    let upstream = Upstream::start_at_head(|_, _| {
        vec![Act::Send(reply("413 Content Too Large", "no")), Act::Stall]
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome").await;
    let answer = client.reply().await;
    assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
    until("the upstream's connection to close", || upstream.open_connections() == 0).await;
}

#[tokio::test]
async fn b12_a_client_that_waits_for_100_gets_it() {
    let upstream = Upstream::always(ok("done")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await;
    client.read_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("hello").await;
    client.read_until("done").await;
    let seen = upstream.request(0).await;
    assert_eq!(seen.body(), b"hello");
    assert_eq!(seen.field("expect"), ["100-continue"], "the upstream is asked");
}

/// Big bodies both ways, through small buffers, byte for byte.
#[tokio::test]
async fn large_bodies_pass_whole() {
    let body: String =
        (0..300_000).map(|n| char::from(b'a' + u8::try_from(n % 23).expect("small"))).collect();
    let upstream = Upstream::always(ok(&body)).await;
    let (proxy, client) = plain(&upstream).await;
    drop(client);
    for framing in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        assert!(client.reply().await.text() == body, "the response is not what was sent");
    }
    let requests = upstream.requests();
    assert!(requests[0].body() == body.as_bytes());
    let chunked = String::from_utf8(requests[1].body()).expect("text");
    let pieces: String = chunked.split("\r\n").skip(1).step_by(2).collect();
    assert!(pieces == body, "the chunks are not what was sent");
}
