//! HTTP/2 where the receiver offers it, and connections that serve more than one attempt.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sidehook::egress::Outgoing;
use sidehook::model::{Failure, FailurePhase, TlsFailure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use super::egress::{LONG, open, post};
use crate::support::tls::Authority;
use crate::support::wire::{Wire, reset, some};

const SHORT: Duration = Duration::from_millis(1500);

type Seen = Arc<Mutex<Vec<http::request::Parts>>>;

/// A receiver over HTTP/2 and TLS.
struct Modern {
    wire: Wire,
    authority: Authority,
    connections: Arc<AtomicUsize>,
    seen: Seen,
}

impl Modern {
    /// `/meet` answers when `parties` requests are there at the same time, `/hang` never, `/half`
    /// with half a body, `/large` with a large head; after `lives` requests, a connection is closed
    /// the proper way.
    async fn start(parties: usize, lives: usize) -> Self {
        let authority = Authority::new("a private CA");
        let mut config = authority.good().server(None);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Seen::default();
        let meeting = Arc::new(Barrier::new(parties));
        let (count, see) = (Arc::clone(&connections), Arc::clone(&seen));
        let wire = Wire::start(move |stream| {
            count.fetch_add(1, Ordering::SeqCst);
            serve(acceptor.clone(), stream, Arc::clone(&see), Arc::clone(&meeting), lives)
        })
        .await;
        Self { wire, authority, connections, seen }
    }

    fn post(&self, path: &str) -> Outgoing {
        let url = self.wire.url("https").join(path).expect("a path");
        Outgoing { tls: Some(self.authority.trusted()), ..post(url) }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    seen: Seen,
    meeting: Arc<Barrier>,
    lives: usize,
) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let served = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(tokio::sync::Notify::new());
    let (count, told) = (Arc::clone(&served), Arc::clone(&last));
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, meeting) = (Arc::clone(&seen), Arc::clone(&meeting));
        if count.fetch_add(1, Ordering::SeqCst) + 1 >= lives {
            told.notify_one();
        }
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let path = head.uri.path().to_owned();
            seen.lock().expect("no panic holds it").push(head);
            match path.as_str() {
                "/meet" => {
                    meeting.wait().await;
                }
                "/hang" => std::future::pending().await,
                _ => {}
            }
            let mut response = Response::new(Full::<Bytes>::new(body));
            if path == "/large" {
                let value = http::HeaderValue::from_str(&"v".repeat(100_000)).expect("plain");
                response.headers_mut().insert("x-large", value);
            }
            if path == "/half" {
                response.headers_mut().insert("content-length", http::HeaderValue::from(9));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => {}
        () = last.notified() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

#[tokio::test]
async fn attempts_share_one_http2_connection() {
    let receiver = Modern::start(8, usize::MAX).await;
    let egress = open();
    let reply = egress.send(receiver.post("/first"), LONG).await.expect("a reply");
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"hello".as_slice()));

    // All eight must be there at the same time, or none is answered.
    let mut meeting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (egress, outgoing) = (egress.clone(), receiver.post("/meet"));
        meeting.spawn(async move { egress.send(outgoing, LONG).await.map(|reply| reply.status) });
    }
    while let Some(sent) = meeting.join_next().await {
        assert_eq!(sent.expect("no panic").expect("a reply"), 200);
    }
    assert_eq!(receiver.connections(), 1);
    let seen = receiver.seen.lock().expect("no panic holds it");
    assert_eq!(seen[0].version, http::Version::HTTP_2);
    assert_eq!(seen[0].headers["content-length"], "5");
    assert_eq!(seen[0].headers["user-agent"], "sidehook/test");
    assert!(!seen[0].headers.contains_key("host"), "the authority says it");
    assert_eq!(seen[0].uri.authority().expect("told").port_u16(), Some(receiver.wire.port));
}

#[tokio::test]
async fn a_connection_on_which_an_attempt_timed_out_serves_no_other() {
    let receiver = Modern::start(1, usize::MAX).await;
    let egress = open();
    egress.send(receiver.post("/"), LONG).await.expect("a reply");
    let (failure, _) = egress.send(receiver.post("/hang"), SHORT).await.expect_err("silence");
    let expected = Failure::TimedOut { phase: FailurePhase::Response, after_ms: 1500 };
    assert_eq!(failure, expected);
    egress.send(receiver.post("/"), LONG).await.expect("a reply");
    assert_eq!(receiver.connections(), 2, "it might be dead");
}

#[tokio::test]
async fn a_connection_that_says_goodbye_costs_no_attempt() {
    let receiver = Modern::start(1, 3).await;
    let egress = open();
    for _ in 0..20 {
        let reply = egress.send(receiver.post("/"), LONG).await.expect("a reply");
        assert_eq!(reply.status, 200);
    }
    let n = receiver.connections();
    assert!((2..=20).contains(&n), "{n} connections");
}

#[tokio::test]
async fn replies_that_break_over_http2_are_told_as_over_http1() {
    let receiver = Modern::start(1, usize::MAX).await;
    let egress = open();
    for (path, expected, status) in
        [("/half", FailurePhase::Body, Some(200)), ("/large", FailurePhase::Response, None)]
    {
        let (failure, reply) = egress.send(receiver.post(path), LONG).await.expect_err(path);
        let Failure::Broken { phase, detail } = &failure else { panic!("{path}: {failure:?}") };
        assert_eq!(*phase, expected, "{path}: {detail}");
        assert_eq!(reply.map(|reply| reply.status), status, "{path}");
    }
}

#[tokio::test]
async fn a_connection_serves_only_webhooks_of_the_same_identity() {
    let receiver = Modern::start(1, usize::MAX).await;
    let egress = open();
    egress.send(receiver.post("/"), LONG).await.expect("the CA is trusted");
    let stranger = Outgoing { tls: None, ..receiver.post("/") };
    let (failure, _) = egress.send(stranger, LONG).await.expect_err("not by this one");
    assert!(matches!(failure, Failure::Tls { cause: TlsFailure::UnknownIssuer, .. }), "{failure}");
}

/// The hardest moment: the receiver gives the connection up when it sees the next request.
#[tokio::test]
async fn an_idle_connection_that_breaks_under_a_request_costs_no_attempt() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let wire = Wire::start(move |mut stream| {
        let is_soft = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"hello") {
                if stream.read_buf(&mut request).await.map_or(true, |n| n == 0) {
                    return;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            some(&mut stream).await;
            if is_soft {
                let _ = stream.shutdown().await;
            } else {
                reset(stream);
            }
        }
    })
    .await;
    let egress = open();
    for _ in 0..6 {
        let reply = egress.send(post(wire.url("http")), LONG).await.expect("a reply");
        assert_eq!(reply.status, 200);
    }
}

/// But a receiver that has begun to answer has got the request: it is not sent again.
#[tokio::test]
async fn a_request_is_not_repeated_once_a_reply_has_begun() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let wire = Wire::start(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            for reply in [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".as_slice(), b"HTTP/1.1 2"]
            {
                let mut request = Vec::new();
                while !request.ends_with(b"hello") {
                    if stream.read_buf(&mut request).await.map_or(true, |n| n == 0) {
                        return;
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(reply).await;
            }
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let egress = open();
    egress.send(post(wire.url("http")), LONG).await.expect("a reply");
    let (failure, _) = egress.send(post(wire.url("http")), LONG).await.expect_err("broken");
    assert!(matches!(failure, Failure::Broken { phase: FailurePhase::Response, .. }), "{failure}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}
