//! Fields that mean something to a proxy (P58 to P62, H1 to H4, H10).

use super::{Framing, bad, get, gets, post, posts, raw, refused};
use crate::hostile::table::{Request, Row};

pub(super) fn rows() -> Vec<Row> {
    [connection(), hop_by_hop(), expect(), upgrade(), loops(), large()].concat()
}

fn connection() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in [
        "host",
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "HOST",
    ] {
        rows.push(get("P58 H1", format!("Connection: {name}\r\n"), bad()));
        rows.push(get("P58 H1", format!("Connection: close, {name}\r\n"), bad()));
    }
    rows.push(get("P58 H1", "Connection: close\r\nConnection: x-forwarded-for\r\n", bad()));
    let length = "Connection: content-length\r\nContent-Length: 5\r\n";
    // Framing is nobody's to remove.
    rows.push(post("P58 H1", length, "hello", posts(Framing::Length, "hello").want()));
    let coding = "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n";
    rows.push(post("P58 H1", coding, "0\r\n\r\n", posts(Framing::Chunked, "").want()));
    rows.push(get(
        "P58",
        "Connection: x-forwarded-for, authorization\r\nAuthorization: x\r\n",
        bad(),
    ));
    for lines in [
        "Connection: X-Hop\r\nX-Hop: 1\r\n",
        "Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1\r\n",
        "Connection: \r\nConnection: ,\t X-HOP\t,\r\nX-Hop: 1\r\nX-hop: 2\r\n",
        "X-Hop: 1\r\nConnection: foo,x-hop,bar\r\n",
        "Connection: authorization\r\nAuthorization: x\r\n",
    ] {
        rows.push(get("P58 H1", format!("{lines}X-End: 1\r\n"), gets("X-End: 1").want()));
    }
    for lines in ["Connection: close\r\n", "Connection: X-Hop, CLOSE\r\nX-Hop: 1\r\n"] {
        rows.push(get("P58 H1", format!("{lines}X-End: 1\r\n"), gets("X-End: 1").closes().want()));
    }
    rows
}

fn hop_by_hop() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in [
        "Proxy-Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic eA==",
        "Upgrade: websocket",
        "HTTP2-Settings: AAAA",
        "TE: gzip",
        "TE: trailersx",
    ] {
        let lines = format!("X-A: 1\r\n{line}\r\nX-B: 2\r\n");
        rows.push(get("P59 H1", lines, gets("X-A: 1\nX-B: 2").want()));
    }
    for te in ["trailers", "gzip, Trailers", "deflate;q=0.5,trailers"] {
        let want = gets("").hop(&["te: trailers", "?connection: te"]).want();
        rows.push(get("P59 H3", format!("TE: {te}\r\n"), want));
    }
    rows
}

fn expect() -> Vec<Row> {
    let with = || posts(Framing::Length, "hello").hop(&["expect: 100-continue"]);
    let five = "Content-Length: 5\r\n";
    let mut rows = Vec::new();
    for expect in ["100-continue", "100-Continue"] {
        rows.push(post("P60 B12", format!("Expect: {expect}\r\n{five}"), "hello", with().want()));
    }
    let chunked = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    let want = posts(Framing::Chunked, "hello").hop(&["expect: 100-continue"]).want();
    rows.push(post("P60 B12", chunked, "5\r\nhello\r\n0\r\n\r\n", want));
    for expect in [
        "200-ok",
        "y 100-continue",
        "100-continue, x",
        "100",
        "100-continue;q=1",
        "\"100-continue\"",
    ] {
        rows.push(post("P60", format!("Expect: {expect}\r\n{five}"), "hello", refused(&[417])));
        rows.push(get("P60", format!("Expect: {expect}\r\n"), refused(&[417])));
    }
    let zero_cl =
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let want = gets("").body(Framing::Length, "hello").hop(&["expect: 100-continue"]).want();
    rows.push(raw("P60", zero_cl, want));
    let nothing = gets("").hop(&["?expect: 100-continue"]).want();
    rows.push(get("P60", "Expect: 100-continue\r\n", nothing));
    let old =
        "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    rows.push(raw("P60", old, posts(Framing::Length, "hello").closes().want()));
    rows
}

fn upgrade() -> Vec<Row> {
    let plain = || gets("").want();
    let socket = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let asked = gets("").hop(&["connection: upgrade", "upgrade: websocket"]);
    let evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        raw("P61 G1", socket, asked.clone().want()),
        Row {
            id: "P61",
            input: format!("{socket}{evil}").into_bytes(),
            want: vec![asked.want(), Request::new("GET /evil", "Host: a").want()],
        },
        get(
            "P62 G2",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n",
            plain(),
        ),
        get("P62 G2", "Connection: upgrade\r\nUpgrade: H2C\r\n", plain()),
        get("P62 G1", "Connection: upgrade\r\n", plain()),
        get("P62 G1", "Connection: close\r\nUpgrade: websocket\r\n", gets("").closes().want()),
        raw(
            "P62 G1",
            "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            gets("").closes().want(),
        ),
    ]
}

fn loops() -> Vec<Row> {
    ["1.1 sidehook-0badcafe", "1.0 fred (x),\t1.1  sidehook-0badcafe (y)"]
        .into_iter()
        .map(|via| get("H4", format!("Via: {via}\r\n"), refused(&[508])))
        .collect()
}

fn large() -> Vec<Row> {
    let lines = |n: usize| -> String { (0..n).map(|n| format!("X-{n}: y\r\n")).collect() };
    let fields = |n: usize| -> String { (0..n).map(|n| format!("X-{n}: y\n")).collect() };
    let long = |n: usize| "y".repeat(n);
    vec![
        get("H10", lines(99), gets(fields(99)).want()),
        get("H10", lines(20_000), refused(&[431])),
        get("H10", format!("X: {}\r\n", long(8_000)), gets(format!("X: {}", long(8_000))).want()),
        get("H10", format!("X: {}\r\n", long(60_000)), gets(format!("X: {}", long(60_000))).want()),
        get("H10", format!("X: {}\r\n", long(70_000)), refused(&[431])),
        get("H10", format!("X: {}\r\n", long(500_000)), refused(&[431])),
    ]
}
