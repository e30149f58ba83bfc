//! The upstream's connections: how long they are kept, how they end, and how much of an upstream's
//! misbehaviour a call takes.

use std::time::Duration;

use sidehook::proxy::{UpstreamAddress, UpstreamProtocol, UpstreamSettings};
use sidehook::rules::RuleSet;
use sidehook::telemetry::{Exposition, Scrape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::stand::{Storage, measured, plain, rule, settings, start, with};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Signal, Upstream, head_end, ok, reply, send};
use crate::support::wire::Wire;
use crate::support::{soon, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn with_fields(fields: &str) -> Vec<Act> {
    vec![send(&format!("HTTP/1.1 200 OK\r\n{fields}content-length: 1\r\n\r\nx"))]
}

/// C2: the upstream says how long it waits, and is believed.
#[tokio::test]
async fn c2_a_connection_is_closed_before_the_upstream_would() {
    for (fields, is_kept) in [
        ("Keep-Alive: timeout=1\r\n", true),
        ("Keep-Alive: max=5, Timeout = \"1\"\r\n", true),
        ("Keep-Alive: timeout=0\r\n", false),
        ("Keep-Alive: timeout=5, max=0\r\n", false),
        ("Connection: close\r\n", false),
    ] {
        let upstream = Upstream::always(with_fields(fields)).await;
        let mut patient = settings(upstream.addr);
        patient.upstream_idle_timeout = Duration::from_secs(3600);
        let (_proxy, mut client) = with(patient).await;
        for _ in 0..2 {
            client.send(GET).await;
            assert_eq!(client.reply().await.text(), "x");
        }
        // One that is in its last half second may be left for another.
        assert!(upstream.connections() == 2 || is_kept, "{fields}");
        until(fields, || upstream.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn http_1_0_connections_are_kept_only_where_the_upstream_says_so() {
    for (fields, connections) in [
        ("", 3),
        ("Connection: keep-alive\r\n", 1),
        // RFC 9112 9.3: `close` counts first.
        ("Connection: close, keep-alive\r\n", 3),
    ] {
        let answer = format!("HTTP/1.0 200 OK\r\n{fields}content-length: 1\r\n\r\nx");
        let upstream = Upstream::always(vec![send(&answer)]).await;
        let (_proxy, mut client) = plain(&upstream).await;
        for _ in 0..3 {
            client.send(GET).await;
            assert_eq!(client.reply().await.text(), "x");
        }
        assert_eq!(upstream.connections(), connections, "{fields:?}");
    }
}

/// F12: what an upstream sends between two calls is nobody's response.
#[tokio::test]
async fn f12_what_comes_between_two_calls_ends_the_connection() {
    let evil = reply("200 OK", "evil");
    for unasked in [evil, b"\r\n".to_vec(), b"HTTP/1.1 408 Request Timeout\r\n\r\n".to_vec()] {
        let between = Signal::new();
        let first =
            [ok("first"), vec![Act::Await(between.clone()), Act::Send(unasked), Act::Stall]];
        let upstream =
            Upstream::start(move |n, _| if n == 0 { first.concat() } else { ok("second") }).await;
        let mut settings = settings(upstream.addr);
        settings.upstream_idle_timeout = Duration::from_secs(3600);
        let (_proxy, mut client) = with(settings).await;
        client.send(GET).await;
        assert_eq!(client.reply().await.text(), "first");
        between.give();
        until("the connection to close", || upstream.open_connections() == 0).await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(client.reply().await.text(), "second");
        assert_eq!(upstream.connections(), 2);
    }
}

/// L10, B6: how a connection ends says whether what was on it was complete.
#[tokio::test]
async fn l10_half_a_request_ends_in_a_reset() {
    for (request, answer) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", ""),
        // Answered before its end, and left by the client after that.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n",
        ),
    ] {
        let (told, mut ends) = mpsc::channel(2);
        let wire = Wire::start(move |mut stream| {
            let told = told.clone();
            async move {
                let mut bytes = Vec::new();
                while !bytes.windows(4).any(|text| text == b"half") {
                    stream.read_buf(&mut bytes).await.expect("a request");
                }
                stream.write_all(answer.as_bytes()).await.expect("the proxy reads");
                told.try_send(None).expect("the test waits");
                let end = stream.read_to_end(&mut bytes).await;
                told.try_send(Some(end.map_err(|error| error.kind()))).expect("the test waits");
            }
        })
        .await;
        let (_proxy, mut client) = with(settings(([127, 0, 0, 1], wire.port).into())).await;
        client.send(request).await;
        soon("half a request", ends.recv()).await;
        if !answer.is_empty() {
            client.read_until("\r\n\r\n").await;
        }
        client.reset();
        let end = soon("the connection's end", ends.recv()).await.flatten().expect("an end");
        assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset), "{request} {answer}");
    }
}

/// B4, L6: a response that is there counts, whatever happened to the request.
#[tokio::test]
async fn l6_a_response_is_not_lost_when_the_request_cannot_be_written() {
    for end in [Act::Close, Act::Reset] {
        for n in [100_000, 3_000_000] {
            let end = end.clone();
            let upstream = Upstream::start_at_head(move |_, _| {
                vec![Act::Send(reply("413 Content Too Large", "no")), end.clone()]
            })
            .await;
            let (_proxy, mut client) = plain(&upstream).await;
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n")).await;
            client.send(vec![b'x'; 60_000]).await;
            let reply = client.reply().await;
            assert_eq!((reply.status(), reply.text().as_str()), (413, "no"));
        }
    }
}

/// P82, P90: a body that stands still is broken off, once, and makes no event.
#[tokio::test]
async fn a_silent_body_is_aborted_and_makes_no_event() {
    for head in ["content-length: 10\r\n", "transfer-encoding: chunked\r\n", ""] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n4\r\nhalf\r\n");
        let upstream = Upstream::always(vec![send(&answer), Act::Stall]).await;
        let mut settings = settings(upstream.addr);
        settings.upstream_body_timeout = Some(Duration::from_millis(100));
        for rules in [Vec::new(), vec![rule("order.placed", "GET ^/$")]] {
            let storage = Storage::new();
            let (proxy, metrics) =
                measured(settings.clone(), &RuleSet::new(rules), storage.store.clone());
            let mut client = RawClient::connect(proxy.local_addr()).await;
            client.send(GET).await;
            let rest = client.rest().await;
            let text = String::from_utf8_lossy(&rest.bytes).into_owned();
            assert!(text.contains("half") && !text.contains("\r\n0\r\n"), "{text}");
            assert!(storage.events().is_empty());
            let told = metrics.encode(&Scrape::default(), Exposition::Text);
            let broken = told.lines().find(|line| line.contains("kind=\"broken\""));
            assert!(broken.is_some_and(|line| line.ends_with(" 1")), "{broken:?}");
        }
        until("the silent connections to close", || upstream.open_connections() == 0).await;
    }
}

/// P86: interim responses without end.
#[tokio::test]
async fn p86_a_flood_of_interim_responses_is_refused() {
    for interim in ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"] {
        let acts = vec![Act::Send(interim.repeat(50_000).into_bytes()), Act::Stall];
        let upstream = Upstream::always(acts).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(GET).await;
        let text = client.read_until("interim heads").await;
        assert!(text.contains("HTTP/1.1 502 "), "{text:.200}");
        until("the flood to end", || upstream.open_connections() == 0).await;
    }
}

/// A head that comes byte by byte is the same head.
#[tokio::test]
async fn a_head_that_trickles_is_read() {
    let head = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nX: y\r\n\
                content-length: 2\r\n\r\nhi";
    for text in [head.to_owned(), head.replace("\r\n", "\n")] {
        let acts: Vec<Act> = text.bytes().map(|byte| Act::Send(vec![byte])).collect();
        let upstream = Upstream::always(acts).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(GET).await;
        assert_eq!(client.reply_without_body().await.status(), 103);
        let reply = client.reply().await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "hi"));
    }
}

/// G1: what switches protocols must speak HTTP/1.1 and the protocol that was asked for.
#[tokio::test]
async fn g1_a_switch_that_was_not_asked_for_is_refused() {
    for answer in [
        "HTTP/1.0 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket, x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let upstream = Upstream::always(vec![send(answer), Act::Stall]).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        client.reply().await.problem(502, "http_upgrade_failed");
        until("the connection to close", || upstream.open_connections() == 0).await;
    }
}

/// A reload that leads elsewhere: what is idle is closed at once, the rest after its call.
#[tokio::test]
async fn a_reload_leaves_no_connection_to_the_former_upstream() {
    let signal = Signal::new();
    let given = signal.clone();
    let former = Upstream::start(move |_, text| match text.starts_with("GET /slow") {
        true => vec![Act::Await(given.clone()), ok("slow").remove(0)],
        false => ok("former"),
    })
    .await;
    let present = Upstream::always(ok("present")).await;
    let proxy = start(settings(former.addr), Vec::new(), Storage::new().store);
    let mut idle = RawClient::connect(proxy.local_addr()).await;
    idle.send(GET).await;
    assert_eq!(idle.reply().await.text(), "former");
    let mut busy = RawClient::connect(proxy.local_addr()).await;
    busy.send(GET.replace("GET /", "GET /slow")).await;
    former.request(1).await;
    let mut other = RawClient::connect(proxy.local_addr()).await;
    other.send(GET).await;
    assert_eq!(other.reply().await.text(), "former");
    assert_eq!(former.open_connections(), 2);

    proxy.in_force().replace(settings(present.addr), RuleSet::new(Vec::new()));
    idle.send(GET).await;
    assert_eq!(idle.reply().await.text(), "present");
    until("the idle one to close", || former.open_connections() == 1).await;
    signal.give();
    assert_eq!(busy.reply().await.text(), "slow");
    until("the busy one to close", || former.open_connections() == 0).await;
}

#[tokio::test]
async fn calls_pass_over_a_unix_socket_and_its_absence_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app.sock");
    let mut settings = settings(([127, 0, 0, 1], 9).into());
    settings.upstream = UpstreamSettings {
        protocol: UpstreamProtocol::Http,
        address: UpstreamAddress::Unix(path.clone()),
        tls: None,
    };
    let (_proxy, mut client) = with(settings).await;
    client.send(GET).await;
    let detail = client.reply().await.problem(502, "destination_unavailable");
    assert!(detail.contains("unix:") && detail.contains("app.sock"), "{detail}");

    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the proxy connects");
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await.expect("readable") > 0 {
            if head_end(&bytes).is_some() {
                bytes.clear();
                stream.write_all(&reply("200 OK", "local")).await.expect("the proxy reads");
            }
        }
    });
    for _ in 0..2 {
        client.send(GET).await;
        assert_eq!(client.reply().await.text(), "local");
    }
    std::fs::remove_file(&path).expect("there");
    client.send(GET).await;
    assert_eq!(client.reply().await.text(), "local", "its connection is kept");
}
