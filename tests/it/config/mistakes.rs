//! Every mistake is told, with its place and its cure, all in one go.

use super::{RULE, mistakes, only_mistake};

#[test]
fn six_different_mistakes_are_told_at_once_each_with_its_place_and_cure() {
    let problems = mistakes(
        "[proxy]
lissten = \"127.0.0.1:80\"
workers = \"four\"
response_timeout = \"60\"

[[event]]
label = \"task.created\"
method = \"POST\"
url = '^/api/(tasks$'

[[webhook]]
name = \"a\"
url = \"ftp://example.com/\"
events = [\"task.creatd\"]
",
    );
    let told: Vec<(usize, usize, &str, &str)> =
        problems.iter().map(|p| (p.line, p.column, p.message.as_str(), p.cure.as_str())).collect();
    let expected = [
        (2, 1, "`lissten` is not a key of [proxy]", "did you mean `listen`?"),
        (3, 11, "expected a whole number, found a string", "write a whole number"),
        (4, 20, "`60` is not a duration", "\"15s\""),
        (9, 14, "this regex is wrong at its byte 7: unclosed group", "correct it there"),
        (13, 7, "`ftp:` is not supported: a target is an http:// or https:// URL", "https://"),
        (14, 11, "no event rule has a label like `task.creatd`", "did you mean `task.created`?"),
    ];
    assert_eq!(told.len(), expected.len(), "{problems}");
    for ((line, column, message, cure), expected) in told.iter().zip(expected) {
        assert_eq!((*line, *column, *message), (expected.0, expected.1, expected.2));
        assert!(cure.contains(expected.3), "{cure} should contain {}", expected.3);
    }
    let shown = problems.to_string();
    for line in ["lissten = \"127.0.0.1:80\"", "url = '^/api/(tasks$'", "sidehook.toml:13:7"] {
        assert!(shown.contains(line), "{line} is not shown in:\n{shown}");
    }
}

#[test]
fn a_mistake_of_syntax_hides_no_other_mistake() {
    let problems = mistakes(
        "[proxy]
listen = 127.0.0.1
upstream = \"ftp://example.com\"
[store]
retain = \"30 days\"
",
    );
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [2, 3, 5], "{problems}");
    assert!(problems.iter().next().is_some_and(|p| p.message.starts_with("not TOML")));
}

#[test]
fn keys_of_later_versions_are_refused_as_such() {
    let problem = only_mistake("[store]\nurl = \"postgres://h/d\"\n");
    assert!(problem.message.contains("not supported by this version yet"), "{problem:?}");
    assert_eq!(problem.line, 2);
}

#[test]
fn values_out_of_their_limits_are_refused_with_the_limits() {
    for (section, line, cure) in [
        ("proxy", "workers = 5000", "from 0 to 1024"),
        ("proxy", "workers = -1", "from 0 to 1024"),
        ("proxy", "workers = 99999999999999999999999", "from 0 to 1024"),
        ("proxy", "max_head = \"1KiB\"", "from 8KiB to 1MiB"),
        ("proxy", "connect_timeout = \"0s\"", "from 1ms to 1h"),
        ("proxy", "header_timeout = \"0s\"", "from 1ms to 1h"),
        ("proxy", "body_timeout = \"0s\"", "from 1ms to 1h"),
        ("proxy", "send_timeout = \"2h\"", "from 1ms to 1h"),
        ("proxy", "upstream_idle_timeout = \"0s\"", "from 1ms to 1h"),
        ("proxy", "upstream_body_timeout = \"2d\"", "from 0s to 1d"),
        ("proxy", "tunnel_timeout = \"0s\"", "from 1ms to 30d"),
        ("proxy", "max_connections_per_client = -1", "from 0 to 1000000"),
        ("capture", "max_duration = \"0s\"", "from 1ms to 1d"),
        ("delivery", "jitter = 1.5", "from 0 to 1"),
        ("delivery", "retry = [\"0s\"]", "from 1ms to 365d"),
        ("delivery", "timeout = \"2h\"", "from 1ms to 1h"),
        ("capture", "max_request_body = \"1GiB\"", "from 0B to 16MiB"),
        ("store", "max_size = \"1KiB\"", "from 1MiB to 1024TiB"),
    ] {
        let problem = only_mistake(&format!("[{section}]\n{line}\n"));
        assert!(problem.cure.contains(cure), "{line}: {}", problem.cure);
    }
}

#[test]
fn addresses_and_networks_are_checked() {
    for (section, line, cure) in [
        ("proxy", "listen = \":8080\"", "0.0.0.0:8080"),
        ("proxy", "listen = \"localhost:8080\"", "127.0.0.1:8080"),
        ("admin", "listen = \"unix:/run/s.sock\"", "127.0.0.1:8080"),
        ("proxy", "upstream = \"http://example.com/api\"", "http://example.com"),
        ("proxy", "upstream = \"http://127.0.0.1:8080\"", "the API behind sidehook"),
        ("proxy", "listen = \"127.0.0.1:8081\"", "another port"),
        ("delivery", "allow_networks = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
        ("delivery", "deny_networks = [\"10.0.0.1\"]", "10.0.0.1/32"),
        ("admin", "allowed_hosts = [\"https://x/\"]", "a name or address alone"),
        ("capture", "redact_fields = [\"/response/headers/x\"]", "/request/body or /response/body"),
        ("capture", "keep_headers = [\"*\", \"etag\"]", "[\"*\"]"),
    ] {
        let problem = only_mistake(&format!("[{section}]\n{line}\n"));
        assert!(problem.cure.contains(cure), "{line}: {problem:?}");
    }
}

#[test]
fn rules_are_checked() {
    for (line, message) in [
        ("label = \"task created\"\nmethod = \"POST\"\nurl = '^/$'", "not a label"),
        ("label = \"a\"\nmethod = \"PO ST\"\nurl = '^/$'", "not a method"),
        ("label = \"a\"\nmethod = [\"GET\", \"*\"]\nurl = '^/$'", "no company"),
        ("label = \"a\"\nmethod = []\nurl = '^/$'", "no method"),
        ("label = \"a\"\nurl = '^/$'", "`method` is missing"),
        ("label = \"a\"\nmethod = \"GET\"", "`url` is missing"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '['", "unclosed character class"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '\\w{900}'", "too much memory"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '^/$'\nstatus = [\"9xx\"]", "not a status"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '^/$'\nstatus = [\"204-200\"]", "not a status"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '^/$'\nstatus = [100]", "not a status"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '^/$'\nstatus = [\"101-200\"]", "not a status"),
        ("label = \"a\"\nmethod = \"GET\"\nurl = '^/$'\nid = \"one\"", "an id is a whole number"),
    ] {
        let problem = only_mistake(&format!("[[event]]\n{line}\n"));
        assert!(problem.message.contains(message), "{line}: {problem:?}");
    }
    let long = "a".repeat(1025);
    let problem =
        only_mistake(&format!("[[event]]\nlabel = \"a\"\nmethod = \"GET\"\nurl = '{long}'\n"));
    assert!(problem.message.contains("too long"), "{problem:?}");
}

#[test]
fn labels_ids_and_names_are_unique() {
    let rule = |label: &str, rest: &str| {
        format!("[[event]]\nlabel = \"{label}\"\nmethod = \"GET\"\nurl = '^/$'\n{rest}\n")
    };
    let problem = only_mistake(&(rule("a", "") + &rule("a", "")));
    assert!(problem.message.contains("label `a` is taken by event rule 1"), "{problem:?}");
    assert_eq!(problem.line, 7);
    let problem = only_mistake(&(rule("a", "id = 2") + &rule("b", "")));
    assert!(problem.message.contains("id 2 is taken by the event `a`"), "{problem:?}");
    let webhook = "[[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n";
    let problem = only_mistake(&format!("{RULE}{webhook}{webhook}"));
    assert!(problem.message.contains("name `w` is taken"), "{problem:?}");
}

#[test]
fn webhooks_are_checked() {
    for (lines, message) in [
        ("url = \"not a url\"\nevents = [\"*\"]", "not a URL"),
        ("url = \"https://u:p@example.com/\"\nevents = [\"*\"]", "no user name or password"),
        ("url = \"https://example.com/#x\"\nevents = [\"*\"]", "no fragment"),
        ("url = \"https://example.com/\"\nevents = []", "without events"),
        ("url = \"https://example.com/\"", "`events` is missing"),
        ("events = [\"*\"]", "`url` is missing"),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nmethod = \"GET\"",
            "not one of the choices",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nheaders = { Webhook-Id = \"1\" }",
            "the header `Webhook-Id` is reserved",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nheaders = { \"a b\" = \"1\" }",
            "not a header name",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nheaders = { A = \"x\\ny\" }",
            "cannot be a header's value",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nheaders = { Authorization = \"x\" }\n\
             basic_auth = { username = \"u\", password = \"p\" }",
            "the header `Authorization` is reserved",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\n\
             basic_auth = { username = \"u:v\", password = \"p\" }",
            "not a user name",
        ),
        (
            "url = \"https://example.com/\"\nevents = [\"*\"]\nbasic_auth = { username = \"u\" }",
            "`password` is missing",
        ),
    ] {
        let problem = only_mistake(&format!("{RULE}[[webhook]]\nname = \"w\"\n{lines}\n"));
        assert!(problem.message.contains(message), "{lines}: {problem:?}");
    }
}

#[test]
fn the_shape_of_the_file_is_checked() {
    for (toml, message, cure) in [
        ("[prxy]\n", "`prxy` is not a section", "[proxy]"),
        ("listen = \"127.0.0.1:80\"\n", "`listen` is not a section", "[proxy]"),
        ("[[proxy]]\n", "`proxy` is written as [proxy]", "[proxy]"),
        ("[event]\nlabel = \"a\"\n", "`event` is written as [[event]]", "[[event]]"),
        ("proxy = 5\n", "`proxy` is written as [proxy]", "[proxy]"),
        ("[store]\nupstream = \"http://h\"\n", "`upstream` is not a key of [store]", "[proxy]"),
    ] {
        let problem = only_mistake(toml);
        assert!(problem.message.contains(message), "{toml}: {problem:?}");
        assert!(problem.cure.contains(cure), "{toml}: {problem:?}");
    }
}

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    let problem = only_mistake("[proxy]\nlisten = \"\\u001b[2J\"\n");
    assert!(problem.message.contains("\\u{1b}"), "{problem:?}");
}
