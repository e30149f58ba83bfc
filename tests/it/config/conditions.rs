//! `when`, `subject`, and the labels that rules and webhooks may have.

use super::{RULE, WEBHOOK, good, mistakes, only_mistake};

#[test]
fn a_rule_may_have_a_condition_and_a_subject() {
    let config = good(&format!(
        "{RULE}when = 'response.body.status == \"done\"'\nsubject = 'request.params.id'\n"
    ));
    let rule = &config.rules[0];
    let source = |expression: &Option<sidehook::expr::Expression>| {
        expression.as_ref().map(|expression| expression.source().to_owned())
    };
    assert_eq!(source(&rule.when).as_deref(), Some("response.body.status == \"done\""));
    assert_eq!(source(&rule.subject).as_deref(), Some("request.params.id"));
}

#[test]
fn a_mistake_in_an_expression_is_told_at_its_place_inside_the_text() {
    // Line 5 is `when = '...'`: the text begins in column 9.
    let problem = only_mistake(&format!("{RULE}when = 'response.status == 200 and'\n"));
    assert!(problem.message.starts_with("this expression is wrong: "), "{problem:?}");
    assert_eq!(problem.line, 5);
    assert!(problem.column >= 9, "{problem:?}");
    let problem = only_mistake(&format!("{RULE}when = 'true and respones.body.a'\n"));
    assert!(problem.message.contains("respones"), "{problem:?}");
    assert!(problem.cure.contains("response"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (5, 18), "{problem:?}");
    // In a text of several lines, at its line.
    let problem = only_mistake(&format!("{RULE}subject = '''\n  request.params.id\n  ~ nmae'''\n"));
    assert_eq!((problem.line, problem.column), (7, 5), "{problem:?}");
}

#[test]
fn expressions_are_checked_before_they_are_read() {
    for (line, message) in [
        ("when = true", "expected an expression"),
        ("when = ' '", "the expression is empty"),
        ("subject = ['a']", "expected an expression"),
    ] {
        let problem = only_mistake(&format!("{RULE}{line}\n"));
        assert!(problem.message.contains(message), "{line}: {problem:?}");
        assert_eq!(problem.line, 5);
    }
    let long = "a".repeat(40_000);
    let problem = only_mistake(&format!("{RULE}when = '{long}'\n"));
    assert!(problem.message.contains("too long"), "{problem:?}");
}

#[test]
fn what_only_formats_know_is_refused_at_the_call() {
    for (line, name, column) in [
        ("when = 'true and webhook.name == \"a\"'", "webhook", 18),
        ("subject = 'id'", "id", 12),
        ("when = '\"event_id\" == event_id'", "event_id", 23),
        ("when = 'request.headers.x-request-id'", "id", 35),
    ] {
        let problem = only_mistake(&format!("{RULE}{line}\n"));
        assert!(problem.message.starts_with(&format!("`{name}` is not known")), "{problem:?}");
        assert_eq!((problem.line, problem.column), (5, column), "{problem:?}");
        assert!(!problem.cure.contains("webhook"), "{problem:?}");
    }
    good(&format!("{RULE}when = 'event.id == 1 and time and request.params.webhook'\n"));
}

#[test]
fn signs_of_other_languages_are_told_in_this_one() {
    for (expression, cure) in [
        ("response.body.a = 1", "`==` compares"),
        ("response.body.a === 1", "`==` compares"),
        ("response.body.a && true", "write `and`"),
        ("response.body.a || true", "write `or`"),
        ("!response.body.a", "write `not`"),
        ("response.body.a ? 1 : 2", "write `a if condition else b`"),
        ("response.body.a == null", "did you mean `none`?"),
    ] {
        let problem = only_mistake(&format!("{RULE}when = '{expression}'\n"));
        assert!(problem.message.ends_with(cure), "{problem:?}");
    }
}

#[test]
fn labels_of_sidehook_itself_are_reserved() {
    let problem = only_mistake(&RULE.replace("task.created", "sidehook.task"));
    assert!(problem.message.contains("reserved"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (2, 9));
    good(&RULE.replace("task.created", "sidehook"));
    good(&RULE.replace("task.created", "sidehook-task"));
}

#[test]
fn a_webhook_may_want_the_events_of_sidehook_itself() {
    let wanting = |pattern: &str| format!("{RULE}{}", WEBHOOK.replace("\"*\"", pattern));
    for pattern in [
        "sidehook.*",
        "sidehook.webhook.paused",
        "sidehook.webhook.disabled",
        "sidehook.webhook.recovered",
        "sidehook.delivery.failed",
        "sidehook.webhook.*",
        "sidehook.*.failed",
    ] {
        let config = good(&wanting(&format!("\"{pattern}\"")));
        let webhook = &config.webhooks[0];
        assert!(!webhook.wants("task.created"), "{pattern}");
        assert!(
            config.warnings.iter().any(|w| w.contains("no webhook of the configuration wants")),
            "{pattern}"
        );
    }
    assert!(!good(&wanting("\"*\"")).webhooks[0].wants("sidehook.webhook.paused"));
    let problem = only_mistake(&wanting("\"sidehook.webhook.pausd\""));
    assert!(problem.cure.contains("did you mean `sidehook.webhook.paused`?"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (8, 11));
    let problem = only_mistake(&wanting("\"sidehook.delivery.*.x\""));
    assert!(problem.cure.contains("sidehook.delivery.failed"), "{problem:?}");
}

#[test]
fn a_rule_without_a_label_says_nothing_about_the_webhooks() {
    let webhook = WEBHOOK.replace("\"*\"", "\"task.done\"");
    let rule = "[[event]]\nmethod = \"POST\"\nurl = '^/$'\n";
    let problems = mistakes(&format!("{RULE}{rule}{webhook}"));
    assert_eq!(problems.count(), 1, "{problems}");
}
