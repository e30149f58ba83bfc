//! `/v1/webhooks`: what is configured, how it stands, and enabling and disabling by hand.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::manage;
use super::params::{Id, Object, Params};
use super::problem::{FieldError, Problem, json};
use super::state::Api;
use super::webhook_view::{WebhookView, view};
use crate::clock;
use crate::model::{Webhook, WebhookId, WebhookSource, WebhookState, WebhookStatus};

/// The keys of `[[webhook]]`: what a webhook of the file has in the file only.
const KEYS_OF_FILE: [&str; 21] = [
    "name",
    "url",
    "active",
    "events",
    "secret",
    "signing_secret",
    "ed25519_key",
    "headers",
    "basic_auth",
    "method",
    "format",
    "signatures",
    "retry",
    "timeout",
    "disable_after",
    "pause_after",
    "concurrency",
    "rate_limit",
    "ordered",
    "ca_file",
    "client_cert",
];

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
    let standing: Vec<_> =
        page.iter().map(|webhook| api.state.store.webhook_status(webhook)).collect();
    let data = page.iter().zip(&standing).map(|(webhook, stands)| view(webhook, stands)).collect();
    Ok(json(StatusCode::OK, &WebhookList { data, next }))
}

pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    shown(&api, id)
}

/// `{"status": "active"}` or `{"status": "disabled"}`: from now on, over restarts. Enabling ends a
/// pause too, and goes before `active = false` in the file until that is changed.
pub(super) async fn change(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
    Object(members): Object,
) -> Result<Response, Problem> {
    params.finish()?;
    let store = &api.state.store;
    let webhooks = store.webhooks();
    let webhook = webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
    if webhook.source == WebhookSource::Api {
        return manage::change(&api, id, members).await;
    }
    let wanted = wanted_status(members)?;
    // One that is disabled already keeps its reason.
    if wanted == WebhookStatus::Active || store.webhook_status(webhook).0 != wanted {
        let reason =
            (wanted == WebhookStatus::Disabled).then(|| "disabled by an operator".to_owned());
        let overrides_file = wanted == WebhookStatus::Active && !webhook.active;
        let state = WebhookState { status: wanted, reason, since: clock::now(), overrides_file };
        store.set_webhook_state(id, state).await.map_err(|error| Problem::of_store(&error))?;
    }
    shown(&api, id)
}

fn wanted_status(mut members: serde_json::Map<String, Value>) -> Result<WebhookStatus, Problem> {
    let status = members.remove("status");
    if let Some(key) = members.keys().find(|key| KEYS_OF_FILE.contains(&key.as_str())) {
        return Err(Problem::conflict(
            "defined_in_file",
            format!("`{key}` is defined in the configuration file; only `status` changes here"),
        ));
    }
    let mut errors: Vec<FieldError> =
        members.into_iter().take(20).map(|(field, _)| FieldError::unknown(field)).collect();
    let wanted = match status.as_ref().and_then(Value::as_str) {
        Some("active") => Some(WebhookStatus::Active),
        Some("disabled") => Some(WebhookStatus::Disabled),
        _ => None,
    };
    if wanted.is_none() {
        let message = "must be \"active\" or \"disabled\"".into();
        errors.insert(0, FieldError { field: "status".to_owned(), message });
    }
    wanted.filter(|_| errors.is_empty()).ok_or_else(|| Problem::invalid(errors))
}

fn shown(api: &Api, id: WebhookId) -> Result<Response, Problem> {
    let store = &api.state.store;
    match store.webhooks().iter().find(|webhook| webhook.id == id) {
        Some(webhook) => Ok(json(StatusCode::OK, &view(webhook, &store.webhook_status(webhook)))),
        None => Err(Problem::not_found("webhook")),
    }
}
