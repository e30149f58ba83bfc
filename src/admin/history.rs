//! `/v1/history/{id}`: an event or a delivery by any of its ids, in any spelling. The answer is
//! that of its own resource, with `type` saying which it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::params::{Id, Params};
use super::problem::{Problem, json};
use super::state::Api;
use super::{deliveries, events};
use crate::model::{AnyId, DeliveryId, EventId};

#[derive(Serialize)]
struct Typed<T> {
    r#type: &'static str,
    #[serde(flatten)]
    of: T,
}

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
        let typed = Typed { r#type: "delivery", of: delivery.view() };
        return Ok(json(StatusCode::OK, &typed));
    }
    if let Some(id) = event
        && let Some(event) = events::find(&api, id).await?
    {
        return Ok(json(StatusCode::OK, &Typed { r#type: "event", of: event.view() }));
    }
    Err(Problem::not_found("event or delivery"))
}
