use proptest::prelude::*;

use super::*;
use crate::proxy::wire::{Name, Names};

fn request(text: &[u8]) -> Result<Option<(usize, Vec<u8>)>, ParseError> {
    let mut head = Head::new();
    Ok(parse_request(text, &mut head)?.map(|n| {
        let mut out = Vec::new();
        head.write_request(&mut out);
        (n, out)
    }))
}

fn response(text: &[u8]) -> Result<Option<(usize, Vec<u8>)>, ParseError> {
    let mut head = Head::new();
    Ok(parse_response(text, &mut head)?.map(|n| {
        let mut out = Vec::new();
        head.write_response(&mut out, false);
        (n, out)
    }))
}

fn written(text: &[u8]) -> String {
    let (n, out) = request(text).expect("a head").expect("whole");
    assert_eq!(n, text.len());
    String::from_utf8(out).expect("text")
}

#[test]
fn a_request_passes_as_it_is() {
    let head = "M-x /a%2F//../b?c=|\"[]{}^\\ HTTP/1.1\r\nHost: a\r\nX-OrGaNi: \t1 2\r\nempty:\r\n\
                x-organi: 3\r\n";
    let passed = written(format!("{head}\r\n").as_bytes());
    assert_eq!(passed, head.replace("\t1 2", "1 2").replace("empty:", "empty: "));
    assert_eq!(written(b"GET / HTTP/1.0\r\n\r\n"), "GET / HTTP/1.1\r\n");
}

#[test]
fn blank_lines_before_a_request_are_skipped_but_not_many() {
    let head = "GET / HTTP/1.1\r\n\r\n";
    assert_eq!(written(("\r\n".repeat(8) + head).as_bytes()), "GET / HTTP/1.1\r\n");
    assert_eq!(request(("\r\n".repeat(9) + head).as_bytes()), Err(ParseError::Malformed));
    for part in ["", "\r", "\r\n", "\r\n\r"] {
        assert_eq!(request(part.as_bytes()), Ok(None), "{part:?}");
    }
    assert_eq!(request(b"\n"), Err(ParseError::BareLineFeed));
    assert_eq!(request(b"\rG"), Err(ParseError::BareLineFeed));
}

#[test]
fn what_some_would_read_otherwise_is_refused() {
    for text in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n",
        "GET / HTTP/1.1\rHost: a\r\r",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET\t/ HTTP/1.1\r\n\r\n",
        "GET /  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nX : y\r\n\r\n",
        "GET / HTTP/1.1\r\n X: y\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\n: y\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        "GET /a<b HTTP/1.1\r\n\r\n",
        "GET /?a>b HTTP/1.1\r\n\r\n",
        "GET /`a HTTP/1.1\r\n\r\n",
        "GET /#a HTTP/1.1\r\n\r\n",
        "GET /?#a HTTP/1.1\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\n\r\n",
    ] {
        assert!(request(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(request(b"GET /\xff HTTP/1.1\r\n\r\n").is_err());
    assert!(written("GET /caf\u{e9}?`^ HTTP/1.1\r\n\r\n".as_bytes()).contains("/caf\u{e9}?`^ "));
}

#[test]
fn fields_are_counted() {
    let with = |n: usize| "GET / HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(n) + "\r\n";
    assert_eq!(written(with(FIELDS_MAX).as_bytes()).lines().count(), FIELDS_MAX + 1);
    assert_eq!(request(with(FIELDS_MAX + 1).as_bytes()), Err(ParseError::TooManyFields));
}

#[test]
fn f6_f7_h9_responses_are_repaired_and_keep_their_reason() {
    let with = |text: &[u8]| {
        let (n, out) = response(text).expect("a head").expect("whole");
        assert_eq!(n, text.len());
        out
    };
    assert_eq!(
        with(b"HTTP/1.1 200 Fine\xe9 (y)\r\nX-A : 1\r\nX-B: 2\r\n  3\r\n\t4\r\nX-C:\r\n\r\n"),
        b"HTTP/1.1 200 Fine\xe9 (y)\r\nX-A: 1\r\nX-B: 2 3 4\r\nX-C: \r\n"
    );
    assert_eq!(with(b"HTTP/1.1 200\r\n\r\n"), b"HTTP/1.1 200 \r\n");
    assert_eq!(with(b"HTTP/1.1 200 \r\n\r\n"), b"HTTP/1.1 200 \r\n");
    assert_eq!(with(b"HTTP/1.0 299 x\nA: b\n\n"), b"HTTP/1.1 299 x\r\nA: b\r\n");
    assert_eq!(with(b"\r\nHTTP/1.1 204 x\r\n\r\n"), b"HTTP/1.1 204 x\r\n");
    for text in [
        &b"HTTP/1.1 099 x\r\n\r\n"[..],
        b"HTTP/1.1 20 x\r\n\r\n",
        b"HTTP/1.1 2000 x\r\n\r\n",
        b"HTTP/1.2 200 x\r\n\r\n",
        b"HTTP/1.1 200 x\0\r\n\r\n",
        b"HTTP/1.1 200 x\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 x\r\nA: b\0\r\n\r\n",
        b"HTTP/1.1 200 x\r\nno colon\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"hello\r\n\r\n",
    ] {
        assert!(response(text).is_err(), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn edits_leave_everything_else_where_it_was() {
    let mut head = Head::new();
    let text = b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nConnection: x-a\r\nx-a: 2\r\n\
                 Content-Length: 5\r\nX-B:\r\nContent-Length: 5\r\n\r\n";
    parse_request(text, &mut head).expect("a head").expect("whole");
    head.narrow_target(8..12);
    head.remove_named(b"X-A");
    head.remove(Names::none().with(Name::Connection));
    head.push_value_of("X-Forwarded-Host", Name::Host);
    head.push_value_of("x-none", Name::Via);
    head.set("content-length", b"5");
    let mut out = Vec::new();
    head.write_request(&mut out);
    let expected =
        "GET /b?c HTTP/1.1\r\nHost: a\r\nX-B: \r\nX-Forwarded-Host: a\r\ncontent-length: 5\r\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
    assert!(!head.has(Name::Connection) && head.has(Name::XForwardedHost));
    assert_eq!(head.all(Name::ContentLength).count(), 1);
    head.remove_named(b"content-length");
    assert!(!head.has(Name::ContentLength));
    head.set_target(b"*");
    assert_eq!(head.target(), b"*");
}

/// Bytes that are almost a head.
fn almost(lines: [&'static [u8]; 2]) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => Just(lines[0]), 1 => Just(lines[1]), 6 => Just(&b"\r\n"[..]),
        6 => Just(&b"Host: a\r\n"[..]), 3 => Just(&b"X-\xe9: b\r\n"[..]), 3 => Just(&b"X:\r\n"[..]),
        2 => Just(&b" folded\r\n"[..]), 2 => Just(&b"X : y\r\n"[..]), 1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]), 1 => Just(&b"\0"[..]), 1 => Just(&b"X: \xff\t\r\n"[..]),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
}

proptest! {
    /// A head that is cut anywhere is not complete, or already wrong if the whole is: never another.
    #[test]
    fn a_cut_request_is_never_another_one(
        text in almost([b"GET / HTTP/1.1\r\n", b"GET /?\xc3\xa9 HTTP/1.0\r\n"]),
    ) {
        let whole = request(&text);
        for n in 0..text.len() {
            match (request(&text[..n]), &whole) {
                (Ok(None), _) => {}
                (Ok(Some(got)), Ok(Some(all))) => prop_assert_eq!(&got, all),
                (Err(got), Err(_)) => { let _ = got; }
                (got, all) => prop_assert!(false, "{:?} of {} bytes, whole {:?}", got, n, all),
            }
        }
    }

    #[test]
    fn a_cut_response_is_never_another_one(
        text in almost([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404 \xe9\r\n"]),
    ) {
        let whole = response(&text);
        for n in 0..text.len() {
            match (response(&text[..n]), &whole) {
                (Ok(None), _) => {}
                (Ok(Some(got)), Ok(Some(all))) => prop_assert_eq!(&got, all),
                (Err(_), Err(_)) => {}
                (got, all) => prop_assert!(false, "{:?} of {} bytes, whole {:?}", got, n, all),
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (request(&text), response(&text));
        let _ = request(&[b"GET / HTTP/1.1\r\n", &text[..], b"\r\n\r\n"].concat());
        let _ = response(&[b"HTTP/1.1 200 ", &text[..], b"\r\n\r\n"].concat());
    }
}
