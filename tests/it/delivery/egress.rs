//! The way out alone: what it makes of receivers that answer well, badly, or not at all.

use std::time::Duration;

use bytes::Bytes;
use sidehook::egress::{Egress, Outgoing, Settings};
use sidehook::model::{Failure, FailurePhase, GuardReason, Reply, TlsFailure};

use crate::support::receiver::{Answer, Receiver, dead_port};

const KEPT_MAX: usize = 1000;

/// Long enough for what must succeed on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for what must time out.
const SHORT: Duration = Duration::from_millis(300);

fn egress(allow: &[&str]) -> Egress {
    Egress::new(Settings {
        allow_networks: allow.iter().map(|net| net.parse().expect("a network")).collect(),
        deny_networks: Vec::new(),
        require_https: false,
        user_agent: "sidehook/test".to_owned(),
        response_kept_max: KEPT_MAX,
        ..Settings::default()
    })
    .expect("builds")
}

pub(super) fn open() -> Egress {
    egress(&["127.0.0.0/8"])
}

pub(super) fn post(url: url::Url) -> Outgoing {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-mine", http::HeaderValue::from_static("1"));
    Outgoing {
        method: http::Method::POST,
        url,
        headers,
        tls: None,
        body: Bytes::from_static(b"hello"),
    }
}

async fn answered(answer: Answer, deadline: Duration) -> Result<Reply, (Failure, Option<Reply>)> {
    let receiver = Receiver::start().await;
    receiver.otherwise(answer);
    let sent = open().send(post(receiver.url("/hook")), deadline).await;
    assert_eq!(receiver.count(), 1, "sent once, whatever came of it");
    sent
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_and_its_reply_comes_back() {
    let receiver = Receiver::start().await;
    let egress = open();
    for _ in 0..2 {
        let reply = egress.send(post(receiver.url("/hook?a=%20b")), LONG).await.expect("a reply");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, b"ok");
        assert_eq!(reply.headers.get("x-reply"), Some(b"yes".as_slice()));
        assert!(!reply.body_truncated);
    }
    let received = receiver.received(2).await;
    assert_eq!(received[0].method, "POST");
    assert_eq!(received[0].target, "/hook?a=%20b");
    assert_eq!(received[0].body, b"hello");
    assert_eq!(received[0].header("host"), format!("127.0.0.1:{}", receiver.port()));
    assert_eq!(received[0].header("user-agent"), "sidehook/test");
    assert_eq!(received[0].header("content-length"), "5");
    assert_eq!(received[0].header("x-mine"), "1");
    assert_eq!(received[1].connection, 1, "the connection is used again");
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_nothing_more() {
    let elsewhere = Receiver::start().await;
    let location = elsewhere.url("/internal").to_string();
    let reply = answered(Answer::redirect(&location), LONG).await.expect("a reply");
    assert_eq!(reply.status, 307);
    assert_eq!(reply.headers.get("location"), Some(location.as_bytes()));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn special_addresses_are_not_dialled_unless_listed() {
    let receiver = Receiver::start().await;
    let port = receiver.port();
    let closed = egress(&["10.0.0.0/8"]);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"] {
        let url = format!("http://{host}:{port}/").parse().expect("a URL");
        let (failure, reply) = closed.send(post(url), LONG).await.expect_err("refused");
        let is_guard = matches!(failure, Failure::Refused { reason: GuardReason::NotPublic, .. });
        assert!(is_guard, "{host}: {failure}");
        assert_eq!(reply, None);
    }
    assert_eq!(receiver.connections(), 0, "not one packet");

    let url: url::Url = format!("http://localhost:{port}/").parse().expect("a URL");
    let reply = open().send(post(url), LONG).await.expect("listed");
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let url = format!("http://127.0.0.1:{}/", dead_port().await).parse().expect("a URL");
    let (failure, _) = open().send(post(url), LONG).await.expect_err("nobody there");
    let Failure::Unreachable { phase: FailurePhase::Connect, detail } = &failure else {
        panic!("{failure:?}")
    };
    assert!(detail.contains("refused"), "{detail}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_fails_resolving() {
    // A label of more than 63 octets (RFC 1035 2.3.4): no resolver asks anybody for it.
    let url = format!("http://{}.invalid/", "a".repeat(64)).parse().expect("a URL");
    let (failure, _) = open().send(post(url), LONG).await.expect_err("no such name");
    let resolving = matches!(failure, Failure::Unreachable { phase: FailurePhase::Resolve, .. });
    assert!(resolving, "{failure:?}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let (failure, reply) = answered(Answer::Hang, SHORT).await.expect_err("silence");
    let expected = Failure::TimedOut { phase: FailurePhase::Response, after_ms: 300 };
    assert_eq!((failure, reply), (expected, None));
}

#[tokio::test]
async fn a_dripping_body_ends_at_the_same_deadline() {
    let drip = Answer::Drip(Duration::from_millis(20));
    let (failure, reply) = answered(drip, SHORT).await.expect_err("never whole");
    assert_eq!(failure, Failure::TimedOut { phase: FailurePhase::Body, after_ms: 300 });
    let reply = reply.expect("its head came");
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() < 100, "{}", reply.body.len());
}

#[tokio::test]
async fn an_endless_body_is_cut_off_and_its_status_counts() {
    let reply = answered(Answer::Endless, LONG).await.expect("a success, cut off");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body.len(), KEPT_MAX);
    assert!(reply.body_truncated);
}

#[tokio::test]
async fn of_a_longer_body_the_first_part_is_kept_and_the_connection_goes_on() {
    let receiver = Receiver::start().await;
    let egress = open();
    for size in [KEPT_MAX, KEPT_MAX + 1, 50_000] {
        receiver.script([Answer::Raw(response("200 OK", "", &vec![b'x'; size]))]);
        let reply = egress.send(post(receiver.url("/")), LONG).await.expect("a reply");
        assert_eq!(reply.body.len(), KEPT_MAX);
        assert_eq!(reply.body_truncated, size > KEPT_MAX, "{size}");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn connections_that_break_are_told_apart_by_where() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    for (answer, phase, has_reply) in [
        (Answer::Reset, FailurePhase::Response, false),
        (Answer::CloseAfter(Vec::new()), FailurePhase::Response, false),
        (Answer::CloseAfter(b"HTTP/1.1 200".to_vec()), FailurePhase::Response, false),
        (Answer::Raw(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), FailurePhase::Response, false),
        (Answer::Raw(response("200 OK", "bad header\r\n", b"")), FailurePhase::Response, false),
        (Answer::ResetAfter(half.clone()), FailurePhase::Body, true),
        (Answer::CloseAfter(half), FailurePhase::Body, true),
    ] {
        let (failure, reply) = answered(answer.clone(), LONG).await.expect_err("broken");
        let Failure::Broken { phase: at, detail } = &failure else {
            panic!("{answer:?}: {failure:?}")
        };
        assert_eq!(*at, phase, "{answer:?}: {failure}");
        assert!(!detail.is_empty());
        assert_eq!(reply.is_some(), has_reply, "{answer:?}");
    }
}

#[tokio::test]
async fn headers_are_bounded_and_cookies_are_not_kept() {
    let many: String = (0..90).map(|n| format!("x-{n}: {}\r\n", "v".repeat(200))).collect();
    let head = format!("set-cookie: session=secret\r\n{many}");
    let reply = answered(Answer::Raw(response("204 No", &head, b"")), LONG).await.expect("a reply");
    assert_eq!(reply.status, 204);
    assert_eq!(reply.headers.get("set-cookie"), Some(b"REDACTED".as_slice()));
    let kept: usize = reply.headers.0.iter().map(|(n, v)| n.len() + v.len()).sum();
    assert!(kept > 4000 && kept <= 8 * 1024, "{kept}");

    let last = format!("{many}retry-after: 120\r\n");
    let answer = Answer::Raw(response("429 Later", &last, b""));
    let reply = answered(answer, LONG).await.expect("a reply");
    assert_eq!(reply.headers.get("retry-after"), Some(b"120".as_slice()), "kept beyond them");

    let huge = format!("x-huge: {}\r\n", "v".repeat(1_000_000));
    let answer = Answer::Raw(response("200 OK", &huge, b""));
    let (failure, _) = answered(answer, LONG).await.expect_err("too large");
    assert!(matches!(failure, Failure::Broken { phase: FailurePhase::Response, .. }), "{failure}");
}

#[tokio::test]
async fn interim_replies_are_not_the_reply() {
    let raw = [b"HTTP/1.1 103 Early\r\n\r\n".as_slice(), &response("202 Yes", "", b"")].concat();
    assert_eq!(answered(Answer::Raw(raw), LONG).await.expect("a reply").status, 202);
}

#[tokio::test]
async fn an_idle_connection_that_the_receiver_closed_costs_nothing() {
    let receiver = Receiver::start().await;
    let egress = open();
    for _ in 0..5 {
        receiver.script([Answer::CloseAfter(response("200 OK", "", b""))]);
        let reply = egress.send(post(receiver.url("/")), LONG).await.expect("a reply");
        assert_eq!(reply.status, 200);
    }
    assert_eq!(receiver.count(), 5);
}

#[tokio::test]
async fn a_compressed_reply_is_kept_as_it_came() {
    let answer = Answer::Raw(response("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8bnonsense"));
    assert_eq!(answered(answer, LONG).await.expect("a reply").body, b"\x1f\x8bnonsense");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("supported")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a valid pair");
    let receiver = Receiver::start_tls(config).await;
    let (failure, _) = open().send(post(receiver.url("/")), LONG).await.expect_err("unknown");
    assert!(matches!(failure, Failure::Tls { cause: TlsFailure::SelfSigned, .. }), "{failure:?}");
    assert_eq!(receiver.count(), 0, "nothing was sent");
}

#[tokio::test]
async fn plain_http_behind_https_and_the_reverse_are_named() {
    let receiver = Receiver::start().await;
    let mut url = receiver.url("/");
    url.set_scheme("https").expect("special to special");
    let (failure, _) = open().send(post(url), SHORT).await.expect_err("no TLS there");
    let in_tls = matches!(
        failure,
        Failure::Tls { cause: TlsFailure::NotTls, .. }
            | Failure::TimedOut { phase: FailurePhase::Tls, .. }
    );
    assert!(in_tls, "{failure:?}");
}
