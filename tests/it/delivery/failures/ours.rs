//! What fails on this side: the guard, the source address, the egress proxy, the identity.

use std::sync::Arc;

use sidehook::egress::{self, EgressProxy};
use sidehook::model::{Secret, TlsIdentity};
use url::Url;

use super::{Case, Row, run, settings};
use crate::support::receiver::{Receiver, dead_port};
use crate::support::wire::{Wire, full_port};

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = guarded().await;
    rows.extend(sources().await);
    rows.extend(proxies().await);
    rows
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

async fn guarded() -> Vec<Row> {
    let deny = vec!["127.0.0.0/8".parse().expect("a network")];
    let denying = egress::Settings { deny_networks: deny, ..settings() };
    let strict = egress::Settings { require_https: true, ..settings() };
    let broken = Arc::new(TlsIdentity { ca: Some(b"not PEM".to_vec()), client: None });
    let not_public = "refused/not_public";
    let case = |what, target, kind, says| Case::new(what, url(target), kind, says, ());
    let mut rows = run(
        settings(),
        vec![
            case("a private address", "http://10.0.0.1/", not_public, "allow_networks"),
            case("the cloud's metadata", "http://169.254.169.254/", not_public, "allow_networks"),
            case("a loopback address, IPv6", "http://[::1]/", not_public, "allow_networks"),
            case("a CA file without certificates", "https://127.0.0.1/", "unrenderable", "CA file")
                .with(broken),
        ],
    )
    .await;
    let denied = case("a denied address", "http://127.0.0.1/", "refused/denied", "deny_networks");
    rows.extend(run(denying, vec![denied]).await);
    let plain = case("plain http", "http://127.0.0.1/", "refused/not_https", "require_https");
    rows.extend(run(strict, vec![plain]).await);
    rows
}

async fn sources() -> Vec<Row> {
    let receiver = Receiver::start().await;
    let from = |ip: &str| egress::Settings {
        source_address: Some(ip.parse().expect("an address")),
        ..settings()
    };
    let mut rows = Vec::new();
    for (what, ip, says) in [
        ("a source address of nobody", "203.0.113.7", "203.0.113.7: "),
        ("a source address of the other family", "::1", "no IPv6 address"),
    ] {
        let case = Case::new(what, receiver.url("/"), "source_address", says, ());
        rows.extend(run(from(ip), vec![case]).await);
    }
    rows
}

fn through(port: u16) -> egress::Settings {
    let credentials = Some(("user".to_owned(), Secret::new("password")));
    let proxy = EgressProxy { host: "127.0.0.1".to_owned(), port, credentials };
    egress::Settings { proxy: Some(proxy), ..settings() }
}

async fn proxies() -> Vec<Row> {
    let receiver = Receiver::start().await;
    let case = |what, kind, says| Case::new(what, receiver.url("/"), kind, says, ());
    let mut rows = Vec::new();
    let dead = case("nobody listens at the proxy's address", "proxy_unreachable", "refused");
    rows.extend(run(through(dead_port().await), vec![dead]).await);
    let (full, _queue) = full_port();
    let silent = case("the proxy's host is silent", "timed_out/proxy", "egress proxy").short();
    rows.extend(run(through(full), vec![silent]).await);
    let long = format!("HTTP/1.1 200 {}", "x".repeat(100_000));
    let told = "HTTP/1.1 407 Rejected\r\nX-Smokescreen-Error: host not allowed\r\n\r\n";
    for (what, answer, kind, says) in [
        ("the proxy wants credentials", "HTTP/1.1 407 Auth\r\n\r\n", "proxy_refused", "407: Auth"),
        (
            "the proxy refuses, Smokescreen",
            told,
            "proxy_refused",
            "407: Rejected (host not allowed)",
        ),
        ("the proxy refuses", "HTTP/1.0 403 Forbidden\r\n\r\n", "proxy_refused", "403: Forbidden"),
        ("the proxy cannot connect", "HTTP/1.1 502\r\n\r\n", "proxy_refused", "502"),
        ("the proxy answers garbage", "SSH-2.0\r\n", "proxy_broken", "not HTTP"),
        ("the proxy answers without end", &long, "proxy_broken", "larger than"),
    ] {
        let proxy = Wire::says(answer).await;
        rows.extend(run(through(proxy.port), vec![case(what, kind, says)]).await);
    }
    let closing = Wire::start(|stream| async { drop(stream) }).await;
    let closed = case("the proxy closes the connection", "proxy_broken", "");
    rows.extend(run(through(closing.port), vec![closed]).await);
    let hanging = Wire::says("").await;
    let hung = case("the proxy never answers", "timed_out/proxy", "egress proxy").short();
    rows.extend(run(through(hanging.port), vec![hung]).await);
    assert_eq!(receiver.connections(), 0, "the receiver has no part in it");
    rows
}
