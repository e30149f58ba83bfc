use super::*;
use crate::expr::Expression;
use crate::model::{EventId, RequestPart, ResponsePart, Secret};

fn exchange() -> Exchange {
    let fields = |list: &[(&str, &str)]| {
        HeaderList(list.iter().map(|&(n, v)| (n.into(), v.as_bytes().to_vec())).collect())
    };
    Exchange {
        request: RequestPart {
            method: "POST".into(),
            url: "/a%20b/7?x=1&y=a+b&x=2&z".into(),
            params: vec![("id".into(), "7".into())],
            headers: fields(&[
                ("content-type", "application/x-www-form-urlencoded"),
                ("x-request-id", "1"),
                ("x-request-id", "2"),
            ]),
            body: Body::complete("a=1&b=2&a=3"),
        },
        response: ResponsePart {
            status: 201,
            headers: fields(&[("location", "/a/7")]),
            body: Body::complete(r#"{"z": 10000000000000000001, "a": [1.0, "x"]}"#),
        },
    }
}

fn of_delivery(webhook: &Webhook) -> Scope {
    let event = Event {
        id: EventId::from_uuid(uuid::Uuid::from_u128(1)),
        ordinal: 1,
        time: Timestamp::from_millis(1_769_851_800_123),
        rule: RuleRef { id: 3, label: "task.done".into(), tag: Some("t".into()) },
        subject: Some("s".into()),
        depth: 0,
        is_test: false,
        exchange: exchange(),
        deliveries: Vec::new(),
    };
    delivery_scope(&Arc::new(event), DeliveryId::from_uuid(uuid::Uuid::from_u128(2)), webhook)
}

fn webhook() -> Webhook {
    Webhook::new("w", "https://example.com/".parse().expect("a URL"))
}

fn json(scope: &Scope, source: &str) -> String {
    let made = Expression::parse(source).expect(source).json(scope).expect(source);
    String::from_utf8(made).expect("JSON is text")
}

#[test]
fn formats_see_what_the_contract_names() {
    let scope = of_delivery(&Webhook { secret: Some(Secret::new("S")), ..webhook() });
    for (source, expected) in [
        ("event", r#"{"id":3,"label":"task.done","tag":"t","subject":"s"}"#),
        ("id", r#""00000000-0000-0000-0000-000000000002""#),
        ("event_id[:4]", r#""evt_""#),
        ("time", r#""2026-01-31T09:30:00.123Z""#),
        ("[webhook.name, webhook.secret]", r#"["w","S"]"#),
        ("[request.method, request.path]", r#"["post","/a%20b/7"]"#),
        ("request.url", r#""/a%20b/7?x=1&y=a+b&x=2&z""#),
        ("request.query", r#"{"x":["1","2"],"y":"a b","z":""}"#),
        ("request.params", r#"{"id":"7"}"#),
        ("request.headers.x_request_id", r#""1, 2""#),
        ("request.body", r#"{"a":["1","3"],"b":"2"}"#),
        (
            "response",
            r#"{"status":201,"headers":{"location":"/a/7"},"body":{"z":10000000000000000001,"a":[1.0,"x"]}}"#,
        ),
        ("response.body.a|last", r#""x""#),
        ("[request.cookies, response.url, nothing is defined]", ""),
    ] {
        if expected.is_empty() {
            assert!(Expression::parse(source).is_err());
            continue;
        }
        assert_eq!(json(&scope, source), expected, "{source}");
    }
    assert_eq!(json(&of_delivery(&webhook()), "webhook.secret"), "null");
}

#[test]
fn conditions_see_no_webhook() {
    let rule = RuleRef { id: 3, label: "l".into(), tag: None };
    let scope = call_scope(&rule, Timestamp::from_millis(0), &Arc::new(exchange()));
    let undefined = "[id, event_id, webhook.secret, event.subject, event.tag]";
    assert_eq!(json(&scope, undefined), "[null,null,null,null,null]");
    assert_eq!(json(&scope, "[event.label, response.status]"), r#"["l",201]"#);
}

#[test]
fn json_that_the_language_cannot_hold_is_a_text() {
    let of = |text: &str| body(&Body::complete(text), &HeaderList::default());
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    assert_eq!(of(&deep).as_str(), Some(&*deep));
    assert_eq!(of("1e400").as_str(), Some("1e400"));
    assert!(of("").is_none());
    let text = [("content-type".to_owned(), b"text/plain; charset=windows-1252".to_vec())];
    let text = body(&Body::complete(vec![0x80, 0xe9]), &HeaderList(text.to_vec()));
    assert_eq!(text.as_str(), Some("€é"));
}
