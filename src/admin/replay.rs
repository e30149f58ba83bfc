//! One event again, one delivery no more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::fields::Fields;
use super::params::{Id, NoBody, OptionalObject, Params};
use super::problem::{Problem, json};
use super::state::Api;
use super::views;
use crate::model::{DeliveryId, EventId, WebhookId};
use crate::store::Cancelled;

/// Webhooks that one replay may name.
const N_WEBHOOKS_MAX: usize = 1000;

/// How many deliveries are due now.
#[derive(Serialize)]
struct Replayed {
    count: u64,
}

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
