//! Where a request ends (P30 to P51, F1, F3 to F5).

use super::{bad, post, posts, raw, refused};
use crate::hostile::strict::Framing::{Chunked, Length, None};
use crate::hostile::table::{Request, Row, Want};

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    [both(), codings(), lengths(), bodies()].concat()
}

fn both() -> Vec<Row> {
    let evil_after = format!("0\r\n\r\n{EVIL}");
    let evil_chunk = format!("{:x}\r\n{EVIL}\r\n0\r\n\r\n", EVIL.len());
    vec![
        post("P30 F1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS, bad()),
        post("P30 F1", "content-length: 15\r\ntransfer-encoding: CHUNKED\r\n", CHUNKS, bad()),
        post("P31 F1", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS, bad()),
        post(
            "P31 F1",
            "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 0\r\n",
            CHUNKS,
            bad(),
        ),
        post(
            "P31 F1",
            "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
            CHUNKS,
            refused(&[400, 501]),
        ),
        post(
            "P31 F1",
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            "hello",
            refused(&[400, 501]),
        ),
        post("P32 F1", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", evil_after, bad()),
        post("P33 F1", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", evil_chunk, bad()),
    ]
}

fn codings() -> Vec<Row> {
    let mut rows = Vec::new();
    for coding in ["gzip, chunked", "gzip,chunked", "deflate, gzip, chunked"] {
        rows.push(coded("P34 F4", coding, refused(&[501])));
    }
    // Unknown, and no end either (RFC 9112 6.3).
    rows.push(coded("P34 F4", "gzip", refused(&[400, 501])));
    for coding in [",chunked", "chunked,", "chunked, chunked", ",", "chunked,,", "chunked chunked"]
    {
        rows.push(coded("P35 F4", coding, bad()));
    }
    for (first, second) in [
        ("chunked", "chunked"),
        ("chunked", "identity"),
        ("identity", "chunked"),
        ("chunked", ""),
        ("", "chunked"),
        ("gzip", "chunked"),
    ] {
        let lines = format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n");
        rows.push(post("P36 F4", lines, CHUNKS, refused(&[400, 501])));
    }
    for coding in ["xchunked", "identity", "chunked;ext=1", "chunk", "chunked, identity"] {
        rows.push(coded("P37 F4", coding, refused(&[400, 501])));
    }
    for coding in ["\"chunked\"", "", " ", "'chunked'", "chunked;", "(x)chunked"] {
        rows.push(coded("P37 F4", coding, refused(&[400, 501])));
    }
    for coding in [
        &b"\x0bchunked"[..],
        b"\x0cchunked",
        b"\0chunked",
        b"chunked\x85",
        b"\xa0chunked",
        b"chunked\0",
    ] {
        let lines = [b"Transfer-Encoding:", coding, b"\r\n"].concat();
        rows.push(post("P38", lines, CHUNKS, bad()));
    }
    for line in [
        "Transfer-Encoding: chunked ",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding:chunked",
        "Transfer-Encoding: ChUnKeD",
        "tRANSFER-eNCODING: chunked\t ",
    ] {
        let want = posts(Chunked, "hello").want();
        rows.push(post("P39", format!("{line}\r\n"), CHUNKS, want));
    }
    for head in ["POST / HTTP/1.0\r\n", "POST / HTTP/1.0\r\nConnection: keep-alive\r\n"] {
        let input = format!("{head}Host: a\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}");
        rows.push(raw("P40 F5", input, bad()));
    }
    rows
}

fn coded(id: &'static str, coding: &str, want: Want) -> Row {
    post(id, format!("Transfer-Encoding: {coding}\r\n"), CHUNKS, want)
}

fn lengths() -> Vec<Row> {
    let mut rows = vec![
        raw("P41", "POST / HTTP/1.0\r\nHost: a\r\n\r\nhello", posts(None, "").closes().want()),
        raw(
            "P41",
            format!("POST / HTTP/1.0\r\nHost: a\r\n\r\n{EVIL}"),
            posts(None, "").closes().want(),
        ),
        raw(
            "P41",
            "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            posts(Length, "hi").closes().want(),
        ),
    ];
    for length in [
        "+5", "-5", "-0", "0x5", "5 5", "5_0", "5.0", "1e1", "", " ", "5,5", "5, 5", "5,6", "5,",
        ",5", "5;", "\"5\"", "5\t5", "five", "\u{ff15}", "0b1", "5h", "05x", "'5'",
    ] {
        rows.push(post("P42 F3", format!("Content-Length: {length}\r\n"), "hello", bad()));
    }
    for length in ["5", "5 ", "\t5\t"] {
        let line = format!("Content-Length:{length}\r\n");
        rows.push(post("P42 F3", line, "hello", posts(Length, "hello").want()));
    }
    let twice = "Content-Length: 5\r\ncontent-length: 5\r\n";
    rows.push(post("P43 F3", twice, "hello", posts(Length, "hello").want()));
    let apart =
        "Content-Length: 5\r\nContent-Type: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n";
    let mut three = posts(Length, "hello");
    three.fields.push(b"Content-Type: x".to_vec());
    rows.push(post("P43 F3", apart, "hello", three.want()));
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length: 5\r\nContent-Length: 5, 5\r\n",
    ] {
        rows.push(post("P44 F3", lines, "hello", bad()));
    }
    rows.push(post("P45 F3", "Content-Length: 00005\r\n", "hello", posts(Length, "hello").want()));
    let ten = posts(Length, "hellohello").want();
    rows.push(post("P45 F3", "Content-Length: 010\r\n", "hellohello", ten));
    for length in [
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551621",
        "123456789012345678901234567890",
        "99999999999999999999",
    ] {
        let line = format!("Content-Length: {length}\r\n");
        rows.push(post("P46 F3", line, "hello", refused(&[400, 413, 431])));
    }
    rows
}

fn bodies() -> Vec<Row> {
    let three = || posts(Length, "abc").want();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    let mut rows = vec![
        Row {
            id: "P48",
            input: format!("{head}abc(d)ef\r\n\r\n").into_bytes(),
            want: vec![three(), bad()],
        },
        Row {
            id: "P48",
            input: format!("{head}abcGET /two HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            want: vec![three(), Request::new("GET /two", "Host: a").want()],
        },
        Row {
            id: "P48",
            input: format!("{head}abc{head}abc{head}abc").into_bytes(),
            want: vec![three(), three(), three()],
        },
        Row {
            id: "P48",
            input: format!("{head}abc\r\n\r\n{head}abc").into_bytes(),
            want: vec![three(), three()],
        },
        post("P51 H8", "Content-Length: 0\r\n", "", posts(Length, "").want()),
        post("P51 H8", "", "", posts(None, "").want()),
        post("P51", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", posts(Chunked, "").want()),
    ];
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "QUERY"] {
        let line = format!("{method} /");
        let to = |framing, body| Request::new(&line, "Host: a").body(framing, body).want();
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n");
        rows.push(raw("P49", format!("{head}Content-Length: 5\r\n\r\nhello"), to(Length, "hello")));
        rows.push(raw("P49 H8", format!("{head}Content-Length: 0\r\n\r\n"), to(Length, "")));
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{CHUNKS}");
        rows.push(raw("P50", chunked, to(Chunked, "hello")));
        rows.push(raw("H8", format!("{head}\r\n"), to(None, "")));
    }
    rows
}
