//! Replies that come, but are not 2xx, or not HTTP.

use tokio::io::AsyncWriteExt as _;

use super::Case;
use crate::support::receiver::Answer;
use crate::support::wire::{Wire, some};

const STATUSES: [(&str, u16); 36] = [
    ("answered 300", 300),
    ("answered 301", 301),
    ("answered 302", 302),
    ("answered 303", 303),
    ("answered 304", 304),
    ("answered 307", 307),
    ("answered 308", 308),
    ("answered 400", 400),
    ("answered 401", 401),
    ("answered 402", 402),
    ("answered 403", 403),
    ("answered 404", 404),
    ("answered 405", 405),
    ("answered 406", 406),
    ("answered 408", 408),
    ("answered 409", 409),
    ("answered 410", 410),
    ("answered 411", 411),
    ("answered 413", 413),
    ("answered 414", 414),
    ("answered 415", 415),
    ("answered 418", 418),
    ("answered 421", 421),
    ("answered 422", 422),
    ("answered 425", 425),
    ("answered 429", 429),
    ("answered 431", 431),
    ("answered 451", 451),
    ("answered 500", 500),
    ("answered 501", 501),
    ("answered 502", 502),
    ("answered 503", 503),
    ("answered 504", 504),
    ("answered 599", 599),
    ("answered 600", 600),
    ("answered 999", 999),
];

pub(super) async fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, status) in STATUSES {
        let says = what.trim_start_matches("answered ");
        let answer = if status == 304 {
            Answer::Raw(b"HTTP/1.1 304 Same\r\n\r\n".to_vec())
        } else {
            Answer::Status(status)
        };
        cases.push(Case::answered(what, answer, "rejected", says).await);
    }
    cases.extend(interim().await);
    cases.extend(malformed().await);
    cases
}

async fn interim() -> Vec<Case> {
    let flood = Wire::start(|mut stream| async move {
        some(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 103 Early\r\nlink: </>\r\n\r\n").await.is_ok() {}
    })
    .await;
    let early = Wire::start(|mut stream| async move {
        some(&mut stream).await;
        let reply = b"HTTP/1.1 413 Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(reply).await;
        // Closed with most of the request unread: the sender's system sees a reset.
    })
    .await;
    let only = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    vec![
        Case::new("1xx without end", flood.url("http"), "broken/response", "interim", flood),
        Case::answered("1xx and the end", Answer::CloseAfter(only), "broken/response", "").await,
        Case::answered(
            "101 nobody asked for",
            Answer::CloseAfter(b"HTTP/1.1 101 Up\r\nconnection: upgrade\r\n\r\n".to_vec()),
            "rejected",
            "101",
        )
        .await,
        Case::new("413 before the request is read", early.url("http"), "rejected", "413", early)
            .large(),
    ]
}

async fn malformed() -> Vec<Case> {
    let lines: String = (0..10_000).map(|n| format!("x-{n}: v\r\n")).collect();
    let giant = format!("HTTP/1.1 200 OK\r\nx-giant: {}\r\n\r\n", "v".repeat(1_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let mut cases = Vec::new();
    for (what, bytes, says) in [
        ("not HTTP at all", "SSH-2.0-OpenSSH_9.9\r\n\r\n", "not HTTP"),
        ("garbage", "\u{1}\u{2}\u{3}\u{4}\r\n\r\n", "not HTTP"),
        ("HTTP/0.9", "<html>hello</html>\r\n\r\n", "not HTTP"),
        ("HTTP/3.7", "HTTP/3.7 200 OK\r\n\r\n", "not HTTP"),
        ("a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", "not HTTP"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "not HTTP"),
        ("status 099", "HTTP/1.1 099 OK\r\n\r\n", "not HTTP"),
        ("a header without a colon", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "not HTTP"),
        ("a NUL in a header", "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n", "not HTTP"),
        ("a space in a header's name", "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n", "not HTTP"),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "not HTTP"),
        ("a length that is no number", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "not HTTP"),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
            "not HTTP",
        ),
        ("a giant header", &giant, "too large"),
        ("ten thousand headers", &many, "too large"),
    ] {
        let answer = Answer::Raw(bytes.as_bytes().to_vec());
        cases.push(Case::answered(what, answer, "broken/response", says).await);
    }
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n\
                2\r\nok\r\n0\r\n\r\n";
    let answer = Answer::Raw(both.as_bytes().to_vec());
    cases.push(Case::answered("a length and chunks: chunks", answer, "delivered", "").await);
    let alien =
        Wire::says(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff".to_vec()).await;
    cases.push(Case::new(
        "HTTP/2 on a plain port",
        alien.url("http"),
        "broken/response",
        "not HTTP",
        alien,
    ));
    cases
}
