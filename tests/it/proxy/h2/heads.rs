//! Heads that are small on the wire and large in memory (RFC 7541 7.3).

use std::iter::repeat_n;

use super::frames::{END_HEADERS, END_STREAM, GET, HEADERS, RESET, fields, frame};
use super::hostile::{Hostile, assert_serves, silent};
use super::stand::{Client, Modern, answer};
use crate::proxy::stand::{Storage, start};
use crate::support::until;

#[tokio::test]
async fn a_head_has_as_many_fields_as_over_http1() {
    let upstream = Modern::start(|_, _, respond| answer(respond, 200, "x")).await;
    let proxy = start(upstream.settings(), Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    // With Host.
    for (n, status) in [(127, 200), (128, 431)] {
        let with = |request: http::request::Builder, _| request.header("x", "");
        let request = (0..n).fold(client.request("GET", "/"), with);
        assert_eq!(client.get(request).await.status(), status, "{n}");
    }
    // Crumbs are one field (RFC 9113 8.2.3).
    let with = |request: http::request::Builder, _| request.header("cookie", "a=b");
    let request = (0..300).fold(client.request("GET", "/"), with);
    assert_eq!(client.get(request).await.status(), 200);
    let head = upstream.head(1).await;
    assert_eq!(head.headers["cookie"].len(), 300 * "a=b; ".len() - 2);
    assert_eq!(upstream.calls(), 2);
}

/// An entry of the dynamic table, and calls that refer to it: 60 KiB of a head in thirty bytes.
#[tokio::test]
async fn heads_take_a_bounded_amount_of_memory_per_connection() {
    const CALLS: u32 = 100;
    let (upstream, proxy, _storage) = silent(|_| {}).await;
    let mut hostile = Hostile::connect(&proxy).await;
    for i in 0..CALLS {
        let mut head = fields(GET);
        if i == 0 {
            head.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
            head.extend(repeat_n(b'v', 4000));
        } else {
            // The authority comes before it each time.
            head.truncate(3);
            head.extend_from_slice(&[1, 1, b'a']);
        }
        head.extend(repeat_n(0xbe, 14));
        let bytes = frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, &head);
        hostile.writes(&bytes).await.expect("sent");
    }
    // REFUSED_STREAM: a client that means well tries again.
    for _ in 0..CALLS - 20 {
        assert_eq!(hostile.reads(RESET).await, Some(7_u32.to_be_bytes().to_vec()));
    }
    assert!(upstream.calls() <= 20, "{} calls", upstream.calls());
    until("what fits is served", || upstream.calls() >= 8).await;
    assert_serves(&proxy).await;
}
