//! The PROXY protocol on the listener: who is named is the client, and nobody else may name one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidehook::proxy::{ListenAddress, Proxy, Settings};
use sidehook::rules::RuleSet;
use sidehook::telemetry::{Exposition, Metrics, Scrape};
use tokio::io::AsyncWriteExt as _;

use super::callers::{GET, all_after, ask, tcp, tcp_from, unix};
use super::listening::good_certificate;
use super::stand::{Storage, measured, settings};
use crate::support::tls::{Authority, encrypted};
use crate::support::until;
use crate::support::upstream::{Upstream, ok};

const V1: &str = "PROXY TCP4 192.0.2.7 10.0.0.1 40000 80\r\n";

/// A header of version 2 with this command and family.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, rest].concat()
}

/// Behind a load balancer at 127.0.0.1.
fn behind(upstream: SocketAddr) -> Settings {
    let mut settings = settings(upstream);
    settings.proxy_protocol = true;
    settings.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    settings
}

fn start(settings: Settings) -> (Proxy, Arc<Metrics>) {
    measured(settings, &RuleSet::new(Vec::new()), Storage::new().store)
}

/// `sidehook_connections_unserved_total` of this reason.
pub(super) fn unserved(metrics: &Metrics, reason: &str) -> String {
    let text = metrics.encode(&Scrape::default(), Exposition::Text);
    let name = format!("sidehook_connections_unserved_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name}in {text}")).to_owned()
}

#[tokio::test]
async fn whom_the_header_names_is_the_client_in_every_form_and_however_it_is_split() {
    let upstream = Upstream::always(ok("x")).await;
    let (proxy, _) = start(behind(upstream.addr));
    let client = [192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0, 80];
    let mut six = [0; 36];
    six[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().expect("one").octets());
    let mut mapped = [0; 36];
    mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 9]);
    let extended = [&client[..], &[0x04, 0, 200], &[0; 200]].concat();
    let own = "127.0.0.1";
    let mut n = 0;
    for (header, named) in [
        (V1.as_bytes().to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), "2001:db8::7"),
        (v2(0x21, 0x11, &client), "192.0.2.7"),
        (v2(0x21, 0x21, &six), "2001:db8::7"),
        (v2(0x21, 0x21, &mapped), "192.0.2.9"),
        (v2(0x21, 0x11, &extended), "192.0.2.7"),
        // The load balancer speaks for itself: health checks.
        (b"PROXY UNKNOWN\r\n".to_vec(), own),
        (v2(0x20, 0x00, &[]), own),
        (v2(0x20, 0x11, &client), own),
        (v2(0x21, 0x00, &[]), own),
    ] {
        let whole = [&header, GET.as_bytes()].concat();
        // All at once, the header alone, and byte by byte.
        for part in [whole.len(), header.len(), 1] {
            let mut stream = tcp(proxy.local_addr()).await;
            stream.set_nodelay(true).expect("a socket");
            let (begin, last) = whole.split_at(whole.len() - 1);
            for bytes in begin.chunks(part) {
                stream.write_all(bytes).await.expect("the proxy reads");
                tokio::task::yield_now().await;
            }
            let answer = ask(&mut stream, last).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            let seen = upstream.request(n).await;
            assert_eq!(seen.field("x-forwarded-for"), [named], "{}", header.escape_ascii());
            assert_eq!(seen.request_line(), "GET /here HTTP/1.1");
            // The next request on the connection has the same client, and no header before it.
            assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
            assert_eq!(upstream.request(n + 1).await.field("x-forwarded-for"), [named]);
            n += 2;
        }
    }
}

#[tokio::test]
async fn who_sends_no_header_or_a_bad_one_gets_no_answer_and_reaches_nobody() {
    let upstream = Upstream::always(ok("x")).await;
    let mut quick = behind(upstream.addr);
    quick.header_timeout = Duration::from_millis(200);
    let (proxy, metrics) = start(quick);
    let good = v2(0x21, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2]);
    let bad: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 80\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 80 extra\r\n".to_vec(),
        b"PROXY TCP4 localhost 10.0.0.1 40000 80\r\n".to_vec(),
        format!("PROXY UNKNOWN {}\r\n", "x".repeat(200)).into_bytes(),
        v2(0x11, 0x11, &[0; 12]),
        v2(0x21, 0x12, &[0; 12]),
        v2(0x21, 0x11, &[0; 4]),
        v2(0x21, 0x11, &[0; 5000]),
        // Twice: the second one is no request.
    ];
    for header in &bad {
        let bytes = [header, GET.as_bytes()].concat();
        let answer = all_after(tcp(proxy.local_addr()).await, &bytes).await;
        assert_eq!(answer, "", "{}", header.escape_ascii());
    }
    // Never the rest of it: closed when its time is up.
    for part in [&b""[..], b"PROXY TCP4 192.0.2.7", &good[..20]] {
        assert_eq!(all_after(tcp(proxy.local_addr()).await, part).await, "");
    }
    let counted = (bad.len() + 3).to_string();
    until("all are counted", || unserved(&metrics, "proxy_header") == counted).await;
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    let twice = [V1, "PROXY TCP4 198.51.100.1 10.0.0.1 1 2\r\n", GET].concat();
    let answer = all_after(tcp(proxy.local_addr()).await, twice.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "the second one is no request: {answer}");
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test]
async fn who_is_not_trusted_cannot_name_anybody() {
    let upstream = Upstream::always(ok("x")).await;
    let (proxy, metrics) = start(behind(upstream.addr));
    for begin in [V1, ""] {
        let stranger = tcp_from([127, 0, 0, 2], proxy.local_addr()).await;
        assert_eq!(all_after(stranger, format!("{begin}{GET}").as_bytes()).await, "");
    }
    until("both are counted", || unserved(&metrics, "untrusted") == "2").await;
    assert!(upstream.requests().is_empty());
    // Without the key a header is what it looks like: no HTTP, also from a trusted peer.
    let mut plain = behind(upstream.addr);
    plain.proxy_protocol = false;
    let (proxy, _) = start(plain);
    let answer = all_after(tcp(proxy.local_addr()).await, format!("{V1}{GET}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(upstream.requests().is_empty());
}

/// The named client is held to be whom it is: not a trusted proxy itself, one of many connections.
#[tokio::test]
async fn the_named_client_is_not_trusted_and_counts_for_the_limit() {
    let upstream = Upstream::always(ok("x")).await;
    let mut limited = behind(upstream.addr);
    limited.connections_per_client_max = 1;
    let (proxy, metrics) = start(limited);
    let mut first = tcp(proxy.local_addr()).await;
    let spoofing = format!("{V1}GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n");
    assert!(ask(&mut first, spoofing.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.request(0).await.field("x-forwarded-for"), ["192.0.2.7"]);
    let second = format!("{V1}{GET}");
    let answer = all_after(tcp(proxy.local_addr()).await, second.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("max_connections_per_client"));
    assert_eq!(unserved(&metrics, "client_limit"), "1");
    let other = format!("PROXY TCP4 192.0.2.8 10.0.0.1 1 2\r\n{GET}");
    let mut other_client = tcp(proxy.local_addr()).await;
    assert!(ask(&mut other_client, other.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn it_goes_before_tls_and_over_unix_sockets() {
    let upstream = Upstream::always(ok("x")).await;
    let authority = Authority::new("a private CA");
    let (folder, tls) = good_certificate(&authority);
    let mut with_tls = behind(upstream.addr);
    with_tls.tls = Some(tls);
    let (proxy, _) = start(with_tls);
    // The header and the begin of the handshake in one packet.
    let mut stream = tcp(proxy.local_addr()).await;
    stream.write_all(V1.as_bytes()).await.expect("the proxy reads");
    let (mut stream, _) = encrypted(stream, &authority, &[]).await.expect("a handshake");
    assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let seen = upstream.request(0).await;
    assert_eq!(seen.field("x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(seen.field("x-forwarded-proto"), ["https"]);

    let path = folder.path().join("s");
    let mut local = behind(upstream.addr);
    local.listen = ListenAddress::Unix(path.clone());
    local.trusted_proxies = Vec::new();
    let (_proxy, _) = start(local);
    let mut stream = unix(&path).await;
    assert!(ask(&mut stream, format!("{V1}{GET}").as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.request(1).await.field("x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(all_after(unix(&path).await, GET.as_bytes()).await, "", "required here, too");
}
