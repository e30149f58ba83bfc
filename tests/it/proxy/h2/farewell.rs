//! An upstream that says goodbye on a connection (GOAWAY, RFC 9113 6.8): nothing that it has not looked
//! at is lost, and nothing that it may have carried out is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;
use http::Response;
use tokio::sync::Notify;

use super::bare::{Bare, Line};
use super::frames::ANY;
use super::stand::{Client, answered, assert_problem, assert_served, before, send, through};
use crate::support::soon;
use crate::support::wire::Wire;

/// Sends a call that nobody may make twice.
async fn post(client: &Client) -> ResponseFuture {
    let (response, mut stream) = client.begin(client.request("POST", "/"), false).await;
    assert!(send(&mut stream, Bytes::from_static(b"once"), true).await);
    response
}

/// The same many times.
async fn posts(client: &Client, n: usize) -> Vec<ResponseFuture> {
    let mut calls = Vec::new();
    while calls.len() < n {
        calls.push(post(client).await);
    }
    calls
}

#[tokio::test]
async fn under_load_no_call_is_lost_and_none_is_made_twice() {
    const CALLS_OF_A_CONNECTION: usize = 20;
    let carried_out = Arc::<AtomicUsize>::default();
    let connections = Arc::<AtomicUsize>::default();
    let (counted, opened) = (Arc::clone(&carried_out), Arc::clone(&connections));
    // First a goodbye without a last stream, then, when that has arrived, with one.
    let wire = Wire::start(move |stream| {
        let counted = Arc::clone(&counted);
        opened.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
            let mut n = 0;
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                n += 1;
                counted.fetch_add(1, Ordering::Relaxed);
                if n == CALLS_OF_A_CONNECTION {
                    connection.graceful_shutdown();
                }
                let _ = respond.send_response(Response::new(()), true);
            }
        }
    })
    .await;
    let (proxy, _) = through(before(([127, 0, 0, 1], wire.port).into())).await;
    let mut calls = Vec::new();
    for _ in 0..10 {
        let client = Client::connect(proxy.local_addr()).await;
        calls.extend(posts(&client, 100).await);
    }
    assert_served(calls).await;
    assert_eq!(carried_out.load(Ordering::Relaxed), 1000);
    assert!(connections.load(Ordering::Relaxed) > 3);
}

/// Takes five calls and has looked at two of them.
async fn two_of_five(line: &mut Line, is_graceful: bool, reason: Reason) -> [u32; 2] {
    line.greet(100).await;
    let streams = line.requests(5).await;
    if is_graceful {
        line.go_away(ANY, reason).await;
        line.until_done().await;
    }
    line.go_away(streams[1], reason).await;
    [streams[0], streams[1]]
}

#[tokio::test]
async fn calls_above_the_last_stream_are_made_on_another_connection() {
    for (is_graceful, reason) in [
        (true, Reason::NO_ERROR),
        (false, Reason::NO_ERROR),
        (false, Reason::INTERNAL_ERROR),
        (false, Reason::ENHANCE_YOUR_CALM),
    ] {
        for closes in [false, true] {
            let upstream = Bare::start(move |n, mut line| async move {
                if n == 0 {
                    for stream in two_of_five(&mut line, is_graceful, reason).await {
                        line.answer(stream).await;
                    }
                    if closes {
                        return line.finish().await;
                    }
                    assert_eq!(line.request().await, None, "it has said goodbye");
                    return;
                }
                line.greet(100).await;
                line.answer_all().await;
            })
            .await;
            let (_proxy, client) = through(upstream.settings()).await;
            let calls = posts(&client, 5).await;
            assert_served(calls).await;
            assert_eq!(upstream.answers(), 5, "{is_graceful} {reason} {closes}");
            assert_eq!(upstream.connections(), 2);
        }
    }
}

#[tokio::test]
async fn calls_up_to_the_last_stream_may_have_been_made_and_are_not_made_again() {
    for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let upstream = Bare::start(move |n, mut line| async move {
            if n == 0 {
                two_of_five(&mut line, false, reason).await;
                // And closes without an answer.
                return line.finish().await;
            }
            line.greet(100).await;
            line.answer_all().await;
        })
        .await;
        let (_proxy, client) = through(upstream.settings()).await;
        let calls = posts(&client, 5).await;
        for (n, call) in calls.into_iter().enumerate() {
            let response = answered(call).await;
            if n < 2 {
                assert_problem(&response, 502, "connection_terminated");
            } else {
                assert_eq!(response.status(), 200);
            }
        }
    }
}

#[tokio::test]
async fn calls_that_wait_go_to_another_connection() {
    let may_come = Arc::<AtomicBool>::default();
    let is_open = Arc::clone(&may_come);
    let leave = Arc::new(Notify::new());
    let told = Arc::clone(&leave);
    let in_vain = Arc::new(Notify::new());
    let tell = Arc::clone(&in_vain);
    let upstream = Bare::start(move |n, mut line| {
        let (is_open, told, tell) = (Arc::clone(&is_open), Arc::clone(&told), Arc::clone(&tell));
        async move {
            if n == 0 {
                line.greet(1).await;
                let stream = line.request().await.expect("a call");
                told.notified().await;
                line.go_away(stream, Reason::NO_ERROR).await;
                line.answer(stream).await;
                line.finish().await;
            } else if is_open.load(Ordering::Relaxed) {
                line.greet(1).await;
                line.answer_all().await;
            } else {
                // Closed by the proxy too: it has seen that this one is of no use.
                line.finish().await;
                tell.notify_one();
            }
        }
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let calls = posts(&client, 10).await;
    soon("another connection was tried, in vain", in_vain.notified()).await;
    may_come.store(true, Ordering::Relaxed);
    leave.notify_one();
    assert_served(calls).await;
}

/// As nginx does after so many requests (`keepalive_requests`): the others would be sent back for ever
/// if they lost their turn by that.
#[tokio::test]
async fn calls_that_are_sent_back_keep_their_turn() {
    let upstream = Bare::start(|_, mut line| async move {
        line.greet(100).await;
        let mut last = 0;
        for _ in 0..15 {
            let Some(stream) = line.request().await else { return };
            line.answer(stream).await;
            last = stream;
        }
        line.go_away(last, Reason::NO_ERROR).await;
        // `h2` takes a response for broken whose connection ends before its request does.
        line.wait_for_ends(15, last).await;
        line.finish().await;
    })
    .await;
    let (proxy, _) = through(upstream.settings()).await;
    let mut calls = Vec::new();
    for _ in 0..5 {
        let client = Client::connect(proxy.local_addr()).await;
        calls.extend(posts(&client, 100).await);
    }
    assert_served(calls).await;
    assert_eq!(upstream.answers(), 500);
}

#[tokio::test]
async fn a_call_is_refused_only_so_often() {
    for is_farewell in [true, false] {
        let upstream = Bare::start(move |_, mut line| async move {
            line.greet(100).await;
            while let Some(stream) = line.request().await {
                if is_farewell {
                    line.go_away(0, Reason::NO_ERROR).await;
                } else {
                    line.reset(stream, Reason::REFUSED_STREAM).await;
                }
            }
        })
        .await;
        let (_proxy, client) = through(upstream.settings()).await;
        let call = post(&client).await;
        let response = answered(call).await;
        assert_problem(&response, 502, "connection_terminated");
        assert_eq!(upstream.requests(), 3);
    }
}

#[tokio::test]
async fn an_upstream_that_says_goodbye_at_once_is_asked_once_for_each_call() {
    let upstream = Bare::start(|_, mut line| async move {
        line.greet_and_go().await;
        assert_eq!(line.request().await, None, "it has said goodbye");
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let calls = posts(&client, 10).await;
    for call in calls {
        let response = answered(call).await;
        assert_eq!(response.status(), 502);
    }
    assert!(upstream.connections() <= 10, "{}", upstream.connections());
}
