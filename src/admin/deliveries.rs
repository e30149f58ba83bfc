//! `/v1/deliveries`, and those of one webhook.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::openapi::{Conflict, NoMembers};
use super::params::{Id, NoBody, Params};
use super::problem::{Problem, json};
use super::queries::{Between, InState, OfEvent, OfWebhook, Paging, Search};
use super::schemas::{DeliveryKey, WebhookKey};
use super::state::{Api, Shared};
use super::views::{self, DeliveryInList, DeliveryList, DeliveryView, OneDelivery};
use crate::model::{DeliveryId, WebhookId};
use crate::store::DeliveryFilter;

/// Lists deliveries.
///
/// Those of all webhooks, newest first.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    operation_id = "listDeliveries",
    tag = "deliveries",
    params(OfWebhook, OfEvent, InState, Between, Search, Paging),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList))
)]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let webhook = params.webhook()?;
    listed(&api, webhook, params).await
}

/// Lists a webhook's deliveries.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}/deliveries",
    operation_id = "listDeliveriesOfWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path), OfEvent, InState, Between, Search, Paging),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList))
)]
pub(super) async fn of_webhook(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
) -> Result<Response, Problem> {
    if api.state.store.webhooks().iter().all(|webhook| webhook.id != id) {
        return Err(Problem::not_found("webhook"));
    }
    listed(&api, Some(id), params).await
}

/// Reads a delivery.
///
/// With its attempts.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{id}",
    operation_id = "getDelivery",
    tag = "deliveries",
    params(("id" = DeliveryKey, Path)),
    responses((status = 200, description = "The delivery.", body = DeliveryView))
)]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    match find(&api, id).await? {
        Some(delivery) => Ok(json(StatusCode::OK, &delivery.view())),
        None => Err(Problem::not_found("delivery")),
    }
}

/// Tries a delivery again.
///
/// Now, whatever its state; the `webhook-id` that the receiver gets stays the same. 409 where its
/// webhook was deleted.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{id}/retry",
    operation_id = "retryDelivery",
    tag = "deliveries",
    params(("id" = DeliveryKey, Path)),
    request_body = Option<NoMembers>,
    responses(
        (status = 202, description = "The delivery, due now.", body = DeliveryInList),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn retry(
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    params: Params,
    _: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    match api.state.store.requeue(id).await {
        Ok(Some(delivery)) => Ok(json(StatusCode::ACCEPTED, &views::delivery_in_list(&delivery))),
        Ok(None) => Err(Problem::not_found("delivery")),
        Err(error) => Err(Problem::of_store(&error)),
    }
}

/// A delivery with its attempts.
pub(super) async fn find(api: &Shared, id: DeliveryId) -> Result<Option<OneDelivery>, Problem> {
    api.read(move |store| {
        let Some(delivery) = store.delivery(id)? else { return Ok(None) };
        Ok(Some(OneDelivery { delivery, attempts: store.attempts(id)? }))
    })
    .await
}

async fn listed(
    api: &Shared,
    webhook: Option<WebhookId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = DeliveryFilter {
        webhook,
        label: params.label("event")?,
        state: params.state()?,
        since: params.time("since")?,
        until: params.time("until")?,
        q: params.q()?,
    };
    let page = params.page()?;
    params.finish()?;
    let listed = api.read(move |store| store.deliveries(&filter, &page)).await?;
    Ok(json(StatusCode::OK, &DeliveryList::of(&listed)))
}
