//! How many calls an HTTP/2 upstream takes at a time, and what becomes of the others: they wait their
//! turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use h2::Reason;
use h2::client::ResponseFuture;
use sidehook::proxy::Settings;
use tokio::sync::{Notify, Semaphore};

use super::bare::{Bare, Line};
use super::life::over_tls;
use super::stand::{
    Client, Modern, answer, answered, assert_problem, assert_served, before, through,
};
use crate::support::tls::Authority;
use crate::support::wire::{Wire, full_port};
use crate::support::{soon, until};

/// Tells the scripts of an upstream's connections to go on, once each.
type Gate = Arc<Semaphore>;

async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("open").forget();
}

/// An upstream that allows one stream on one connection, and ends all others as they come: it answers
/// whenever the gate lets it.
async fn narrow(gate: &Gate) -> Bare {
    let gate = Arc::clone(gate);
    Bare::start(move |n, mut line| {
        let gate = Arc::clone(&gate);
        async move {
            if n > 0 {
                return;
            }
            line.greet(1).await;
            while let Some(stream) = line.request().await {
                pass(&gate).await;
                line.answer(stream).await;
            }
        }
    })
    .await
}

/// Sends a call that the caller will wait for later.
async fn get(client: &Client, path: &str) -> ResponseFuture {
    client.begin(client.request("GET", path), true).await.0
}

/// The same many times.
async fn gets(client: &Client, n: usize) -> Vec<ResponseFuture> {
    let mut calls = Vec::new();
    while calls.len() < n {
        calls.push(get(client, "/").await);
    }
    calls
}

#[tokio::test]
async fn calls_that_wait_are_served_in_the_order_in_which_they_came() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&seen);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let upstream = Modern::start_with(builder, move |_, request, respond| {
        log.lock().expect("sound").push(request.uri().path().to_owned());
        answer(respond, 200, "")
    })
    .await;
    // Only its first connection goes there.
    let address = upstream.addr;
    let is_taken = Arc::<AtomicBool>::default();
    let door = Wire::start(move |mut stream| {
        let is_taken = is_taken.swap(true, Ordering::Relaxed);
        async move {
            if !is_taken {
                let mut other = tokio::net::TcpStream::connect(address).await.expect("listens");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
            }
        }
    })
    .await;
    let (_proxy, client) = through(before(([127, 0, 0, 1], door.port).into())).await;
    let mut calls = Vec::new();
    let paths: Vec<_> = (0..120).map(|n| format!("/{n}")).collect();
    for path in &paths {
        calls.push(get(&client, path).await);
    }
    assert_served(calls).await;
    assert_eq!(*seen.lock().expect("sound"), paths);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_passes_its_place_on() {
    let gate = Gate::new(Semaphore::new(0));
    let upstream = narrow(&gate).await;
    let (_proxy, client) = through(upstream.settings()).await;
    let first = get(&client, "/first").await;
    let mut leaving = Vec::new();
    for n in 0..20 {
        let request = client.request("GET", &format!("/{n}"));
        leaving.push(client.begin(request, true).await);
    }
    let last = get(&client, "/last").await;
    // Some leave before it is their turn, and some about then.
    for (n, (response, mut stream)) in leaving.into_iter().enumerate() {
        if n == 10 {
            gate.add_permits(1);
        }
        stream.send_reset(Reason::CANCEL);
        drop(response);
    }
    gate.add_permits(100);
    assert_served([first, last]).await;
}

#[tokio::test]
async fn more_calls_than_may_wait_are_told_to_come_again() {
    let gate = Gate::new(Semaphore::new(0));
    let upstream = narrow(&gate).await;
    let few = Settings { connections_max: 3, ..upstream.settings() };
    let (_proxy, client) = through(few).await;
    let mut calls = vec![get(&client, "/").await];
    // The first has its place, and does not wait.
    until("the first is there", || upstream.requests() > 0).await;
    calls.extend(gets(&client, 4).await);
    let response = answered(calls.pop().expect("five")).await;
    let words = assert_problem(&response, 503, "connection_limit_reached");
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(words.contains("3 calls (`[proxy] max_connections`) wait"), "{words}");
    gate.add_permits(100);
    assert_served(calls).await;
}

#[tokio::test]
async fn a_busy_upstream_has_as_long_as_for_an_answer() {
    let gate = Gate::new(Semaphore::new(0));
    let upstream = narrow(&gate).await;
    let hasty = Duration::from_millis(100);
    let settings = Settings { connect_timeout: hasty, ..upstream.settings() };
    let (_proxy, client) = through(settings).await;
    let calls = [get(&client, "/1").await, get(&client, "/2").await];
    // Longer than a connection may take.
    tokio::time::sleep(8 * hasty).await;
    gate.add_permits(2);
    assert_served(calls).await;
}

#[tokio::test]
async fn a_call_that_waits_for_too_long_is_told_what_for() {
    let upstream = Bare::start(|n, mut line| async move {
        if n > 0 {
            return;
        }
        line.greet(1).await;
        let stream = line.request().await.expect("a call");
        line.begin(stream).await;
        line.until_done().await;
        line.request().await;
    })
    .await;
    let limit = Duration::from_millis(300);
    let settings = Settings { response_timeout: Some(limit), ..upstream.settings() };
    let (proxy, client) = through(settings).await;
    let (open, _stream) = client.begin(client.request("GET", "/endless"), true).await;
    let _open = soon("a head", open).await.expect("a head");
    let response = client.get(client.request("POST", "/")).await;
    let words = assert_problem(&response, 503, "connection_limit_reached");
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(words.contains("All streams that the upstream"), "{words}");
    assert!(words.contains("300ms (`[proxy] response_timeout`)"), "{words}");
    assert!(!proxy.upstream_health().is_healthy());
}

#[tokio::test]
async fn an_upstream_that_allows_no_streams_is_not_stormed() {
    let upstream = Bare::start(|_, mut line| async move {
        line.greet(0).await;
        assert_eq!(line.request().await, None, "nothing was allowed");
    })
    .await;
    let limit = Duration::from_millis(500);
    let settings = Settings { response_timeout: Some(limit), ..upstream.settings() };
    let (_proxy, client) = through(settings).await;
    let calls = gets(&client, 50).await;
    for call in calls {
        let response = answered(call).await;
        let words = assert_problem(&response, 503, "connection_limit_reached");
        assert!(words.contains("allows no streams"), "{words}");
    }
    assert!(upstream.connections() <= 2, "{}", upstream.connections());
}

#[tokio::test]
async fn calls_wait_for_an_upstream_that_allows_streams_later() {
    let gate = Gate::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let upstream = Bare::start(move |n, mut line| {
        let gate = Arc::clone(&open);
        async move {
            // Another is tried after a while.
            if n > 0 {
                return;
            }
            line.greet(0).await;
            pass(&gate).await;
            assert!(line.until_done().await.is_empty(), "nothing was allowed");
            line.allow(7).await;
            let streams = line.requests(7).await;
            assert!(line.until_done().await.is_empty(), "seven were allowed");
            for stream in streams {
                line.answer(stream).await;
            }
            line.answer_all().await;
        }
    })
    .await;
    // It is not the same as an idle connection.
    let settings =
        Settings { upstream_idle_timeout: Duration::from_secs(60), ..upstream.settings() };
    let (_proxy, client) = through(settings).await;
    let calls = gets(&client, 20).await;
    until("a connection", || upstream.connections() > 0).await;
    gate.add_permits(1);
    assert_served(calls).await;
}

/// Answers one request after the other, each of which must be the only one.
async fn one_by_one(mut line: Line) {
    while let Some(stream) = line.request().await {
        assert!(line.until_done().await.is_empty(), "one was allowed");
        line.answer(stream).await;
    }
}

#[tokio::test]
async fn an_upstream_that_allows_fewer_streams_than_before_gets_fewer() {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let upstream = Bare::start(move |n, mut line| {
        let tell = Arc::clone(&tell);
        async move {
            if n > 0 {
                line.greet(1).await;
                return one_by_one(line).await;
            }
            line.greet(100).await;
            let streams = line.requests(6).await;
            line.allow(1).await;
            assert!(line.until_done().await.is_empty());
            tell.notify_one();
            for stream in streams {
                line.answer(stream).await;
            }
            one_by_one(line).await;
        }
    })
    .await;
    let (_proxy, client) = through(upstream.settings()).await;
    let mut calls = gets(&client, 6).await;
    soon("fewer are allowed", told.notified()).await;
    calls.extend(gets(&client, 6).await);
    assert_served(calls).await;
}

#[tokio::test]
async fn no_call_is_sent_before_the_upstream_has_said_how_many_it_takes() {
    let upstream = Bare::start(|_, mut line| async move {
        // A server that says nothing.
        assert_eq!(line.request().await, None);
    })
    .await;
    let limit = Duration::from_millis(200);
    let settings = Settings { connect_timeout: limit, ..upstream.settings() };
    let (_proxy, client) = through(settings).await;
    let response = client.get(client.request("POST", "/")).await;
    let words = assert_problem(&response, 504, "connection_timeout");
    assert!(words.contains("did not begin to speak HTTP/2"), "{words}");
}

#[tokio::test]
async fn five_thousand_calls_at_once_are_all_answered() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(100);
    let upstream =
        Modern::start_with(builder, |_, _request, respond| answer(respond, 200, "done")).await;
    let (proxy, _) = through(upstream.settings()).await;
    let mut calls = Vec::new();
    for _ in 0..50 {
        let client = Client::connect(proxy.local_addr()).await;
        calls.extend(gets(&client, 100).await);
    }
    assert_served(calls).await;
    assert_eq!(upstream.calls(), 5000);
}

#[tokio::test]
async fn calls_that_wait_while_the_upstream_chooses_http1_all_go_there() {
    let authority = Authority::new("a private CA");
    let mut config = authority.good().server(None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let upstream = Modern::start_tls(config, |_, _, respond| answer(respond, 200, "new")).await;
    let (_proxy, client) = through(over_tls(&upstream, &authority)).await;
    let calls = gets(&client, 20).await;
    for call in calls {
        let response = answered(call).await;
        assert_eq!(response.body().body, b"old");
    }
}

#[tokio::test]
async fn calls_that_wait_for_an_upstream_that_is_not_there_are_told_so() {
    let (full, _kept) = full_port();
    let unused = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let closed = unused.local_addr().expect("bound").port();
    drop(unused);
    for (port, status, error) in
        [(full, 504, "connection_timeout"), (closed, 502, "connection_refused")]
    {
        let limit = Duration::from_millis(300);
        let upstream = before(([127, 0, 0, 1], port).into());
        let settings = Settings { connect_timeout: limit, ..upstream };
        let (_proxy, client) = through(settings).await;
        let calls = gets(&client, 20).await;
        for call in calls {
            let response = answered(call).await;
            assert_problem(&response, status, error);
        }
    }
}
