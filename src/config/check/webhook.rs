//! `[[webhook]]`: who gets events.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue, Method};

use super::Check;
use super::read::{HOUR, TICK};
use super::sections::Delivery;
use crate::config::node::{Entry, Node, Place, Table, Value};
use crate::config::problem::{quoted, suggest};
use crate::egress::guard::{self, TargetError};
use crate::model::{
    BasicAuth, Format, LabelPattern, Scheme, Secret, Webhook, WebhookId, WebhookSource,
};
use crate::sign::{self, Key, SchemeError};
use crate::{clock, egress};

/// Attempts at a time where the webhook does not say: enough for a fast receiver, few enough not
/// to flood a slow one.
const CONCURRENCY: usize = 8;
/// Longest name, bytes: it is a label of metrics and a column of tables.
const NAME_BYTES_MAX: usize = 128;

/// Headers that sidehook or HTTP itself sets: what a webhook's own headers cannot be.
const RESERVED: [&str; 16] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "traceparent",
    "tracestate",
];

/// A webhook and where its parts were written.
pub(super) struct Placed {
    pub(super) webhook: Webhook,
    /// The place of each of `webhook.events`.
    pub(super) event_places: Vec<Place>,
}

pub(super) fn webhooks(
    c: &mut Check<'_>,
    tables: Vec<(&Table, &Place)>,
    delivery: &Delivery,
    egress: &egress::Settings,
) -> Vec<Placed> {
    let mut names = HashSet::new();
    let mut webhooks = Vec::new();
    for (table, place) in tables {
        let placed = webhook(c, table, place, delivery, egress);
        let name = &placed.webhook.name;
        if !name.is_empty() && !names.insert(name.clone()) {
            let place = table.get("name").map_or(place, |node| &node.place);
            let message = format!("the name {} is taken by another webhook", quoted(name));
            c.problem(place, message, "give each webhook its own name: it is its identity");
        }
        webhooks.push(placed);
    }
    webhooks
}

fn webhook(
    c: &mut Check<'_>,
    table: &Table,
    place: &Place,
    delivery: &Delivery,
    egress: &egress::Settings,
) -> Placed {
    let name = c.required(table, place, "name", "name the webhook: name = \"billing\"");
    let name = name.map(|node| name_of(c, node)).unwrap_or_default();
    let cure = "write its target: url = \"https://receiver.example.com/hook\"";
    let url = c.required(table, place, "url", cure);
    let url = url.and_then(|node| target(c, node, egress));
    let (events, event_places) = events(c, table, place);
    let secret = table.get("secret").map(|node| c.secret(node));
    let signing_secret = table.get("signing_secret").map(|node| c.secret(node));
    let basic_auth = table.get("basic_auth").and_then(|node| basic_auth(c, node));
    let headers = table.get("headers").map(|node| headers(c, node, basic_auth.is_some()));
    let format = table.get("format").map_or(Format::Exchange, |node| format(c, node));
    let signatures = signatures(c, table, place, &format, secret.as_ref(), signing_secret.as_ref());
    let methods = [("POST", 0), ("PUT", 1), ("PATCH", 2)];
    let method = table.get("method").map_or(0, |node| c.choice(node, &methods));
    let now = clock::now();
    let webhook = Webhook {
        id: WebhookId::of_name(&name),
        name,
        active: table.get("active").is_none_or(|node| c.flag(node)),
        events,
        secret,
        signing_secret,
        headers: headers.unwrap_or_default(),
        basic_auth,
        method: [Method::POST, Method::PUT, Method::PATCH][method].clone(),
        format,
        signatures,
        retry: table.get("retry").map_or_else(|| delivery.retry.clone(), |node| c.retry(node)),
        timeout: table
            .get("timeout")
            .map_or(delivery.timeout, |node| c.duration(node, TICK..=HOUR)),
        concurrency: table.get("concurrency").map_or(CONCURRENCY, |node| c.count(node, 1..=4096)),
        source: WebhookSource::Config,
        created_at: now,
        updated_at: now,
        ..Webhook::new("", url.unwrap_or_else(nowhere))
    };
    Placed { webhook, event_places }
}

/// Stands in for a target that could not be read.
fn nowhere() -> url::Url {
    url::Url::parse("http://stand-in.invalid/").expect("a constant, valid URL")
}

fn name_of(c: &mut Check<'_>, node: &Node) -> String {
    let Some(text) = c.text(node, "a string") else { return String::new() };
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let cure = "write 1 to 128 bytes without control characters, such as \"billing\"";
        c.problem(&node.place, format!("{} is not a name", quoted(text)), cure);
    }
    text.to_owned()
}

fn target(c: &mut Check<'_>, node: &Node, egress: &egress::Settings) -> Option<url::Url> {
    let form = "\"https://host/path\" or \"http://host:port/path\"";
    let text = c.text(node, form)?;
    let url = c.url(node, text, form)?;
    let Err(error) = guard::judge_url(&url, egress) else { return Some(url) };
    let cure = match &error {
        TargetError::NotHttps { .. } => "write https://, or set [delivery] require_https = false",
        TargetError::NotPublic { .. } => {
            "if it is meant, list its network in [delivery] allow_networks \
             (on the command line: --allow-network)"
        }
        TargetError::Denied { .. } => "write another target, or change [delivery] deny_networks",
        TargetError::Scheme { .. }
        | TargetError::UserInfo
        | TargetError::NoHost
        | TargetError::PortZero => form,
    };
    c.problem(&node.place, error.to_string(), cure);
    None
}

fn events(c: &mut Check<'_>, table: &Table, place: &Place) -> (Vec<LabelPattern>, Vec<Place>) {
    let cure = "name the labels it wants, such as [\"task.created\", \"invoice.*\"], or [\"*\"]";
    let Some(node) = c.required(table, place, "events", cure) else {
        return (Vec::new(), Vec::new());
    };
    let items = c.list(node, "labels, such as [\"task.created\", \"invoice.*\"]");
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        c.problem(&node.place, "a webhook without events gets none", cure);
    }
    let mut found = (Vec::new(), Vec::new());
    for item in items {
        let Some(text) = c.text(item, "a label") else { continue };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-*".contains(c);
        if text.is_empty() || !text.chars().all(allowed) {
            let cure = "use letters, digits and _ . : -, and `*` for any run of characters";
            c.problem(&item.place, format!("{} is not a label", quoted(text)), cure);
            continue;
        }
        found.0.push(LabelPattern::new(text));
        found.1.push(item.place.clone());
    }
    found
}

fn basic_auth(c: &mut Check<'_>, node: &Node) -> Option<BasicAuth> {
    let form = "basic_auth = { username = \"u\", password = { env = \"NAME\" } }";
    let Value::Table(table) = &node.value else {
        c.sources().mask(&node.place);
        let message = format!("expected a table, found {}", node.value.kind());
        c.problem(&node.place, message, format!("write {form}"));
        return None;
    };
    for entry in &table.entries {
        if !matches!(entry.key.as_str(), "username" | "password") {
            c.sources().mask(&entry.node.place);
            let cure = match suggest(&entry.key, ["username", "password"]) {
                Some(meant) => format!("did you mean {}?", quoted(meant)),
                None => format!("write {form}"),
            };
            let message = format!("{} is not a key of basic_auth", quoted(&entry.key));
            c.problem(&entry.key_place, message, cure);
        }
    }
    let password = c.required(table, &node.place, "password", form).map(|node| c.secret(node));
    let name_node = c.required(table, &node.place, "username", form)?;
    let username = c.text(name_node, "a string")?;
    // RFC 7617 2: the colon ends the user name, and control characters are not allowed.
    if username.contains(':') || username.chars().any(char::is_control) {
        let cure = "write a name without colon and control characters (RFC 7617)";
        c.problem(&name_node.place, format!("{} is not a user name", quoted(username)), cure);
    }
    Some(BasicAuth { username: username.to_owned(), password: password? })
}

fn headers(c: &mut Check<'_>, node: &Node, has_basic_auth: bool) -> Vec<(HeaderName, HeaderValue)> {
    let Value::Table(table) = &node.value else {
        c.wrong_kind(node, "a table, such as { \"X-Env\" = \"prod\" }");
        return Vec::new();
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for entry in &table.entries {
        let Some(name) = header_name(c, entry, has_basic_auth) else { continue };
        if headers.iter().any(|(other, _)| *other == name) {
            let message = format!("the header {} is written twice", quoted(name.as_str()));
            c.problem(&entry.key_place, message, "write it once: names are the same in any case");
        }
        let secret = matches!(entry.node.value, Value::Table(_)) || is_confidential(&name);
        let text = match &entry.node.value {
            Value::Text(text) if !secret => text.clone(),
            _ => c.secret(&entry.node).reveal().to_owned(),
        };
        match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(secret);
                headers.push((name, value));
            }
            Err(_) => {
                let cure = "write visible ASCII characters, spaces and tabs only (RFC 9110 5.5)";
                c.problem(&entry.node.place, "this cannot be a header's value", cure);
            }
        }
    }
    headers
}

/// Whether a header's value is likely to be a secret even when it is written as text.
pub(in crate::config) fn is_confidential(name: &HeaderName) -> bool {
    ["auth", "token", "key", "secret", "cookie", "password"]
        .iter()
        .any(|word| name.as_str().contains(word))
}

fn header_name(c: &mut Check<'_>, entry: &Entry, has_basic_auth: bool) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
        let message = format!("{} is not a header name", quoted(&entry.key));
        c.problem(&entry.key_place, message, "write a name such as \"X-Env\"");
        return None;
    };
    let text = name.as_str();
    let own = text.starts_with("webhook-") || text.starts_with("x-webhook-");
    let cure = match text {
        "user-agent" => "set [delivery] user_agent",
        "authorization" if has_basic_auth => "keep either it or basic_auth",
        _ if own || RESERVED.contains(&text) => "take it out: sidehook sets it where it is needed",
        _ => return Some(name),
    };
    c.problem(&entry.key_place, format!("the header {} is reserved", quoted(&entry.key)), cure);
    None
}

fn format(c: &mut Check<'_>, node: &Node) -> Format {
    const LATER: [&str; 7] = [
        "vikunja",
        "timestamped",
        "wireguard-portal",
        "typed",
        "standard",
        "cloudevents",
        "cloudevents-binary",
    ];
    let later = match &node.value {
        Value::Table(_) => Some("a format of your own".to_owned()),
        Value::Text(text) if LATER.contains(&text.as_str()) => {
            Some(format!("the format {}", quoted(text)))
        }
        _ => None,
    };
    match later {
        Some(later) => {
            let message = format!("{later} is not supported by this version yet");
            c.problem(&node.place, message, "write \"exchange\"");
            Format::Exchange
        }
        None => {
            c.choice(node, &[("exchange", ())]);
            Format::Exchange
        }
    }
}

/// The schemes as written or by default, under the rule that a secret is never both shown and used
/// as a key.
fn signatures(
    c: &mut Check<'_>,
    table: &Table,
    place: &Place,
    format: &Format,
    secret: Option<&Secret>,
    signing_secret: Option<&Secret>,
) -> Vec<Scheme> {
    let written = table.get("signatures").map(|node| schemes(c, node));
    // A bad key is a mistake even where nothing signs yet.
    let key = signing_secret.map_or(Ok(()), |secret| Key::parse(secret).map(|_| ()));
    let chosen = key.map_err(SchemeError::from).and_then(|()| {
        let offer = sign::Offer {
            format,
            secret,
            signing_secret,
            ed25519_key: None,
            has_basic_auth: false,
        };
        sign::check_schemes(&offer, written.as_deref())
    });
    let error = match chosen {
        Ok(schemes) => return schemes,
        Err(error) => error,
    };
    let (key, cure) = match &error {
        SchemeError::KeyIsShown { .. } => {
            ("signatures", "set signing_secret, or remove signatures")
        }
        SchemeError::NoKey { .. } => ("signatures", "set signing_secret, or remove signatures"),
        SchemeError::Twice { .. } => ("signatures", "list each scheme once"),
        SchemeError::SameSecret { .. } => ("signing_secret", "choose a signing_secret of its own"),
        SchemeError::Key(_) => ("signing_secret", "write whsec_ and base64, or any other text"),
    };
    let at = table.get(key).or_else(|| table.get("secret")).map_or(place, |node| &node.place);
    c.problem(at, error.to_string(), cure);
    Vec::new()
}

fn schemes(c: &mut Check<'_>, node: &Node) -> Vec<Scheme> {
    const LATER: [&str; 5] = ["standard-ed25519", "vikunja", "github", "stripe", "authorization"];
    let mut schemes = Vec::new();
    for item in c.list(node, "signature schemes, such as [\"standard\", \"sha256\"]") {
        let later = match &item.value {
            Value::Table(_) => Some("a scheme of your own".to_owned()),
            Value::Text(text) if LATER.contains(&text.as_str()) => {
                Some(format!("the scheme {}", quoted(text)))
            }
            _ => None,
        };
        if let Some(later) = later {
            let message = format!("{later} is not supported by this version yet");
            c.problem(&item.place, message, "write \"standard\" or \"sha256\"");
            continue;
        }
        let is_standard = c.choice(item, &[("standard", true), ("sha256", false)]);
        schemes.push(if is_standard { Scheme::Standard } else { Scheme::Sha256 });
    }
    schemes
}
