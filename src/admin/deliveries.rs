//! `/v1/deliveries`, and those of one webhook.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::params::{Id, NoBody, Params};
use super::problem::{Problem, json};
use super::state::{Api, Shared};
use super::views::{self, List, OneDelivery};
use crate::model::{DeliveryId, WebhookId};
use crate::store::DeliveryFilter;

pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let webhook = params.webhook()?;
    listed(&api, webhook, params).await
}

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

/// Due now, whatever its state; the `webhook-id` stays.
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
    Ok(json(StatusCode::OK, &List::of(&listed, views::delivery_in_list)))
}
