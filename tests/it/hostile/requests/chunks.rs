//! Chunks and what follows them (F9, F10, P57).

use super::{Framing, broken, post, posts};
use crate::hostile::table::{Row, Want};

const LINES: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n000\r\n\r\n",
        "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n",
        "5;ext=1\r\nhello\r\n0;last\r\n\r\n",
        "5;ext=\"a;b\"\r\nhello\r\n0\r\n\r\n",
        "5;a;b=c\r\nhello\r\n0\r\n\r\n",
    ] {
        rows.push(post("F9", LINES, body, posts(Framing::Chunked, "hello").want()));
    }
    for (size, digits) in [(10, "a"), (10, "A"), (26, "1a"), (31, "1F")] {
        let body = "x".repeat(size);
        let want = posts(Framing::Chunked, &body).want();
        rows.push(post("F9", LINES, format!("{digits}\r\n{body}\r\n0\r\n\r\n"), want));
    }
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0x0\r\n\r\n",
        "5\r\nhello\r\n-0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";x\r\nhello\r\n0\r\n\r\n",
        "5,\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\rhello\r0\r\r",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello \r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        rows.push(post("F9 F10", LINES, body, broken()));
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1 << 20));
    rows.push(post("F9", LINES, long, Want::Broken(&[400, 413, 431])));
    let zeros = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(1 << 20));
    rows.push(post("F9", LINES, zeros, broken()));
    rows
}

pub(super) fn trailers() -> Vec<Row> {
    let after = |trailers: &str| format!("2\r\nhi\r\n0\r\n{trailers}\r\n");
    let mut rows = Vec::new();
    for trailers in ["X-Sum: 1", "x-a: 1\nX-A: 2\nX-a: 3", "X-Empty:", "Server-Timing: a;dur=1"] {
        let kept: Vec<String> = trailers.lines().map(|l| l.replace("Empty:", "Empty: ")).collect();
        let want = posts(Framing::Chunked, "hi").trailers(&kept.join("\n")).want();
        let sent: String = trailers.lines().map(|line| format!("{line}\r\n")).collect();
        rows.push(post("P57 B10", LINES, after(&sent), want));
    }
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Cookie",
        "Trailer",
        "TE",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Connection",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "Via",
        "cONTENT-lENGTH",
    ] {
        let want = posts(Framing::Chunked, "hi").trailers("X-Sum: 1").want();
        let lines = format!("{name}: 5\r\nX-Sum: 1\r\n");
        rows.push(post("P57", LINES, after(&lines), want));
    }
    let announced = "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n";
    let mut want = posts(Framing::Chunked, "hi").trailers("X-Sum: 1");
    want.fields.push(b"Trailer: X-Sum".to_vec());
    rows.push(post("P57 H2", announced, after("X-Sum: 1\r\n"), want.want()));
    for lines in [
        "X-Sum 1\r\n",
        "X-Sum : 1\r\n",
        ": 1\r\n",
        "X-Sum: 1\n",
        "X-Sum: 1\r\n folded\r\n",
        " X-Sum: 1\r\n",
        "X-Sum: a\rb\r\n",
        "X-Sum: a\0b\r\n",
        "GET /evil HTTP/1.1\r\n",
    ] {
        rows.push(post("P57", LINES, after(lines), broken()));
    }
    let many = "X: y\r\n".repeat(10_000);
    rows.push(post("P57", LINES, after(&many), Want::Broken(&[400, 413, 431])));
    let large = format!("X: {}\r\n", "y".repeat(1 << 20));
    rows.push(post("P57", LINES, after(&large), Want::Broken(&[400, 413, 431])));
    rows
}
