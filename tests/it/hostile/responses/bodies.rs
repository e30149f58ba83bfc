//! Bodies that end too early, too late or not as announced (P80, P82 to P85, P91, B5, B10, B14,
//! B15, F2, F9, F11, F12).

use super::{Reply, Row, Want, answers, closes, resets};
use crate::hostile::strict::Framing;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

pub(super) fn rows() -> Vec<Row> {
    [both(), cut(), chunks(), until_close(), bodiless(), excess(), as_they_are()].concat()
}

fn reply(framing: Framing, body: impl AsRef<[u8]>) -> Reply {
    Reply::new("HTTP/1.1 200 OK", "").body(framing, body)
}

fn both() -> Vec<Row> {
    let mut rows = Vec::new();
    for length in [2, 5, 15, 500] {
        for lines in [
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n"),
        ] {
            let whole = format!("{OK}{lines}5\r\nhello\r\n0\r\n\r\n");
            rows.push(answers("P80 F2", whole, reply(Framing::Chunked, "hello").want()));
        }
    }
    rows
}

fn cut() -> Vec<Row> {
    let mut rows = Vec::new();
    let half = "x".repeat(50);
    for head in [
        format!("{OK}Content-Length: 100\r\n\r\n"),
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n64\r\n"),
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n32\r\n"),
    ] {
        let sent = format!("{head}{half}");
        for body in [&sent, &head] {
            rows.push(closes("P82 B5", body, Want::Aborted));
            rows.push(closes("P82 B5", body, Want::Aborted).old());
            rows.push(resets("P82 B5", body, Want::Aborted));
            rows.push(resets("P82 B5", body, Want::Aborted).old());
        }
    }
    for end in
        ["2\r\nhi", "2\r\nhi\r\n", "2\r\nhi\r\n0", "2\r\nhi\r\n0\r\n", "2\r\nhi\r\n0\r\nX: y\r\n"]
    {
        let sent = format!("{CHUNKED}{end}");
        rows.push(closes("P83 B5", &sent, Want::Aborted));
        rows.push(closes("P83 B5", &sent, Want::Aborted).old());
    }
    let endless = format!("{OK}Content-Length: 9223372036854775807\r\n\r\nhello");
    rows.push(closes("P82 B5", endless, Want::Aborted));
    rows
}

fn chunks() -> Vec<Row> {
    let mut rows = Vec::new();
    for end in [
        "0x2\r\nhi\r\n0\r\n\r\n",
        "+2\r\nhi\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n",
        " 2\r\nhi\r\n0\r\n\r\n",
        "g\r\nhi\r\n0\r\n\r\n",
        "\r\nhi\r\n0\r\n\r\n",
        "2\nhi\n0\n\n",
        "2\r\nhi0\r\n\r\n",
        "2\r\nhello\r\n0\r\n\r\n",
        "10000000000000002\r\nhi\r\n0\r\n\r\n",
        "2\r\nhi\r\n0\r\nno colon\r\n\r\n",
        "2\r\nhi\r\n0\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        rows.push(answers("P83 F9", format!("{CHUNKED}{end}"), Want::Aborted));
    }
    let with_ext = format!("{CHUNKED}2;a=b\r\nhi\r\n0;c\r\n\r\n");
    rows.push(answers("F9", with_ext, reply(Framing::Chunked, "hi").want()));
    let with_trailers = format!("{CHUNKED}2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n");
    let want = reply(Framing::Chunked, "hi").trailers("X-Sum: 1\nx-sum: 2").want();
    rows.push(answers("B10", with_trailers, want));
    for name in
        ["Content-Length", "Transfer-Encoding", "Connection", "Set-Cookie", "Host", "Trailer"]
    {
        let sent = format!("{CHUNKED}2\r\nhi\r\n0\r\n{name}: 4\r\nX-Sum: 1\r\n\r\n");
        // Whether `Set-Cookie` may stand there is the receiver's question; framing is ours.
        if name != "Set-Cookie" {
            let want = reply(Framing::Chunked, "hi").trailers("X-Sum: 1").want();
            rows.push(answers("B10 P57", sent, want));
        }
    }
    let many = format!("{CHUNKED}2\r\nhi\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    rows.push(answers("B10 P57", many, Want::Aborted));
    rows
}

fn until_close() -> Vec<Row> {
    let any = |framing| reply(framing, "hello").event(None).want();
    vec![
        closes("P84", format!("{OK}\r\nhello"), any(Framing::Chunked)).last(),
        closes("P84", "HTTP/1.0 200 OK\r\n\r\nhello", any(Framing::Chunked)).last(),
        closes("P84", format!("{OK}Connection: close\r\n\r\nhello"), any(Framing::Chunked)).last(),
        closes("P84", format!("{OK}\r\n"), Want::Either).last(),
        closes("P84", format!("{OK}\r\nhello"), any(Framing::UntilClose)).old().last(),
        resets("P84 B5", format!("{OK}\r\nhello"), Want::Aborted),
        resets("P84 B5", format!("{OK}\r\nhello"), Want::Aborted).old(),
        answers(
            "P84",
            format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"),
            reply(Framing::UntilClose, "hello").want(),
        )
        .old(),
    ]
}

fn bodiless() -> Vec<Row> {
    let none = |start: &str, fields: &str| Reply::new(start, fields);
    let hello = "Content-Length: 5\r\n\r\nhello";
    let coded = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut rows = vec![
        answers(
            "B14",
            "HTTP/1.1 204 No Content\r\n\r\n",
            none("HTTP/1.1 204 No Content", "").want(),
        ),
        answers(
            "B14",
            format!("{OK}Content-Length: 1234\r\n\r\n"),
            none("HTTP/1.1 200 OK", "").length("1234").want(),
        )
        .method("HEAD"),
        answers(
            "B14",
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n"),
            none("HTTP/1.1 200 OK", "").want(),
        )
        .method("HEAD"),
        answers("B14", format!("{OK}\r\n"), none("HTTP/1.1 200 OK", "").want()).method("HEAD"),
        answers(
            "B14",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1234\r\n\r\n",
            none("HTTP/1.1 304 Not Modified", "ETag: \"x\"").length("1234").want(),
        ),
        answers(
            "B14",
            "HTTP/1.1 304 Not Modified\r\nETag: W/\"x\"\r\n\r\n",
            none("HTTP/1.1 304 Not Modified", "ETag: W/\"x\"").want(),
        ),
        answers(
            "B14",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            none("HTTP/1.1 205 Reset Content", "").body(Framing::Length, "").want(),
        ),
        answers("B14", format!("{OK}Content-Length: 0\r\n\r\n"), reply(Framing::Length, "").want()),
    ];
    for body in [hello, coded, "\r\nhello", EVIL] {
        let head = if body == EVIL { "\r\n" } else { "" };
        let not_modified = format!("HTTP/1.1 304 Not Modified\r\n{head}{body}");
        let no_content = format!("HTTP/1.1 204 No Content\r\n{head}{body}");
        let to_head = format!("{OK}{head}{body}");
        rows.push(
            answers("P85 F11", not_modified, none("HTTP/1.1 304 Not Modified", "").want()).last(),
        );
        rows.push(
            answers("P85 F11", no_content, none("HTTP/1.1 204 No Content", "").want()).last(),
        );
        rows.push(
            answers("P85 F11", to_head, none("HTTP/1.1 200 OK", "").want()).method("HEAD").last(),
        );
    }
    rows
}

fn excess() -> Vec<Row> {
    let five = format!("{OK}Content-Length: 5\r\n\r\nhello");
    let coded = format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n");
    let empty = format!("{OK}Content-Length: 0\r\n\r\n");
    let mut rows = Vec::new();
    for excess in [EVIL, "x", "\r\n", "hello", "\0"] {
        let length = reply(Framing::Length, "hello").want();
        let chunked = reply(Framing::Chunked, "hello").want();
        let nothing = reply(Framing::Length, "").want();
        rows.push(answers("P85 F12", format!("{five}{excess}"), length).last());
        rows.push(answers("P85 F12", format!("{coded}{excess}"), chunked).last());
        rows.push(answers("P85 F12", format!("{empty}{excess}"), nothing).last());
    }
    rows
}

fn as_they_are() -> Vec<Row> {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff not gzip at all";
    let head = format!("{OK}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len());
    let coded = Reply::new("HTTP/1.1 200 OK", "Content-Encoding: gzip").body(Framing::Length, gzip);
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello";
    let parts = "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\nhello";
    vec![
        answers("P91 B15", [head.as_bytes(), gzip].concat(), coded.want()),
        answers(
            "B15",
            part,
            Reply::new("HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-4/9")
                .body(Framing::Length, "hello")
                .want(),
        ),
        answers(
            "B15",
            parts,
            Reply::new(
                "HTTP/1.1 206 Partial Content",
                "Content-Type: multipart/byteranges; boundary=x\nETag: \"a\"",
            )
            .body(Framing::Length, "hello")
            .want(),
        ),
    ]
}
