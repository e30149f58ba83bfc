//! Framing: one request in is one request out, and no response says less or more than it should.

use sidehook::proxy::Settings;

use super::stand::{plain, settings, with};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Upstream, head_end, ok, send};

#[tokio::test]
async fn f1_to_f6_ambiguous_requests_are_refused() {
    let upstream = Upstream::always(ok("")).await;
    for (id, lines, status) in [
        ("F1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("F1", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        ("F1", "transfer-encoding: CHUNKED\r\nX: y\r\ncONTENT-lENGTH: 0\r\n\r\n0\r\n\r\n", 400),
        ("F3", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        ("F3", "Content-Length: 5, 5\r\n\r\nhello", 400),
        ("F3", "Content-Length: +5\r\n\r\nhello", 400),
        ("F3", "Content-Length: 0x5\r\n\r\nhello", 400),
        ("F3", "Content-Length: \r\n\r\nhello", 400),
        ("F3", "Content-Length: 18446744073709551616\r\n\r\nhello", 400),
        ("F4", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("F4", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        ("F4", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("F4", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        ("F4", "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
        ("F4", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("F4", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("F6", "X-Folded: a\r\n b\r\n\r\n", 400),
        ("F7", "X-Space : a\r\n\r\n", 400),
        ("P60", "Expect: 200-ok\r\n\r\n", 417),
    ] {
        let (_proxy, mut client) = plain(&upstream).await;
        let smuggled = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}{smuggled}")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status(), status, "{id} {lines:?}");
        reply.problem(status, "http_request_error");
        let rest = client.rest().await;
        assert!(rest.bytes.is_empty(), "{id} {lines:?}: closed, nothing after it is answered");
    }
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.status(), 400, "F5");
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test]
async fn unreadable_heads_get_words() {
    let upstream = Upstream::always(ok("")).await;
    let long = "x".repeat(70_000);
    for (head, status) in [
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\rHost: a\r\r".to_owned(), 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /a<b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(129)), 431),
    ] {
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(&head).await;
        client.reply().await.problem(status, "http_request_error");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn f3_p45_lengths_are_written_once_and_plainly() {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    client.reply().await;
    assert_eq!(upstream.request(0).await.field("content-length"), ["5"]);

    for lengths in ["content-length: 5\r\ncontent-length: 5\r\n", "content-length: 5, 5\r\n"] {
        let upstream =
            Upstream::always(vec![send(&format!("HTTP/1.1 200 OK\r\n{lengths}\r\nhello"))]).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!(reply.field("content-length"), ["5"], "{lengths}");
        assert_eq!(reply.text(), "hello");
    }
}

#[tokio::test]
async fn f2_p2_a_response_with_both_framings_is_chunked() {
    for length in [2, 5, 500] {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let upstream = Upstream::always(vec![send(&head), send("5\r\nhello\r\n0\r\n\r\n")]).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let reply = client.reply().await;
        assert!(reply.field("content-length").is_empty(), "{}", reply.head);
        assert_eq!(reply.field("transfer-encoding"), ["chunked"]);
        assert!(reply.text().contains("hello") && reply.text().ends_with("0\r\n\r\n"));
    }
}

#[tokio::test]
async fn f6_f7_sloppy_response_heads_are_repaired() {
    let upstream = Upstream::always(vec![send(
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nX-Space : c\r\ncontent-length: 0\r\n\r\n",
    )])
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.reply().await;
    let folded: Vec<_> = reply
        .field("x-folded")
        .iter()
        .map(|v| v.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(folded, ["a b"]);
    assert_eq!(reply.field("x-space"), ["c"]);
}

/// P1: the bodies of methods that rarely have one; H9: a body that is announced is sent.
#[tokio::test]
async fn p1_every_method_keeps_its_body_and_its_framing() {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    for (n, method) in ["GET", "DELETE", "OPTIONS", "POST", "PUT"].into_iter().enumerate() {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")).await;
        client.reply().await;
        let seen = upstream.request(3 * n).await;
        assert_eq!(seen.field("transfer-encoding"), ["chunked"], "{method}");
        assert!(seen.text().contains("3\r\nabc\r\n0\r\n\r\n"), "{}", seen.text());

        client
            .send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"))
            .await;
        client.reply().await;
        let seen = upstream.request(3 * n + 1).await;
        assert_eq!(
            (seen.field("content-length"), seen.body()),
            (vec!["3".to_owned()], b"abc".to_vec())
        );

        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        client.reply().await;
        let seen = upstream.request(3 * n + 2).await;
        assert!(
            seen.field("content-length").is_empty() && seen.field("transfer-encoding").is_empty(),
            "H8: {}",
            seen.text()
        );
    }
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    client.reply().await;
    assert_eq!(upstream.request(15).await.field("content-length"), ["0"], "H8");
}

#[tokio::test]
async fn p3_versions_are_each_sides_own() {
    let upstream = Upstream::always(ok("ok")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").await;
    let reply = client.reply().await;
    assert!(reply.head.starts_with("HTTP/1.0 200"), "{}", reply.head);
    let seen = upstream.request(0).await;
    assert_eq!((seen.request_line().as_str(), seen.body()), ("POST / HTTP/1.1", b"abc".to_vec()));
    assert_eq!(seen.field("via"), ["1.0 sidehook-0badcafe"]);

    let old = Upstream::always(vec![send("HTTP/1.0 200 OK\r\n\r\nold"), Act::Close]).await;
    let (_proxy, mut client) = plain(&old).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.reply().await;
    assert!(reply.head.starts_with("HTTP/1.1 200"), "{}", reply.head);
    assert_eq!(reply.text(), "3\r\nold\r\n0\r\n\r\n");
}

#[tokio::test]
async fn p4_announced_trailers_pass_both_ways() {
    let upstream = Upstream::always(vec![send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    )])
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Req\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Req: 8\r\n\r\n",
        )
        .await;
    let reply = client.reply().await;
    assert_eq!(reply.text().to_lowercase(), "2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n");
    let seen = upstream.request(0).await;
    assert_eq!(
        String::from_utf8_lossy(&seen.body()).to_lowercase(),
        "2\r\nhi\r\n0\r\nx-req: 8\r\n\r\n"
    );
}

#[tokio::test]
async fn p5_f11_answers_without_a_body() {
    let script = |_: usize, request: &str| {
        if request.starts_with("HEAD") {
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")]
        } else if request.starts_with("GET /304") {
            vec![send("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 1234\r\n\r\n")]
        } else if request.starts_with("GET /excess") {
            vec![send(
                "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            )]
        } else {
            vec![send("HTTP/1.1 204 No Content\r\n\r\n")]
        }
    };
    let upstream = Upstream::start(script).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        client.reply_without_body().await.field("content-length"),
        ["1234"],
        "HEAD keeps it"
    );
    client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.reply_without_body().await;
    assert_eq!((reply.status(), reply.field("etag")), (304, vec!["\"x\"".to_owned()]));
    client.send("DELETE /204 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.reply_without_body().await;
    assert!(reply.status() == 204 && reply.field("content-length").is_empty(), "{}", reply.head);
    client.send("GET /excess HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply_without_body().await.status(), 204);
    client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply_without_body().await.status(), 204, "not the excess bytes");
    assert!(client.received().is_empty(), "{}", client.received());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|_, request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        ok(&path)
    })
    .await;
    let (proxy, _client) = plain(&upstream).await;
    let mut client = RawClient::connect(proxy.local_addr()).await;
    client
        .send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    for expected in ["/1", "/2", "/3"] {
        assert_eq!(client.reply().await.text(), expected);
    }
    assert_eq!(head_end(b"a\r\n\r\n"), Some(5));
}

#[tokio::test]
async fn f12_bytes_behind_a_response_never_answer_another_request() {
    for first in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let both = format!("{first}{evil}");
        let upstream = Upstream::start(move |n, _| match n {
            0 => vec![send(&both), Act::Stall],
            _ => ok("good"),
        })
        .await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let is_empty = first.contains("204");
        if is_empty {
            client.reply_without_body().await
        } else {
            client.reply().await
        };
        assert_eq!(client.reply().await.text(), "good", "{first}");
    }
}

#[tokio::test]
async fn f4_a_response_in_an_unknown_coding_is_not_passed_on_unlabelled() {
    let coded =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n\x1f\x1e\r\n0\r\n\r\n";
    let upstream = Upstream::always(vec![send(coded)]).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.reply().await.problem(502, "http_protocol_error");
}

/// `[proxy] max_head` counts all bytes of a head.
#[tokio::test]
async fn h10_a_head_may_be_as_large_as_is_said() {
    let upstream = Upstream::always(ok("done")).await;
    let limited = Settings { head_bytes_max: 200, ..settings(upstream.addr) };
    let (proxy, client) = with(limited).await;
    drop(client);
    for (size, status) in [(199, 200), (200, 200), (201, 431), (5000, 431)] {
        let head = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(n));
        let head = head(size - head(0).len());
        assert_eq!(head.len(), size);
        for pieces in [1, 7] {
            let mut client = RawClient::connect(proxy.local_addr()).await;
            for piece in head.as_bytes().chunks(size.div_ceil(pieces)) {
                client.send(piece).await;
            }
            assert_eq!(client.reply().await.status(), status, "{size}");
        }
    }
}
