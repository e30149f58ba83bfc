//! Webhooks of the API: created, changed, deleted, given a new key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::fields::Fields;
use super::openapi::Conflict;
use super::params::{Id, NoBody, Object, OptionalObject, Params};
use super::problem::{Problem, json};
use super::registry::ReadKeys;
use super::schemas::WebhookKey;
use super::standing::Stands;
use super::state::Api;
use super::webhook_body::{DurationText, NewWebhook};
use super::webhook_view::{WebhookView, read_duration, view};
use crate::model::{Secret, WebhookId};

/// How long a replaced key signs on when nobody says.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(86_400);
/// Longest overlap.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How a key is replaced.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `rotate_secret` reads")]
struct Rotation {
    /// How long the key before signs beside the new one: 24h by default, 30d at most.
    overlap: Option<DurationText>,
}

/// Creates a webhook.
///
/// Checked as those of the configuration file are. The secrets are in this answer, and never again.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    request_body = NewWebhook,
    responses(
        (
            status = 201,
            description = "The webhook, with its secrets.",
            body = WebhookView,
            headers(("location" = String, description = "Where the webhook is."))
        ),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    params: Params,
    Object(keys): Object,
) -> Result<Response, Problem> {
    params.finish()?;
    let registry = &api.state.registry;
    let created = registry.to_its_end({
        let registry = Arc::clone(registry);
        async move { registry.create(keys).await }
    });
    let ReadKeys { webhook, warnings } = created.await?;
    let webhook = Arc::new(webhook);
    let stands = Stands::read_one(&api, &webhook).await;
    let mut shown = view(&webhook, &stands);
    shown.secret = webhook.secret.as_ref().map(Secret::reveal);
    shown.signing_secret = webhook.signing_secret.as_ref().map(Secret::reveal);
    shown.ed25519_key = webhook.ed25519_key.as_ref().map(Secret::reveal);
    shown.warnings = &warnings;
    let mut response = json(StatusCode::CREATED, &shown);
    let location = HeaderValue::from_str(&format!("/v1/webhooks/{}", webhook.id));
    let location = location.expect("ids are visible ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Of a webhook of the API; those of the file change their status only.
pub(super) async fn change(
    api: &Api,
    id: WebhookId,
    patch: Map<String, Value>,
) -> Result<Response, Problem> {
    let registry = &api.state.registry;
    let changed = registry.to_its_end({
        let registry = Arc::clone(registry);
        async move { registry.change(id, patch).await }
    });
    let warnings = changed.await?;
    let webhooks = api.state.store.webhooks();
    let webhook = webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
    let stands = Stands::read_one(api, webhook).await;
    let mut shown = view(webhook, &stands);
    shown.warnings = &warnings;
    Ok(json(StatusCode::OK, &shown))
}

/// Deletes a webhook.
///
/// What waits for it is cancelled. Those of the configuration file are taken out there.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    responses((status = 204, description = "It is gone."), (status = 409, response = Conflict))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
    _: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let registry = &api.state.registry;
    let deleted = registry.to_its_end({
        let registry = Arc::clone(registry);
        async move { registry.delete(id).await }
    });
    deleted.await?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Gives a webhook a new HMAC key.
///
/// The key is in this answer, and never again. Until the overlap ends `standard` and `stripe` carry a
/// second signature by the key before; the other schemes sign with the new one only.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/rotate-secret",
    operation_id = "rotateSecret",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    request_body = Option<Rotation>,
    responses(
        (status = 200, description = "The webhook, with its new key.", body = WebhookView),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn rotate_secret(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
    OptionalObject(members): OptionalObject,
) -> Result<Response, Problem> {
    params.finish()?;
    let mut fields = Fields::new(members);
    let form = "a duration such as \"24h\", from \"0s\" to \"30d\"";
    let overlap = fields.take("overlap", form, |value| {
        value.as_str().and_then(read_duration).filter(|overlap| *overlap <= OVERLAP_MAX)
    });
    fields.finish()?;
    let overlap = overlap.unwrap_or(OVERLAP_DEFAULT);
    let registry = &api.state.registry;
    let rotated = registry.to_its_end({
        let registry = Arc::clone(registry);
        async move { registry.rotate(id, overlap).await }
    });
    let made = rotated.await?;
    let webhooks = api.state.store.webhooks();
    let webhook = webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
    let stands = Stands::read_one(&api, webhook).await;
    let mut shown = view(webhook, &stands);
    let key = if made.key == "secret" { &mut shown.secret } else { &mut shown.signing_secret };
    *key = Some(made.secret.reveal());
    shown.warnings = &made.warnings;
    Ok(json(StatusCode::OK, &shown))
}
