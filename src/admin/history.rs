//! `/v1/history/{id}`: an event or a delivery by any of its ids, in any spelling. The answer is
//! that of its own resource, with `type` saying which it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::params::{Id, Params};
use super::problem::{Problem, json};
use super::schemas::AnyKey;
use super::state::Api;
use super::views::{DeliveryView, EventView};
use super::{deliveries, events};
use crate::model::{AnyId, DeliveryId, EventId};

/// An event or a delivery; `type` says which.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Found<'a> {
    Event(EventView<'a>),
    Delivery(DeliveryView<'a>),
}

/// Finds an event or a delivery by any of its ids.
///
/// In any spelling. The answer is that of its own resource, with `type` saying which it is.
#[utoipa::path(
    get,
    path = "/v1/history/{id}",
    operation_id = "find",
    tag = "events",
    params(("id" = AnyKey, Path)),
    responses((status = 200, description = "The event or the delivery.", body = Found))
)]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<AnyId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (delivery, event) = match id {
        AnyId::Event(id) => (None, Some(id)),
        AnyId::Delivery(id) => (Some(id), None),
        AnyId::Bare(uuid) => (Some(DeliveryId::from_uuid(uuid)), Some(EventId::from_uuid(uuid))),
    };
    if let Some(id) = delivery
        && let Some(delivery) = deliveries::find(&api, id).await?
    {
        return Ok(json(StatusCode::OK, &Found::Delivery(delivery.view())));
    }
    if let Some(id) = event
        && let Some(event) = events::find(&api, id).await?
    {
        return Ok(json(StatusCode::OK, &Found::Event(event.view())));
    }
    Err(Problem::not_found("event or delivery"))
}
