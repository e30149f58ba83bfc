//! What a call is made into where the two sides do not speak the same version.

use http::{HeaderMap, Request, Response};

use super::stand::{Client, Modern, answer, assert_problem, echo, send, whole};
use crate::proxy::stand::{Storage, settings, start, with};
use crate::support::soon;
use crate::support::upstream::{Act, Upstream, ok, send as text};
use sidehook::proxy::{Proxy, Settings};

fn run(settings: Settings) -> Proxy {
    start(settings, Vec::new(), Storage::new().store)
}

/// A proxy for HTTP/2 clients in front of an HTTP/1 upstream.
async fn before_http1(upstream: &Upstream) -> (Proxy, Client) {
    let proxy = run(Settings { h2c: true, ..settings(upstream.addr) });
    let client = Client::connect(proxy.local_addr()).await;
    (proxy, client)
}

async fn before_http2(upstream: &Modern) -> (Proxy, Client) {
    let proxy = run(upstream.settings());
    let client = Client::connect(proxy.local_addr()).await;
    (proxy, client)
}

#[tokio::test]
async fn a_request_becomes_one_of_http1() {
    let upstream = Upstream::always(ok("hello")).await;
    let (_proxy, client) = before_http1(&upstream).await;
    let request = client.request("GET", "/a%2Fb//c?x=1&y");
    let request = request.header("cookie", "a=1").header("x-one", "1").header("cookie", "b=2");
    let response = client.get(request.header("te", "trailers").header("x-one", "2")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "5");
    assert!(response.headers().contains_key("date"));
    assert_eq!(response.body().body, b"hello");

    let seen = upstream.request(0).await;
    assert_eq!(seen.request_line(), "GET /a%2Fb//c?x=1&y HTTP/1.1");
    assert_eq!(seen.field("host"), [client.addr.to_string()]);
    assert_eq!(seen.field("cookie"), ["a=1; b=2"], "RFC 9113 8.2.3");
    assert_eq!(seen.field("x-one"), ["1", "2"]);
    assert_eq!(seen.field("te"), ["trailers"]);
    assert_eq!(seen.field("via"), ["2.0 sidehook-0badcafe"]);
    assert_eq!(seen.field("x-forwarded-host"), [client.addr.to_string()]);
    assert!(!seen.text().contains(":authority") && seen.field("transfer-encoding").is_empty());
}

#[tokio::test]
async fn requests_that_could_mean_two_things_are_refused() {
    let upstream = Upstream::always(ok("")).await;
    let (_proxy, client) = before_http1(&upstream).await;
    let two_hosts = client.request("GET", "/").header("host", "elsewhere.example");
    assert_problem(&client.get(two_hosts).await, 400, "http_request_error");
    let connect = Request::builder().method("CONNECT").uri("example.com:443");
    assert_problem(&client.get(connect).await, 405, "http_request_error");
    assert_problem(&client.get(client.request("TRACE", "/")).await, 405, "http_request_error");
    let other_scheme = Request::builder().uri("ftp://example.com/file");
    assert_problem(&client.get(other_scheme).await, 400, "http_request_error");
    // The connection goes on, and none of these came through.
    assert_eq!(client.get(client.request("GET", "/fine")).await.status(), 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_is_broken_off() {
    let upstream = Upstream::start_at_head(|_, _| vec![Act::Stall]).await;
    let (_proxy, client) = before_http1(&upstream).await;
    for body in ["short", "much too long"] {
        let request = client.request("POST", "/").header("content-length", "10");
        let (response, mut stream) = client.begin(request, false).await;
        send(&mut stream, body.into(), true).await;
        let error = soon("a reset", response).await.expect_err("not a whole request");
        assert_eq!(error.reason(), Some(h2::Reason::PROTOCOL_ERROR), "{body}");
    }
}

#[tokio::test]
async fn bodies_and_trailers_become_those_of_http1_and_back() {
    let upstream = Upstream::always(vec![text(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: x-hop\r\nx-hop: 1\r\n\
         keep-alive: timeout=5\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\nContent-Length: 7\r\n\r\n",
    )])
    .await;
    let (_proxy, client) = before_http1(&upstream).await;
    let request = client.request("POST", "/exact").header("content-length", "4");
    let response = client.post(request, "body").await;
    assert_eq!(response.body().body, b"abc");
    let fields = response.headers();
    for gone in ["transfer-encoding", "connection", "x-hop", "keep-alive"] {
        assert!(!fields.contains_key(gone), "{gone}");
    }
    let trailers = response.body().trailers.as_ref().expect("unannounced, and here");
    assert_eq!(trailers["x-sum"], "1");
    assert!(!trailers.contains_key("content-length"), "RFC 9110 6.5.1");
    let seen = upstream.request(0).await;
    assert_eq!(seen.field("content-length"), ["4"]);
    assert_eq!(seen.body(), b"body");

    let (response, mut stream) = client.begin(client.request("PUT", "/open"), false).await;
    send(&mut stream, "first".into(), false).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-check", "ok".parse().expect("a value"));
    trailers.insert("host", "elsewhere".parse().expect("a value"));
    stream.send_trailers(trailers).expect("sent");
    assert_eq!(soon("a response", response).await.expect("a response").status(), 200);
    let seen = upstream.request(1).await;
    assert_eq!(seen.field("transfer-encoding"), ["chunked"]);
    assert_eq!(seen.body(), b"5\r\nfirst\r\n0\r\nx-check: ok\r\n\r\n");
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let upstream = Upstream::start(|n, _| {
        vec![text(match n {
            0 => "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
            1 => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: \"a\"\r\n\r\n",
        })]
    })
    .await;
    let (_proxy, client) = before_http1(&upstream).await;
    for (method, status, length) in [("HEAD", 200, Some("99")), ("GET", 204, None)] {
        let response = client.get(client.request(method, "/")).await;
        assert_eq!(response.status(), status);
        let told = response.headers().get("content-length").map(|v| v.to_str().expect("text"));
        assert_eq!(told, length);
        assert!(response.body().body.is_empty());
    }
    let response = client.get(client.request("GET", "/")).await;
    assert_eq!((response.status().as_u16(), response.body().reset), (304, None));
    assert_eq!(response.headers()["etag"], "\"a\"");
}

#[tokio::test]
async fn interim_responses_reach_an_http2_client() {
    let upstream = Upstream::start_at_head(|_, _| {
        vec![
            text("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
            Act::ReadBody,
            text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ]
    })
    .await;
    let (_proxy, client) = before_http1(&upstream).await;
    let request = client.request("POST", "/").header("expect", "100-continue");
    let (mut response, mut stream) =
        client.begin(request.header("content-length", "3"), false).await;
    for expected in [103, 100] {
        let interim = std::future::poll_fn(|cx| response.poll_informational(cx));
        let interim = soon("an interim response", interim).await.expect("one").expect("one");
        assert_eq!(interim.status(), expected);
    }
    send(&mut stream, "yes".into(), true).await;
    assert_eq!(soon("a response", response).await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_a_reset_and_not_an_end() {
    for head in ["content-length: 9", "transfer-encoding: chunked", "x-until: close"] {
        let reply = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n3\r\nabc\r\n");
        let upstream = Upstream::always(vec![text(&reply), Act::Reset]).await;
        let (_proxy, client) = before_http1(&upstream).await;
        let (response, _stream) = client.begin(client.request("GET", "/"), true).await;
        // The reset may overtake the head.
        if let Ok(response) = soon("a response", response).await
            && response.status() == 200
        {
            assert_eq!(whole(response).await.body().reset, Some(h2::Reason::INTERNAL_ERROR));
        }
    }
}

#[tokio::test]
async fn a_request_of_http1_becomes_one_of_http2() {
    let upstream = Modern::start(|n, request, respond| async move {
        match n {
            0 => echo(request, respond).await,
            1 => {
                let mut respond = respond;
                let response = Response::builder().header("content-length", "1000");
                let _ = respond.send_response(response.body(()).expect("valid"), true);
            }
            _ => answer(respond, 204, "").await,
        }
    })
    .await;
    let (_proxy, mut client) = with(upstream.settings()).await;
    client
        .send(
            "POST /path?q HTTP/1.1\r\nHost: api.example\r\nX-Case: 1\r\nConnection: x-hop\r\n\
             X-Hop: 1\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n\
             5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n",
        )
        .await;
    let reply = client.reply().await;
    assert!(reply.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", reply.head);
    assert_eq!(reply.field("transfer-encoding"), ["chunked"]);
    assert_eq!(reply.text(), "5\r\nhello\r\n0\r\nx-sum: 9\r\n\r\n");
    let head = upstream.head(0).await;
    assert_eq!(head.uri, "http://api.example/path?q");
    assert_eq!(head.headers["x-case"], "1");
    assert_eq!(head.headers["te"], "trailers");
    for gone in ["host", "connection", "x-hop", "transfer-encoding"] {
        assert!(!head.headers.contains_key(gone), "{gone}");
    }
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply_without_body().await.field("content-length"), ["1000"]);
    client.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply_without_body().await.status(), 204);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_target_that_http2_cannot_carry_is_refused() {
    let upstream = Modern::start(|_, _, respond| answer(respond, 200, "")).await;
    let (_proxy, mut client) = with(upstream.settings()).await;
    client.send("GET /a<b> HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.reply().await.problem(400, "http_request_error").contains("target"));
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn both_sides_can_speak_http2() {
    let upstream = Modern::start(|_, request, respond| echo(request, respond)).await;
    let (_proxy, client) = before_http2(&upstream).await;
    let response = client.post(client.request("POST", "/x"), vec![7; 20 << 20]).await;
    assert_eq!(response.body().body.len(), 20 << 20);
    assert!(response.body().body.iter().all(|&b| b == 7));
    assert_eq!(upstream.head(0).await.headers["via"], "2.0 sidehook-0badcafe");
}
