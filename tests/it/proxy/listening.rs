//! Where the proxy listens and whom it lets in: addresses, Unix sockets, TLS, limits.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sidehook::proxy::{ListenAddress, Proxy, Settings, StartError};
use sidehook::rules::RuleSet;
use sidehook::shutdown::Stop;
use sidehook::telemetry::Metrics;
use sidehook::tls::{HTTP2_OR_1, ServerTls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::callers::{GET, all_after, ask, tcp, tcp_from, unix};
use super::proxy_protocol::unserved;
use super::stand::{Storage, measured, settings, start};
use crate::support::tls::{Authority, encrypted, put, shows};
use crate::support::upstream::{Act, Upstream, ok};
use crate::support::{PATIENCE, soon, until};

/// Writes a certificate and its key.
/// The certificate of this folder, for a listener.
pub(super) fn certificate(folder: &Path) -> ServerTls {
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.join(name));
    ServerTls::load(certificate, key, HTTP2_OR_1).expect("good files")
}

/// A good one of this authority, and the folder that it is in.
pub(super) fn good_certificate(authority: &Authority) -> (tempfile::TempDir, ServerTls) {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), &authority.good());
    let certificate = certificate(folder.path());
    (folder, certificate)
}

fn on_socket(upstream: SocketAddr, path: &Path) -> Settings {
    Settings { listen: ListenAddress::Unix(path.to_owned()), ..settings(upstream) }
}

fn run(settings: Settings) -> Proxy {
    start(settings, Vec::new(), Storage::new().store)
}

fn try_run(settings: Settings) -> Result<Proxy, StartError> {
    let rules = RuleSet::new(Vec::new());
    Proxy::start(settings, rules, Storage::new().store, Arc::new(Metrics::default()), Stop::new())
}

fn socket_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("sidehook.sock")
}

#[tokio::test]
async fn a_unix_socket_is_served_by_all_workers_for_its_group_and_leaves_nothing_behind() {
    let upstream = Upstream::always(ok("x")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket_in(&folder);
    let mut two = on_socket(upstream.addr, &path);
    two.workers = 2;
    let proxy = run(two);
    assert_eq!(proxy.address(), &ListenAddress::Unix(path.clone()));
    let metadata = fs::metadata(&path).expect("there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o777, 0o660);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = unix(&path).await;
        assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
        streams.push(stream);
    }
    // A local proxy is trusted, and has no address to add.
    let lines = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n";
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    assert!(ask(&mut streams[0], request.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let seen = upstream.request(20).await;
    assert_eq!(seen.field("x-forwarded-for"), ["1.1.1.1"]);
    assert_eq!(seen.field("x-forwarded-proto"), ["https"]);
    assert!(upstream.request(0).await.field("x-forwarded-for").is_empty());
    proxy.drain(PATIENCE).await;
    assert!(!path.exists(), "its file is removed");
    for stream in streams {
        assert_eq!(all_after(stream, b"").await, "");
    }
}

#[tokio::test]
async fn a_socket_of_a_dead_process_is_replaced_and_that_of_a_living_one_is_not() {
    let upstream = Upstream::always(ok("x")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket_in(&folder);
    // Closed, its file stays.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let first = run(on_socket(upstream.addr, &path));
    assert!(ask(&mut unix(&path).await, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));

    let error = try_run(on_socket(upstream.addr, &path)).expect_err("in use");
    assert!(matches!(error, StartError::InUse { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.contains(&format!("unix:{}", path.display())), "{words}");
    assert!(words.contains("[proxy] listen"), "{words}");
    assert!(ask(&mut unix(&path).await, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));

    // Another one has taken the place of a file that somebody removed: it is not ours to remove.
    fs::remove_file(&path).expect("removable");
    let second = run(on_socket(upstream.addr, &path));
    first.drain(Duration::ZERO).await;
    assert!(ask(&mut unix(&path).await, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    drop(second);
    assert!(!path.exists(), "removed without a drain, too");

    fs::write(&path, "precious").expect("writable");
    let error = try_run(on_socket(upstream.addr, &path)).expect_err("no socket");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.contains("a file of another kind"), "{source}");
    assert_eq!(fs::read_to_string(&path).expect("there"), "precious");
    let nowhere = folder.path().join("none/s");
    assert!(matches!(try_run(on_socket(upstream.addr, &nowhere)), Err(StartError::Listen { .. })));
}

#[tokio::test]
async fn ipv6_is_served() {
    let upstream = Upstream::always(ok("x")).await;
    let mut six = settings(upstream.addr);
    six.listen = "[::1]:0".parse::<SocketAddr>().expect("an address").into();
    let proxy = run(six);
    let mut stream = tcp(proxy.local_addr()).await;
    assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.request(0).await.field("x-forwarded-for"), ["::1"]);
    assert!(
        try_run(Settings { listen: proxy.local_addr().into(), ..settings(upstream.addr) })
            .is_err_and(|error| matches!(error, StartError::InUse { .. }))
    );
}

/// A mapped address of a socket for both families is the IPv4 address that it is.
#[tokio::test]
async fn an_ipv4_client_of_an_ipv6_listener_has_its_own_address() {
    let upstream = Upstream::always(ok("x")).await;
    let mut any = settings(upstream.addr);
    any.listen = "[::]:0".parse::<SocketAddr>().expect("an address").into();
    any.connections_per_client_max = 1;
    let proxy = run(any);
    let port = proxy.local_addr().port();
    let mut stream = tcp(SocketAddr::from(([127, 0, 0, 1], port))).await;
    assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.request(0).await.field("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn tls_is_spoken_with_who_speaks_it_and_nobody_else() {
    let upstream = Upstream::always(ok("x")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("a private CA");
    let issued = authority.good();
    put(folder.path(), &issued);
    let mut with_tls = settings(upstream.addr);
    with_tls.tls = Some(certificate(folder.path()));
    let (proxy, metrics) = measured(with_tls, &RuleSet::new(Vec::new()), Storage::new().store);
    for alpn in [&["http/1.1"][..], &[]] {
        let (mut stream, shown) =
            encrypted(tcp(proxy.local_addr()).await, &authority, alpn).await.expect("a handshake");
        assert_eq!(shown, issued.certificate);
        for _ in 0..2 {
            assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
        }
        let large = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{}",
            "x".repeat(200_000)
        );
        assert!(ask(&mut stream, large.as_bytes()).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(upstream.request(0).await.field("x-forwarded-proto"), ["https"]);
    assert_eq!(upstream.request(2).await.body().len(), 200_000);
    let offered = encrypted(tcp(proxy.local_addr()).await, &authority, &["h2", "http/1.1"]).await;
    let (stream, _) = offered.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let n = upstream.requests().len();
    let answer = all_after(tcp(proxy.local_addr()).await, GET.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("HTTPS"), "{answer}");
    let noise = all_after(tcp(proxy.local_addr()).await, &[0x17, 3, 3, 0, 1, 0]).await;
    assert!(!noise.contains("HTTP"), "{noise}");
    assert!(
        encrypted(tcp(proxy.local_addr()).await, &Authority::new("another"), &[]).await.is_err()
    );
    assert_eq!(upstream.requests().len(), n, "nothing was forwarded");
    until("all are counted", || unserved(&metrics, "handshake") == "3").await;
}

/// C5: who connects and says nothing holds nobody up, and goes when its time is up, or at a drain.
#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for() {
    let upstream = Upstream::always(ok("x")).await;
    let authority = Authority::new("a private CA");
    let (_folder, tls) = good_certificate(&authority);
    let with_tls = |limit: Duration| {
        let tls = Some(tls.clone());
        run(Settings { tls, header_timeout: limit, ..settings(upstream.addr) })
    };
    let proxy = with_tls(Duration::from_millis(200));
    // The begin of a ClientHello.
    for begin in [&b""[..], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0]] {
        assert_eq!(all_after(tcp(proxy.local_addr()).await, begin).await, "");
    }
    let proxy = with_tls(PATIENCE * 2);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tcp(proxy.local_addr()).await);
    }
    let beside = encrypted(tcp(proxy.local_addr()).await, &authority, &[]).await;
    let (mut stream, _) = beside.expect("a handshake");
    assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    soon("the drain", proxy.drain(PATIENCE * 2)).await;
    for stream in silent {
        assert_eq!(all_after(stream, b"").await, "");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let upstream = Upstream::always(ok("x")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("a private CA");
    let [first, second] = [authority.good(), authority.good()];
    put(folder.path(), &first);
    let mut with_tls = settings(upstream.addr);
    with_tls.tls = Some(certificate(folder.path()));
    let proxy = run(with_tls);
    let connect =
        async || encrypted(tcp(proxy.local_addr()).await, &authority, &[]).await.expect("TLS");
    let (mut old, shown) = connect().await;
    assert_eq!(shown, first.certificate);
    assert!(ask(&mut old, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    put(folder.path(), &second);
    shows(proxy.local_addr(), &authority, &second).await;
    assert!(ask(&mut old, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    // A reload names other files: for new connections at once.
    let third = authority.good();
    put(folder.path(), &third);
    let mut other = settings(upstream.addr);
    other.tls = Some(certificate(folder.path()));
    proxy.in_force().replace(other, RuleSet::new(Vec::new()));
    assert_eq!(connect().await.1, third.certificate);
    assert!(ask(&mut old, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

/// An upload and a download larger than every buffer, at once, with a client that reads late.
#[tokio::test]
async fn much_data_passes_tls_whole() {
    const BYTES: usize = 3_000_000;
    let body: String = (0..BYTES / 10).map(|n| format!("{n:09}\n")).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
    let upstream = Upstream::always(vec![Act::Send(format!("{head}{body}").into_bytes())]).await;
    let authority = Authority::new("a private CA");
    let (_folder, tls) = good_certificate(&authority);
    let mut with_tls = settings(upstream.addr);
    with_tls.tls = Some(tls);
    let proxy = run(with_tls);
    let stream = encrypted(tcp(proxy.local_addr()).await, &authority, &[]).await;
    let (mut stream, _) = stream.expect("a handshake");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {BYTES}\r\n\r\n{body}"
    );
    soon("the request to pass", stream.write_all(request.as_bytes())).await.expect("written");
    let mut answer = Vec::new();
    soon("the response", stream.read_to_end(&mut answer)).await.expect("a TLS end, no cut");
    assert!(answer.ends_with(body.as_bytes()), "{} bytes", answer.len());
    assert_eq!(upstream.request(0).await.body(), body.as_bytes());
}

#[tokio::test]
async fn one_client_has_a_limit_of_its_own_over_all_workers() {
    let upstream = Upstream::always(ok("x")).await;
    let mut limited = settings(upstream.addr);
    limited.connections_per_client_max = 3;
    limited.workers = 2;
    let (proxy, metrics) = measured(limited, &RuleSet::new(Vec::new()), Storage::new().store);
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = tcp(proxy.local_addr()).await;
        assert!(ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    for _ in 0..5 {
        let answer = all_after(tcp(proxy.local_addr()).await, GET.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("max_connections_per_client"), "{answer}");
    }
    assert_eq!(unserved(&metrics, "client_limit"), "5");
    let mut other = tcp_from([127, 0, 0, 2], proxy.local_addr()).await;
    assert!(ask(&mut other, GET.as_bytes()).await.starts_with("HTTP/1.1 200"), "another address");
    assert!(ask(&mut open[0], GET.as_bytes()).await.starts_with("HTTP/1.1 200"));
    // A place is free again when a connection has ended.
    drop(open.pop());
    soon("a free place", async {
        loop {
            let mut stream = tcp(proxy.local_addr()).await;
            if ask(&mut stream, GET.as_bytes()).await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_listener_for_http2_still_speaks_http1() {
    let upstream = Upstream::always(ok("x")).await;
    let mut both = settings(upstream.addr);
    both.h2c = true;
    both.idle_timeout = Duration::from_millis(200);
    let proxy = run(both);
    // It begins like HTTP/2's preface, and is not.
    let request = "PRI /here HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for part in [request.len(), 1] {
        let mut stream = tcp(proxy.local_addr()).await;
        stream.set_nodelay(true).expect("a socket");
        let (begin, last) = request.as_bytes().split_at(request.len() - 1);
        for bytes in begin.chunks(part) {
            stream.write_all(bytes).await.expect("the proxy reads");
            tokio::task::yield_now().await;
        }
        assert!(ask(&mut stream, last).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(upstream.request(1).await.request_line(), "PRI /here HTTP/1.1");
    assert_eq!(all_after(tcp(proxy.local_addr()).await, b"").await, "", "idle, and closed");
}
