//! Streams between two sides that both speak HTTP/2: gRPC's calls.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use tokio::sync::Notify;

use super::bare::Bare;
use super::stand::{Client, Modern, answer, assert_served, echo, send, through, whole};
use crate::proxy::stand::{Storage, rule, start};
use crate::support::client::RawClient;
use crate::support::soon;

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static(code),
    )])
}

#[tokio::test]
async fn pieces_pass_both_ways_while_the_stream_is_open() {
    let upstream = Modern::start(|_, request, respond| echo(request, respond)).await;
    let storage = Storage::new();
    let rules = vec![rule("matched", "POST ^/matched")];
    let proxy = start(upstream.settings(), rules, storage.store.clone());
    let client = Client::connect(proxy.local_addr()).await;
    for path in ["/free", "/matched"] {
        let request = client.request("POST", path).header("te", "trailers");
        let (response, mut stream) = client.begin(request, false).await;
        let response = soon("a head", response).await.expect("a response");
        let mut body = response.into_body();
        for piece in ["one", "two", "three"] {
            assert!(send(&mut stream, piece.into(), false).await);
            let back = soon(piece, body.data()).await.expect("open").expect("open");
            assert_eq!(back, piece, "{path}");
        }
        stream.send_trailers(status("0")).expect("sent");
        assert!(soon("the end", body.data()).await.is_none());
        let trailers = soon("trailers", body.trailers()).await.expect("a proper end");
        assert_eq!(trailers.expect("some")["grpc-status"], "0", "{path}");
    }
    storage.events_of(1).await;
}

#[tokio::test]
async fn a_response_of_trailers_only_stays_one() {
    let upstream = Modern::start(|_, _request, mut respond| async move {
        let response = Response::builder().header("grpc-status", "5");
        let response = response.header("content-type", "application/grpc");
        let _ = respond.send_response(response.body(()).expect("valid"), true);
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    // The request's stream is still open.
    let (response, _stream) = client.begin(client.request("POST", "/a.B/C"), false).await;
    let response = soon("a response", response).await.expect("a response");
    assert_eq!(response.headers()["grpc-status"], "5");
    assert!(!response.headers().contains_key("content-length"));
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_client_that_cancels_cancels_upstream() {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let upstream = Modern::start(move |_, _request, mut respond| {
        let tell = Arc::clone(&tell);
        async move {
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            assert_eq!(reason.expect("a reset"), Reason::CANCEL);
            tell.notify_one();
        }
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let (response, mut stream) = client.begin(client.request("POST", "/slow"), false).await;
    upstream.head(0).await;
    stream.send_reset(Reason::CANCEL);
    drop(response);
    soon("the upstream is told", told.notified()).await;
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn how_the_upstream_breaks_off_is_told_to_the_client() {
    let seen = Arc::new(Notify::new());
    let tell = Arc::clone(&seen);
    let upstream = Modern::start(move |n, _request, mut respond| {
        let seen = Arc::clone(&seen);
        async move {
            let response = Response::builder().body(()).expect("valid");
            let mut stream = respond.send_response(response, false).expect("open");
            send(&mut stream, Bytes::from_static(b"some"), false).await;
            // A reset overtakes what has not left yet.
            seen.notified().await;
            stream.send_reset([Reason::ENHANCE_YOUR_CALM, Reason::NO_ERROR, Reason::CANCEL][n % 3]);
        }
    })
    .await;
    let rules = vec![rule("matched", "GET ^/matched")];
    let storage = Storage::new();
    let proxy = start(upstream.settings(), rules, storage.store.clone());
    let client = Client::connect(proxy.local_addr()).await;
    for path in ["/free", "/matched"] {
        for reason in [Reason::ENHANCE_YOUR_CALM, Reason::NO_ERROR, Reason::CANCEL] {
            let (response, _stream) = client.begin(client.request("GET", path), true).await;
            let mut response = soon("a head", response).await.expect("a head");
            let data = soon("some data", response.body_mut().data()).await;
            assert_eq!(data.expect("open").expect("open"), "some");
            tell.notify_one();
            let response = whole(response).await;
            assert_eq!(response.body().reset, Some(reason), "{path}: not an end");
        }
    }
}

#[tokio::test]
async fn a_call_that_the_upstream_has_not_looked_at_is_made_again() {
    let upstream = Modern::start(|n, request, mut respond| async move {
        match n {
            0 => respond.send_reset(Reason::REFUSED_STREAM),
            _ => echo(request, respond).await,
        }
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let (response, mut stream) = client.begin(client.request("POST", "/"), false).await;
    let response = soon("a response", response).await.expect("a response");
    send(&mut stream, "late".into(), true).await;
    assert_eq!(whole(response).await.body().body, b"late");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_call_that_the_upstream_may_have_carried_out_is_not_made_again() {
    let upstream =
        Modern::start(
            |_, _, mut respond| async move { respond.send_reset(Reason::INTERNAL_ERROR) },
        )
        .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let response = client.get(client.request("POST", "/")).await;
    super::stand::assert_problem(&response, 502, "connection_terminated");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_burst_shares_one_connection_and_more_than_it_holds_take_another() {
    let all = Arc::new(tokio::sync::Barrier::new(40));
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(25);
    let meeting = Arc::clone(&all);
    let upstream = Modern::start_with(builder, move |n, _request, respond| {
        let all = Arc::clone(&meeting);
        async move {
            if n > 0 {
                all.wait().await;
            }
            answer(respond, 200, "").await;
        }
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    // It learns how many the upstream takes.
    client.get(client.request("GET", "/first")).await;
    let mut burst = Vec::new();
    for _ in 0..40 {
        burst.push(client.begin(client.request("GET", "/all"), true).await.0);
    }
    assert_served(burst).await;
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_no_other_call() {
    let upstream = Modern::start(|_, request, mut respond| async move {
        let response = Response::builder().body(()).expect("valid");
        let mut stream = respond.send_response(response, false).expect("open");
        let size = if request.uri().path() == "/large" { 8 << 20 } else { 10 };
        send(&mut stream, vec![1; size].into(), true).await;
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let (response, stream) = client.begin(client.request("GET", "/large"), true).await;
        held.push((soon("a head", response).await.expect("a head"), stream));
    }
    // The others are on a connection of their own to the proxy: its window is not the point here.
    let other = Client::connect(client.addr).await;
    let response = other.get(other.request("GET", "/small")).await;
    assert_eq!(response.body().body.len(), 10);
    assert_eq!(upstream.connections(), 1);
    let (response, _stream) = held.pop().expect("forty");
    drop(held);
    assert_eq!(whole(response).await.body().body.len(), 8 << 20);
}

/// All the bytes that were announced are not a whole response before the stream's end.
#[tokio::test]
async fn a_response_that_breaks_off_behind_its_last_byte_is_not_whole() {
    let upstream = Bare::start(|_, mut line| async move {
        line.greet(100).await;
        while let Some(stream) = line.request().await {
            line.answer_without_end(stream, b"done").await;
            assert!(line.until_done().await.is_empty(), "one call at a time");
            line.reset(stream, Reason::INTERNAL_ERROR).await;
        }
    })
    .await;
    let storage = Storage::new();
    let rules = vec![rule("matched", "POST ^/matched")];
    let proxy = start(upstream.settings(), rules, storage.store.clone());
    for request in ["GET /free", "POST /matched"] {
        let mut client = RawClient::connect(proxy.local_addr()).await;
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let rest = client.rest().await;
        assert!(!rest.bytes.ends_with(b"done"), "{request}");
    }
    assert!(storage.events().is_empty());
}
