use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;
use crate::expr::Expression;

fn rule(label: &str, methods: Option<&[&str]>, url: &str) -> EventRule {
    EventRule {
        id: 1,
        label: label.into(),
        tag: None,
        methods: methods.map(|list| list.iter().map(|&m| m.into()).collect()),
        url: Regex::new(url).expect("valid"),
        query: None,
        status: vec![200..=299],
        when: None,
        subject: None,
        on_disconnect: Default::default(),
        max_request_body: None,
        max_response_body: None,
    }
}

fn expression(source: &str) -> Option<Expression> {
    Some(Expression::parse(source).expect("valid"))
}

fn call(method: &str, url: &str, status: u16, response: &str) -> Call {
    let messages = [Message::default(), Message::of(response.into())];
    Call::new(method, url, status, messages, &Redaction::default()).expect("a call")
}

fn explained(rule: EventRule, call: &Call) -> Explained {
    RuleSet::new(vec![rule]).explain(call, Timestamp::default()).remove(0)
}

#[test]
fn each_part_says_what_it_wants_and_what_it_found() {
    let created = || EventRule {
        query: Some(Regex::new("notify=1").expect("valid")),
        when: expression("response.body.n + 1 > 2"),
        subject: expression("request.params.id"),
        ..rule("created", Some(&["POST", "PUT"]), "^/orders/(?<id>[0-9]+)$")
    };
    let no = explained(created(), &call("post", "/Orders/7", 404, ""));
    assert!(!no.matched && no.params.is_empty() && no.subject.is_none());
    let Parts { method, url, query, status, when } = no.parts;
    let pair = |part: &Part| (part.verdict, part.expected.clone(), part.found.clone());
    let wrong = |e: &str, f: &str| (Verdict::NotMatched, Some(e.into()), Some(f.into()));
    assert_eq!(pair(&method), wrong("POST, PUT", "post"));
    assert!(method.note.expect("a hint").contains("upper case"));
    assert_eq!(pair(&url), wrong("^/orders/(?<id>[0-9]+)$", "/Orders/7"));
    assert_eq!(pair(&query), wrong("notify=1", ""));
    assert_eq!(pair(&status), wrong("2xx", "404"));
    assert_eq!(pair(&when), (Verdict::NotAsked, Some("response.body.n + 1 > 2".into()), None));

    let yes = explained(created(), &call("PUT", "//orders/7?notify=1", 201, r#"{"n": 2}"#));
    assert!(yes.matched, "{yes:?}");
    assert_eq!(yes.parts.url.note.as_deref(), Some("in its normalised form /orders/7"));
    assert_eq!(yes.parts.when.found.as_deref(), Some("true"));
    assert_eq!(yes.params, [("id".to_owned(), "7".to_owned())]);
    assert_eq!(yes.subject.as_deref(), Some("7"));

    let wrong = explained(created(), &call("PUT", "/orders/7?notify=1", 201, r#"{"n": []}"#));
    assert_eq!(wrong.parts.when.verdict, Verdict::NotMatched);
    let note = wrong.parts.when.note.expect("a reason");
    assert!(note.starts_with("`when` failed at byte 1"), "{note}");
    assert_eq!(wrong.parts.when.found, None);
}

#[test]
fn a_condition_sees_all_headers_but_the_redacted_ones() {
    let seen = |name: &str| {
        let mut request = Message::default();
        for (name, value) in [("X-Odd", "a"), ("Authorization", "Bearer b"), ("X-Mine", "c")] {
            request.header(name, value).expect("a header");
        }
        let redaction = Redaction { headers: &["x-mine".to_owned()], ..Redaction::default() };
        let messages = [request, Message::default()];
        let call = Call::new("GET", "/", 200, messages, &redaction).expect("a call");
        let when = expression(&format!("request.headers.{name}"));
        explained(EventRule { when, ..rule("a", None, "^/") }, &call).parts.when.found
    };
    assert_eq!(seen("x_odd").as_deref(), Some("\"a\""));
    assert_eq!(seen("authorization").as_deref(), Some("\"REDACTED\""));
    assert_eq!(seen("x_mine").as_deref(), Some("\"REDACTED\""));
}

#[test]
fn what_no_call_can_be_like_is_told_together() {
    let messages = [Message::default(), Message::default()];
    let wrong = Call::new("G T", "tasks", 99, messages, &Redaction::default());
    let fields: Vec<&str> = wrong.expect_err("all wrong").iter().map(|bad| bad.field).collect();
    assert_eq!(fields, ["method", "url", "status"]);
    assert!(Message::default().header("a b", "c").is_err());
    assert!(Message::default().header("a", "b\nc").is_err());
}

fn rules() -> Vec<EventRule> {
    let when = |source: &str| expression(source);
    vec![
        rule("post", Some(&["POST"]), "^/a/(?<x>[a-c]+)$"),
        rule("any", None, "b"),
        EventRule {
            query: Some(Regex::new("q=1").expect("valid")),
            ..rule("query", Some(&["GET", "PUT"]), "^/")
        },
        EventRule { status: vec![201..=201, 400..=499], ..rule("status", None, "^/a") },
        EventRule { when: when("response.body.n + 1 > 2"), ..rule("when", None, "a") },
        EventRule {
            when: when("request.params.x == 'b'"),
            subject: when("response.body.n"),
            ..rule("params", Some(&["get"]), "(?<x>[bc])$")
        },
    ]
}

proptest! {
    /// The rules that the explanation says match are those that make events of the call.
    #[test]
    fn the_explanation_is_what_the_proxy_does(
        method in "GET|get|POST|PUT|QUERY",
        path in "(/|//|/a|/b|/%61|/%2e%2e|/c|/abc){1,4}",
        query in prop::option::of("q=[12]|x"),
        status in prop::sample::select(vec![200u16, 201, 204, 301, 404, 500]),
        body in r#"\{"n": ?[0-3]\}|x|\[\]|\{"n": \[\]\}|"#,
    ) {
        let set = RuleSet::new(rules());
        let url = query.as_ref().map_or(path.clone(), |query| format!("{path}?{query}"));
        let call = call(&method, &url, status, &body);
        let time = Timestamp::default();
        let said: Vec<_> = set.explain(&call, time);
        let said: Vec<_> = said.iter().filter(|rule| rule.matched).map(|rule| {
            (rule.rule.label.clone(), rule.params.clone(), rule.subject.clone())
        }).collect();
        let hits = set.matching(&method, path.as_bytes(), query.as_ref().map(|q| q.as_bytes()));
        let done: Vec<_> = hits.into_hits().into_iter()
            .filter(|hit| hit.rule.is_success(status))
            .filter_map(|hit| {
                let mut exchange = call.exchange.clone();
                exchange.request.params = hit.params.clone();
                let judgement = judge(&hit.rule, time, &Arc::new(exchange));
                judgement.matched.then(|| (hit.rule.label.clone(), hit.params, judgement.subject))
            })
            .collect();
        prop_assert_eq!(said, done);
    }

    /// No part says "not matched" of a rule that matches, and some part says it of any other.
    #[test]
    fn a_rule_that_does_not_match_has_a_part_that_says_so(
        method in "GET|POST|PUT",
        path in "(/a|/b|//|/abc){1,3}",
        status in 200u16..500,
        body in r#"\{"n": [0-3]\}"#,
    ) {
        for rule in RuleSet::new(rules()).explain(&call(&method, &path, status, &body), Timestamp::default()) {
            let Parts { method, url, query, status, when } = &rule.parts;
            let has_no = [method, url, query, status, when].iter().any(|part| !part.is_open());
            prop_assert_eq!(rule.matched, !has_no, "{:?}", rule);
        }
    }
}
