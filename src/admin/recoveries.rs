//! Recoveries: what a webhook missed is queued again, in the background, to be looked at and to be
//! stopped.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::fields::Fields;
use super::openapi::{Conflict, NoMembers};
use super::params::{Id, NoBody, OptionalObject, Params};
use super::problem::{Problem, json};
use super::queries::RecoveryPaging;
use super::schemas::{Moment, RecoveryKey, RecoveryState, WebhookKey};
use super::state::Api;
use crate::model::{DeliveryState, Timestamp, WebhookId};
use crate::store::{Recovery, RecoverySpec, RecoveryStatus};

/// What is queued again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `recover` reads")]
struct RecoverOrder {
    /// Events of this time or later.
    since: Option<Moment>,
    /// Events before this time.
    until: Option<Moment>,
    /// Deliveries in this state; default: `failed`.
    status: Option<Ended>,
    /// Also events that the webhook wants and never got.
    backfill: Option<bool>,
    /// Only counts.
    dry_run: Option<bool>,
}

/// How a delivery has ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "tells the document what `recover` reads")]
enum Ended {
    Failed,
    Cancelled,
    Delivered,
}

/// How many deliveries are queued again, or would be.
#[derive(Serialize, ToSchema)]
struct Counted {
    count: u64,
    /// The recovery; absent from a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RecoveryKey)]
    id: Option<Uuid>,
}

/// The recoveries under way and the last that ended.
#[derive(Serialize, ToSchema)]
struct RecoveryList {
    data: Vec<RecoveryView>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required, value_type = Option<RecoveryKey>)]
    next: Option<Uuid>,
}

/// A recovery and how far it is.
#[derive(Serialize, ToSchema)]
struct RecoveryView {
    #[schema(value_type = RecoveryKey)]
    id: Uuid,
    webhook_id: WebhookId,
    #[schema(value_type = RecoveryState)]
    status: &'static str,
    /// Deliveries that were found at the start.
    count: u64,
    /// How many of them have been queued.
    done: u64,
    asked: Asked,
    started_at: Timestamp,
    /// Null while it runs.
    #[schema(required)]
    ended_at: Option<Timestamp>,
}

/// What was asked for.
#[derive(Serialize, ToSchema)]
struct Asked {
    #[schema(required)]
    since: Option<Timestamp>,
    #[schema(required)]
    until: Option<Timestamp>,
    #[schema(value_type = Ended)]
    status: &'static str,
    backfill: bool,
}

/// Queues again what a webhook missed.
///
/// In the background, as a recovery that can be followed and stopped. With `backfill` also events
/// that it wants and never got.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/recover",
    operation_id = "recoverWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    request_body = Option<RecoverOrder>,
    responses(
        (status = 200, description = "A dry run: so many would be queued.", body = Counted),
        (status = 202, description = "The recovery has started.", body = Counted),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn recover(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
    OptionalObject(members): OptionalObject,
) -> Result<Response, Problem> {
    params.finish()?;
    if api.state.store.webhooks().iter().all(|webhook| webhook.id != id) {
        return Err(Problem::not_found("webhook"));
    }
    let mut fields = Fields::new(members);
    let (since, until) = (fields.time("since"), fields.time("until"));
    if since.zip(until).is_some_and(|(since, until)| since >= until) {
        fields.refuse("until", "must be after `since`");
    }
    let ended = [DeliveryState::Failed, DeliveryState::Cancelled, DeliveryState::Delivered];
    let state = fields.take("status", "failed, cancelled or delivered", |value| {
        ended.into_iter().find(|state| value == state.name())
    });
    let (backfill, dry_run) = (fields.flag("backfill"), fields.flag("dry_run"));
    fields.finish()?;
    let state = state.unwrap_or(DeliveryState::Failed);
    let spec = RecoverySpec { webhook: id, since, until, state, backfill };
    if dry_run {
        let count = api.read(move |store| store.count_recoverable(&spec)).await?;
        return Ok(json(StatusCode::OK, &Counted { count, id: None }));
    }
    let recovery = api.state.store.recover(spec).await;
    let recovery = recovery.map_err(|error| Problem::of_store(&error))?;
    tracing::info!(recovery = %recovery.id, webhook = %id, count = recovery.count, "a recovery has begun");
    let counted = Counted { count: recovery.count, id: Some(recovery.id) };
    Ok(json(StatusCode::ACCEPTED, &counted))
}

/// Lists the recoveries.
///
/// Those under way and the last that ended, newest first.
#[utoipa::path(
    get,
    path = "/v1/recoveries",
    operation_id = "listRecoveries",
    tag = "recoveries",
    params(RecoveryPaging),
    responses((status = 200, description = "The recoveries.", body = RecoveryList))
)]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let limit = params.limit()?;
    let after: Option<Uuid> =
        params.take("cursor", "the `next` of a page before", |text| text.parse().ok())?;
    params.finish()?;
    let recoveries = api.state.store.recoveries();
    // Newest first, and ids grow with time: a cursor stays good when its recovery is forgotten.
    let start = after.map_or(0, |id| match recoveries.iter().position(|one| one.id == id) {
        Some(at) => at + 1,
        None => recoveries.partition_point(|one| one.id > id),
    });
    let page = &recoveries[start..recoveries.len().min(start + limit)];
    let next = page.last().filter(|_| start + page.len() < recoveries.len()).map(|last| last.id);
    Ok(json(StatusCode::OK, &RecoveryList { data: page.iter().map(view).collect(), next }))
}

/// Reads a recovery.
///
/// With how far it is.
#[utoipa::path(
    get,
    path = "/v1/recoveries/{id}",
    operation_id = "getRecovery",
    tag = "recoveries",
    params(("id" = RecoveryKey, Path)),
    responses((status = 200, description = "The recovery.", body = RecoveryView))
)]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<Uuid>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let recoveries = api.state.store.recoveries();
    let recovery = recoveries.iter().find(|recovery| recovery.id == id);
    let recovery = recovery.ok_or_else(|| Problem::not_found("recovery"))?;
    Ok(json(StatusCode::OK, &view(recovery)))
}

/// Stops a recovery.
///
/// What it has queued stays queued. One that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/v1/recoveries/{id}/stop",
    operation_id = "stopRecovery",
    tag = "recoveries",
    params(("id" = RecoveryKey, Path)),
    request_body = Option<NoMembers>,
    responses((status = 200, description = "The recovery.", body = RecoveryView))
)]
pub(super) async fn stop(
    State(api): State<Api>,
    Id(id): Id<Uuid>,
    params: Params,
    _: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    match api.state.store.stop_recovery(id).await {
        Ok(Some(recovery)) => Ok(json(StatusCode::OK, &view(&recovery))),
        Ok(None) => Err(Problem::not_found("recovery")),
        Err(error) => Err(Problem::of_store(&error)),
    }
}

fn view(of: &Recovery) -> RecoveryView {
    RecoveryView {
        id: of.id,
        webhook_id: of.spec.webhook,
        status: match of.status {
            RecoveryStatus::Running => "running",
            RecoveryStatus::Done => "done",
            RecoveryStatus::Stopped => "stopped",
        },
        count: of.count,
        done: of.n_done,
        asked: Asked {
            since: of.spec.since,
            until: of.spec.until,
            status: of.spec.state.name(),
            backfill: of.spec.backfill,
        },
        started_at: of.started_at,
        ended_at: of.ended_at,
    }
}
