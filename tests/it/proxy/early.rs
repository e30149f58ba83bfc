//! Who speaks before it is asked, or leaves before the other has done: `Expect: 100-continue`
//! (B12), interim responses (B13), final responses while a request is on its way (B3, B4), aborts
//! (B7, B8).

use std::time::Duration;

use sidehook::proxy::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stand::{Storage, plain, rule, settings, start, with};
use crate::support::upstream::{Act, Upstream, head_end, ok, reply, send};
use crate::support::wire::{Wire, reset};
use crate::support::{soon, until};

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn b12_the_upstreams_100_is_the_clients() {
    let upstream = Upstream::start_at_head(|_, _| {
        vec![
            send("HTTP/1.1 100 Go on\r\nX-Why: not\r\n\r\n"),
            Act::ReadBody,
            Act::Send(reply("200 OK", "done")),
        ]
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(EXPECTING).await;
    client.read_until("HTTP/1.1 100 Go on\r\nX-Why: not\r\n\r\n").await;
    client.send("hello").await;
    let all = client.read_until("done").await;
    assert_eq!(all.matches("HTTP/1.1 ").count(), 2, "{all}");
    assert_eq!(upstream.request(0).await.body(), b"hello");
}

#[tokio::test]
async fn b12_a_refusal_comes_without_a_100() {
    for (status, closes) in [("417 Expectation Failed", false), ("401 Unauthorized", true)] {
        let upstream = Upstream::start_at_head(move |_, _| {
            let mut acts = vec![Act::Send(reply(status, "no"))];
            acts.extend(closes.then_some(Act::Close));
            acts
        })
        .await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(EXPECTING).await;
        let answer = client.reply().await;
        assert_eq!(answer.status().to_string(), status[..3]);
        assert_eq!(answer.field("connection"), ["close"], "nobody knows whether a body follows");
        let rest = client.rest().await;
        assert!(rest.bytes.is_empty() && !rest.was_reset);
        assert_eq!(upstream.request(0).await.body(), b"", "nothing of the body");
    }
}

#[tokio::test]
async fn b12_who_does_not_wait_is_not_asked() {
    let upstream = Upstream::always(ok("done")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    // More than is read at once.
    let head = EXPECTING.replace(": 5\r", ": 200000\r");
    client.send(head + &"x".repeat(200_000)).await;
    let answer = client.reply().await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "done"));
}

#[tokio::test]
async fn b12_b13_a_client_of_http_1_0_gets_no_interim_response() {
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        Act::Send(reply("200 OK", "done")),
    ])
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.reply().await.status(), 200);
    assert!(upstream.request(0).await.field("expect").is_empty(), "it would be waited for");
}

/// All of the body is written before a word is read, as most clients do.
async fn upload(client: &mut TcpStream, framing: &str, size: usize) -> (String, bool) {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
    client.write_all(head.as_bytes()).await.expect("taken");
    let piece = vec![b'x'; 64 << 10];
    let mut was_taken = true;
    for _ in 0..size / piece.len() {
        let chunk = match framing.starts_with("Transfer") {
            true => [&b"10000\r\n"[..], &piece, b"\r\n"].concat(),
            false => piece.clone(),
        };
        was_taken = was_taken && client.write_all(&chunk).await.is_ok();
    }
    let mut answer = Vec::new();
    let ended = client.read_to_end(&mut answer).await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), was_taken && ended)
}

#[derive(Clone, Copy, Debug)]
enum Then {
    ReadsOn,
    Closes,
    Resets,
}

/// An upstream that refuses what it has read 1 KiB of.
async fn refusing(then: Then, size: usize) -> Wire {
    Wire::start(move |mut stream| async move {
        let mut input = Vec::new();
        while head_end(&input).is_none_or(|at| input.len() < at + 1024) {
            if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = "n".repeat(size);
        let _ = stream.write_all(&reply("413 Content Too Large", &body)).await;
        match then {
            Then::ReadsOn => {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
            Then::Closes => {}
            Then::Resets => reset(stream),
        }
    })
    .await
}

#[tokio::test]
async fn b3_b4_an_early_refusal_reaches_a_client_that_writes_first() {
    const SIZE: usize = 15 << 20;
    for framing in [&format!("Content-Length: {SIZE}"), "Transfer-Encoding: chunked"] {
        for then in [Then::ReadsOn, Then::Closes, Then::Resets] {
            for is_matched in [false, true] {
                let upstream = refusing(then, 300).await;
                let rules = if is_matched { vec![rule("a", "POST .*")] } else { Vec::new() };
                let settings = settings(([127, 0, 0, 1], upstream.port).into());
                let storage = Storage::new();
                let proxy = start(settings, rules, storage.store.clone());
                let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
                let (answer, is_clean) =
                    soon("the upload", upload(&mut client, framing, SIZE)).await;
                let what = format!("{framing} {then:?} matched {is_matched}: {answer}");
                assert!(answer.starts_with("HTTP/1.1 413 "), "{what}");
                assert!(answer.ends_with(&"n".repeat(300)), "{what}");
                // Of chunks nobody knows how many there are.
                assert!(answer.to_lowercase().contains("connection: close\r\n"), "{what}");
                assert!(is_clean, "the connection was reset: {what}");
            }
        }
    }
}

#[tokio::test]
async fn b3_what_is_left_of_a_small_request_is_read_for_the_next_one() {
    let upstream = Upstream::start_at_head(|n, _| match n {
        0 | 1 => vec![Act::Send(reply("413 Content Too Large", "no"))],
        _ => ok("next"),
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await;
    let answer = client.reply().await;
    assert_eq!(answer.status(), 413);
    assert!(answer.field("connection").is_empty(), "{}", answer.head);
    client.send("x".repeat(1000) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The upstream's second request is this one, or what it was sent of the first one's body.
    let answer = client.reply().await;
    assert!([200, 413].contains(&answer.status()), "{}", answer.head);
    let requests = upstream.requests();
    assert!(requests[1].text().starts_with("GET / HTTP/1.1\r\n"), "{}", requests[1].text());
}

#[tokio::test]
async fn b7_b8_who_leaves_ends_a_call_that_no_rule_matches() {
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (acts, wait_for) in [
        (vec![Act::Stall], None),
        (vec![send(endless), Act::Stall], Some("hello")),
        (
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), Act::Stall],
            Some("hello"),
        ),
    ] {
        for is_reset in [false, true] {
            let upstream = Upstream::always(acts.clone()).await;
            let (proxy, client) = plain(&upstream).await;
            drop(client);
            let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("taken");
            upstream.request(0).await;
            if let Some(text) = wait_for {
                let mut input = Vec::new();
                while !String::from_utf8_lossy(&input).contains(text) {
                    assert!(soon("a piece", client.read_buf(&mut input)).await.expect("open") > 0);
                }
            }
            if is_reset {
                reset(client);
            } else {
                // Only half of it, as `printf ... | nc -N` does.
                client.shutdown().await.expect("open");
                let mut rest = Vec::new();
                let _ = soon("the end", client.read_to_end(&mut rest)).await;
            }
            until("the upstream's connection to close", || upstream.open_connections() == 0).await;
        }
    }
}

/// C6: what has arrived before a drain begins is answered, and told that it was the last.
#[tokio::test]
async fn c6_a_request_that_came_before_a_drain_is_answered() {
    for _ in 0..20 {
        let upstream = Upstream::always(ok("done")).await;
        let (proxy, mut client) = plain(&upstream).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.reply().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let drained = proxy.drain(crate::support::PATIENCE);
        let answered = async {
            let answer = client.reply().await;
            assert_eq!(answer.text(), "done");
            assert_eq!(answer.field("connection"), ["close"]);
            assert!(client.rest().await.bytes.is_empty());
        };
        tokio::join!(drained, answered);
    }
}

/// C5: nothing but a line break, which some clients send behind a body, is no request.
#[tokio::test]
async fn c5_line_breaks_do_not_make_a_request() {
    let upstream = Upstream::always(ok("done")).await;
    let short = Settings {
        idle_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        ..settings(upstream.addr)
    };
    let (_proxy, mut client) = with(short).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n").await;
    assert_eq!(client.reply().await.text(), "done");
    let rest = client.rest().await;
    assert!(rest.bytes.is_empty(), "{:?}", String::from_utf8_lossy(&rest.bytes));
}

/// A matched call that goes on without its client does not keep the client's socket.
#[tokio::test]
async fn b7_a_matched_call_does_not_hold_its_clients_connection() {
    let body = "x".repeat(32 << 20);
    let upstream = Upstream::always(vec![
        send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        send(&format!("{:x}\r\n{body}\r\n", body.len())),
        Act::Stall,
    ])
    .await;
    let hasty = Settings { send_timeout: Duration::from_millis(200), ..settings(upstream.addr) };
    let storage = Storage::new();
    let proxy = start(hasty, vec![rule("a", "GET .*")], storage.store.clone());
    let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("taken");
    // It reads nothing, so only this shows the reset.
    until("the reset", || client.take_error().expect("a socket").is_some()).await;
    assert_eq!(upstream.open_connections(), 1, "the call itself goes on");
}
