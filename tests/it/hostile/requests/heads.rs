//! Request lines, hosts and heads (P01 to P19, F6 to F8, U3, U4, U6, U7).

use super::{bad, get, gets, raw, refused};
use crate::hostile::table::{Request, Row};

pub(super) fn rows() -> Vec<Row> {
    [lines_and_ends(), versions(), hosts(), absolute(), targets(), methods(), fields()].concat()
}

fn lines_and_ends() -> Vec<Row> {
    let ok = || gets("").want();
    vec![
        raw("P01 F8", "GET / HTTP/1.1\nHost: a\n\n", bad()),
        raw("P01 F8", "GET / HTTP/1.1\nHost: a\r\n\r\n", bad()),
        raw("P01 F8", "GET / HTTP/1.1\r\nHost: a\n\r\n", bad()),
        raw("P01 F8", "GET / HTTP/1.1\r\nHost: a\r\n\n", bad()),
        raw("P01 F8", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 5\r\n\r\n", bad()),
        raw("P02", "GET / HTTP/1.1\rHost: a\r\r", bad()),
        raw("P02", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", bad()),
        raw("P02", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", bad()),
        raw("P03", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ok()),
        raw("P03", "\r\n".repeat(8) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ok()),
        raw("P03", "\r\n".repeat(9) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P03", "\r\n".repeat(500_000) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P03", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P04", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P05", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P05", "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P05", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", bad()),
        raw("P05", "GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", bad()),
        raw("P05", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", bad()),
        raw("P06", "GET /\r\n", bad()),
        raw("P06", "GET /\r\n\r\n", bad()),
        raw("P06", "GET\r\n\r\n", bad()),
        raw("P06", "hello\r\n\r\n", bad()),
        raw("P06", "\x16\x03\x01\x02\x00\x01\x00\x01\u{7c}\x03\x03\r\n\r\n", bad()),
    ]
}

fn versions() -> Vec<Row> {
    let versions = [
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/11.1",
        "HTTP/1.01",
        "http/1.1",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/.1",
        "HTTP/0.9",
        "HTTP/3.0",
        "HTTP/4294967295.255",
        "HTTP/1.1.1",
        "HTTP/1,1",
        "HTTP/ 1.1",
        "HTTP/1.x",
        "HTTPS/1.1",
        "ICY/1.1",
        "HTTP1.1",
        "Http/1.1",
        "HTTP/-1.1",
    ];
    let mut rows: Vec<Row> = versions
        .into_iter()
        .map(|v| raw("P07", format!("GET / {v}\r\nHost: a\r\n\r\n"), refused(&[400, 505])))
        .collect();
    let named = Request::new("GET /", "host: <upstream>").closes().want();
    rows.push(raw("P08", "GET / HTTP/1.0\r\n\r\n", named));
    rows.push(raw("P08", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", gets("").closes().want()));
    rows
}

fn hosts() -> Vec<Row> {
    let mut rows = vec![
        raw("P09 U4", "GET / HTTP/1.1\r\n\r\n", bad()),
        raw("P09 U4", "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", bad()),
        raw("P09 U4", "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", bad()),
        get("P10 U4", "Host: a\r\n", bad()),
        get("P10 U4", "Host: b\r\n", bad()),
        get("P10 U4", "hOST: a\r\n", bad()),
        get("P10 U4", "Host:\r\n", bad()),
        raw("P10 U4", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", bad()),
    ];
    for host in [
        "a, b", "a b", "", " ", "a/b", "/", "u@a", "u:p@a", "a:99999", "a:65536", "a:+1", "a:-1",
        "a:8x", "a:80:80", "a\tb", "a?b", "a#b", "a\\b", "[::1", "::1]", "[::1]x", "[]", "[x]",
        "[::1]:", "a<b", "a\"b", "http://a", "a\u{e9}", "a,a", ":80", "a: 80", "a%zz",
    ] {
        // An empty port is RFC 3986's to allow.
        if host != "[::1]:" {
            rows.push(raw("P11", format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), bad()));
        }
    }
    rows.push(raw("P11", b"GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n", bad()));
    rows.push(raw("P11", b"GET / HTTP/1.1\r\nHost: a\xff.b\r\n\r\n", bad()));
    for host in [
        "Example.COM:8080",
        "a",
        "a_b.c",
        "a.",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:80",
        "xn--a-b",
        "a:65535",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let want = Request::new("GET /", format!("Host: {host}")).want();
        rows.push(raw("P11 U5", input, want));
    }
    rows
}

fn absolute() -> Vec<Row> {
    let to = |target: &str, fields: &str| Request::new(format!("GET {target}"), fields).want();
    let with = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    vec![
        raw("P12 U3", with("http://evil/", "good"), bad()),
        raw("P12 U3", with("http://evil:80/", "evil:81"), bad()),
        raw("P12 U3", "GET http://a/ HTTP/1.1\r\n\r\n", bad()),
        raw("P12 U3", with("http://a/", ""), bad()),
        raw("P12 U3", with("http://a/x?y", "a"), to("/x?y", "Host: a")),
        raw("P12 U3", with("HTTP://a/x", "a"), to("/x", "Host: a")),
        raw("P12 U3", with("http://a:80/x", "a:80"), to("/x", "Host: a:80")),
        raw("P12 U3", with("http://a", "a"), to("/", "Host: a")),
        raw("P12 U3", with("http://a?y", "a"), to("/?y", "Host: a")),
        raw("P12 U3", with("http://a//x/../y", "a"), to("//x/../y", "Host: a")),
        raw("P12 U3", with("http://a#x", "a"), bad()),
        raw("P12 U3", with("http://u@a/", "a"), bad()),
        raw("P12 U3", with("http://u@a/", "u@a"), bad()),
        raw("P12 U3", with("http://a\\@evil/", "a"), bad()),
        raw("P12 U3", with("http:///x", "a"), bad()),
        raw("P12 U3", with("http://:80/x", "a"), bad()),
        raw("P12 U3", with("ftp://a/", "a"), bad()),
        raw("P12 U3", with("file:///etc/passwd", "a"), bad()),
        raw("P12 U3", "GET http://a/x HTTP/1.0\r\n\r\n", {
            let mut request = Request::new("GET /x", "host: a");
            request.closes = true;
            request.want()
        }),
        raw(
            "P12 U3",
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            Request::new("OPTIONS *", "Host: a").want(),
        ),
    ]
}

fn targets() -> Vec<Row> {
    let with = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let as_is = |target: &str| Request::new(format!("GET {target}"), "Host: a").want();
    let mut rows = Vec::new();
    for target in ["//evil/", "///", "/http://evil/", "/\\evil", "/@evil:80"] {
        rows.push(raw("P13 U1", with(target), as_is(target)));
    }
    for target in [
        "\\\\evil",
        "http:/x",
        "http:",
        "evil:80",
        "evil/x",
        "?x",
        ".",
        "..",
        "@evil/",
        "http//evil",
        "*x",
        "%2F",
    ] {
        rows.push(raw("P13", with(target), bad()));
    }
    rows.push(raw(
        "P14 U3",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        Request::new("OPTIONS *", "Host: a").want(),
    ));
    for method in ["GET", "HEAD", "POST", "DELETE", "options"] {
        rows.push(raw("P14 U3", format!("{method} * HTTP/1.1\r\nHost: a\r\n\r\n"), bad()));
    }
    for target in ["/#", "/a#b", "/?a#b", "#", "/a<b>", "/`", "/?<", "/?>"] {
        rows.push(raw("P18 U2", with(target), bad()));
    }
    for target in ["/^", "/{|}\"", "/?\"`^{|}"] {
        rows.push(raw("P18 U2", with(target), as_is(target)));
    }
    let line = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    for target in [&b"/\xff"[..], b"/\x80?\xfe", b"/?\xe9"] {
        rows.push(raw("P19 U2", line(target), bad()));
    }
    let target = &b"/caf\xc3\xa9"[..];
    let passed = Request::new([b"GET ", target].concat(), "Host: a").want();
    rows.push(raw("P19 U2", line(target), passed));
    let long = format!("/{}", "x".repeat(60_000));
    rows.push(raw("H10", with(&long), as_is(&long)));
    rows.push(raw("H10", with(&format!("/{}", "x".repeat(70_000))), refused(&[414, 431])));
    rows.push(raw("H10", with(&format!("/{}", "x".repeat(1 << 20))), refused(&[414, 431])));
    rows
}

fn methods() -> Vec<Row> {
    let not_allowed = || refused(&[405]);
    let mut rows = vec![
        raw("P15 U6", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", not_allowed()),
        raw("P15 U6", "CONNECT a:443 HTTP/1.0\r\n\r\n", not_allowed()),
        raw(
            "P15 U6",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 2\r\n\r\nhi",
            not_allowed(),
        ),
        raw("P16 U6", "TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", not_allowed()),
        raw("P16 U6", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", not_allowed()),
        raw("P17", "G=\":<>(e) / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P17", " / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P17", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P17", b"G\x80T / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P17", b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw(
            "P17",
            "G".repeat(1 << 20) + " / HTTP/1.1\r\nHost: a\r\n\r\n",
            refused(&[400, 414, 431, 501]),
        ),
        raw("P17", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n", bad()),
        raw("P17", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", refused(&[400, 505])),
    ];
    for method in
        ["get", "FOO", "PROPFIND", "M-SEARCH", "QUERY", "trace", "connect", "!#$%&'*+-.^_`|~0"]
    {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        rows.push(raw("P17 U7", input, Request::new(format!("{method} /"), "Host: a").want()));
    }
    rows
}

fn fields() -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, lines) in [
        ("F6", "X-Folded: a\r\n b\r\n"),
        ("F6", "X-Folded: a\r\n\tb\r\n"),
        ("F6", "X-Folded:\r\n a\r\n"),
        ("F6", "Transfer-Encoding:\r\n chunked\r\n"),
        ("F6", "Content-Length:\r\n 5\r\n"),
        ("F7", "X-Space : a\r\n"),
        ("F7", "X-Tab\t: a\r\n"),
        ("F7", "Content-Length : 5\r\n"),
        ("F7", "Transfer-Encoding : chunked\r\n"),
        ("P05", "X(a): b\r\n"),
        ("P05", ": b\r\n"),
        ("P05", "no colon\r\n"),
        ("P05", "X a: b\r\n"),
        ("P05", "X-\u{e9}: b\r\n"),
        ("P05", "X\"a\": b\r\n"),
        ("P05", "GET /evil HTTP/1.1\r\n"),
    ] {
        rows.push(get(id, lines, bad()));
    }
    rows.push(raw("F7", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", bad()));
    rows
}

/// Every byte that may stand nowhere, in a target, a value, a name and a method.
pub(super) fn control_bytes() -> Vec<Row> {
    let mut rows = Vec::new();
    for byte in (0..=0x20).chain([0x7f]) {
        let is_space = byte == b' ' || byte == b'\t';
        let at =
            |before: &str, after: &str| [before.as_bytes(), &[byte], after.as_bytes()].concat();
        rows.push(raw("P18", at("GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n"), bad()));
        rows.push(raw("P18", at("GET /?a", "b HTTP/1.1\r\nHost: a\r\n\r\n"), bad()));
        rows.push(raw("P17", at("G", "T / HTTP/1.1\r\nHost: a\r\n\r\n"), bad()));
        rows.push(get("P05", at("X", "Y: a\r\n"), bad()));
        if !is_space {
            rows.push(get("P05", at("X: a", "b\r\n"), bad()));
            rows.push(raw("P11", at("GET / HTTP/1.1\r\nHost: a", "b\r\n\r\n"), bad()));
        }
    }
    rows
}
