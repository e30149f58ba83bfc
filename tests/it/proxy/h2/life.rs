//! The life of HTTP/2 connections: how they begin, rest and end, and what is left of a call's client.

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use sidehook::proxy::{Settings, UpstreamProtocol, UpstreamSettings, UpstreamTls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::stand::{Client, Modern, answer, echo, send, whole};
use crate::proxy::callers::tcp;
use crate::proxy::listening::good_certificate;
use crate::proxy::stand::{Storage, rule, settings, start, with};
use crate::support::tls::{Authority, encrypted};
use crate::support::upstream::{Upstream, ok};
use crate::support::{soon, until};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn tls_chooses_http2_and_plain_connections_only_with_the_key() {
    let upstream = Upstream::always(ok("x")).await;
    let authority = Authority::new("a private CA");
    let (_folder, tls) = good_certificate(&authority);
    let tls = Settings { tls: Some(tls), ..settings(upstream.addr) };
    let proxy = start(tls, Vec::new(), Storage::new().store);
    let stream = tcp(proxy.local_addr()).await;
    let (stream, _) = encrypted(stream, &authority, &["h2", "http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let client = Client::over(stream, proxy.local_addr(), h2::client::Builder::new()).await;
    assert_eq!(client.get(client.request("GET", "/")).await.status(), 200);
    assert_eq!(upstream.request(0).await.field("x-forwarded-proto"), ["https"]);

    let without = start(settings(upstream.addr), Vec::new(), Storage::new().store);
    let client = Client::connect(without.local_addr()).await;
    soon("the end", client.ended).await.expect("no panic").expect_err("not HTTP/2");
    assert_eq!(upstream.requests().len(), 1);
}

/// A proxy in front of this upstream, which it reaches over TLS.
pub(super) fn over_tls(upstream: &Modern, authority: &Authority) -> Settings {
    let name = "127.0.0.1".to_owned().try_into().expect("a name");
    let roots = Arc::new(rustls::RootCertStore::empty());
    let identity = sidehook::model::TlsIdentity::clone(&authority.trusted());
    let tls = UpstreamTls::new(identity, name, &roots).expect("good");
    let protocol = UpstreamProtocol::Https;
    let plain = upstream.settings();
    let upstream =
        UpstreamSettings { protocol, tls: Some(Arc::new(tls)), ..plain.upstream.clone() };
    Settings { upstream, ..plain }
}

#[tokio::test]
async fn an_upstream_behind_tls_is_spoken_to_as_it_chooses() {
    let authority = Authority::new("a private CA");
    for (protocols, is_new) in [(vec![&b"h2"[..], b"http/1.1"], true), (vec![b"http/1.1"], false)] {
        let mut config = authority.good().server(None);
        config.alpn_protocols = protocols.into_iter().map(<[u8]>::to_vec).collect();
        let upstream = Modern::start_tls(config, |_, _, respond| answer(respond, 200, "new")).await;
        let (_proxy, mut client) = with(over_tls(&upstream, &authority)).await;
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(client.reply().await.text().contains(if is_new { "new" } else { "old" }));
        }
        assert_eq!(upstream.connections(), 1);
        // What HTTP/2 cannot carry goes another way.
        let upgrade =
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.send(upgrade).await;
        assert_eq!(client.reply().await.text(), "old");
        if is_new {
            assert_eq!(upstream.head(2).await.uri.scheme_str(), Some("https"));
            assert_eq!(upstream.connections(), 2);
            // And the rest goes on as before.
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(client.reply().await.text().contains("new"));
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_told_goodbye() {
    let upstream = Modern::start(|_, request, respond| echo(request, respond)).await;
    let short = Settings { idle_timeout: SHORT, ..upstream.settings() };
    let proxy = start(short, Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    let (response, mut stream) = client.begin(client.request("POST", "/"), false).await;
    let response = soon("a head", response).await.expect("a head");
    // A stream that says nothing is not an idle connection.
    tokio::time::sleep(3 * SHORT).await;
    send(&mut stream, "x".into(), true).await;
    assert_eq!(whole(response).await.body().body, b"x");
    let ended = soon("a farewell", client.ended).await.expect("no panic");
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn a_connection_that_does_not_begin_is_closed() {
    let upstream = Upstream::always(ok("x")).await;
    let short = Settings { header_timeout: SHORT, h2c: true, ..settings(upstream.addr) };
    let proxy = start(short, Vec::new(), Storage::new().store);
    let mut stream = TcpStream::connect(proxy.local_addr()).await.expect("the proxy listens");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").await.expect("sent");
    let mut rest = Vec::new();
    let _ = soon("the end", stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_takes_no_new_ones() {
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let upstream = Modern::start(move |_, _request, respond| {
        let open = Arc::clone(&open);
        async move {
            open.notified().await;
            answer(respond, 200, "done").await;
        }
    })
    .await;
    let proxy = start(upstream.settings(), Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    let idle = Client::connect(proxy.local_addr()).await;
    let (response, _stream) = client.begin(client.request("GET", "/"), true).await;
    upstream.head(0).await;
    let draining = tokio::spawn(async move { proxy.drain(Duration::from_secs(10)).await });
    soon("idle ones end", idle.ended).await.expect("no panic").expect("a farewell");
    let is_told = || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        matches!(client.requests.clone().poll_ready(&mut cx), std::task::Poll::Ready(Err(_)))
    };
    until("a GOAWAY", is_told).await;
    gate.notify_one();
    let response = whole(soon("a response", response).await.expect("a response")).await;
    assert_eq!(response.body().body, b"done");
    let drained = soon("the end of the drain", draining).await.expect("no panic");
    assert_eq!(drained.calls_cut, 0);
}

#[tokio::test]
async fn upstream_connections_go_when_they_are_idle_and_are_replaced_when_they_break() {
    let upstream = Modern::start(|_, _, respond| answer(respond, 200, "x")).await;
    let short = Settings { upstream_idle_timeout: SHORT, ..upstream.settings() };
    let proxy = start(short, Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    for n in 1..=2 {
        assert_eq!(client.get(client.request("POST", "/")).await.status(), 200);
        assert_eq!(upstream.connections(), n);
        until("an idle connection is closed", || upstream.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn a_response_timeout_is_told_and_its_stream_cancelled() {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let upstream = Modern::start(move |_, _, mut respond| {
        let tell = Arc::clone(&tell);
        async move {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            tell.notify_one();
        }
    })
    .await;
    let short = Settings { response_timeout: Some(SHORT), ..upstream.settings() };
    let proxy = start(short, Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    let response = client.get(client.request("GET", "/")).await;
    super::stand::assert_problem(&response, 504, "http_response_timeout");
    soon("the upstream is told", told.notified()).await;
}

#[tokio::test]
async fn a_matched_call_goes_on_when_its_client_cancels() {
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let upstream = Modern::start(move |_, _request, respond| {
        let open = Arc::clone(&open);
        async move {
            open.notified().await;
            answer(respond, 201, "made").await;
        }
    })
    .await;
    let storage = Storage::new();
    let rules = vec![rule("made", "POST ^/make")];
    let proxy = start(upstream.settings(), rules, storage.store.clone());
    let client = Client::connect(proxy.local_addr()).await;
    let (response, mut stream) = client.begin(client.request("POST", "/make"), true).await;
    upstream.head(0).await;
    stream.send_reset(Reason::CANCEL);
    drop(response);
    // A second call on the connection shows that the reset has been seen.
    let (other, _stream) = client.begin(client.request("GET", "/other"), true).await;
    upstream.head(1).await;
    gate.notify_one();
    gate.notify_one();
    drop(other);
    let events = storage.events_of(1).await;
    assert_eq!(events[0].exchange.response.status, 201);
}
