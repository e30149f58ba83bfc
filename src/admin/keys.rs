//! The keys of a webhook as JSON: what the API itself makes of them, before they are checked.

use serde_json::{Map, Value};

use super::problem::FieldError;
use super::registry::ReadWebhook;
use crate::model::{Scheme, Webhook, WebhookStatus};

/// What stands for a value that is not shown.
pub(super) const MASK: &str = "***";
/// Longest name that is made of a host, bytes: room for a number within 128.
const HOST_BYTES_MAX: usize = 100;

/// Takes `status`, and `active`, which says the same in the words of the file; `None`: neither.
pub(super) fn take_status(
    keys: &mut Map<String, Value>,
) -> Result<Option<WebhookStatus>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &'static str| {
        errors.push(FieldError { field: field.to_owned(), message: message.into() });
    };
    let status = match keys.remove("status") {
        None => None,
        Some(value) => match value.as_str() {
            Some("active") => Some(WebhookStatus::Active),
            Some("disabled") => Some(WebhookStatus::Disabled),
            _ => {
                wrong("status", "must be \"active\" or \"disabled\"");
                None
            }
        },
    };
    let active = match keys.remove("active") {
        None => None,
        Some(Value::Bool(true) | Value::Null) => Some(WebhookStatus::Active),
        Some(Value::Bool(false)) => Some(WebhookStatus::Disabled),
        Some(_) => {
            wrong("active", "must be true or false");
            None
        }
    };
    if status.is_some() && active.is_some() && status != active {
        wrong("active", "says the opposite of `status`; leave one out");
    }
    if errors.is_empty() { Ok(status.or(active)) } else { Err(errors) }
}

/// Members of a body that are null and that there are not: nothing would be reset.
pub(super) fn unknown_resets(
    members: &Map<String, Value>,
    reader: &dyn ReadWebhook,
) -> Vec<FieldError> {
    let unknown = members.iter().filter(|(key, value)| value.is_null() && !reader.knows(key));
    unknown.take(20).map(|(key, _)| FieldError::unknown(key.clone())).collect()
}

/// Lays a patch over the keys: null takes a key away, `headers` and `basic_auth` are merged member
/// by member, whatever else is replaced as a whole. Gives the members that hold a mask.
pub(super) fn merge(keys: &mut Map<String, Value>, patch: Map<String, Value>) -> Vec<FieldError> {
    let mut masked = Vec::new();
    for (key, value) in patch {
        match (key.as_str(), value) {
            (_, Value::Null) => {
                keys.remove(&key);
            }
            ("headers" | "basic_auth", Value::Object(members)) => {
                if !keys.get(&key).is_some_and(Value::is_object) {
                    keys.insert(key.clone(), Value::Object(Map::new()));
                }
                let Some(Value::Object(known)) = keys.get_mut(&key) else { continue };
                masked.extend(merge_members(&key, known, members));
            }
            (_, value) => {
                keys.insert(key, value);
            }
        }
    }
    masked
}

fn merge_members(
    table: &str,
    known: &mut Map<String, Value>,
    patch: Map<String, Value>,
) -> Vec<FieldError> {
    let mut masked = Vec::new();
    for (name, value) in patch {
        if value == MASK {
            // Somebody sends back what was shown.
            masked.push(FieldError {
                field: format!("{table}.{name}"),
                message: "this is what stands for a value that is not shown; leave the member out \
                          to keep the value"
                    .into(),
            });
            continue;
        }
        // Names of headers are the same in any case.
        known.retain(|other, _| !(table == "headers" && other.eq_ignore_ascii_case(&name)));
        if value.is_null() {
            known.remove(&name);
        } else {
            known.insert(name, value);
        }
    }
    masked
}

/// The URL's host, with `-2`, `-3`, ... where that is not free.
pub(super) fn free_name(keys: &Map<String, Value>, is_free: impl Fn(&String) -> bool) -> String {
    let url = keys.get("url").and_then(Value::as_str).and_then(|url| url::Url::parse(url).ok());
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("webhook");
    let host = host[..host.floor_char_boundary(HOST_BYTES_MAX)].to_owned();
    if is_free(&host) { host } else { numbered(&host, is_free) }
}

/// The first of `-2`, `-3`, ... behind a name that is free.
pub(super) fn numbered(name: &str, is_free: impl Fn(&String) -> bool) -> String {
    let mut numbered = (2..).map(|n: u64| format!("{name}-{n}"));
    numbered.find(is_free).unwrap_or_else(|| name.to_owned())
}

/// What a new key means for the signatures that receivers check, where they may not expect it.
pub(super) fn warnings_of_rotation(before: &Webhook, after: &Webhook) -> Vec<String> {
    let names = |webhook: &Webhook| {
        let names = webhook.signatures.iter().map(|scheme| format!("`{}`", scheme.name()));
        names.collect::<Vec<_>>().join(", ")
    };
    let keyless =
        |scheme: &Scheme| matches!(scheme, Scheme::Authorization | Scheme::StandardEd25519);
    let mut warnings = Vec::new();
    if before.signatures != after.signatures {
        warnings.push(format!(
            "the signatures were {} and are {} now, the default with this key; set `signatures` if the \
             receiver checks others",
            names(before),
            names(after)
        ));
    }
    if after.signatures.iter().all(keyless) {
        warnings.push(format!(
            "no signature uses the new key (signatures: {}): what the receiver checks is as before; \
             change `secret`, `ed25519_key` or `signatures` with PATCH",
            names(after)
        ));
    }
    warnings
}

/// The key of the configuration that holds the HMAC key, or would. A `secret` that is shown or sent
/// is none.
pub(super) fn name_of_hmac_key(webhook: &Webhook) -> &'static str {
    let is_sent = webhook.format.shows_secret()
        || webhook.signatures.iter().any(|scheme| matches!(scheme, Scheme::Authorization));
    if webhook.signing_secret.is_none() && webhook.secret.is_some() && !is_sent {
        "secret"
    } else {
        "signing_secret"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    #[test]
    fn a_patch_keeps_what_it_does_not_name() {
        let mut keys = object(json!({
            "url": "https://a.example/", "retry": ["1s", "2s"], "timeout": "1s",
            "headers": {"X-Env": "prod", "Authorization": "secret"},
            "basic_auth": {"username": "u", "password": "p"},
            "format": {"json": "1"},
        }));
        let masked = merge(
            &mut keys,
            object(json!({
                "timeout": null, "retry": ["3s"], "headers": {"x-env": "dev", "X-New": "1"},
                "basic_auth": {"username": "other"}, "format": {"template": "t"},
            })),
        );
        assert_eq!(masked, []);
        let expected = json!({
            "url": "https://a.example/", "retry": ["3s"],
            "headers": {"x-env": "dev", "Authorization": "secret", "X-New": "1"},
            "basic_auth": {"username": "other", "password": "p"},
            "format": {"template": "t"},
        });
        assert_eq!(Value::Object(keys.clone()), expected);
        let masked = merge(&mut keys, object(json!({"headers": {"authorization": "***"}})));
        assert_eq!(masked[0].field, "headers.authorization");
        merge(&mut keys, object(json!({"headers": {"X-NEW": null}, "basic_auth": null})));
        let expected = json!({"x-env": "dev", "Authorization": "secret"});
        assert_eq!((keys.get("headers"), keys.get("basic_auth")), (Some(&expected), None));
    }

    #[test]
    fn a_name_is_made_of_the_host() {
        let keys = |url: &str| object(json!({ "url": url }));
        assert_eq!(free_name(&keys("https://a.example/x"), |_| true), "a.example");
        let taken = ["a.example", "a.example-2"];
        let is_free = |name: &String| !taken.contains(&name.as_str());
        assert_eq!(free_name(&keys("https://a.example/x"), is_free), "a.example-3");
        assert_eq!(free_name(&keys("nonsense"), |_| true), "webhook");
    }
}
