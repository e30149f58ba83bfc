use super::*;
use crate::model::{RequestPart, ResponsePart};

fn exchange(request: Body, response: Body, headers: &[(&str, &str)]) -> Exchange {
    let headers =
        HeaderList(headers.iter().map(|&(n, v)| (n.into(), v.as_bytes().to_vec())).collect());
    Exchange {
        request: RequestPart {
            method: "POST".into(),
            url: "/".into(),
            params: Vec::new(),
            headers: headers.clone(),
            body: request,
        },
        response: ResponsePart { status: 200, headers, body: response },
    }
}

fn redacted(pointers: &[&str], body: &str) -> Option<String> {
    let pointers: Vec<String> = pointers.iter().map(|&p| p.into()).collect();
    let mut exchange = exchange(Body::complete(body), Body::none(), &[]);
    Fields::new(&pointers).redact(&mut exchange);
    let body = exchange.request.body;
    match body.state {
        BodyState::Complete => Some(String::from_utf8(body.bytes).expect("still text")),
        _ => {
            assert!(body.bytes.is_empty(), "left out whole");
            None
        }
    }
}

#[test]
fn fields_are_cut_out_of_the_text_received() {
    for (pointers, body, expected) in [
        (
            &["/request/body/a"][..],
            r#" {"a": 1e400, "b" : 1.0}"#,
            r#" {"a": "REDACTED", "b" : 1.0}"#,
        ),
        (
            &["/request/body/a/b"],
            r#"{"a":{"b":[1,{"x":"}"}],"c":2}}"#,
            r#"{"a":{"b":"REDACTED","c":2}}"#,
        ),
        (
            &["/request/body/*/pw"],
            r#"[{"pw":"1"},{"pw":"2","u":"x"}]"#,
            r#"[{"pw":"REDACTED"},{"pw":"REDACTED","u":"x"}]"#,
        ),
        (&["/request/body/l/1"], r#"{"l":[1,2,3]}"#, r#"{"l":[1,"REDACTED",3]}"#),
        (
            &["/request/body/p"],
            r#"{"\u0070":"s","p":"t"}"#,
            r#"{"\u0070":"REDACTED","p":"REDACTED"}"#,
        ),
        (&["/request/body/a~1b/~0"], r#"{"a/b":{"~":"s"}}"#, r#"{"a/b":{"~":"REDACTED"}}"#),
        (&["/request/body/a", "/request/body/a/b"], r#"{"a":{"b":1}}"#, r#"{"a":"REDACTED"}"#),
        (
            &["/request/body/x"],
            r#"{"a":"\\\"","e":{},"f":[],"g":[[]]}"#,
            r#"{"a":"\\\"","e":{},"f":[],"g":[[]]}"#,
        ),
        (&["/request/body/x"], "17", "17"),
        (&["/response/body/a"], "not JSON", "not JSON"),
        (&["/request/bodyguard"], "not JSON", "not JSON"),
    ] {
        assert_eq!(redacted(pointers, body).as_deref(), Some(expected), "{pointers:?} {body}");
    }
}

#[test]
fn a_body_that_cannot_be_searched_is_left_out() {
    for body in ["{\"a\":", "a=secret", "\u{feff}{}", "{} {}", "{\"a\":01}", "\u{0}"] {
        assert_eq!(redacted(&["/request/body/a"], body), None, "{body}");
    }
    assert_eq!(redacted(&["/request/body"], " {} "), None, "a pointer at the whole body");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(redacted(&["/request/body/a"], &deep), None);

    let fields = Fields::new(&["/request/body/a".into(), "/response/body/a".into()]);
    let cut = Body { bytes: b"{}".to_vec(), size: 3, state: BodyState::Truncated, ..Body::none() };
    let mut cut_and_empty = exchange(cut, Body::none(), &[]);
    fields.redact(&mut cut_and_empty);
    assert_eq!(cut_and_empty.request.body.state, BodyState::Redacted);
    assert_eq!(cut_and_empty.request.body.size, 3, "the size on the wire stays");
    assert_eq!(cut_and_empty.response.body, Body::none(), "no body is no secret");

    let encoded = [("content-encoding", "gzip")];
    let mut compressed = exchange(Body::complete("{}"), Body::complete("{}"), &encoded);
    fields.redact(&mut compressed);
    assert_eq!(compressed.response.body.state, BodyState::Redacted);
}

#[test]
fn query_parameters_are_hidden_however_they_are_spelled() {
    let names = ["access_token".to_owned(), "key".to_owned()];
    for (target, expected) in [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?x=1&access_token=s3cret&y=", "/a?x=1&access_token=REDACTED&y="),
        ("/a?access%5ftoken=s&key=t=u", "/a?access%5ftoken=REDACTED&key=REDACTED"),
        ("/a?key&keys=1&KEY=2", "/a?key&keys=1&KEY=2"),
        ("/a?q=%26key=1?key=2", "/a?q=%26key=1?key=2"),
    ] {
        assert_eq!(redact_query(target, &names), expected, "{target}");
    }
    assert_eq!(redact_query("/a?key=1", &[]), "/a?key=1");
}

#[test]
fn a_compressed_body_is_stored_plain_and_redacted_or_left_out() {
    use std::io::Write as _;
    let gzip = |text: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text).expect("into memory");
        out.finish().expect("into memory")
    };
    let coding = &[("content-encoding", "gzip")];
    let redacted = |body: Body| {
        let mut exchange = exchange(body, Body::none(), coding);
        Fields::new(&["/request/body/pw".to_owned()]).redact(&mut exchange);
        exchange.request
    };
    let bytes = gzip(br#"{"pw": "SECRET", "n": 1.0}"#);
    let request = redacted(Body::complete(bytes.clone()));
    assert_eq!(request.body.bytes, br#"{"pw": "REDACTED", "n": 1.0}"#);
    assert_eq!(request.body.size, bytes.len() as u64, "bytes on the wire");
    assert_eq!(request.headers.get("content-encoding"), Some(&b"gzip"[..]), "as received");
    let view = crate::view::body_view(&request.body, &request.headers);
    let shown = serde_json::to_string(&view.body).expect("JSON");
    assert_eq!((shown.as_str(), view.body_truncated), (r#"{"pw": "REDACTED", "n": 1.0}"#, false));
    let mut damaged = bytes.clone();
    damaged.truncate(bytes.len() - 12);
    let bomb = gzip(format!(r#"{{"pw": "{}"}}"#, "x".repeat(1 << 20)).as_bytes());
    let limit = 2000;
    for body in [
        Body::complete(damaged),
        Body::complete(gzip(b"no JSON")),
        Body { limit, ..Body::complete(bomb) },
        Body { state: BodyState::Truncated, size: 999, ..Body::complete(bytes) },
    ] {
        let body = redacted(body).body;
        assert_eq!((body.state, body.bytes.len()), (BodyState::Redacted, 0));
    }
}
