//! Heads that are none, or strange (P81, P87, P88, P92, P63, F3, F6, F7, H1).

use super::{Reply, Row, Want, answers, bad, closes, resets};
use crate::hostile::strict::Framing;

const HELLO: &str = "\r\n\r\nhello";

pub(super) fn rows() -> Vec<Row> {
    [lengths(), codings(), statuses(), fields(), garbage(), switches()].concat()
}

fn hello(start: &str, fields: &str) -> Want {
    Reply::new(start, fields).body(Framing::Length, "hello").want()
}

fn lengths() -> Vec<Row> {
    let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}{HELLO}");
    let mut rows = Vec::new();
    for length in [
        "5,6",
        "-1",
        "+5",
        "5 5",
        "0x5",
        "",
        "five",
        "5;",
        "5.0",
        "\"5\"",
        "5,",
        ",5",
        "18446744073709551616",
        "18446744073709551621",
        "123456789012345678901234567890",
    ] {
        rows.push(answers("P81 F3", with(&format!("Content-Length: {length}")), bad()));
    }
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 5",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 0",
    ] {
        rows.push(answers("P81 F3", with(lines), bad()));
    }
    for lines in
        ["Content-Length: 5\r\ncontent-length: 5", "Content-Length: 5, 5", "Content-Length: 005"]
    {
        rows.push(answers("P81 F3", with(lines), hello("HTTP/1.1 200 OK", "")));
    }
    rows
}

fn codings() -> Vec<Row> {
    let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let mut rows = Vec::new();
    for coding in [
        "gzip, chunked",
        "xchunked",
        "chunked, chunked",
        "chunked, gzip",
        "gzip",
        ",chunked",
        "\"chunked\"",
        "chunked;q=1",
        "",
    ] {
        rows.push(answers("F4", with(&format!("Transfer-Encoding: {coding}")), bad()));
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    rows.push(answers("F4", with(twice), bad()));
    let control = "Transfer-Encoding: \x0bchunked";
    rows.push(answers("F4", with(control), bad()));
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    rows.push(closes("F5", old, Want::Either).last());
    rows
}

fn statuses() -> Vec<Row> {
    let with = |start: &[u8]| [start, b"\r\nContent-Length: 5", HELLO.as_bytes()].concat();
    let mut rows = Vec::new();
    for start in [
        "HTTP/1.1 099 X",
        "HTTP/1.1 000 X",
        "HTTP/1.1 1000 X",
        "HTTP/1.1 20 X",
        "HTTP/1.1 2x0 X",
        "HTTP/1.1 -20 X",
        "HTTP/1.1 +20 X",
        "HTTP/1.1  200 X",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 OK",
        "HTTP/1.1 200X",
        "HTTP/1.1 0200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\x01K",
        "HTTP/1.1 200 OK\rSet-Cookie: a=b",
        "HTTP/1.1 200 O\x7fK",
    ] {
        rows.push(answers("P87", with(start.as_bytes()), bad()));
    }
    rows.push(answers(
        "P87",
        with(format!("HTTP/1.1 200 {}", "x".repeat(1 << 20)).as_bytes()),
        bad(),
    ));
    for start in ["HTTP/1.1 600 X", "HTTP/1.1 700 X", "HTTP/1.1 999 X"] {
        rows.push(answers("P87", with(start.as_bytes()), Want::Either));
    }
    for start in ["HTTP/1.1 200 Fine by me", "HTTP/1.1 404 ", "HTTP/1.1 299 x", "HTTP/1.1 200 a\tb"]
    {
        rows.push(answers("P87 H9", with(start.as_bytes()), hello(start, "")));
    }
    let latin = b"HTTP/1.1 200 caf\xe9";
    let want = Reply::new(latin, "").body(Framing::Length, "hello").want();
    rows.push(answers("P87 H9", with(latin), want));
    rows.push(answers("P87 H9", with(b"HTTP/1.1 200"), hello("HTTP/1.1 200 ", "")));
    rows
}

fn fields() -> Vec<Row> {
    let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 5{HELLO}");
    let mut rows = Vec::new();
    for lines in [
        "X(a): b\r\n",
        ": b\r\n",
        "no colon\r\n",
        "X a: b\r\n",
        "X-\u{e9}: b\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: a\x01b\r\n",
        "X: a\x7fb\r\n",
        "X\0: a\r\n",
        " X: a\r\n",
        "X: a\rSet-Cookie: b\r\n",
    ] {
        rows.push(answers("P88", with(lines), bad()));
    }
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    rows.push(answers("P88 H10", with(&many), bad()));
    rows.push(answers("P88 H10", with(&format!("X: {}\r\n", "y".repeat(1 << 20))), bad()));
    let some: String = (0..99).map(|n| format!("X-{n}: y\r\n")).collect();
    let kept = some.replace("\r\n", "\n");
    rows.push(answers("H10", with(&some), hello("HTTP/1.1 200 OK", &kept)));
    let long = format!("X: {}", "y".repeat(60_000));
    rows.push(answers("H10", with(&format!("{long}\r\n")), hello("HTTP/1.1 200 OK", &long)));
    for (id, lines, fields) in [
        ("F7", "X-Space : c\r\n", "X-Space: c"),
        ("H1", "Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n", "X-End: 2"),
        ("H1", "Connection: close\r\nConnection: x-hop\r\nX-Hop: 1\r\n", ""),
        ("H1", "Connection: content-length\r\n", ""),
        ("H1", "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\n", ""),
    ] {
        rows.push(answers(id, with(lines), hello("HTTP/1.1 200 OK", fields)));
    }
    for lines in ["X-Folded: a\r\n  b\r\n", "X-Folded: a\r\n\tb\r\n", "X-Folded:\r\n a\r\n b\r\n"] {
        // One or more spaces for each fold (RFC 9112 5.2).
        let want = Reply::new("HTTP/1.1 200 OK", "X-Folded: a b").body(Framing::Length, "hello");
        rows.push(answers("F6", with(lines), want.folded().want()));
    }
    let bare = "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello";
    rows.push(closes("F8", bare, Want::Either).last());
    rows
}

fn garbage() -> Vec<Row> {
    let mut rows = vec![
        closes("P92", "", bad()),
        resets("P92", "", bad()),
        closes("P92", "<html>hello</html>", bad()),
        closes("P92", "HT", bad()),
        closes("P92", "HTTP/1.1 200 OK\r\nX: y\r\n", bad()),
        closes("P92", "HTTP/1.1 200 OK\r\nContent-Le", bad()),
        resets("P92", "HTTP/1.1 200 OK\r\nX: y\r\n", bad()),
        closes("P92", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bad()),
        closes("P92", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff", bad()),
        closes("P92", b"\x15\x03\x01\0\x02\x02\x46", bad()),
        closes("P92", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
    ];
    for start in [
        "ICY 200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "SSH-2.0-x",
        "HTTP/11.1 200 OK",
    ] {
        rows.push(answers("P92", format!("{start}\r\nContent-Length: 5{HELLO}"), bad()));
    }
    let kept = format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5{HELLO}");
    rows.push(answers("P92", kept, hello("HTTP/1.1 200 OK", "")));
    let old = format!("HTTP/1.0 200 OK\r\nContent-Length: 5{HELLO}");
    rows.push(closes("P92", old, hello("HTTP/1.1 200 OK", "")).last());
    rows
}

fn switches() -> Vec<Row> {
    let unasked =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    vec![
        answers("P63 G1", unasked, bad()),
        answers("P63 G1", "HTTP/1.1 101 Switching Protocols\r\n\r\n", bad()),
        answers("P63 G1", unasked, bad()).method("HEAD"),
        answers("P63 G1", unasked, bad()).old(),
    ]
}
