use super::desk::{Desk, READ_TOKEN, TOKEN, assert_problem, json};
use crate::support::client::RawClient;

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let desk = Desk::open().await;
    let paths = ["/metrics", "/v1/status", "/v1/events", "/v1/webhooks", "/v1/nothing", "/v1"];
    let partial = format!("authorization: Bearer {}\r\n", &TOKEN[1..]);
    let twice = format!("authorization: Bearer {TOKEN}\r\nauthorization: Bearer {TOKEN}\r\n");
    for headers in ["authorization: \r\n", "authorization: Basic YTpi\r\n", &partial, &twice] {
        let reply = desk.send("GET", paths[0], headers, "").await;
        assert_problem(&reply, 401, "unauthorized");
        assert!(reply.field("www-authenticate")[0].starts_with("Bearer"), "{}", reply.head);
    }
    for path in paths {
        let reply = desk.send("GET", path, "authorization: none\r\n", "").await;
        assert_problem(&reply, 401, "unauthorized");
    }
    for name in ["token", "access_token"] {
        let request = format!("GET /v1/status?{name}={TOKEN} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let reply = desk.raw(&request).await;
        assert_problem(&reply, 401, "unauthorized");
        let detail = json(&reply)["detail"].to_string();
        assert!(detail.contains("never taken from the URL"), "a hint: {detail}");
        assert!(!detail.contains(TOKEN), "{detail}");
    }
    for path in ["/livez", "/readyz"] {
        let reply = desk.send("GET", path, "authorization: none\r\n", "").await;
        assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
    }
    let lower = format!("authorization: bearer {TOKEN}\r\n");
    assert_eq!(desk.send("GET", "/v1/status", &lower, "").await.status(), 200);
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_the_right_one_never() {
    let desk = Desk::open().await;
    let wrong = "authorization: Bearer wrong\r\n";
    for n in 0..10 {
        let reply = desk.send("GET", "/v1/status", wrong, "").await;
        assert_eq!(reply.status(), 401, "wrong token {n}");
    }
    let reply = desk.send("GET", "/v1/status", wrong, "").await;
    assert_problem(&reply, 429, "too_many_wrong_tokens");
    let wait: u64 = reply.field("retry-after")[0].parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(desk.get("/v1/status").await.status(), 200, "the right one");
    assert_eq!(desk.send("GET", "/v1/status", wrong, "").await.status(), 429, "still");
}

#[tokio::test]
async fn other_names_and_other_sites_are_refused() {
    let desk = Desk::open().await;
    let port = desk.addr.port();
    for host in ["evil.example", "evil.example:80", "localhost:1", "127.0.0.1.evil.example", ""] {
        for path in ["/v1/status", "/readyz"] {
            let reply = desk.send("GET", path, &format!("host: {host}\r\n"), "").await;
            assert_problem(&reply, 403, "host_not_allowed");
        }
    }
    for headers in [
        "origin: https://evil.example\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        format!("origin: http://localhost:{}\r\n", port.wrapping_add(1)),
        "sec-fetch-site: cross-site\r\n".to_owned(),
        "sec-fetch-site: same-site\r\n".to_owned(),
    ] {
        let reply = desk.send("GET", "/v1/status", &headers, "").await;
        assert_problem(&reply, 403, "cross_site");
        assert!(reply.field("access-control-allow-origin").is_empty(), "{}", reply.head);
    }
    for headers in [
        format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"),
        "host: admin.example.com\r\norigin: https://admin.example.com\r\n".to_owned(),
        "host: [::1]\r\nsec-fetch-site: same-origin\r\n".to_owned(),
        "sec-fetch-site: none\r\n".to_owned(),
    ] {
        assert_eq!(desk.send("GET", "/v1/status", &headers, "").await.status(), 200, "{headers}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let desk = Desk::open().await;
    for path in ["/nothing", "/v1/events/", "/v1/events/x/y", "/v1"] {
        assert_problem(&desk.get(path).await, 404, "no_such_path");
    }
    for (method, path, allowed) in [
        ("DELETE", "/v1/events", "GET"),
        ("GET", "/v1/deliveries/x/retry", "POST"),
        ("OPTIONS", "/v1/status", "GET"),
        ("POST", "/livez", "GET"),
    ] {
        let reply = desk.send(method, path, "content-length: 0\r\n", "").await;
        assert_problem(&reply, 405, "method_not_allowed");
        assert!(reply.field("allow")[0].contains(allowed), "{}", reply.head);
    }
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let desk = Desk::open().await;
    for path in ["/livez", "/metrics", "/v1/status", "/nothing"] {
        let reply = desk.get(path).await;
        assert_eq!(reply.field("x-content-type-options"), ["nosniff"], "{path}");
        assert_eq!(reply.field("cache-control"), ["no-store"], "{path}");
        assert!(reply.field("content-security-policy")[0].contains("default-src 'none'"), "{path}");
    }
}

#[tokio::test]
async fn a_body_is_json_small_and_asked_for() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let path = format!("/v1/deliveries/{}/retry", deliveries[0].id);
    let json_type = "content-type: application/json; charset=utf-8\r\n";
    let long = "x".repeat(70_000);
    for (headers, body, status, code) in [
        ("", "{}", 415, "not_json"),
        ("content-type: text/plain\r\n", "{}", 415, "not_json"),
        ("content-type: application/x-www-form-urlencoded\r\n", "", 415, "not_json"),
        (json_type, "{", 400, "bad_json"),
        (json_type, "[]", 422, "invalid"),
        (json_type, r#"{"when":"later"}"#, 422, "invalid"),
        (json_type, &long, 413, "body_too_large"),
    ] {
        let reply = desk.send("POST", &path, headers, body).await;
        assert_problem(&reply, status, code);
        if status == 422 {
            assert!(json(&reply)["errors"][0]["message"].is_string(), "{}", reply.text());
        }
    }
    let reply = desk.send("POST", &path, json_type, "{}").await;
    assert_eq!(reply.status(), 202, "{}", reply.text());
}

#[tokio::test]
async fn the_read_token_reads_and_changes_nothing() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let reader = format!("authorization: Bearer {READ_TOKEN}\r\n");
    let delivery = format!("/v1/deliveries/{}", deliveries[0].id);
    for path in ["/v1/status", "/v1/events", "/v1/webhooks", "/v1/rules", "/metrics", &delivery] {
        for method in ["GET", "HEAD"] {
            let reply = desk.send_head(method, path, &reader).await;
            assert_eq!(reply, 200, "{method} {path}");
        }
    }
    let webhooks = desk.json("/v1/webhooks").await;
    let webhooks = webhooks["data"].as_array().expect("a list");
    let billing = webhooks.iter().find(|of| of["name"] == "billing").expect("one of the file");
    let billing = format!("/v1/webhooks/{}", billing["id"].as_str().expect("a text"));
    let kind = "content-type: application/json\r\n";
    for (method, path, body) in [
        ("POST", format!("{delivery}/retry"), "{}"),
        ("PATCH", billing.clone(), r#"{"status":"disabled"}"#),
        ("DELETE", billing.clone(), ""),
        ("PUT", billing.clone(), "{}"),
        ("POST", "/v1/nothing".to_owned(), "{}"),
        ("PUT", "/v1/rules/test".to_owned(), "{}"),
        ("POST", "/v1/rules/test/".to_owned(), "{}"),
        ("POST", "/v1/rules/../reload".to_owned(), "{}"),
    ] {
        let reply = desk.send(method, &path, &format!("{reader}{kind}"), body).await;
        assert_problem(&reply, 403, "read_only");
    }
    // A question that needs a body changes nothing either.
    let call = r#"{"method": "POST", "url": "/tasks"}"#;
    let reply = desk.send("POST", "/v1/rules/test", &format!("{reader}{kind}"), call).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let full = desk.send("POST", "/v1/rules/test", kind, call).await;
    assert_eq!(reply.text(), full.text());
    let status = |reply: &crate::support::client::Reply| json(reply)["access"].clone();
    let reply = desk.send("GET", "/v1/status", &reader, "").await;
    assert_eq!(status(&reply), "read");
    assert_eq!(status(&desk.get("/v1/status").await), "full");
    assert_eq!(desk.json(&billing).await["status"], "active", "nothing has changed");
}

/// What names a server in a request, in every spelling that HTTP has.
#[tokio::test]
async fn a_request_names_this_server_once_and_rightly() {
    let desk = Desk::open().await;
    let port = desk.addr.port();
    let bearer = format!("authorization: Bearer {TOKEN}\r\nconnection: close\r\n");
    for (line, hosts, expected) in [
        ("GET /v1/status HTTP/1.0", String::new(), 403),
        ("GET /v1/status HTTP/1.0", "host: localhost\r\n".to_owned(), 200),
        ("GET /v1/status HTTP/1.1", "host: LocalHost\r\n".to_owned(), 200),
        ("GET /v1/status HTTP/1.1", format!("host: [::1]:{port}\r\n"), 200),
        ("GET /v1/status HTTP/1.1", format!("host: [::2]:{port}\r\n"), 403),
        ("GET /v1/status HTTP/1.1", "host: localhost.\r\n".to_owned(), 403),
        ("GET /v1/status HTTP/1.1", "host: l\u{f6}calhost\r\n".to_owned(), 403),
        ("GET /v1/status HTTP/1.1", "host: localhost\r\nhost: localhost\r\n".to_owned(), 403),
        ("GET /v1/status HTTP/1.1", "host: localhost\r\nhost: evil.example\r\n".to_owned(), 403),
        ("GET http://localhost/v1/status HTTP/1.1", "host: localhost\r\n".to_owned(), 200),
        ("GET http://evil.example/v1/status HTTP/1.1", "host: localhost\r\n".to_owned(), 403),
        ("GET http://localhost/v1/status HTTP/1.1", "host: evil.example\r\n".to_owned(), 403),
        ("GET http://localhost/v1/status HTTP/1.1", "host: \u{f6}\r\n".to_owned(), 403),
        ("GET http://a@localhost/v1/status HTTP/1.1", "host: localhost\r\n".to_owned(), 403),
    ] {
        let reply = desk.raw(&format!("{line}\r\n{hosts}{bearer}\r\n")).await;
        assert_eq!(reply.status(), expected, "{line} {hosts}: {}", reply.text());
    }
}

/// What a page of another site could try: a simple request, a preflight, another method in disguise.
#[tokio::test]
async fn no_site_is_ever_told_that_it_may() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let own = format!("origin: http://localhost:{}\r\n", desk.addr.port());
    let asks = "access-control-request-method: POST\r\naccess-control-request-headers: *\r\n";
    let retry = format!("/v1/deliveries/{}/retry", deliveries[0].id);
    for (method, path) in [
        ("OPTIONS", "/v1/status"),
        ("OPTIONS", "/livez"),
        ("OPTIONS", retry.as_str()),
        ("GET", "/v1/status"),
        ("GET", "/readyz"),
    ] {
        for origin in [&own[..], "origin: https://evil.example\r\n"] {
            let headers = format!("{origin}{asks}content-length: 0\r\n");
            let reply = desk.send(method, path, &headers, "").await;
            let head = reply.head.to_ascii_lowercase();
            assert!(!head.contains("access-control-"), "{method} {path}: {head}");
            assert!(method == "GET" || reply.status() >= 400, "{method} {path}: {head}");
        }
    }
    for disguise in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let headers = format!("{disguise}: POST\r\n");
        let reply = desk.send("GET", &retry, &headers, "").await;
        assert_problem(&reply, 405, "method_not_allowed");
    }
    let reply = desk.send("GET", &format!("{retry}?_method=POST"), "", "").await;
    assert_problem(&reply, 405, "method_not_allowed");
}

#[tokio::test]
async fn a_broken_body_is_not_called_too_large() {
    let desk = Desk::open().await;
    let head = format!(
        "POST /v1/rules/test HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    assert_problem(&desk.raw(&format!("{head}zz\r\n")).await, 400, "bad_json");
    assert_problem(
        &desk.raw(&format!("{head}11000\r\n{}", "x".repeat(70_000))).await,
        413,
        "body_too_large",
    );
}

/// As `curl` sends a file: all of it, before it looks for an answer.
#[tokio::test]
async fn who_sends_far_too_much_is_told_so() {
    let desk = Desk::open().await;
    let body = "x".repeat(8 << 20);
    let json_type = "content-type: application/json\r\n";
    let reply = desk.send("POST", "/v1/rules/test", json_type, &body).await;
    assert_problem(&reply, 413, "body_too_large");
}

/// Whoever stands before this listener and reads such a head differently would see other requests.
#[tokio::test]
async fn a_body_has_one_framing() {
    let desk = Desk::open().await;
    for coding in [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
    ] {
        let request = format!(
            "POST /livez HTTP/1.1\r\nhost: localhost\r\n{coding}\r\n\r\n0\r\n\r\n\
             GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
        );
        let mut client = RawClient::connect(desk.addr).await;
        client.send(&request).await;
        let rest = String::from_utf8_lossy(&client.rest().await.bytes).into_owned();
        assert!(rest.starts_with("HTTP/1.1 400"), "{coding}: {rest}");
        assert_eq!(rest.matches("HTTP/1.1 ").count(), 1, "{coding}: {rest}");
    }
}
