//! `/v1/webhooks`: what is configured, how it stands, and enabling and disabling by hand.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::manage;
use super::openapi::Conflict;
use super::params::{Id, Object, Params};
use super::problem::{FieldError, Problem, json};
use super::queries::WebhookPaging;
use super::schemas::WebhookKey;
use super::standing::Stands;
use super::state::Api;
use super::webhook_body::WebhookChange;
use super::webhook_view::{WebhookView, view};
use crate::clock;
use crate::model::{Timestamp, Webhook, WebhookId, WebhookSource, WebhookState, WebhookStatus};
use crate::store::CursorError;

/// The keys of `[[webhook]]`: what a webhook of the file has in the file only.
pub(super) const KEYS_OF_FILE: [&str; 21] = [
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

/// One page of the webhooks.
#[derive(Serialize, ToSchema)]
struct WebhookList<'a> {
    data: Vec<WebhookView<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// The last webhook of a page. It may be deleted before the next page is asked for.
#[derive(Clone, Copy)]
struct After {
    created_at: Timestamp,
    id: WebhookId,
}

/// Lists the webhooks.
///
/// Those of the configuration file and those of this API, newest first.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    params(WebhookPaging),
    responses((status = 200, description = "A page of webhooks.", body = WebhookList))
)]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let limit = params.limit()?;
    let after: Option<After> =
        params.take("cursor", "the `next` of a page before", |text| text.parse().ok())?;
    params.finish()?;
    let webhooks = api.state.store.webhooks();
    // Of the same age in the order of the file: the sort is stable.
    let mut sorted: Vec<&Arc<Webhook>> = webhooks.iter().collect();
    sorted.sort_by_key(|webhook| std::cmp::Reverse(webhook.created_at));
    let start = after.map_or(0, |after| after.position_in(&sorted));
    let page = &sorted[start..sorted.len().min(start + limit)];
    let next = page.last().filter(|_| start + page.len() < sorted.len());
    let next = next.map(|last| After { created_at: last.created_at, id: last.id }.to_string());
    let standing = Stands::read_all(&api, page.iter().copied().map(Arc::clone).collect()).await;
    let data = page.iter().zip(&standing).map(|(webhook, stands)| view(webhook, stands)).collect();
    Ok(json(StatusCode::OK, &WebhookList { data, next }))
}

/// Reads a webhook.
///
/// Its secrets are not shown.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}",
    operation_id = "getWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    responses((status = 200, description = "The webhook.", body = WebhookView))
)]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    shown(&api, id).await
}

/// Changes, enables or disables a webhook.
///
/// All of it or nothing, from now on, over restarts. Members replace keys, null sets them back to
/// their defaults. Enabling ends a pause too. Of a webhook of the configuration file only `status`
/// changes here; enabling goes before `active = false` in the file until that is changed.
#[utoipa::path(
    patch,
    path = "/v1/webhooks/{id}",
    operation_id = "changeWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookView),
        (status = 409, response = Conflict),
    )
)]
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
        let (status, since) = (wanted, clock::now());
        let state = WebhookState { status, reason, since, overrides_file, rests_until: None };
        store.set_webhook_state(id, state).await.map_err(|error| Problem::of_store(&error))?;
    }
    shown(&api, id).await
}

impl After {
    /// Where the next page begins. If the webhook is gone: with those of its age, so that one may
    /// come twice but none is left out.
    fn position_in(self, sorted: &[&Arc<Webhook>]) -> usize {
        match sorted.iter().position(|webhook| webhook.id == self.id) {
            Some(at) => at + 1,
            None => sorted.partition_point(|webhook| webhook.created_at > self.created_at),
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.created_at.as_millis(), self.id.uuid().simple())
    }
}

impl FromStr for After {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (millis, id) = text.split_once('-').ok_or(CursorError)?;
        let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex(millis) || !is_hex(id) {
            return Err(CursorError);
        }
        let millis = u64::from_str_radix(millis, 16).map_err(|_| CursorError)?;
        let id = id.parse().map_err(|_| CursorError)?;
        Ok(Self { created_at: Timestamp::from_millis(millis), id })
    }
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

async fn shown(api: &Api, id: WebhookId) -> Result<Response, Problem> {
    let webhooks = api.state.store.webhooks();
    let webhook = webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
    Ok(json(StatusCode::OK, &view(webhook, &Stands::read_one(api, webhook).await)))
}
