use super::*;

fn rule(label: &str, methods: Option<&[&str]>, url: &str, query: Option<&str>) -> EventRule {
    EventRule {
        id: 1,
        label: label.into(),
        tag: None,
        methods: methods.map(|list| list.iter().map(|&m| m.into()).collect()),
        url: Regex::new(url).expect("valid"),
        query: query.map(|q| Regex::new(q).expect("valid")),
        status: vec![200..=299],
        when: None,
        subject: None,
        on_disconnect: Default::default(),
        max_request_body: None,
        max_response_body: None,
    }
}

fn labels(set: &RuleSet, method: &str, target: &str) -> Vec<String> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (target, None),
    };
    let matched = set.matching(method, path.as_bytes(), query);
    matched.hits().iter().map(|hit| hit.rule.label.clone()).collect()
}

#[test]
fn method_path_and_query_decide() {
    let set = RuleSet::new(vec![
        rule("created", Some(&["POST"]), "^/orders$", None),
        rule("changed", Some(&["PUT", "PATCH"]), r"^/orders/\d+$", None),
        rule("any", None, "^/orders", Some("(^|&)notify=1(&|$)")),
        rule("none", Some(&["POST"]), "^/nothing$", None),
    ]);
    for (method, target, expected) in [
        ("POST", "/orders", &["created"][..]),
        ("post", "/orders", &[]),
        ("GET", "/orders", &[]),
        ("POST", "/orders/7", &[]),
        ("PATCH", "/orders/7", &["changed"]),
        ("PUT", "/orders/7?notify=1", &["changed", "any"]),
        ("QUERY", "/orders?a=b&notify=1", &["any"]),
        ("POST", "/orders?notify=11", &["created"]),
        ("POST", "/Orders", &[]),
        ("POST", "/orders/", &[]),
        ("POST", "/orders%2f", &[]),
        ("POST", "/orders;v=1", &[]),
    ] {
        assert_eq!(labels(&set, method, target), expected, "{method} {target}");
    }
}

/// Rule evasion: other spellings of the same path fire too (P93).
#[test]
fn a_path_in_disguise_matches() {
    let set = RuleSet::new(vec![rule("created", Some(&["POST"]), "^/orders$", None)]);
    for target in [
        "//orders",
        "/./orders",
        "/x/../orders",
        "/%6frders",
        "/%6Frders",
        "/x/%2e%2e/orders",
        "/a//..//orders",
    ] {
        assert_eq!(labels(&set, "POST", target), ["created"], "{target}");
    }
    let raw = RuleSet::new(vec![rule("raw", None, "^//orders$", None)]);
    assert_eq!(labels(&raw, "POST", "//orders"), ["raw"], "as received is searched first");
}

#[test]
fn named_groups_that_took_part_become_params() {
    let set = RuleSet::new(vec![rule(
        "task",
        None,
        "^/(?<kind>tasks|notes)/(?<id>[^/]+)(/(?<part>.*))?$",
        None,
    )]);
    let params = |path: &str| set.matching("GET", path.as_bytes(), None).hits()[0].params.clone();
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    assert_eq!(params("/tasks/a%20b"), [pair("kind", "tasks"), pair("id", "a%20b")]);
    assert_eq!(
        params("/notes/7/x/y"),
        [pair("kind", "notes"), pair("id", "7"), pair("part", "x/y")]
    );
    assert_eq!(params("/n%6ftes/7"), [pair("kind", "notes"), pair("id", "7")]);
}

#[test]
fn a_regex_that_needs_unicode_still_works() {
    let set = RuleSet::new(vec![
        rule("greek", None, r"^/\p{Greek}+$", None),
        rule("plain", None, "^/plain$", None),
    ]);
    assert_eq!(labels(&set, "GET", "/αβγ"), ["greek"]);
    assert_eq!(labels(&set, "GET", "/plain"), ["plain"]);
    assert_eq!(labels(&set, "GET", "/latin"), [""; 0]);
}

#[test]
fn a_thousand_rules_are_still_exact() {
    let rules =
        (0..1000).map(|n| rule(&format!("r{n}"), None, &format!("^/api/v1/r{n}/[0-9]+$"), None));
    let set = RuleSet::new(rules.collect());
    assert_eq!(labels(&set, "GET", "/api/v1/r123/5"), ["r123"]);
    assert!(labels(&set, "GET", "/api/v1/r1000/5").is_empty());
}
