//! TLS to the upstream: whom the proxy trusts, what it shows, and what an end without a
//! `close_notify` means (C9, P84).

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, SanType};
use rustls::{RootCertStore, ServerConfig};
use sidehook::model::TlsIdentity;
use sidehook::proxy::{
    Proxy, Settings, UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::stand::{Storage, plain, rule, settings, start, with};
use crate::support::client::RawClient;
use crate::support::tls::{Authority, Issued};
use crate::support::upstream::{Act, Upstream, head_end, reply};
use crate::support::wire::{Wire, reset, some};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How a connection ends after its response.
#[derive(Clone, Copy)]
enum End {
    /// With a `close_notify`.
    Proper,
    /// With the connection alone.
    Cut,
    Reset,
    /// Not at all: the next request is answered, too.
    Stay,
}

/// Answers each connection with these bytes after its request's head.
async fn tls_upstream(config: ServerConfig, answer: Vec<u8>, end: End) -> Wire {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Wire::start(move |stream| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            // What is written before a reset has left by then.
            stream.set_nodelay(true).expect("a socket");
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while head(&mut stream).await {
                stream.write_all(&answer).await.expect("the proxy reads");
                stream.flush().await.expect("the proxy reads");
                match end {
                    End::Stay => continue,
                    End::Proper => stream.shutdown().await.expect("sent"),
                    End::Cut => drop(stream),
                    End::Reset => reset(stream.into_inner().0),
                }
                return;
            }
        }
    })
    .await
}

async fn head(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut bytes = Vec::new();
    while head_end(&bytes).is_none() {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

fn tls_settings(port: u16, identity: &TlsIdentity, server_name: &str) -> Settings {
    let name = server_name.to_owned().try_into().expect("a name");
    let system = Arc::new(RootCertStore::empty());
    // Without a CA of their own, identities trust the system's roots: here, one that signed nothing.
    let system = match identity.ca {
        Some(_) => system,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add(Authority::new("nobody's").root()).expect("a root");
            Arc::new(roots)
        }
    };
    let tls = UpstreamTls::new(identity.clone(), name, &system).expect("usable");
    let mut settings = settings(([127, 0, 0, 1], port).into());
    settings.upstream = UpstreamSettings {
        protocol: UpstreamProtocol::Https,
        address: UpstreamAddress::Tcp { host: "127.0.0.1".into(), port },
        tls: Some(Arc::new(tls)),
    };
    settings
}

/// A problem's detail, of a call to this port.
async fn refused(settings: Settings, error: &str) -> String {
    let (proxy, mut client) = with(settings).await;
    client.send(GET).await;
    let detail = client.reply().await.problem(502, error);
    assert!(!proxy.upstream_health().is_healthy());
    detail
}

#[tokio::test]
async fn calls_pass_over_one_connection_with_a_private_ca_and_a_server_name() {
    let ca = Authority::new("a CA");
    let named = ca.issue(|params| {
        params.subject_alt_names = vec![SanType::DnsName("orders.internal".try_into().expect("a"))];
    });
    let wire = tls_upstream(named.server(None), reply("200 OK", "safe"), End::Stay).await;
    let settings = tls_settings(wire.port, &ca.trusted(), "orders.internal");
    let (_proxy, mut client) = with(settings).await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_eq!(client.reply().await.text(), "safe");
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_told_in_words() {
    let (ca, other) = (Authority::new("a CA"), Authority::new("another"));
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let named = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("b.example".try_into().expect("a name"))];
    };
    for (issued, identity, words) in [
        (ca.good(), other.trusted(), "unknown issuer"),
        (Issued::self_signed(), Arc::new(TlsIdentity { ca: None, client: None }), "self-signed"),
        (ca.issue(expired), ca.trusted(), "expired"),
        (ca.issue(named), ca.trusted(), "another name"),
    ] {
        let wire = tls_upstream(issued.server(None), reply("200 OK", "x"), End::Stay).await;
        let settings = tls_settings(wire.port, &identity, "127.0.0.1");
        let detail = refused(settings, "tls_certificate_error").await;
        assert!(detail.contains(words) && detail.contains(&wire.port.to_string()), "{detail}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_lack_told() {
    let ca = Authority::new("a CA");
    let server = ca.good();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let config = || server.server_with(Some(&ca), versions);
        let wire = tls_upstream(config(), reply("200 OK", "known"), End::Stay).await;
        let shown = tls_settings(wire.port, &ca.trusted_by(&ca.good()), "127.0.0.1");
        let (_proxy, mut client) = with(shown).await;
        client.send(GET).await;
        assert_eq!(client.reply().await.text(), "known");

        let detail =
            refused(tls_settings(wire.port, &ca.trusted(), "127.0.0.1"), "tls_alert_received")
                .await;
        assert!(detail.contains("wants a client certificate"), "{detail}");
        let stranger = Authority::new("another").good();
        let detail = refused(
            tls_settings(wire.port, &ca.trusted_by(&stranger), "127.0.0.1"),
            "tls_alert_received",
        )
        .await;
        assert!(detail.contains("refused the client certificate"), "{detail}");
    }
}

#[tokio::test]
async fn an_upstream_without_tls_or_without_an_answer_is_told() {
    let ca = Authority::new("a CA");
    let plain = Wire::says("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let settings = tls_settings(plain.port, &ca.trusted(), "127.0.0.1");
    let detail = refused(settings, "tls_protocol_error").await;
    assert!(detail.contains("speaks no TLS") && detail.contains("http://"), "{detail}");

    let closes = Wire::start(|mut stream| async move {
        some(&mut stream).await;
    })
    .await;
    let settings = tls_settings(closes.port, &ca.trusted(), "127.0.0.1");
    let detail = refused(settings, "tls_protocol_error").await;
    assert!(detail.contains("closed the connection in the handshake"), "{detail}");

    let silent = Wire::says("").await;
    let mut settings = tls_settings(silent.port, &ca.trusted(), "127.0.0.1");
    settings.connect_timeout = Duration::from_millis(100);
    let (_proxy, mut client) = with(settings).await;
    client.send(GET).await;
    let detail = client.reply().await.problem(504, "connection_timeout");
    assert!(detail.contains("TLS handshake") && detail.contains("connect_timeout"), "{detail}");
}

/// C9, P84: of a body that ends with its connection, only a `close_notify` tells that it is whole.
#[tokio::test]
async fn a_body_without_length_is_whole_only_with_a_close_notify() {
    let ca = Authority::new("a CA");
    let answer = || b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec();
    for (end, is_whole) in [(End::Proper, true), (End::Cut, false), (End::Reset, false)] {
        let wire = tls_upstream(ca.good().server(None), answer(), end).await;
        let settings = tls_settings(wire.port, &ca.trusted(), "127.0.0.1");
        let storage = Storage::new();
        let rules = vec![rule("order.placed", "GET ^/$")];
        let proxy = start(settings, rules, storage.store.clone());
        let text = whole(&proxy).await;
        assert!(text.starts_with("HTTP/1.1 200") || !is_whole, "{text}");
        assert_eq!(text.ends_with("5\r\nhello\r\n0\r\n\r\n"), is_whole, "{text}");
        if is_whole {
            storage.events_of(1).await;
        }
        assert_eq!(storage.as_after_a_crash().len(), usize::from(is_whole), "{text}");
    }
}

/// All that a client gets that closes after one call.
async fn whole(proxy: &Proxy) -> String {
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    String::from_utf8_lossy(&client.rest().await.bytes).into_owned()
}

/// A kept connection that the upstream has closed costs nothing over TLS, either.
#[tokio::test]
async fn a_stale_connection_is_replaced_over_tls() {
    let ca = Authority::new("a CA");
    for end in [End::Proper, End::Cut, End::Reset] {
        let wire = tls_upstream(ca.good().server(None), reply("200 OK", "x"), end).await;
        let settings = tls_settings(wire.port, &ca.trusted(), "127.0.0.1");
        let (_proxy, mut client) = with(settings).await;
        for _ in 0..4 {
            client.send(GET).await;
            assert_eq!(client.reply().await.text(), "x");
        }
    }
}

/// A body of several TLS records, larger than every buffer.
#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let ca = Authority::new("a CA");
    let body: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let acceptor = TlsAcceptor::from(Arc::new(ca.good().server(None)));
    let echo = Wire::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.expect("a handshake");
            let mut bytes = Vec::new();
            while head_end(&bytes).is_none_or(|at| bytes.len() - at < 3_000_000) {
                assert!(stream.read_buf(&mut bytes).await.expect("sound") > 0);
            }
            let body = bytes.split_off(head_end(&bytes).expect("whole"));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.expect("sent");
            stream.write_all(&body).await.expect("sent");
            stream.flush().await.expect("sent");
            let _ = stream.read_buf(&mut bytes).await;
        }
    })
    .await;
    let (_proxy, mut client) = with(tls_settings(echo.port, &ca.trusted(), "127.0.0.1")).await;
    client
        .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()))
        .await;
    client.send(&body).await;
    assert!(client.reply().await.body == body);
}

/// `http://` in front of a port that speaks TLS: the words name the cure.
#[tokio::test]
async fn a_tls_port_behind_http_is_told_as_such() {
    let alert = vec![Act::Send(vec![21, 3, 3, 0, 2, 2, 10]), Act::Close];
    let upstream = Upstream::always(alert).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.reply().await;
    assert!(reply.text().contains("write `https://`"), "{}", reply.text());
    reply.problem(502, "http_protocol_error");
}
