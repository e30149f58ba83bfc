//! One event again, one delivery no more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Fields;
use super::openapi::{Conflict, NoMembers};
use super::params::{Id, NoBody, OptionalObject, Params};
use super::problem::{Problem, json};
use super::schemas::{DeliveryKey, EventKey, WebhookKey};
use super::state::Api;
use super::views::{self, DeliveryInList};
use crate::model::{DeliveryId, EventId, WebhookId};
use crate::store::Cancelled;

/// Webhooks that one replay may name.
const N_WEBHOOKS_MAX: usize = 1000;

/// Where an event goes again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `replay` reads")]
struct Replay {
    /// Default: those that it has deliveries for.
    #[schema(min_items = 1, max_items = 1000)]
    webhooks: Option<Vec<WebhookKey>>,
}

/// How many deliveries are due now.
#[derive(Serialize, ToSchema)]
struct Replayed {
    count: u64,
}

/// Replays an event.
///
/// To all the webhooks that it has deliveries for, or to these, whether they had it or not.
#[utoipa::path(
    post,
    path = "/v1/events/{id}/replay",
    operation_id = "replayEvent",
    tag = "events",
    params(("id" = EventKey, Path)),
    request_body = Option<Replay>,
    responses((status = 202, description = "So many deliveries are due now.", body = Replayed))
)]
pub(super) async fn replay(
    State(api): State<Api>,
    Id(id): Id<EventId>,
    params: Params,
    OptionalObject(members): OptionalObject,
) -> Result<Response, Problem> {
    params.finish()?;
    let mut fields = Fields::new(members);
    let expected = "a webhook's id, wh_...";
    let webhooks: Option<Vec<WebhookId>> =
        fields.list("webhooks", N_WEBHOOKS_MAX, expected, |text| text.parse().ok());
    let known = api.state.store.webhooks();
    for (at, id) in webhooks.iter().flatten().enumerate() {
        if known.iter().all(|webhook| webhook.id != *id) {
            fields.refuse(&format!("webhooks[{at}]"), format!("there is no webhook {id}"));
        }
    }
    fields.finish()?;
    match api.state.store.replay(id, webhooks).await {
        Ok(Some(count)) => Ok(json(StatusCode::ACCEPTED, &Replayed { count })),
        Ok(None) => Err(Problem::not_found("event")),
        Err(error) => Err(Problem::of_store(&error)),
    }
}

/// Cancels a delivery.
///
/// One that is pending or held. An attempt that is just running is not broken off.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{id}/cancel",
    operation_id = "cancelDelivery",
    tag = "deliveries",
    params(("id" = DeliveryKey, Path)),
    request_body = Option<NoMembers>,
    responses(
        (status = 200, description = "The delivery, cancelled.", body = DeliveryInList),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    params: Params,
    _: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    match api.state.store.cancel(id).await {
        Ok(Cancelled::Done(delivery)) => {
            Ok(json(StatusCode::OK, &views::delivery_in_list(&delivery)))
        }
        Ok(Cancelled::TooLate(delivery)) => {
            let detail = format!("the delivery is {} already", delivery.state.name());
            Err(Problem::conflict("ended", detail))
        }
        Ok(Cancelled::Unknown) => Err(Problem::not_found("delivery")),
        Err(error) => Err(Problem::of_store(&error)),
    }
}
