//! `/v1/webhooks`: what is configured, never its secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::params::{Id, Params};
use super::problem::{Problem, json};
use super::state::Api;
use crate::model::{LabelPattern, Scheme, Timestamp, Webhook, WebhookId, WebhookSource};

/// What stands for a header value that may be a credential.
const MASK: &str = "***";
/// Parts of the names of headers whose values may be credentials.
const CREDENTIAL_PARTS: [&str; 8] =
    ["auth", "token", "key", "secret", "cookie", "password", "credential", "signature"];

#[derive(Serialize)]
struct WebhookView<'a> {
    id: WebhookId,
    name: &'a str,
    url: &'a str,
    status: &'static str,
    disabled_reason: Option<&'static str>,
    events: Vec<&'a str>,
    method: &'a str,
    format: &'static str,
    signatures: Vec<&'static str>,
    headers: BTreeMap<&'a str, String>,
    basic_auth: Option<BasicAuthView<'a>>,
    has_secret: bool,
    retry: Vec<String>,
    timeout: String,
    concurrency: usize,
    source: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct BasicAuthView<'a> {
    username: &'a str,
}

#[derive(Serialize)]
struct WebhookList<'a> {
    data: Vec<WebhookView<'a>>,
    next: Option<WebhookId>,
}

/// Newest first; of the same age in the order of the file. The cursor is the last one's id.
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let limit = params.limit()?;
    let after: Option<WebhookId> =
        params.take("cursor", "the `next` of a page before", |text| text.parse().ok())?;
    params.finish()?;
    let webhooks = api.state.store.webhooks();
    let mut sorted: Vec<&Webhook> = webhooks.iter().map(AsRef::as_ref).collect();
    sorted.sort_by_key(|webhook| std::cmp::Reverse(webhook.created_at));
    let start = match after {
        None => 0,
        Some(id) => match sorted.iter().position(|webhook| webhook.id == id) {
            Some(at) => at + 1,
            None => return Err(Problem::bad_query("`cursor` must be the `next` of a page before")),
        },
    };
    let page = &sorted[start..sorted.len().min(start + limit)];
    let next = page.last().filter(|_| start + page.len() < sorted.len()).map(|last| last.id);
    let data = page.iter().map(|webhook| view(webhook)).collect();
    Ok(json(StatusCode::OK, &WebhookList { data, next }))
}

pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    match api.state.store.webhooks().iter().find(|webhook| webhook.id == id) {
        Some(webhook) => Ok(json(StatusCode::OK, &view(webhook))),
        None => Err(Problem::not_found("webhook")),
    }
}

/// `active` or `disabled`.
pub(super) const fn status_name(webhook: &Webhook) -> &'static str {
    if webhook.active { "active" } else { "disabled" }
}

fn view(webhook: &Webhook) -> WebhookView<'_> {
    WebhookView {
        id: webhook.id,
        name: &webhook.name,
        url: webhook.url.as_str(),
        status: status_name(webhook),
        disabled_reason: (!webhook.active).then_some("`active = false` in the configuration"),
        events: webhook.events.iter().map(LabelPattern::as_str).collect(),
        method: webhook.method.as_str(),
        format: webhook.format.name(),
        signatures: webhook.signatures.iter().map(Scheme::name).collect(),
        headers: headers(webhook),
        basic_auth: webhook
            .basic_auth
            .as_ref()
            .map(|basic| BasicAuthView { username: &basic.username }),
        has_secret: webhook.hmac_key().is_some(),
        retry: webhook.retry.iter().copied().map(show_duration).collect(),
        timeout: show_duration(webhook.timeout),
        concurrency: webhook.concurrency,
        source: match webhook.source {
            WebhookSource::Config => "config",
        },
        created_at: webhook.created_at,
        updated_at: webhook.updated_at,
    }
}

/// The webhook's own headers; values that may be credentials are masked.
fn headers(webhook: &Webhook) -> BTreeMap<&str, String> {
    let mut shown = BTreeMap::<&str, String>::new();
    for (name, value) in &webhook.headers {
        let name = name.as_str();
        let value = if value.is_sensitive() || CREDENTIAL_PARTS.iter().any(|p| name.contains(p)) {
            MASK.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        match shown.get_mut(name) {
            Some(before) => *before = format!("{before}, {value}"),
            None => drop(shown.insert(name, value.into_owned())),
        }
    }
    shown
}

/// As the configuration writes durations: the largest unit that fits evenly.
fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_configuration_writes_them() {
        for (millis, text) in [
            (0, "0ms"),
            (250, "250ms"),
            (15_000, "15s"),
            (90_000, "90s"),
            (300_000, "5m"),
            (21_600_000, "6h"),
            (2_592_000_000, "30d"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
    }
}
