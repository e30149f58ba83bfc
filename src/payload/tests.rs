use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::*;
use crate::view::{request_view, response_view};

mod formats;

fn headers(pairs: &[(&str, &str)]) -> HeaderList {
    HeaderList(pairs.iter().map(|&(n, v)| (n.to_owned(), v.as_bytes().to_vec())).collect())
}

fn typed(content_type: &str) -> HeaderList {
    if content_type.is_empty() { headers(&[]) } else { headers(&[("content-type", content_type)]) }
}

fn event(request: (HeaderList, Body), response: (HeaderList, Body)) -> Event {
    Event {
        id: EventId::from_uuid(uuid::Uuid::nil()),
        ordinal: 1,
        time: Timestamp::from_millis(1_769_851_800_123),
        subject: None,
        depth: 0,
        is_test: false,
        rule: RuleRef { id: 1, label: "event-1".to_owned(), tag: Some("tag-1".to_owned()) },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/api/v01/some/url/path".to_owned(),
                params: vec![("id".to_owned(), "7".to_owned())],
                headers: request.0,
                body: request.1,
            },
            response: ResponsePart { status: 200, headers: response.0, body: response.1 },
        },
        deliveries: Vec::new(),
    }
}

fn webhook(format: Format, secret: Option<&str>) -> Webhook {
    let url = url::Url::parse("https://example.com/").expect("a URL");
    Webhook { format, secret: secret.map(Secret::new), ..Webhook::new("w", url) }
}

const DELIVERY: &str = "70195486-8934-4a31-a504-a97a72c7f322";

const SOURCE: &str = "//upstream.test:3000";

fn rendered_as(format: Format, event: &Event, secret: Option<&str>) -> Rendered {
    let delivery = DELIVERY.parse().expect("an id");
    let webhook = webhook(format, secret);
    render(&Arc::new(event.clone()), delivery, &webhook, SOURCE).expect("renders")
}

fn rendered(event: &Event, secret: Option<&str>) -> String {
    let rendered = rendered_as(Format::Exchange, event, secret);
    assert_eq!(rendered.content_type, Some(http::HeaderValue::from_static("application/json")));
    assert_eq!(rendered.headers, []);
    String::from_utf8(rendered.body).expect("UTF-8")
}

#[test]
fn exchange_is_the_contracts_example_to_the_byte() {
    let json = || typed("application/json");
    let event =
        event((json(), Body::complete(r#"{"foo": "bar"}"#)), (json(), Body::complete("{}")));
    assert_eq!(
        rendered(&event, Some("secret-1")),
        concat!(
            r#"{"event":{"id":1,"label":"event-1"},"id":"70195486-8934-4a31-a504-a97a72c7f322","#,
            r#""request":{"tag":"tag-1","method":"post","url":"/api/v01/some/url/path","#,
            r#""body":{"foo": "bar"}},"response":{"status":200,"body":{}},"secret":"secret-1"}"#
        )
    );
}

#[test]
fn a_chain_is_told_in_the_event() {
    let none = || (typed(""), Body::none());
    let event = Event { depth: 2, ..event(none(), none()) };
    let start = r#"{"event":{"id":1,"label":"event-1","depth":2},"id":"#;
    assert!(rendered(&event, None).starts_with(start), "{}", rendered(&event, None));
}

#[test]
fn tag_and_secret_are_absent_when_there_is_none() {
    let none = || (typed(""), Body::none());
    let mut event = event(none(), none());
    event.rule.tag = None;
    let shown: Value = serde_json::from_str(&rendered(&event, None)).expect("JSON");
    let expected = json!({
        "event": {"id": 1, "label": "event-1"},
        "id": DELIVERY,
        "request": {"method": "post", "url": "/api/v01/some/url/path", "body": null},
        "response": {"status": 200, "body": null},
    });
    assert_eq!(shown, expected);
}

/// What stands for a response body: the raw text after `"status":200,` up to the closing brace.
fn shown(headers: HeaderList, body: Body) -> String {
    let text = rendered(&event((typed(""), Body::none()), (headers, body)), None);
    let (_, rest) = text.split_once(r#""response":{"status":200,"#).expect("a response");
    rest.strip_suffix("}}").expect("the end").to_owned()
}

#[test]
fn bodies_are_shown_by_what_they_are() {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let cases: &[(&str, &[u8], &str)] = &[
        // JSON: the bytes received, whatever a parser would make of them
        (json, b" {\"a\" : 1.0e0, \"a\":2}\r\n", r#""body":{"a" : 1.0e0, "a":2}"#),
        (json, b"123456789012345678901234567890.10", r#""body":123456789012345678901234567890.10"#),
        ("application/problem+json; charset=utf-8", b"[1]", r#""body":[1]"#),
        ("Application/JSON", b"null", r#""body":null"#),
        ("", b"{\"a\":1}", r#""body":{"a":1}"#),
        (json, b"\xef\xbb\xbf{\"bom\":1}", r#""body":{"bom":1}"#),
        (json, b"\"\\ud800\"", r#""body":"\ud800""#),
        // not JSON after all
        (json, b"{oops", r#""body":"{oops","body_encoding":"text""#),
        (json, b"{} {}", r#""body":"{} {}","body_encoding":"text""#),
        (json, b" ", r#""body":" ","body_encoding":"text""#),
        (json, b"{\"a\":\"\xff\"}", r#""body":"eyJhIjoi/yJ9","body_encoding":"base64""#),
        ("", b"plain", r#""body":"plain","body_encoding":"text""#),
        ("text/plain", b"{}", r#""body":"{}","body_encoding":"text""#),
        // forms
        (form, b"a=1&b=x+y&a=%C3%A9", r#""body":{"a":["1","é"],"b":"x y"},"body_encoding":"form""#),
        (form, b"a", r#""body":{"a":""},"body_encoding":"form""#),
        (form, b"a=%ff", r#""body":"a=%ff","body_encoding":"text""#),
        (form, b"a=\xff", r#""body":"YT3/","body_encoding":"base64""#),
        // charsets
        ("text/plain; charset=ISO-8859-1", b"caf\xe9", r#""body":"café","body_encoding":"text""#),
        ("text/plain;charset=\"utf-8\"", "é".as_bytes(), r#""body":"é","body_encoding":"text""#),
        ("text/plain; charset=us-ascii", b"ok", r#""body":"ok","body_encoding":"text""#),
        (
            "text/plain; charset=us-ascii",
            "é".as_bytes(),
            r#""body":"w6k=","body_encoding":"base64""#,
        ),
        ("text/plain; charset=klingon", b"ab", r#""body":"YWI=","body_encoding":"base64""#),
        ("image/png", b"\x89PNG", r#""body":"iVBORw==","body_encoding":"base64""#),
        ("text/html", b"</script>\x00\"", r#""body":"</script>\u0000\"","body_encoding":"text""#),
    ];
    for &(content_type, body, expected) in cases {
        let body = Body::complete(body);
        assert_eq!(shown(typed(content_type), body.clone()), expected, "{content_type}: {body:?}");
    }
}

#[test]
fn an_encoded_body_is_shown_as_it_came() {
    let coded =
        |coding| headers(&[("content-type", "application/json"), ("content-encoding", coding)]);
    let body = || Body::complete("{}");
    assert_eq!(shown(coded("br"), body()), r#""body":"e30=","body_encoding":"base64""#);
    assert_eq!(shown(coded("identity, gzip"), body()), r#""body":"e30=","body_encoding":"base64""#);
    assert_eq!(shown(coded("Identity"), body()), r#""body":{}"#);
}

#[test]
fn a_cut_body_says_so() {
    let cut = |bytes: &[u8]| Body {
        bytes: bytes.to_vec(),
        size: 99,
        state: BodyState::Truncated,
        ..Body::none()
    };
    let marks = r#""body_truncated":true,"body_size":99"#;
    for (content_type, bytes, start) in [
        ("application/json", b"[1]".as_slice(), r#""body":"[1]","body_encoding":"text""#),
        ("text/plain", b"caf\xc3", r#""body":"caf","body_encoding":"text""#),
        ("text/plain", b"\xff", r#""body":"/w==","body_encoding":"base64""#),
        ("", b"", r#""body":"","body_encoding":"text""#),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b",
            r#""body":{"a":"1","b":""},"body_encoding":"form""#,
        ),
    ] {
        assert_eq!(shown(typed(content_type), cut(bytes)), format!("{start},{marks}"));
    }
    for state in [BodyState::Redacted, BodyState::OverBudget] {
        let body = Body { bytes: b"{\"a".to_vec(), size: 99, state, ..Body::none() };
        let expected = r#""body":null,"body_encoding":"omitted","body_size":99"#;
        assert_eq!(shown(typed("application/json"), body), expected);
        let none = Body { state, ..Body::none() };
        assert_eq!(shown(typed("application/json"), none), r#""body":null"#);
    }
}

#[test]
fn the_admin_views_add_headers_parameters_and_capture_state() {
    let pairs = [("content-type", "application/json"), ("x", "1"), ("x", "2")];
    let event = event(
        (headers(&pairs), Body::complete(r#"{"a": 1e400}"#)),
        (
            headers(&[("etag", "\"\u{7f}\"")]),
            Body { bytes: vec![], size: 5, state: BodyState::OverBudget, ..Body::none() },
        ),
    );
    let request = serde_json::to_string(&request_view(&event)).expect("JSON");
    assert_eq!(
        request,
        concat!(
            r#"{"tag":"tag-1","method":"post","url":"/api/v01/some/url/path","params":{"id":"7"},"#,
            r#""headers":{"content-type":"application/json","x":"1, 2"},"body":{"a": 1e400},"#,
            r#""capture":"complete"}"#
        )
    );
    let response = serde_json::to_value(response_view(&event)).expect("JSON");
    assert_eq!(response["body_encoding"], "omitted");
    assert_eq!(response["capture"], "over_budget");
}

fn any_body() -> impl Strategy<Value = Body> {
    let state = prop_oneof![
        Just(BodyState::Complete),
        Just(BodyState::Truncated),
        Just(BodyState::OverBudget),
        Just(BodyState::Redacted),
    ];
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "[\\[\\]{}\",:0-9a-z \\\\u%&=+.é-]{0,40}".prop_map(String::into_bytes),
    ];
    (bytes, 0..9_u64, state).prop_map(|(bytes, more, state)| {
        let more = if state == BodyState::Complete { 0 } else { more };
        Body { size: bytes.len() as u64 + more, bytes, state, ..Body::none() }
    })
}

fn any_headers() -> impl Strategy<Value = HeaderList> {
    let content_type = prop_oneof![
        Just("application/json".to_owned()),
        Just("application/x-www-form-urlencoded".to_owned()),
        Just("text/plain; charset=latin1".to_owned()),
        Just("text/plain; charset=us-ascii".to_owned()),
        any::<String>(),
    ];
    (content_type, prop_oneof![Just("gzip"), Just("identity"), Just("")]).prop_map(
        |(kind, coding)| headers(&[("content-type", &kind), ("content-encoding", coding)]),
    )
}
