//! Ways out that the operator chooses: an egress proxy, a source address; and ways that the
//! environment suggests, which are not taken.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use sidehook::egress::{Egress, EgressProxy, Settings};
use sidehook::model::{Failure, GuardReason, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

use super::egress::{LONG, post};
use crate::support::receiver::Receiver;
use crate::support::tls::Authority;
use crate::support::wire::Wire;

/// A proxy that lets everybody pass, and remembers what it was asked and from where.
struct Proxy {
    wire: Wire,
    asked: Arc<Mutex<Vec<(IpAddr, String)>>>,
}

impl Proxy {
    async fn start() -> Self {
        let asked: Arc<Mutex<Vec<(IpAddr, String)>>> = Arc::default();
        let remember = Arc::clone(&asked);
        let wire = Wire::start(move |stream| tunnel(stream, Arc::clone(&remember))).await;
        Self { wire, asked }
    }

    fn asked(&self) -> Vec<(IpAddr, String)> {
        self.asked.lock().expect("no panic holds it").clone()
    }

    fn settings(&self) -> Settings {
        let credentials = Some(("us:er".to_owned(), Secret::new("pass word")));
        let host = "127.0.0.1".to_owned();
        Settings {
            allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
            proxy: Some(EgressProxy { host, port: self.wire.port, credentials }),
            user_agent: "sidehook/test".to_owned(),
            response_kept_max: 1000,
            ..Settings::default()
        }
    }
}

async fn tunnel(mut stream: TcpStream, asked: Arc<Mutex<Vec<(IpAddr, String)>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.map_or(true, |n| n == 0) {
            return;
        }
    }
    let head = String::from_utf8(head).expect("a text head");
    let target = head.split(' ').nth(1).expect("a target").to_owned();
    let from = stream.peer_addr().expect("connected").ip();
    asked.lock().expect("no panic holds it").push((from, head));
    let mut onward = TcpStream::connect(target).await.expect("the target listens");
    let told = b"HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 Tunnel\r\nvia: test\r\n\r\n";
    stream.write_all(told).await.expect("the peer reads");
    let _ = copy_bidirectional(&mut stream, &mut onward).await;
}

#[tokio::test]
async fn every_attempt_goes_through_the_egress_proxy() {
    let proxy = Proxy::start().await;
    let egress = Egress::new(proxy.settings()).expect("builds");
    let plain = Receiver::start().await;
    for _ in 0..2 {
        let reply = egress.send(post(plain.url("/a?b")), LONG).await.expect("a reply");
        assert_eq!(reply.status, 200);
    }
    let received = plain.received(2).await;
    assert_eq!(received[0].target, "/a?b", "the tunnel's inside knows of no proxy");
    assert!(!received[0].headers.contains_key("proxy-authorization"));

    let authority = Authority::new("a private CA");
    let secret = Receiver::start_tls(authority.good().server(None)).await;
    let mut outgoing = post(secret.url("/"));
    outgoing.tls = Some(authority.trusted());
    assert_eq!(egress.send(outgoing, LONG).await.expect("a reply").status, 200);

    let heads: Vec<String> = proxy.asked().into_iter().map(|(_, head)| head).collect();
    let expected = |port: u16| {
        format!(
            "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
             proxy-authorization: Basic dXM6ZXI6cGFzcyB3b3Jk\r\n\r\n"
        )
    };
    assert_eq!(heads, [expected(plain.port()), expected(secret.port())], "one tunnel for two");
}

#[tokio::test]
async fn the_guard_holds_before_the_proxy_is_asked() {
    let proxy = Proxy::start().await;
    let deny = vec!["127.0.0.9/32".parse().expect("a network")];
    let egress = Egress::new(Settings { deny_networks: deny, ..proxy.settings() }).expect("builds");
    for (target, expected) in [
        ("http://10.0.0.1/", GuardReason::NotPublic),
        ("https://169.254.169.254/", GuardReason::NotPublic),
        ("https://[::1]/", GuardReason::NotPublic),
        ("http://127.0.0.9/", GuardReason::Denied),
    ] {
        let (failure, _) =
            egress.send(post(target.parse().expect("a URL")), LONG).await.expect_err("refused");
        let Failure::Refused { reason, .. } = failure else { panic!("{target}: {failure}") };
        assert_eq!(reason, expected, "{target}");
    }
    assert!(proxy.asked().is_empty());
}

#[tokio::test]
async fn attempts_leave_from_the_source_address() {
    let proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let from: IpAddr = "127.0.0.2".parse().expect("an address");
    let settings = Settings { source_address: Some(from), ..proxy.settings() };
    let egress = Egress::new(settings.clone()).expect("builds");
    egress.send(post(receiver.url("/")), LONG).await.expect("a reply");
    assert_eq!(proxy.asked()[0].0, from, "to the proxy");

    let seen: Arc<Mutex<Option<IpAddr>>> = Arc::default();
    let see = Arc::clone(&seen);
    let direct = Wire::start(move |stream| {
        let peer = stream.peer_addr().expect("connected").ip();
        *see.lock().expect("no panic holds it") = Some(peer);
        async move { drop(stream) }
    })
    .await;
    let egress = Egress::new(Settings { proxy: None, ..settings }).expect("builds");
    egress.send(post(direct.url("http")), LONG).await.expect_err("it answers nothing");
    assert_eq!(*seen.lock().expect("no panic holds it"), Some(from), "to the receiver");
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let proxy = Proxy::start().await;
    let url = format!("http://127.0.0.1:{}", proxy.wire.port);
    let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_sidehook"));
    demo.args(["demo", "--once"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        demo.env(name, &url);
    }
    let demo = tokio::task::spawn_blocking(move || demo.output());
    let done = demo.await.expect("no panic").expect("starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}
