use super::*;

fn scope() -> Scope {
    serde_json::from_str(
        r#"{
        "event": {"id": 1, "label": "task.done", "tag": null},
        "request": {"params": {"id": "7"},
                    "body": {"n": 3, "big": 18446744073709551615, "x": 1.0, "list": [3, 1, 2]}},
        "response": {"status": 200, "body": {"status": "done", "z": 1, "a": 2}},
        "webhook": {"name": "w", "secret": "s"}
    }"#,
    )
    .expect("a value")
}

fn is_true(source: &str) -> bool {
    Expression::parse(source).expect(source).is_true(&scope()).expect(source)
}

fn json_of(source: &str) -> Result<String, ExprError> {
    let json = Expression::parse(source)?.json(&scope())?;
    Ok(String::from_utf8(json).expect("JSON is text"))
}

fn render(source: &str) -> Result<String, ExprError> {
    Template::parse(source)?.render(&scope())
}

/// The error of a text, compiled or evaluated, with the part of it that is meant.
fn mistake(source: &str) -> (String, Option<String>) {
    let error = json_of(source).expect_err(source);
    let part = error.span.map(|span| source.get(span).expect("within the source").to_owned());
    (error.message, part)
}

#[test]
fn a_missing_member_is_false_however_deep() {
    assert!(is_true("response.body.status == 'done'"));
    assert!(!is_true("response.body.status == 'open'"));
    assert!(!is_true("response.body.no.such.member"));
    assert!(!is_true("webhook.no.such == 'x' or response.headers.x_y"));
    assert!(!is_true("id") && !is_true("time.year > 5"));
    assert!(is_true("request.body.list|sort|first == 1 and 2 in request.body.list"));
}

#[test]
fn a_subject_is_text_and_numbers_and_booleans_become_it() {
    let text = |source: &str| Expression::parse(source).expect(source).text(&scope());
    assert_eq!(text("request.params.id"), Ok(Some("7".to_owned())));
    assert_eq!(text("request.body.n"), Ok(Some("3".to_owned())));
    assert_eq!(text("request.body.n > 2"), Ok(Some("true".to_owned())));
    assert_eq!(text("request.body.none"), Ok(None));
    assert_eq!(text("event.tag"), Ok(None));
    assert!(text("request.body").is_err());
}

#[test]
fn json_keeps_the_order_of_keys_and_the_numbers() {
    let made = json_of("{'z': 1, 'a': [id, none, true], 'body': response.body, 'n': request.body}");
    assert_eq!(
        made.as_deref(),
        Ok(r#"{"z":1,"a":[null,null,true],"body":{"status":"done","z":1,"a":2},"#.to_owned()
            + r#""n":{"n":3,"big":18446744073709551615,"x":1.0,"list":[3,1,2]}}"#)
        .as_deref()
    );
    assert_eq!(json_of("request.nothing").as_deref(), Ok("null"));
}

#[test]
fn filters_take_named_arguments() {
    for (source, json) in [
        ("[{'n': 'a'}, {'n': 'b'}] | map(attribute='n') | list", r#"["a","b"]"#),
        ("[{'n': 'a'}, {'n': 'b'}] | join(', ', attribute='n')", r#""a, b""#),
        ("[{'n': 1}, {'n': 1}] | unique(attribute='n') | list", r#"[{"n":1}]"#),
        ("request.body.list | sort(reverse=true)", "[3,2,1]"),
        ("[1] | tojson(indent=2)", r#""[\n  1\n]""#),
        ("{'b': 1, 'a': 2} | dictsort(by='value')", r#"[["b",1],["a",2]]"#),
        ("[{'n': 2}] | sum(attribute='n')", "2"),
        ("'x' | int(default=7)", "7"),
    ] {
        assert_eq!(json_of(source).as_deref(), Ok(json), "{source}");
    }
    for source in ["[1] | join(sep=',')", "[1] | tojson(width=2)", "[1] | sort(up=true)"] {
        assert!(json_of(source).is_err(), "{source}");
    }
}

#[test]
fn a_filter_finds_nothing_in_what_is_missing() {
    for (source, json) in [
        ("response.body.no | length", "0"),
        ("response.body.no | length > 0", "false"),
        ("response.body.no | count", "0"),
        ("response.body.no | first", "null"),
        ("(response.body.no | last).name", "null"),
        ("'abc' | length", "3"),
        ("[1, 2] | last", "2"),
        ("'abc' | first", r#""a""#),
    ] {
        assert_eq!(json_of(source).as_deref(), Ok(json), "{source}");
    }
    assert!(json_of("1 | length").is_err());
}

/// Both lists may come from a client: 20,000 elements fit in 40 KB.
#[test]
fn a_search_in_a_list_for_each_element_of_another_is_bounded() {
    let scope = Scope::from_pairs([(
        "request",
        Scope::from_pairs([
            ("a", Value::from(vec![1; 20_000])),
            ("b", Value::from(vec![2; 20_000])),
            ("text", Value::from("a".repeat(1 << 20))),
        ]),
    )]);
    for source in [
        "request.a | select('in', request.b) | list",
        "request.a | reject('in', request.b) | list",
        "request.a | map('string') | select('in', request.text) | list",
        "([request.text] * 10000) | map('length') | list",
        "([request.text] * 10000) | select('==', request.text ~ '') | list",
    ] {
        let error = Expression::parse(source).and_then(|e| e.json(&scope)).expect_err(source);
        assert_eq!(error.message, "it takes too many steps", "{source}");
    }
    let few = Expression::parse("request.a[:500] | select('in', [1, 2]) | list | length");
    assert_eq!(few.and_then(|e| e.json(&scope)).as_deref(), Ok(&b"500"[..]));
}

/// minijinja's parser takes what cannot be read for the end, where it follows a text.
#[test]
fn nothing_after_a_text_is_ignored() {
    for source in
        ["'a' && false", "'a' ? 1 : 2", "event.label == 'task.done' && response.status == 500"]
    {
        let (message, part) = mistake(source);
        assert!(message.starts_with("unexpected character"), "{message}");
        assert!(matches!(part.as_deref(), Some("&" | "?")), "{part:?}");
        let template = format!("{{% if {source} %}}{{% endif %}}");
        let error = Template::parse(&template).expect_err(source);
        assert!(error.message.starts_with("unexpected character"), "{error}");
    }
}

#[test]
fn a_template_is_text_with_nothing_escaped() {
    let made = render("<{{ event.label }}> '{{ id }}' & {{ response.body|tojson }}");
    assert_eq!(made.as_deref(), Ok(r#"<task.done> '' & {"status":"done","z":1,"a":2}"#));
    let made = render("{% for x in request.body.list %}{{ loop.index }}:{{ x }} {% endfor %}");
    assert_eq!(made.as_deref(), Ok("1:3 2:1 3:2 "));
    let made = render("{% set a = '<' %}{% with b = a %}{{ b ~ a|escape }}{% endwith %}");
    assert_eq!(made.as_deref(), Ok("<&lt;"));
    assert_eq!(render("{{ true }} {{ event.tag }}{{ 1 == 2 }}").as_deref(), Ok("true false"));
    assert_eq!(render("{% set x %}{{ event.id }}{% endset %}{{ x }}").as_deref(), Ok("1"));
}

#[test]
fn mistakes_are_found_with_their_place() {
    let (message, part) = mistake("response.status == 200 and requets.body");
    assert!(message.contains("no variable `requets`; did you mean `request`?"), "{message}");
    assert_eq!(part.as_deref(), Some("requets"));
    assert_eq!(mistake("request.body|lenght").1.as_deref(), Some("lenght"));
    assert_eq!(mistake("1 is oddd").0, "there is no test `oddd`; did you mean `odd`?");
    assert_eq!(mistake("env('HOME')").1.as_deref(), Some("env"));
    assert_eq!(mistake("debug()").1.as_deref(), Some("debug"));
    assert_eq!(mistake("event.label.upper()").0, "values have no methods; use a filter");
    assert!(mistake("(1").1.is_some() && mistake("1 +").1.is_some());
    assert_eq!(mistake("1 + request.body.list").1.as_deref(), Some("1 + request.body.list"));
    assert!(mistake("").0.contains("empty"));
    for source in [
        "{{ nobody }}",
        "{% set x = nobody %}",
        "{{ 1 ",
        "{% include 'x' %}",
        "{{ x }}{% set x = 1 %}",
    ] {
        assert!(Template::parse(source).is_err(), "{source}");
    }
    for taken in ["{% set webhook = 1 %}", "{% for request in [1] %}{% endfor %}"] {
        assert!(Template::parse(taken).expect_err(taken).message.contains("taken"));
    }
}

#[test]
fn what_may_be_read_is_never_missed() {
    let reads =
        |source: &str| Expression::parse(source).expect(source).may_read("webhook", "secret");
    for source in [
        "webhook.secret",
        "webhook['secret']",
        "webhook[event.label]",
        "webhook",
        "[webhook]|first",
        "webhook|attr('secret')",
        "webhook.secret[1:]",
        "1 if webhook.secret else 2",
        "webhook|items",
        "{'a': webhook}",
        "range(webhook.secret|length)",
        "'' is startingwith webhook.secret",
        "'a'|replace('a', webhook.secret)",
        "webhook[:]",
        "-webhook.secret",
        "1 < 2 < webhook.secret",
    ] {
        assert!(reads(source), "{source}");
    }
    for source in ["webhook.name", "webhook['id']", "request.body.secret", "'webhook.secret'", "1"]
    {
        assert!(!reads(source), "{source}");
    }
    let reads = |source: &str| Template::parse(source).expect(source).may_read("webhook", "secret");
    for source in [
        "{{ webhook.secret }}",
        "{% set w = webhook %}{{ w.secret }}",
        "{% with w = webhook %}{{ w.secret }}{% endwith %}",
        "{% for x in webhook %}{% endfor %}",
        "{% filter replace('a', webhook.secret) %}a{% endfilter %}",
        "{% set x | replace('a', webhook.secret) %}a{% endset %}",
        "{% for x in [1] if webhook.secret %}{% else %}{% endfor %}",
        "{% if 0 %}{% elif webhook.secret %}{% endif %}",
        "{{ 'a'[webhook.secret:] }}",
    ] {
        assert!(reads(source), "{source}");
    }
    assert!(!reads(
        "{{ webhook.name }} {# webhook.secret #}{% raw %}{{ webhook.secret }}{% endraw %}"
    ));
}

/// Each either fails or ends soon, with bounded memory, on a stack of 2 MiB (the tests' own).
#[test]
fn hostile_texts_are_bounded() {
    let chain = |n: usize, item: &str| vec![item; n].join(" ~ ");
    let sets =
        |n: usize, set: &str| "{% set a = 'aaaaaaaa' %}".to_owned() + &set.repeat(n) + "{{ a }}";
    let texts = [
        "'a' * 10**9".to_owned(),
        "'aaaaaaaaaa' * 100000000 ~ ''".to_owned(),
        "range(10**9)|list".to_owned(),
        "range(10000) * 10000|list".to_owned(),
        "(range(10000) * 10000)|list".to_owned(),
        "(range(10000)|list * 1000000)|join(',')".to_owned(),
        chain(10_000, "1"),
        chain(10_000, "request.body"),
        chain(150, "request.body"),
        vec!["1"; 10_000].join(" + "),
        "request".to_owned() + &".a".repeat(20_000),
        "not ".repeat(15_000) + "1",
        "-".repeat(60_000) + "1",
        "(".repeat(20_000) + &")".repeat(20_000),
        "[".repeat(140) + &"]".repeat(140),
        "[".repeat(20_000) + &"]".repeat(20_000),
        "1 if ".repeat(10_000) + "1",
        "1".to_owned() + &" if 1 else 1".repeat(5000),
        "'a'".to_owned() + &"|replace('a','aaaaaaaaaa')".repeat(20),
        "range(10000)|map('replace', '', 'a' * 1000000)|list|length".to_owned(),
        "range(10000)|map('default', 1)|map('string')|join('a' * 100000)".to_owned(),
        "[request.body]".to_owned() + &"|batch(1)|list".repeat(500),
        "[1]|batch(1000000000, 1)|list".to_owned(),
        "[1]|slice(1000000000, 1)|list".to_owned(),
        "'%1000000000d'|format(1)".to_owned(),
        "'a'|indent(1000000000)".to_owned(),
        "request.body|tojson(indent=1000000000)".to_owned(),
        "[[1]*1000]*1000|sum(start=[])".to_owned(),
        "2 ** 100000 // 7 % 3".to_owned(),
        "'x' in ('a' * 60000000)".to_owned(),
        "1 | ".repeat(1000),
    ];
    for text in &texts {
        let _either = json_of(text);
    }
    let templates = [
        sets(40, "{% set a = a ~ a %}"),
        sets(40, "{% set a = [a, a] %}"),
        sets(1000, "{% set a = [a] %}"),
        sets(40, "{% set a %}{{ a }}{{ a }}{% endset %}"),
        "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}"
            .to_owned(),
        "{% for i in range(10000) %}".to_owned() + &"x".repeat(60_000) + "{% endfor %}",
        "{% set a %}{% for i in range(10000) %}".to_owned()
            + &"x".repeat(60_000)
            + "{% endfor %}{% endset %}",
        "{% for i in range(100) %}{% set a = 'a' * 10000000 %}{{ a ~ a }}{% endfor %}".to_owned(),
        "{% for x in [1] recursive %}{{ loop([x, x]) }}{% endfor %}".to_owned(),
        "{% if 1 %}".repeat(1000) + &"{% endif %}".repeat(1000),
        "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(4000) + "{% endif %}",
        "{% set ns = namespace(a='a') %}".to_owned(),
    ];
    for text in &templates {
        if let Ok(made) = render(text) {
            assert!(made.len() <= Limits::OUTPUT_BYTES_MAX);
        }
    }
    let bounded = |source: &str| assert!(json_of(source).is_err(), "{source}");
    bounded(&texts[0]);
    bounded(&texts[2]);
    bounded(&chain(10_000, "1"));
    assert!(render(&sets(40, "{% set a = a ~ a %}")).is_err());
    assert!(render(&templates[5]).is_err() && render(&templates[6]).is_err());
}
