//! Flag over environment over file over default.

use std::path::Path;

use sidehook::config::{Environment, FlagWebhook, Flags, Inputs, load};

use super::{Folder, RULE, good, problems};

#[test]
fn a_flag_goes_over_the_environment_over_the_file_over_the_default() {
    let folder =
        Folder::new("[proxy]\nlisten = \"127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:5\"\n");
    let variables = [("SIDEHOOK_PROXY_LISTEN", "127.0.0.1:2")];
    let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    let port = |environment: &[(&str, &str)], flags: Flags| {
        let config = folder.load_with(environment, flags).expect("good");
        assert_eq!(config.admin.listen.port(), 5, "other keys of the file stay");
        config.proxy.listen.port()
    };
    assert_eq!(port(&[], Flags::default()), Some(1));
    assert_eq!(port(&variables, Flags::default()), Some(2));
    assert_eq!(port(&variables, flags), Some(3));
    assert_eq!(good("").proxy.listen.port(), Some(8080));
}

#[test]
fn every_kind_of_key_can_come_from_the_environment() {
    let environment = [
        ("SIDEHOOK_PROXY_WORKERS", "3"),
        ("SIDEHOOK_PROXY_VIA", "false"),
        ("SIDEHOOK_PROXY_RESPONSE_TIMEOUT", "0s"),
        ("SIDEHOOK_CAPTURE_KEEP_HEADERS", "*"),
        ("SIDEHOOK_CAPTURE_REDACT_QUERY", ""),
        ("SIDEHOOK_DELIVERY_RETRY", "1s, 2s"),
        ("SIDEHOOK_DELIVERY_JITTER", "0"),
        ("SIDEHOOK_DELIVERY_ALLOW_NETWORKS", "127.0.0.0/8,::1/128"),
        ("SIDEHOOK_ADMIN_TOKEN", "a-token-from-the-environment"),
        ("SIDEHOOK_STORE_MAX_SIZE", "2GiB"),
        // What is not an override:
        ("SIDEHOOK_TOKEN", "x"),
        ("SIDEHOOK_LOG", "debug"),
        ("SIDEHOOK_ADMIN", "http://127.0.0.1:8081"),
        ("SIDEHOOK_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("SIDEHOOK_ADMIN_PORT_8081_TCP", "tcp://10.0.0.1:8081"),
    ];
    let config = load(&Inputs { environment: Environment::of(environment), ..Inputs::default() })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((config.proxy.workers, config.proxy.via), (3, false));
    assert_eq!(config.proxy.response_timeout, None);
    assert!(config.proxy.capture.keep_headers.is_none(), "* is all of them");
    assert!(config.proxy.capture.redact_query.is_empty());
    assert_eq!(config.egress.allow_networks.len(), 2);
    assert_eq!((config.delivery.jitter, config.store.max_bytes), (0.0, 2 << 30));
    assert_eq!(config.admin.token.expect("set").reveal(), "a-token-from-the-environment");
}

#[test]
fn a_bad_override_is_told_by_the_name_of_its_variable() {
    let environment = Environment::of([
        ("SIDEHOOK_PROXY_WORKERS", "many"),
        ("SIDEHOOK_PROXY_LISTN", "127.0.0.1:80"),
        ("SIDEHOOK_DELIVERY_RETRY", "1s,2"),
    ]);
    let problems = problems(load(&Inputs { environment, ..Inputs::default() }));
    let told: Vec<(&str, usize)> = problems.iter().map(|p| (p.source.as_str(), p.column)).collect();
    assert_eq!(
        told,
        [
            ("SIDEHOOK_PROXY_LISTN", 1),
            ("SIDEHOOK_PROXY_WORKERS", 1),
            ("SIDEHOOK_DELIVERY_RETRY", 4)
        ],
        "{problems}"
    );
    assert!(problems.to_string().contains("did you mean `listen`?"), "{problems}");
}

#[test]
fn flags_alone_do_the_same_job() {
    let flags = Flags {
        upstream: Some("http://127.0.0.1:9".into()),
        events: vec!["task.created=POST ^/tasks$".into(), "any=* ^/(?<id>[0-9]+) x".into()],
        webhooks: vec![
            FlagWebhook {
                url: "https://receiver.example.com/a".into(),
                secret: Some("shown".into()),
                signing_secret: Some("key".into()),
            },
            FlagWebhook { url: "https://receiver.example.com/b".into(), ..FlagWebhook::default() },
        ],
        ..Flags::default()
    };
    let config = load(&Inputs { flags, ..Inputs::default() }).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.proxy.upstream.authority(), "127.0.0.1:9");
    assert_eq!(config.rules[1].methods, None);
    assert_eq!(config.rules[1].url.as_str(), "^/(?<id>[0-9]+) x");
    let names: Vec<&str> = config.webhooks.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["receiver.example.com", "receiver.example.com-2"]);
    assert!(config.webhooks.iter().all(|w| w.wants("task.created") && w.wants("any")));
    assert_eq!(config.webhooks[0].signatures.len(), 2);
    assert!(config.webhooks[1].signatures.is_empty());
}

#[test]
fn a_bad_flag_is_told_with_its_place() {
    let flags = Flags {
        upstream: Some("http://127.0.0.1:9".into()),
        events: vec!["task.created".into(), "a=POST ^/(".into()],
        ..Flags::default()
    };
    let problems = problems(load(&Inputs { flags, ..Inputs::default() }));
    let told: Vec<(&str, usize)> = problems.iter().map(|p| (p.source.as_str(), p.column)).collect();
    assert_eq!(told, [("--event", 1), ("--event", 10)], "{problems}");
}

#[test]
fn paths_of_a_file_are_relative_to_its_folder_and_those_of_flags_are_not() {
    let folder = Folder::new("[store]\npath = \"events\"\n");
    let config = folder.load_with(&[], Flags::default()).expect("good");
    assert_eq!(config.store.path, folder.file().with_file_name("events"));
    let flags = Flags { data: Some("here".into()), ..Flags::default() };
    let config = folder.load_with(&[], flags).expect("good");
    assert_eq!(config.store.path, Path::new("here"));
    let config = load(&Inputs::default()).expect("good");
    assert_eq!(config.store.path, Path::new("data"));
}

#[test]
fn rules_keep_their_order_and_methods_are_upper_case() {
    let config = good(&format!(
        "{RULE}[[event]]\nlabel = \"b\"\nmethod = [\"put\", \"Patch\"]\nurl = '^/b$'\nstatus = [\"2xx\", 304, \"400-404\"]\n"
    ));
    assert_eq!(config.rules.iter().map(|r| r.id).collect::<Vec<_>>(), [1, 2]);
    let rule = &config.rules[1];
    assert_eq!(rule.methods.as_deref(), Some(&["PUT".to_owned(), "PATCH".to_owned()][..]));
    assert!(rule.is_success(204) && rule.is_success(304) && rule.is_success(404));
    assert!(!rule.is_success(405) && !rule.is_success(300));
}

#[test]
fn a_switch_of_protocols_is_a_success_where_it_is_named() {
    for status in ["101", "[\"101\"]", "[\"2xx\", 101]"] {
        let config = good(&format!("{RULE}status = {status}\n"));
        assert!(config.rules[0].is_success(101), "{status}");
    }
    assert!(!good(RULE).rules[0].is_success(101));
}

#[test]
fn what_may_not_be_meant_is_a_warning() {
    let warnings = |toml: &str| good(toml).warnings.join("\n");
    assert!(warnings("").contains("there is no [[event]]"));
    assert!(warnings("[store]\nmax_size = \"15MiB\"\n").contains("below 16MiB: the index alone"));
    assert!(!warnings("[store]\nmax_size = \"16MiB\"\n").contains("max_size"));
    assert!(warnings(RULE).contains("no webhook of the configuration wants `task.created`"));
    let rule = |n| format!("[[event]]\nlabel = \"e{n}\"\nmethod = \"*\"\nurl = '^/{n}$'\n");
    let many = warnings(&(0..1000).map(rule).collect::<String>());
    assert_eq!(many.lines().count(), 1, "{many}");
    assert!(many.contains("wants `e0`, `e1`, `e2`, `e3`, `e4` and 995 more labels:"), "{many}");
    let broad = "[delivery]\nallow_networks = [\"0.0.0.0/0\"]\n";
    assert!(warnings(broad).contains("0.0.0.0/0"), "{}", warnings(broad));
}

#[test]
fn a_flag_that_is_no_rule_is_the_only_mistake() {
    let flags = Flags {
        events: vec!["nonsense".into()],
        webhooks: vec![FlagWebhook {
            url: "https://example.com/".into(),
            ..FlagWebhook::default()
        }],
        ..Flags::default()
    };
    let problems = problems(load(&Inputs { flags, ..Inputs::default() }));
    assert_eq!(problems.count(), 1, "{problems}");
    assert!(problems.to_string().contains("LABEL=METHOD REGEX"), "{problems}");
}
