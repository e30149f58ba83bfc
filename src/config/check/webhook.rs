//! `[[webhook]]`: who gets events.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;

use super::Check;
use super::read::{HOUR, TICK};
use super::sections::Delivery;
use super::{bare_key, format, headers, schemes, tls};
use crate::config::node::{Node, Place, Table, Value};
use crate::config::problem::quoted;
use crate::egress::guard::{self, TargetError};
use crate::model::{Format, LabelPattern, RateLimit, Webhook, WebhookId, WebhookSource};
use crate::sign::Offer;
use crate::{clock, egress};

/// Attempts at a time where the webhook does not say: enough for a fast receiver, few enough not
/// to flood a slow one.
const CONCURRENCY: usize = 8;
/// Longest name, bytes: it is a label of metrics and a column of tables.
const NAME_BYTES_MAX: usize = 128;

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

pub(super) fn webhook(
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
    let secret = |c: &mut Check<'_>, key: &str| table.get(key).map(|node| c.secret(node));
    let shown = secret(c, "secret");
    let signing_secret = secret(c, "signing_secret");
    let ed25519_key = secret(c, "ed25519_key");
    let basic_auth = table.get("basic_auth").and_then(|node| headers::basic_auth(c, node));
    let has_basic_auth = table.get("basic_auth").is_some();
    let headers = table.get("headers").map(|node| headers::headers(c, node, has_basic_auth));
    let headers = headers.unwrap_or_default();
    let format = table.get("format").map_or(Format::Exchange, |node| format::format(c, node));
    let offer = Offer {
        format: &format,
        secret: shown.as_ref(),
        signing_secret: signing_secret.as_ref(),
        ed25519_key: ed25519_key.as_ref(),
        has_basic_auth,
    };
    let names: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
    let signatures = schemes::signatures(c, table, place, &offer, &names);
    bare_key::warn(c, &name, &offer, &signatures);
    if let Some(url) = &url {
        tls::warn_about_http(c, table, &name, url);
    }
    let now = clock::now();
    let webhook = Webhook {
        id: WebhookId::of_name(&name),
        name,
        active: table.get("active").is_none_or(|node| c.flag(node)),
        events,
        secret: shown,
        signing_secret,
        ed25519_key,
        headers,
        basic_auth,
        method: table.get("method").map_or(Method::POST, |node| method(c, node)),
        format,
        signatures,
        tls: tls::identity(c, table),
        source: WebhookSource::Config,
        created_at: now,
        updated_at: now,
        ..limits(c, table, delivery, url.unwrap_or_else(nowhere))
    };
    Placed { webhook, event_places }
}

/// A webhook with what bounds its attempts: its own values over those of `[delivery]`.
fn limits(c: &mut Check<'_>, table: &Table, delivery: &Delivery, url: url::Url) -> Webhook {
    let get = |key| table.get(key);
    Webhook {
        retry: get("retry").map_or_else(|| delivery.retry.clone(), |node| c.retry(node)),
        timeout: get("timeout").map_or(delivery.timeout, |node| c.duration(node, TICK..=HOUR)),
        disable_after: get("disable_after").map_or(delivery.disable_after, |node| c.times(node)),
        pause_after: get("pause_after").map_or(delivery.pause_after, |node| c.times(node)),
        concurrency: get("concurrency").map_or(CONCURRENCY, |node| c.count(node, 1..=4096)),
        rate_limit: get("rate_limit").and_then(|node| rate_limit(c, node)),
        ordered: get("ordered").is_some_and(|node| c.flag(node)),
        ..Webhook::new("", url)
    }
}

fn method(c: &mut Check<'_>, node: &Node) -> Method {
    let choices = [("POST", 0), ("PUT", 1), ("PATCH", 2)];
    [Method::POST, Method::PUT, Method::PATCH][c.choice(node, &choices)].clone()
}

/// `"10/s"`, `"100/m"`, `"1000/h"`.
fn rate_limit(c: &mut Check<'_>, node: &Node) -> Option<RateLimit> {
    const N_MAX: u32 = 1_000_000;
    let form = "attempts in a second, a minute or an hour: \"10/s\", \"100/m\" or \"1000/h\"";
    let text = c.text(node, form)?;
    let limit = text.split_once('/').and_then(|(n, unit)| {
        let per = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => HOUR,
            _ => return None,
        };
        let digits = !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| RateLimit { n: n.parse().unwrap_or(u32::MAX), per })
    });
    match limit {
        Some(limit) if (1..=N_MAX).contains(&limit.n) => return Some(limit),
        Some(_) => {
            let cure =
                format!("write a number from 1 to {N_MAX}; to stop a webhook: active = false");
            c.problem(&node.place, "out of range", cure);
        }
        None => {
            let message = format!("{} is not a rate", quoted(text));
            c.problem(&node.place, message, format!("write {form}"));
        }
    }
    None
}

/// Stands in for a target that could not be read.
fn nowhere() -> url::Url {
    url::Url::parse("http://stand-in.invalid/").expect("a constant, valid URL")
}

/// Characters without a look of their own: names that hold them are taken for others.
const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn name_of(c: &mut Check<'_>, node: &Node) -> String {
    let Some(text) = c.text(node, "a string") else { return String::new() };
    let is_plain = text.trim() == text && !text.chars().any(|c| c.is_control() || is_hidden(c));
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !is_plain {
        let cure = "write 1 to 128 bytes without control characters, invisible ones and blanks at \
                    its ends, such as \"billing\"";
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
            "targets are public addresses, or in allow_networks (without a file: --allow-network)"
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
