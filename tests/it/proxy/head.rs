//! Heads: what passes, what goes, what is added, and where a request goes.

use super::stand::{plain, settings, with};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Seen, Upstream, ok, send};

/// What the upstream saw of a request with these lines.
async fn seen(lines: &str) -> Seen {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
    assert_eq!(client.reply().await.status(), 200, "{lines}");
    upstream.request(0).await
}

/// What the client got of a response with this head.
async fn got(head: &str) -> crate::support::client::Reply {
    let upstream =
        Upstream::always(vec![send(&format!("{head}content-length: 2\r\n\r\nok"))]).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.reply().await
}

#[tokio::test]
async fn h1_hop_by_hop_fields_of_requests_go() {
    for lines in [
        "Connection: X-Hop, close\r\nX-Hop: 1\r\n",
        "Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1\r\n",
        "Connection: \r\nConnection: ,\t X-HOP\t,\r\nX-Hop: 1\r\nX-Hop: 2\r\n",
        "Keep-Alive: timeout=5\r\nX-Hop: 1\r\nConnection: x-hop\r\n",
        "Proxy-Connection: keep-alive\r\nX-Hop: 1\r\nConnection: x-hop\r\n",
        "Connection: Upgrade, HTTP2-Settings, x-hop\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\nX-Hop: 1\r\n",
        "Proxy-Authorization: Basic eA==\r\nConnection: x-hop\r\nX-Hop: 1\r\n",
    ] {
        let seen = seen(&format!("{lines}X-End: 1\r\n")).await;
        for gone in [
            "x-hop",
            "connection",
            "keep-alive",
            "proxy-connection",
            "upgrade",
            "http2-settings",
            "proxy-authorization",
        ] {
            assert!(seen.field(gone).is_empty(), "{gone} of {lines:?}: {}", seen.text());
        }
        assert_eq!(seen.field("x-end"), ["1"]);
    }
}

#[tokio::test]
async fn h1_hop_by_hop_fields_of_responses_go() {
    let reply = got(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nConnection: keep-alive, x-other\r\nX-Hop: 1\r\n\
         X-Other: 2\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: 1\r\n",
    )
    .await;
    for gone in ["x-hop", "x-other", "connection", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert!(reply.field(gone).is_empty(), "{gone}: {}", reply.head);
    }
    assert_eq!(reply.field("x-end"), ["1"]);
}

#[tokio::test]
async fn h1_connection_cannot_remove_what_is_not_the_clients() {
    let upstream = Upstream::always(ok("")).await;
    for name in ["Host", "x-forwarded-for", "X-Forwarded-Host", "Via", "close, forwarded"] {
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {name}\r\n\r\n")).await;
        client.reply().await.problem(400, "http_request_error");
    }
    assert!(upstream.requests().is_empty());
    let framed = "Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc";
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}")).await;
    client.reply().await;
    assert_eq!(upstream.request(0).await.body(), b"abc", "framing stays");
}

#[tokio::test]
async fn h3_te_keeps_only_trailers() {
    for (te, expected) in [
        ("TE: trailers\r\n", &["trailers"][..]),
        ("TE: gzip, Trailers\r\nConnection: TE\r\n", &["trailers"]),
        ("TE: gzip\r\nTE: trailers\r\n", &["trailers"]),
        ("TE: gzip\r\n", &[]),
        ("TE: xtrailers\r\n", &[]),
    ] {
        assert_eq!(seen(te).await.field("te"), expected, "{te}");
    }
}

#[tokio::test]
async fn h4_via_is_added_and_loops_are_refused() {
    let added = "1.1 sidehook-0badcafe".to_owned();
    assert_eq!(seen("Via: 1.0 fred\r\n").await.field("via"), ["1.0 fred".to_owned(), added]);
    assert_eq!(seen("Via: 1.1 sidehook-0badcaff\r\n").await.field("via").len(), 2);

    let upstream = Upstream::always(ok("")).await;
    for via in ["1.1 sidehook-0badcafe", "1.0 fred (x),\t1.1  sidehook-0badcafe (y)"] {
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nVia: {via}\r\n\r\n")).await;
        client.reply().await.problem(508, "proxy_loop_detected");
    }
    let mut off = settings(upstream.addr);
    off.via = false;
    let (_proxy, mut client) = with(off).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.reply().await;
    assert!(upstream.request(0).await.field("via").is_empty());
}

#[tokio::test]
async fn h5_only_trusted_peers_say_who_called() {
    let lines = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: public\r\nX-Forwarded-Prefix: /api\r\n";
    let spoofed = seen(lines).await;
    assert_eq!(spoofed.field("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(spoofed.field("x-forwarded-proto"), ["http"]);
    assert_eq!(spoofed.field("x-forwarded-host"), ["a"]);
    assert!(spoofed.field("x-forwarded-prefix").is_empty());

    let upstream = Upstream::always(ok("")).await;
    let mut trusting = settings(upstream.addr);
    trusting.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let (_proxy, mut client) = with(trusting).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
    client.reply().await;
    client.send("GET / HTTP/1.1\r\nHost: a:81\r\n\r\n").await;
    client.reply().await;
    let kept = upstream.request(0).await;
    assert_eq!(kept.field("x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 127.0.0.1"]);
    assert_eq!(kept.field("x-forwarded-proto"), ["https"]);
    assert_eq!(kept.field("x-forwarded-host"), ["public"]);
    assert_eq!(kept.field("x-forwarded-prefix"), ["/api"]);
    let first = upstream.request(1).await;
    assert_eq!(first.field("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(first.field("x-forwarded-host"), ["a:81"]);
}

/// RFC 7239: as with `X-Forwarded-*`, and never begun by us.
#[tokio::test]
async fn h5_forwarded_is_kept_from_trusted_peers_only() {
    let lines = "Forwarded: for=1.1.1.1;proto=https\r\nForwarded: for=\"[2001:db8::2]\"\r\n";
    assert!(seen(lines).await.field("forwarded").is_empty());

    let upstream = Upstream::always(ok("")).await;
    let mut trusting = settings(upstream.addr);
    trusting.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let (_proxy, mut client) = with(trusting).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a:81\r\n{lines}\r\n")).await;
    client.reply().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.reply().await;
    assert_eq!(
        upstream.request(0).await.field("forwarded"),
        ["for=1.1.1.1;proto=https, for=\"[2001:db8::2]\", for=127.0.0.1;host=\"a:81\";proto=http"]
    );
    assert!(upstream.request(1).await.field("forwarded").is_empty());
}

/// RFC 9110 7.6.2.
#[tokio::test]
async fn h4_max_forwards_is_counted_for_options() {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    for (method, left) in [("OPTIONS", "0"), ("OPTIONS", "3"), ("GET", "0"), ("OPTIONS", "x")] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\n\r\n");
        client.send(head).await;
        let answer = client.reply().await;
        let expected = if (method, left) == ("OPTIONS", "0") { 204 } else { 200 };
        assert_eq!(answer.status(), expected, "{method} {left}");
    }
    let seen: Vec<_> =
        upstream.requests().iter().map(|seen| seen.field("max-forwards").concat()).collect();
    assert_eq!(seen, ["2", "0", "x"], "the first one ends here");
}

/// What a client is to switch to (RFC 9110 15.5.22).
#[tokio::test]
async fn h1_a_wanted_upgrade_passes() {
    let head = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                Content-Length: 0\r\n\r\n";
    let answer = got(head).await;
    assert_eq!(answer.field("upgrade"), ["websocket"]);
    assert_eq!(answer.field("connection"), ["Upgrade"]);
}

#[tokio::test]
async fn h6_p8_everything_else_passes_as_it_is() {
    let seen = seen("X-A: 1\r\nX-A: 2\r\nX-Empty:\r\nUnknown-Field: a, b\r\n").await;
    assert_eq!(seen.field("x-a"), ["1", "2"]);
    assert_eq!(seen.field("x-empty"), [""]);
    assert_eq!(seen.field("unknown-field"), ["a, b"]);
    for added in ["user-agent", "accept-encoding", "content-type", "content-length", "date"] {
        assert!(seen.field(added).is_empty(), "{added} was added: {}", seen.text());
    }

    let reply =
        got("HTTP/1.1 200 Fine by me\r\nSet-Cookie: a=1\r\nX-Between: x\r\nSet-Cookie: b=2\r\n\
         Set-Cookie: c=3\r\nX-Empty:\r\nTrailer: X-T\r\nServer: own/1\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
        .await;
    assert!(reply.head.starts_with("HTTP/1.1 200 Fine by me\r\n"), "reason phrase: {}", reply.head);
    assert_eq!(reply.field("set-cookie"), ["a=1", "b=2", "c=3"]);
    assert_eq!(reply.field("x-empty"), [""]);
    assert_eq!(reply.field("trailer"), ["X-T"]);
    assert_eq!(reply.field("server"), ["own/1"]);
    assert_eq!(reply.field("date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
    assert_eq!(got("HTTP/1.1 200 OK\r\n").await.field("date").len(), 1, "RFC 9110 6.6.1");
}

#[tokio::test]
async fn h6_bytes_above_ascii_pass() {
    let upstream = Upstream::always(vec![Act::Send(
        b"HTTP/1.1 200 OK\r\nX-L: \xe9\r\ncontent-length: 0\r\n\r\n".to_vec(),
    )])
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-L: caf\xe9\r\n\r\n").await;
    assert_eq!(client.reply().await.field("x-l"), ["\u{e9}"]);
    assert_eq!(upstream.request(0).await.field("x-l"), ["caf\u{e9}"]);
}

#[tokio::test]
async fn u1_u7_method_and_target_pass_byte_for_byte() {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, mut client) = plain(&upstream).await;
    let targets = [
        "/",
        "/?",
        "/?a=b&c",
        "//a//b",
        "/a/../b/./c",
        "/%2F%2f%7e",
        "/a;b=c?d;e",
        "/a?b?c",
        "/%",
        "/%zz",
        "/a|b",
        "/{x}",
        "/a\"b",
        "/[x]^",
        "/?x=[1]|{2}",
        "/a\\b",
        "/UPPER/lower",
        "/?%20+",
    ];
    for (n, target) in targets.iter().enumerate() {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(client.reply().await.status(), 200, "{target}");
        let seen = upstream.request(n).await;
        assert_eq!(seen.request_line(), format!("GET {target} HTTP/1.1"));
    }
    for (n, method) in ["PROPFIND", "get", "QUERY", "M-SEARCH"].iter().enumerate() {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        client.reply().await;
        let seen = upstream.request(targets.len() + n).await;
        assert_eq!(seen.request_line(), format!("{method} / HTTP/1.1"));
    }
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.reply().await;
    let options = upstream.request(targets.len() + 4).await;
    assert_eq!(options.request_line(), "OPTIONS * HTTP/1.1");
}

#[tokio::test]
async fn u4_u5_host_passes_unchanged_or_not_at_all() {
    let upstream = Upstream::always(ok("")).await;
    let of_upstream = upstream.addr.to_string();
    let (_proxy, mut client) = plain(&upstream).await;
    for (n, (request, host)) in [
        ("GET / HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n", &["Example.COM:8080"][..]),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &["[::1]:80"]),
        ("GET http://Good:80/a?b HTTP/1.1\r\nHost: good:80\r\n\r\n", &["good:80"]),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[&of_upstream]),
    ]
    .into_iter()
    .enumerate()
    {
        client.send(request).await;
        assert_eq!(client.reply().await.status(), 200, "{request}");
        let seen = upstream.request(n).await;
        assert_eq!(seen.field("host"), host);
        assert!(seen.request_line().starts_with("GET /"), "origin form: {}", seen.request_line());
    }
    let passed = upstream.requests().len();
    for lines in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:+1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET http://evil/ HTTP/1.1\r\nHost: good\r\n\r\n",
        "GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(lines).await;
        client.reply().await.problem(400, "http_request_error");
        assert!(client.rest().await.bytes.is_empty(), "closed after {lines:?}");
    }
    assert_eq!(upstream.requests().len(), passed, "none was forwarded");
}

#[tokio::test]
async fn u6_connect_and_trace_are_not_passed_on() {
    let upstream = Upstream::always(ok("")).await;
    for line in ["CONNECT a:443", "TRACE /"] {
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(format!("{line} HTTP/1.1\r\nHost: a:443\r\nCookie: secret\r\n\r\n")).await;
        let reply = client.reply().await;
        reply.problem(405, "http_request_error");
        assert_eq!(reply.field("allow").len(), 1);
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn many_calls_share_one_upstream_connection() {
    let upstream = Upstream::always(ok("x")).await;
    let (proxy, mut client) = plain(&upstream).await;
    for n in 0..20 {
        client.send(format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")).await;
        assert_eq!(client.reply().await.text(), "x");
    }
    let mut other = RawClient::connect(proxy.local_addr()).await;
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    other.reply().await;
    assert_eq!(upstream.requests().len(), 21);
    assert!(upstream.connections() <= 2, "{} connections", upstream.connections());
}
