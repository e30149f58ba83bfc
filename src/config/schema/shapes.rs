//! What may be written as the value of a key. Most follows from the kind of the key and from the
//! look of its value in the example; the rest stands here.

use serde_json::{Value, json};

use crate::config::keys::Kind;
use crate::config::units;
use crate::model::{Format, Scheme};

/// Shapes that many keys share.
pub(super) fn definitions() -> Value {
    json!({
        "duration": {
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
            "examples": ["250ms", "15s", "5m", "6h", "30d"],
        },
        "size": {
            "type": "string",
            "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$",
            "examples": ["512B", "64KiB", "10GiB"],
        },
        "secret": {
            "description": "A secret: \"text\", { env = \"NAME\" } or { file = \"path\" }.",
            "oneOf": [
                {"type": "string", "minLength": 1},
                members(json!({"env": {"type": "string", "minLength": 1}}), &["env"]),
                members(json!({"file": {"type": "string", "minLength": 1}}), &["file"]),
            ],
        },
    })
}

/// Keys without which a table means nothing.
pub(super) fn required(section: &str) -> &'static [&'static str] {
    match section {
        "event" => &["label", "method", "url"],
        "webhook" => &["name", "url", "events"],
        _ => &[],
    }
}

/// The shape of a key; `value` is what the example shows.
pub(super) fn shape(section: &str, key: &str, kind: Kind, value: Option<&Value>) -> Value {
    if let Some(shape) = own(section, key) {
        return shape;
    }
    match kind {
        Kind::Text => text(value),
        Kind::Whole => json!({"type": "integer", "minimum": 0}),
        Kind::Real => json!({"type": "number"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::List => json!({"type": "array", "items": text(value.and_then(|list| list.get(0)))}),
        Kind::Secret => reference("secret"),
        // Not known here; a test tells.
        Kind::Other => json!({}),
    }
}

/// A string that looks like this one.
fn text(value: Option<&Value>) -> Value {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    if units::parse_duration(text).is_some() {
        reference("duration")
    } else if units::parse_size(text).is_some() {
        reference("size")
    } else {
        json!({"type": "string"})
    }
}

/// Shapes that cannot be seen from the kind.
fn own(section: &str, key: &str) -> Option<Value> {
    Some(match (section, key) {
        ("proxy", "workers") => whole(0, 1024),
        ("proxy", "commit") => json!({"enum": ["before-response", "after-response"]}),
        ("proxy", "on_store_failure") => json!({"enum": ["refuse", "pass"]}),
        ("proxy", "max_connections") => whole(1, 1_000_000),
        ("proxy", "max_connections_per_client") => whole(0, 1_000_000),
        ("proxy", "upstream_tls") => members(
            json!({
                "ca_file": {"type": "string"},
                "client_cert": pair(),
                "server_name": {"type": "string", "minLength": 1},
            }),
            &[],
        ),
        ("proxy", "max_depth") => whole(0, 16),
        ("capture", "redact_fields") => {
            let pointer = json!({"type": "string", "pattern": "^/(request|response)/body(/.*)?$"});
            json!({"type": "array", "items": pointer})
        }
        ("delivery", "concurrency") => whole(1, 65_536),
        ("delivery", "jitter") => json!({"type": "number", "minimum": 0, "maximum": 1}),
        ("event", "label") => json!({
            "type": "string",
            "pattern": "^[A-Za-z0-9_.:-]{1,256}$",
            "not": {"pattern": "^sidehook\\."},
        }),
        ("event", "method") => one_or_several(json!({"type": "string", "minLength": 1})),
        ("event", "status") => one_or_several(json!({"oneOf": [
            {"type": "integer", "minimum": 200, "maximum": 599},
            {"const": 101},
            {"type": "string", "pattern": "^(101|[2-5]xx|[2-5][0-9]{2}( *- *[2-5][0-9]{2})?)$"},
        ]})),
        ("event", "on_disconnect") => json!({"enum": ["continue", "cancel"]}),
        ("webhook", "method") => json!({"enum": ["POST", "PUT", "PATCH"]}),
        ("webhook", "concurrency") => whole(1, 4096),
        ("webhook", "rate_limit") => json!({"type": "string", "pattern": "^[0-9]+/[smh]$"}),
        ("webhook", "headers") => {
            json!({"type": "object", "additionalProperties": reference("secret")})
        }
        ("webhook", "basic_auth") => members(
            json!({"username": {"type": "string"}, "password": reference("secret")}),
            &["username", "password"],
        ),
        ("webhook", "format") => format(),
        ("webhook", "signatures") => json!({"type": "array", "items": signature()}),
        (_, "client_cert" | "tls") => pair(),
        _ => return None,
    })
}

/// A certificate and its key.
fn pair() -> Value {
    members(json!({"cert": {"type": "string"}, "key": {"type": "string"}}), &["cert", "key"])
}

fn format() -> Value {
    let names: Vec<&str> = Format::NAMED.iter().map(Format::name).collect();
    let text = || json!({"type": "string"});
    json!({"oneOf": [
        {"enum": names},
        members(json!({"json": text()}), &["json"]),
        members(json!({"template": text(), "content_type": text()}), &["template"]),
    ]})
}

fn signature() -> Value {
    let names: Vec<&str> = Scheme::NAMED.iter().map(Scheme::name).collect();
    let own = json!({
        "header": {"type": "string", "minLength": 1},
        "prefix": {"type": "string"},
        "encoding": {"enum": ["hex", "base64"]},
        "content": {"enum": ["body", "timestamp.body", "id.timestamp.body"]},
        "algorithm": {"enum": ["sha256", "sha512"]},
    });
    json!({"oneOf": [{"enum": names}, members(own, &["header"])]})
}

/// A table of these members and no others.
fn members(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn one_or_several(of: Value) -> Value {
    json!({"oneOf": [of.clone(), {"type": "array", "items": of, "minItems": 1}]})
}

fn whole(minimum: u64, maximum: u64) -> Value {
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}
