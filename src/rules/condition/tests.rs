use super::*;
use crate::model::{Body, HeaderList, RequestPart, ResponsePart};

fn rule(when: Option<&str>, subject: Option<&str>) -> EventRule {
    let expression = |source| Expression::parse(source).expect(source);
    EventRule {
        id: 4,
        label: "task.done".into(),
        tag: None,
        methods: None,
        url: regex::bytes::Regex::new("^/").expect("a regex"),
        query: None,
        status: vec![200..=299],
        when: when.map(expression),
        subject: subject.map(expression),
        on_disconnect: Default::default(),
        max_request_body: None,
        max_response_body: None,
    }
}

fn judged(when: Option<&str>, subject: Option<&str>, response: &str) -> Judgement {
    let exchange = Exchange {
        request: RequestPart {
            method: "POST".into(),
            url: "/tasks/7?a=1".into(),
            params: vec![("id".into(), "7".into())],
            headers: HeaderList::default(),
            body: Body::complete("{}"),
        },
        response: ResponsePart {
            status: 200,
            headers: HeaderList::default(),
            body: Body::complete(response),
        },
    };
    judge(&rule(when, subject), Timestamp::default(), &Arc::new(exchange))
}

#[test]
fn a_call_matches_where_the_condition_is_true() {
    let done = Some("response.body.status == 'done'");
    assert!(judged(None, None, "").matched);
    assert!(judged(done, None, r#"{"status": "done"}"#).matched);
    for response in [r#"{"status": "open"}"#, "{}", "[]", "", "done", "7", "\u{0}"] {
        let judgement = judged(done, None, response);
        assert_eq!(judgement, Judgement::default(), "{response}");
    }
}

#[test]
fn a_failing_expression_is_told_and_harms_nothing() {
    let judgement = judged(Some("response.body.n + 1 > 2"), Some("1"), r#"{"n": []}"#);
    assert!(!judgement.matched && judgement.subject.is_none());
    let told = judgement.errors[0].to_string();
    assert!(told.starts_with("`when` failed at byte 1 (`response.body.n + 1`) of"), "{told}");
    let judgement = judged(None, Some("request"), "{}");
    assert!(judgement.matched && judgement.subject.is_none());
    assert_eq!(judgement.errors[0].key, "subject");
}

#[test]
fn a_subject_is_a_text_of_at_most_a_kibibyte() {
    let subject = |source, response: &str| judged(None, Some(source), response).subject;
    assert_eq!(subject("request.params.id ~ '-x'", "").as_deref(), Some("7-x"));
    assert_eq!(subject("response.body.n", r#"{"n": 1.50}"#).as_deref(), Some("1.5"));
    assert_eq!(subject("response.body.none", "{}"), None);
    let long = format!("\"{}\"", "é".repeat(2000));
    let cut = subject("'a' ~ response.body", &long).expect("a subject");
    assert_eq!((cut.len(), cut.chars().count()), (1023, 512));
}

#[test]
fn only_expressions_that_read_a_body_need_it() {
    assert!(!reads_bodies(&rule(Some("request.headers.x_a == '1'"), Some("request.params.id"))));
    assert!(!reads_bodies(&rule(None, None)));
    assert!(reads_bodies(&rule(Some("response.body"), None)));
    assert!(reads_bodies(&rule(Some("true"), Some("request|items|first"))));
}
