//! `/v1/events`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::params::{Id, Params};
use super::problem::{Problem, json};
use super::queries::{Between, OfCall, Paging, Search};
use super::schemas::EventKey;
use super::state::{Api, Shared};
use super::views::{EventList, EventView, OneEvent};
use crate::model::EventId;
use crate::store::EventFilter;

/// Lists events.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    params(OfCall, Between, Search, Paging),
    responses((status = 200, description = "A page of events.", body = EventList))
)]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let filter = EventFilter {
        label: params.label("label")?,
        since: params.time("since")?,
        until: params.time("until")?,
        webhook: params.webhook()?,
        state: params.state()?,
        q: params.q()?,
        code: params.take("code", "a status code, 100 to 599", |text| {
            text.parse().ok().filter(|code| (100..=599).contains(code))
        })?,
    };
    let page = params.page()?;
    params.finish()?;
    let listed = api.read(move |store| store.events(&filter, &page)).await?;
    Ok(json(StatusCode::OK, &EventList::of(&listed)))
}

/// Reads an event.
///
/// With the call that made it, as far as it was captured, and its deliveries.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    operation_id = "getEvent",
    tag = "events",
    params(("id" = EventKey, Path)),
    responses((status = 200, description = "The event.", body = EventView))
)]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<EventId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    match find(&api, id).await? {
        Some(event) => Ok(json(StatusCode::OK, &event.view())),
        None => Err(Problem::not_found("event")),
    }
}

/// An event with its deliveries.
pub(super) async fn find(api: &Shared, id: EventId) -> Result<Option<OneEvent>, Problem> {
    api.read(move |store| {
        let Some(event) = store.event(id)? else { return Ok(None) };
        Ok(Some(OneEvent { event, deliveries: store.deliveries_of(id)? }))
    })
    .await
}
