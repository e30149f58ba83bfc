//! The other formats, and what holds for all of them.

use http::HeaderMap;

use super::*;
use crate::expr::{Expression, Template};

/// A created peer: its response has a body, a type and a subject.
fn peer(body: Body) -> Event {
    let mut event = event((typed(""), Body::none()), (typed("application/json"), body));
    event.rule.label = "peer.disabled.create".to_owned();
    event.subject = Some("wg0/müller \"1\" 100%".to_owned());
    event
}

fn text(format: Format, event: &Event) -> String {
    let rendered = rendered_as(format, event, Some("never shown"));
    assert_eq!(rendered.headers, []);
    String::from_utf8(rendered.body).expect("UTF-8")
}

#[test]
fn flat_formats_are_the_contracts_to_the_byte() {
    let event = peer(Body::complete("{\"n\": 1.50}\n"));
    let id = WebhookId::of_name("w");
    for (format, expected) in [
        (
            Format::Vikunja,
            r#"{"event_name":"peer.disabled.create","time":"2026-01-31T09:30:00.123+00:00","data":{"n": 1.50}}"#,
        ),
        (
            Format::Timestamped,
            &*format!(
                r#"{{"event":"peer.disabled.create","timestamp":"2026-01-31T09:30:00.123Z","webhook_id":"{id}","data":{{"n": 1.50}}}}"#
            ),
        ),
        (
            Format::WireguardPortal,
            r#"{"event":"create","entity":"peer","identifier":"wg0/müller \"1\" 100%","payload":{"n": 1.50}}"#,
        ),
        (
            Format::Typed,
            r#"{"id":"evt_00000000000000000000000000000000","type":"peer.disabled.create","created_at":"2026-01-31T09:30:00.123Z","data":{"n": 1.50}}"#,
        ),
        (
            Format::Standard,
            r#"{"type":"peer.disabled.create","timestamp":"2026-01-31T09:30:00.123Z","data":{"n": 1.50}}"#,
        ),
    ] {
        assert_eq!(text(format, &event), expected);
    }
}

#[test]
fn flat_formats_name_their_markers_after_the_body() {
    let cut =
        || Body { bytes: b"[1".to_vec(), size: 99, state: BodyState::Truncated, ..Body::none() };
    let data = r#","data":"[1","data_encoding":"text","data_truncated":true,"data_size":99}"#;
    for format in [Format::Vikunja, Format::Timestamped, Format::Typed, Format::Standard] {
        assert!(text(format.clone(), &peer(cut())).ends_with(data), "{format:?}");
        assert!(text(format, &peer(Body::none())).ends_with(r#","data":null}"#));
    }
    let payload =
        r#","payload":"[1","payload_encoding":"text","payload_truncated":true,"payload_size":99}"#;
    assert!(text(Format::WireguardPortal, &peer(cut())).ends_with(payload));
    let event = Event { subject: None, ..peer(Body::none()) };
    let expected = r#"{"event":"create","entity":"peer","identifier":"","payload":null}"#;
    assert_eq!(text(Format::WireguardPortal, &event), expected);
}

#[test]
fn a_structured_cloud_event_carries_the_call() {
    let event = peer(Body::complete("[1e400]"));
    let rendered = rendered_as(Format::CloudEvents, &event, Some("never shown"));
    let kind = http::HeaderValue::from_static("application/cloudevents+json");
    assert_eq!((rendered.content_type, rendered.headers), (Some(kind), vec![]));
    assert_eq!(
        String::from_utf8(rendered.body).expect("UTF-8"),
        concat!(
            r#"{"specversion":"1.0","id":"evt_00000000000000000000000000000000","#,
            r#""source":"//upstream.test:3000","type":"peer.disabled.create","#,
            r#""subject":"wg0/müller \"1\" 100%","time":"2026-01-31T09:30:00.123Z","#,
            r#""data":{"request":{"tag":"tag-1","method":"post","url":"/api/v01/some/url/path","#,
            r#""body":null},"response":{"status":200,"body":[1e400]}}}"#
        )
    );
    let event = Event { subject: None, depth: 1, ..event };
    let rendered = rendered_as(Format::CloudEvents, &event, None);
    let shown = String::from_utf8(rendered.body).expect("UTF-8");
    assert!(shown.contains(r#"123Z","sidehookdepth":1,"data":"#), "{shown}");
    assert!(!shown.contains("subject"), "{shown}");
}

#[test]
fn a_binary_cloud_event_is_headers_and_the_body_itself() {
    let event = peer(Body::complete("{\"n\": 1.50}\n"));
    let rendered = rendered_as(Format::CloudEventsBinary, &event, None);
    let json = http::HeaderValue::from_static("application/json");
    assert_eq!(rendered.content_type, Some(json));
    assert_eq!(rendered.body, b"{\"n\": 1.50}\n", "the bytes, white space and all");
    let shown = |rendered: &Rendered| {
        let headers: HeaderMap = rendered.headers.iter().cloned().collect();
        assert_eq!(headers.len(), rendered.headers.len(), "each once");
        let mut shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect();
        shown.sort();
        shown.join("\n")
    };
    assert_eq!(
        shown(&rendered),
        "ce-id: evt_00000000000000000000000000000000\n\
         ce-source: //upstream.test:3000\n\
         ce-specversion: 1.0\n\
         ce-subject: wg0/m%C3%BCller%20%221%22%20100%25\n\
         ce-time: 2026-01-31T09:30:00.123Z\n\
         ce-type: peer.disabled.create"
    );
    let cut = Body { bytes: b"[1".to_vec(), size: 99, state: BodyState::Truncated, ..Body::none() };
    let event = Event { subject: Some(String::new()), depth: 1, ..peer(cut) };
    let rendered = rendered_as(Format::CloudEventsBinary, &event, None);
    let shown = shown(&rendered);
    for line in ["ce-sidehooktruncated: true", "ce-sidehooksize: 99", "ce-sidehookdepth: 1"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("ce-subject"), "an empty subject is none: {shown}");
}

#[test]
fn a_binary_cloud_event_has_a_type_only_with_a_body_of_known_type() {
    let render = |event: &Event| rendered_as(Format::CloudEventsBinary, event, None);
    let none = render(&peer(Body::none()));
    assert_eq!((none.content_type, none.body.len()), (None, 0));
    let mut unknown = peer(Body::complete("x"));
    unknown.exchange.response.headers = HeaderList::default();
    assert_eq!(render(&unknown).content_type, None);
    let described =
        Body { described_by: Some(Box::new(typed("text/plain"))), ..Body::complete("x") };
    unknown.exchange.response.body = described;
    let plain = http::HeaderValue::from_static("text/plain");
    assert_eq!(render(&unknown).content_type, Some(plain), "though the header is not kept");
    let left_out = Body { bytes: vec![], size: 9, state: BodyState::Redacted, ..Body::none() };
    let rendered = render(&peer(left_out));
    assert_eq!(rendered.content_type, None);
    let truncated = http::HeaderName::from_static("ce-sidehooktruncated");
    assert!(rendered.headers.iter().any(|(name, _)| *name == truncated));
}

#[test]
fn a_binary_cloud_event_is_decoded_or_says_in_what_it_is_coded() {
    use std::io::Write as _;
    let coded = |coding: &str, bytes: &[u8]| {
        let fields = [("content-type", "application/json"), ("content-encoding", coding)];
        let mut event = peer(Body::complete(bytes));
        event.exchange.response.headers = headers(&fields);
        rendered_as(Format::CloudEventsBinary, &event, None)
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"n\": 1.50}").expect("writes to memory");
    let rendered = coded("gzip", &gzip.finish().expect("writes to memory"));
    assert_eq!(rendered.body, b"{\"n\": 1.50}");
    let has = |rendered: &Rendered, wanted: &str| {
        rendered.headers.iter().any(|(name, _)| name.as_str() == wanted)
    };
    assert!(!has(&rendered, "content-encoding") && !has(&rendered, "ce-sidehooktruncated"));
    let rendered = coded("secret-sauce", b"??");
    assert_eq!(rendered.body, b"??");
    assert!(has(&rendered, "content-encoding"), "{:?}", rendered.headers);
}

#[test]
fn a_format_of_ones_own_is_an_expression_or_a_template() {
    let event = peer(Body::complete("{\"n\": 1.50}"));
    let expression = Expression::parse("{'text': event.label, 'n': response.body.n}");
    let rendered = rendered_as(Format::Json(expression.expect("compiles")), &event, None);
    let json = http::HeaderValue::from_static("application/json");
    assert_eq!(rendered.content_type, Some(json));
    let value: Value = serde_json::from_slice(&rendered.body).expect("JSON");
    assert_eq!(value, json!({"text": "peer.disabled.create", "n": 1.5}));
    let template = Template::parse("{{ event.label }} by {{ webhook.name }}").expect("compiles");
    let content_type = http::HeaderValue::from_static("text/plain");
    let format = Format::Template { template, content_type: content_type.clone() };
    let rendered = rendered_as(format, &event, None);
    assert_eq!(rendered.content_type, Some(content_type));
    assert_eq!(rendered.body, b"peer.disabled.create by w");

    let failing = Expression::parse("event.label | int").expect("compiles");
    let webhook = webhook(Format::Json(failing), None);
    let delivery = DELIVERY.parse().expect("an id");
    let refused = render(&Arc::new(event), delivery, &webhook, SOURCE);
    assert!(matches!(refused, Err(RenderError::Expression(_))), "{refused:?}");
}

fn any_event() -> impl Strategy<Value = Event> {
    let texts = (
        any::<String>(),
        any::<Option<String>>(),
        any::<Option<String>>(),
        "[A-Za-z0-9_.:-]{1,20}",
    );
    let bodies = ((any_headers(), any_body()), (any_headers(), any_body()));
    (texts, bodies, any::<u8>(), any::<u64>()).prop_map(
        |((url, subject, tag, label), (request, response), depth, millis)| {
            let time = Timestamp::from_millis(millis);
            let mut event = Event { subject, depth, time, ..event(request, response) };
            event.exchange.request.url = url;
            event.rule.tag = tag;
            event.rule.label = label;
            event
        },
    )
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    part.is_empty() || body.windows(part.len()).any(|window| window == part)
}

proptest! {
    /// Whatever passes through the proxy: what a receiver gets is always the same, and JSON where
    /// it says so.
    #[test]
    fn any_event_renders_in_every_format(event in any_event(), secret in any::<Option<String>>()) {
        for format in Format::NAMED {
            let first = rendered_as(format.clone(), &event, secret.as_deref());
            prop_assert_eq!(&first, &rendered_as(format.clone(), &event, secret.as_deref()));
            if format == Format::CloudEventsBinary {
                continue;
            }
            let value: Value = serde_json::from_slice(&first.body).expect("valid JSON");
            let url = &event.exchange.request.url;
            match format {
                Format::Exchange => prop_assert_eq!(&value["request"]["url"], &json!(url)),
                Format::CloudEvents => prop_assert_eq!(&value["data"]["request"]["url"], &json!(url)),
                _ => prop_assert!(value.is_object()),
            }
        }
        serde_json::to_string(&request_view(&event)).expect("valid JSON");
        serde_json::to_string(&response_view(&event)).expect("valid JSON");
    }

    /// A JSON body is passed on as the very bytes received, without the white space around it.
    #[test]
    fn json_is_never_written_again(
        numbers in proptest::collection::vec("-?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", 1..5),
        key in "[a-z]{1,5}",
        blank in "[ \t\r\n]{0,3}",
    ) {
        let inner = format!("{{\"{key}\" :[{}],{blank}\"{key}\":null}}", numbers.join(" , "));
        let event = peer(Body::complete(format!("{blank}{inner}{blank}")));
        for format in Format::NAMED {
            let rendered = rendered_as(format.clone(), &event, None);
            prop_assert!(contains(&rendered.body, inner.as_bytes()), "{format:?}");
        }
    }
}
