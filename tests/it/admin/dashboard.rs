//! The files of the dashboard: open to everybody, and to nobody else's pages.

use std::io::Read as _;

use super::desk::{Desk, assert_problem};
use crate::support::client::{RawClient, Reply};

/// Asks without a token.
async fn ask(desk: &Desk, method: &str, path: &str, headers: &str) -> Reply {
    let mut client = RawClient::connect(desk.addr).await;
    let host =
        if headers.contains("host:") { String::new() } else { format!("host: {}\r\n", desk.addr) };
    client.send(format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n")).await;
    let has_body = method != "HEAD" && !headers.contains("if-none-match");
    if has_body { client.reply().await } else { client.reply_without_body().await }
}

fn one(reply: &Reply, name: &str) -> String {
    let fields = reply.field(name);
    assert_eq!(fields.len(), 1, "{name} in {}", reply.head);
    fields[0].clone()
}

#[tokio::test]
async fn every_file_is_there_without_a_token_as_it_is() {
    let desk = Desk::open().await;
    for asset in sidehook::dashboard::ASSETS {
        let path = match asset.path {
            "index.html" => "/".to_owned(),
            other => format!("/assets/{other}"),
        };
        let reply = ask(&desk, "GET", &path, "").await;
        assert_eq!(reply.status(), 200, "{path}");
        assert_is_told(&String::from_utf8_lossy(&reply.body), asset);
        assert_eq!(one(&reply, "content-type"), asset.content_type);
        assert!(one(&reply, "content-type").ends_with("charset=utf-8"));
        let head = ask(&desk, "HEAD", &path, "").await;
        assert_eq!((head.status(), one(&head, "etag")), (200, one(&reply, "etag")));
        assert_eq!(one(&head, "content-length"), reply.body.len().to_string());
    }
}

/// Line for line the file, but for remarks and types, which are for those who read the code.
fn assert_is_told(served: &str, asset: &sidehook::dashboard::Asset) {
    let types = regex::Regex::new(r"/\*\* @.*?\*/ ?").expect("an expression");
    let file = str::from_utf8(asset.bytes).expect("UTF-8");
    assert_eq!(served.lines().count(), file.lines().count(), "{}", asset.path);
    for (told, written) in served.lines().zip(file.lines()) {
        let begin = written.trim_start();
        let is_remark = ["//", "/*", "*", "*/"].iter().any(|sign| begin.starts_with(sign));
        let is_left_out = told.is_empty() && (is_remark || asset.path.ends_with(".css"));
        let is_whole = told == written || told == types.replace_all(written, "");
        assert!(is_whole || is_left_out, "{}: {written}", asset.path);
    }
}

#[tokio::test]
async fn the_page_may_load_run_and_send_nothing_but_its_own() {
    let desk = Desk::open().await;
    for path in ["/", "/assets/app.mjs"] {
        let reply = ask(&desk, "GET", path, "").await;
        let policy = one(&reply, "content-security-policy");
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(one(&reply, name), value, "{path}");
        }
        assert!(one(&reply, "permissions-policy").contains("camera=()"));
        assert_eq!(one(&reply, "vary").to_lowercase(), "accept-encoding");
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let desk = Desk::open().await;
    let tag = one(&ask(&desk, "GET", "/", "").await, "etag");
    assert!(tag.starts_with('"'), "a strong one: {tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let reply = ask(&desk, "GET", "/", &format!("if-none-match: {known}\r\n")).await;
        assert_eq!(reply.status(), 304, "{known}");
        assert_eq!(one(&reply, "etag"), tag);
        assert_eq!(one(&reply, "cache-control"), "no-cache");
    }
    let reply = ask(&desk, "HEAD", "/", "if-none-match: \"other\"\r\n").await;
    assert_eq!(reply.status(), 200);
    let other = one(&ask(&desk, "GET", "/assets/app.mjs", "").await, "etag");
    assert_ne!(tag, other, "each file has its own");
}

#[tokio::test]
async fn a_file_comes_packed_to_those_who_take_it() {
    let desk = Desk::open().await;
    let plain = ask(&desk, "GET", "/", "accept-encoding: gzip;q=0, br\r\n").await;
    assert!(plain.field("content-encoding").is_empty());
    let packed = ask(&desk, "GET", "/", "accept-encoding: br, gzip\r\n").await;
    assert_eq!(one(&packed, "content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len());
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut content).expect("gzip");
    assert_eq!(content, plain.body);
    // Another form has another tag, or a cache would mix them up.
    let (tag, tag_of_packed) = (one(&plain, "etag"), one(&packed, "etag"));
    assert_ne!(tag, tag_of_packed);
    for (known, accept, status) in
        [(&tag_of_packed, "gzip", 304), (&tag_of_packed, "identity", 200), (&tag, "gzip", 200)]
    {
        let headers = format!("if-none-match: {known}\r\naccept-encoding: {accept}\r\n");
        assert_eq!(ask(&desk, "HEAD", "/", &headers).await.status(), status, "{known} {accept}");
    }
}

const NAVIGATION: &str = "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n";

#[tokio::test]
async fn a_link_in_a_chat_leads_to_the_page_and_to_nothing_else() {
    let desk = Desk::open().await;
    let document = format!("{NAVIGATION}sec-fetch-dest: document\r\n");
    assert_eq!(ask(&desk, "GET", "/", &document).await.status(), 200);
    let own = "sec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\nsec-fetch-dest: script\r\n";
    assert_eq!(ask(&desk, "GET", "/assets/app.mjs", own).await.status(), 200);
    let frame = format!("{NAVIGATION}sec-fetch-dest: iframe\r\n");
    let fetch = "sec-fetch-site: cross-site\r\nsec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\n";
    let from = format!("{document}origin: https://evil.example\r\n");
    for (method, path, headers) in [
        ("GET", "/", frame.as_str()),
        ("GET", "/", fetch),
        ("GET", "/", &from),
        ("POST", "/", &document),
        ("GET", "/assets/app.mjs", fetch),
        ("GET", "/assets/app.mjs", &document),
        ("GET", "/v1/status", &document),
        ("GET", "/v1/status", fetch),
    ] {
        let reply = ask(&desk, method, path, headers).await;
        assert_problem(&reply, 403, "cross_site");
    }
    let reply = ask(&desk, "GET", "/", "host: evil.example\r\n").await;
    assert_problem(&reply, 403, "host_not_allowed");
}

#[tokio::test]
async fn a_path_that_is_no_file_is_nothing() {
    let desk = Desk::open().await;
    for path in [
        "/assets/nothing.mjs",
        "/assets/index.html",
        "/assets/../v1/status",
        "/assets/..%2fv1/status",
        "/assets/%2e%2e/v1/status",
        "/assets/./app.mjs",
        "/assets//app.mjs",
        "/assets/%61pp.mjs",
        "/assets/app.mjs/",
        "/assets/..\\..\\Cargo.toml",
        "/assets/%00",
        "/assets/%ff",
    ] {
        let reply = ask(&desk, "GET", path, "").await;
        assert_problem(&reply, 404, "no_such_path");
    }
    // Not one of ours: what there is and what there is not is told to nobody without the token.
    for path in ["//", "/assets", "/assets%2fapp.mjs", "/ASSETS/app.mjs", "/index.html", "/./"] {
        assert_problem(&ask(&desk, "GET", path, "").await, 401, "unauthorized");
    }
    for path in ["/", "/assets/app.mjs"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = ask(&desk, method, path, "content-length: 0\r\n").await;
            assert_problem(&reply, 405, "method_not_allowed");
            assert_eq!(one(&reply, "allow"), "GET,HEAD");
        }
    }
    let reply = ask(&desk, "GET", "/assets/app.mjs?v=2", "").await;
    assert_eq!(reply.status(), 200, "a query changes nothing");
}
