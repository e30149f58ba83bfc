//! Webhooks written as JSON: the checks of the file, each mistake at its member.

use serde_json::{Map, Value, json};
use sidehook::admin::ReadWebhook as _;
use sidehook::config::{Environment, Inputs, WebhookReader, load};

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("an object: {value}") };
    members
}

/// Under a configuration with the label `task.created` that allows one private network.
fn reader() -> WebhookReader {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sidehook.toml");
    let toml = "[delivery]\nretry = [\"7s\"]\nallow_networks = [\"10.1.0.0/16\"]\n\
                [[event]]\nlabel = \"task.created\"\nmethod = \"POST\"\nurl = '^/tasks$'\n";
    std::fs::write(&file, toml).expect("writable");
    let inputs = Inputs { file: Some(file), ..Inputs::default() };
    load(&inputs).unwrap_or_else(|error| panic!("{error}")).webhook_reader()
}

fn whole(changes: Value) -> Map<String, Value> {
    let mut keys = object(json!({
        "name": "w", "url": "https://example.com/", "events": ["task.created"],
    }));
    keys.extend(object(changes));
    keys
}

/// The fields of the mistakes, and their messages in one text.
fn mistakes(changes: Value) -> (Vec<String>, String) {
    let errors =
        reader().read(&whole(changes.clone())).map(|_| ()).expect_err(&changes.to_string());
    let text = errors.iter().map(|e| e.message.as_ref()).collect::<Vec<_>>().join("\n");
    (errors.into_iter().map(|error| error.field).collect(), text)
}

#[test]
fn the_keys_mean_what_they_mean_in_the_file() {
    let read = reader()
        .read(&whole(json!({
            "url": "http://10.1.2.3:8080/hook", "events": ["task.created", "invoice.*"],
            "secret": "shown", "signing_secret": "key", "headers": {"X-Env": "prod"},
            "basic_auth": {"username": "u", "password": "p"}, "method": "PUT",
            "format": {"json": "response.body"}, "signatures": ["stripe", {"header": "x-sig"}],
            "timeout": "3s", "disable_after": 5, "concurrency": 2, "rate_limit": "90/m",
            "ordered": true, "tls": null, "pause_after": null,
        })))
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let webhook = read.webhook;
    assert_eq!(webhook.url.as_str(), "http://10.1.2.3:8080/hook");
    assert_eq!(webhook.signatures.len(), 2);
    assert_eq!(webhook.retry, [std::time::Duration::from_secs(7)], "of [delivery]");
    assert_eq!((webhook.disable_after, webhook.pause_after, webhook.concurrency), (5, 10, 2));
    assert_eq!(webhook.basic_auth.expect("given").username, "u");
    assert_eq!(webhook.method, "PUT");
    assert!(webhook.ordered && webhook.rate_limit.is_some());
    assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
    assert!(read.warnings[0].contains("`invoice.*`"), "{:?}", read.warnings);
}

#[test]
fn each_mistake_is_named_by_its_member() {
    for (changes, field, word) in [
        (json!({"url": "http://127.0.0.1/"}), "url", "allow_networks"),
        (json!({"url": "http://169.254.169.254/"}), "url", "169.254"),
        (json!({"url": "ftp://example.com/"}), "url", "https://"),
        (json!({"url": "https://u:p@example.com/"}), "url", "user"),
        (json!({"url": null}), "url", "missing"),
        (json!({"url": 7}), "url", "a whole number"),
        (json!({"events": []}), "events", "gets none"),
        (json!({"events": ["task.created", "a b"]}), "events[1]", "not a label"),
        (json!({"events": [null]}), "events[0]", "null"),
        (json!({"events": ["sidehook.webhok.paused"]}), "events[0]", "did you mean"),
        (json!({"basic_auth": {"username": "u"}}), "basic_auth.password", "missing"),
        (json!({"basic_auth": {"username": "u:", "password": "p"}}), "basic_auth.username", "7617"),
        (json!({"headers": {"X-Env": "a\nb"}}), "headers.X-Env", "9110"),
        (json!({"headers": {"webhook-id": "1"}}), "headers.webhook-id", "reserved"),
        (json!({"format": {"json": "nosuch.body"}}), "format.json", "nosuch"),
        (json!({"format": "exchang"}), "format", "exchange"),
        (json!({"signatures": ["standard"]}), "signatures[0]", "key"),
        (json!({"retry": ["1m", "soon"]}), "retry[1]", "duration"),
        (json!({"concurrency": 0}), "concurrency", "4096"),
        (json!({"concurrency": 1.5}), "concurrency", "a whole number"),
        (json!({"concurrency": 18446744073709551615u64}), "concurrency", "range"),
        (json!({"timout": "5s"}), "timout", "did you mean `timeout`"),
        (json!({"signing_secret": "whsec_%"}), "signing_secret", "base64"),
        (json!({"secret": ""}), "secret", "empty"),
        (json!({"name": ""}), "name", "not a name"),
    ] {
        let (fields, text) = mistakes(changes.clone());
        assert!(fields.contains(&field.to_owned()), "{changes}: {fields:?}");
        assert!(text.contains(word), "{changes}: {text}");
    }
    let (fields, _) = mistakes(json!({"url": "x", "events": "a", "method": "GET", "timeout": 5}));
    assert_eq!(fields.len(), 4, "all at once: {fields:?}");
}

/// A token for the API must not read this machine.
#[test]
fn files_and_the_environment_are_named_in_the_file_only() {
    for (changes, field) in [
        (json!({"secret": {"env": "HOME"}}), "secret"),
        (json!({"signing_secret": {"file": "/etc/passwd"}}), "signing_secret"),
        (json!({"ed25519_key": {"file": "/etc/passwd"}}), "ed25519_key"),
        (
            json!({"basic_auth": {"username": "u", "password": {"env": "HOME"}}}),
            "basic_auth.password",
        ),
        (json!({"headers": {"X-Env": {"file": "/etc/passwd"}}}), "headers.X-Env"),
        (json!({"ca_file": "/etc/passwd"}), "ca_file"),
        (json!({"client_cert": {"cert": "/etc/passwd", "key": "/etc/passwd"}}), "client_cert"),
    ] {
        let (fields, text) = mistakes(changes.clone());
        assert_eq!(fields, [field], "{changes}: {text}");
        assert!(text.contains("in the configuration file only"), "{text}");
        assert!(!text.contains("root"), "{text}");
    }
}

#[test]
fn a_label_that_the_format_cannot_carry_is_a_mistake() {
    let (fields, text) =
        mistakes(json!({"format": "wireguard-portal", "events": ["peer.create", "peer"]}));
    assert_eq!(fields, ["events[1]"]);
    assert!(text.contains("wireguard-portal"), "{text}");
}

#[test]
fn https_is_required_of_the_api_too() {
    let environment = Environment::of([("SIDEHOOK_DELIVERY_REQUIRE_HTTPS", "true")]);
    let config = load(&Inputs { environment, ..Inputs::default() }).expect("good");
    let keys = whole(json!({"url": "http://example.com/"}));
    let errors = config.webhook_reader().read(&keys).map(|_| ()).expect_err("plain http");
    assert_eq!(errors[0].field, "url");
    assert!(errors[0].message.contains("https"), "{errors:?}");
}

#[test]
fn no_message_shows_a_secret() {
    for changes in [
        json!({"secret": ["hunter2"]}),
        json!({"signing_secret": "whsec_hunter2%"}),
        json!({"secret": "hunter2", "signatures": ["standard"]}),
        json!({"basic_auth": "u:hunter2"}),
        json!({"basic_auth": {"username": "u:hunter2", "password": "x"}}),
        json!({"headers": {"Authorization": "hunter2\n"}}),
        json!({"headers": "Authorization: hunter2"}),
        json!({"url": "https://u:hunter2@example.com:x/"}),
        json!({"ed25519_key": "whsk_hunter2"}),
        json!({"passwort": "hunter2"}),
    ] {
        let (_, text) = mistakes(changes.clone());
        assert!(!text.contains("hunter2"), "{changes}: {text}");
    }
}
