//! A test of a webhook: a made-up event for it alone, sent now through the ordinary path, whatever
//! the webhook subscribes to and however it stands. One attempt, which is not held against it.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::captured::Base64;
use super::fields::Fields;
use super::openapi::Conflict;
use super::params::{Id, OptionalObject, Params};
use super::problem::{Problem, json};
use super::schemas::WebhookKey;
use super::state::{Api, Shared};
use crate::clock;
use crate::model::{
    Attempt, Body, Delivery, DeliveryId, DeliveryState, EventId, Exchange, Format, HeaderList,
    NewEvent, RequestPart, ResponsePart, RuleRef, Webhook, WebhookId,
};
use crate::store::{Change, OnFailure};

/// How long an answer waits for the attempt's end: an attempt may take longer, the API's answer may
/// not.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// Its label, where the webhook names none.
const LABEL: &str = "sidehook.test";
/// Changes that are looked at in one go.
const N_CHANGES: usize = 1024;

/// What is sent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `test` reads")]
struct TestOrder {
    /// The event's label. Default: the first that the webhook names in full, else `sidehook.test`.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    event: Option<String>,
}

/// How a test ended.
#[derive(Serialize, ToSchema)]
struct TestResult<'a> {
    /// The test's event.
    id: EventId,
    /// Its delivery.
    delivery_id: DeliveryId,
    /// `delivered` or `failed`; `pending` or `held` where no attempt has ended in time.
    #[schema(value_type = DeliveryState)]
    status: &'static str,
    /// Status of the reply; null: there was none.
    #[schema(required, value_type = Option<super::schemas::StatusCode>)]
    response_code: Option<u16>,
    /// The first `[delivery] max_response_kept` bytes.
    #[schema(required)]
    response_body: Option<String>,
    /// `base64` where the body is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Base64)]
    response_body_encoding: Option<&'static str>,
    /// There was more of the body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    response_body_truncated: bool,
    /// Duration of the attempt.
    #[schema(required)]
    response_time_ms: Option<u64>,
    /// Why it failed, or was not attempted in time.
    #[schema(required)]
    error: Option<&'a str>,
}

/// Tests a webhook.
///
/// Sends a made-up event now, through the ordinary path, whatever the webhook subscribes to and also
/// when it is disabled or paused. One attempt, which is not held against it.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    params(("id" = WebhookKey, Path)),
    request_body = Option<TestOrder>,
    responses(
        (status = 200, description = "What came of the attempt.", body = TestResult),
        (status = 202, description = "No attempt has ended in 25 seconds.", body = TestResult),
        (status = 409, response = Conflict),
    )
)]
pub(super) async fn test(
    State(api): State<Api>,
    Id(id): Id<WebhookId>,
    params: Params,
    OptionalObject(members): OptionalObject,
) -> Result<Response, Problem> {
    params.finish()?;
    let webhooks = api.state.store.webhooks();
    let webhook = webhooks.iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
    if let Some(reason) = &webhook.unusable {
        return Err(Problem::conflict("unusable", reason.clone()));
    }
    let mut fields = Fields::new(members);
    let label = fields.label("event");
    let has_segments = |label: &str| {
        label.split_once('.').is_some_and(|(first, _)| !first.is_empty()) && !label.ends_with('.')
    };
    if webhook.format == Format::WireguardPortal
        && label.as_deref().is_some_and(|label| !has_segments(label))
    {
        let form = "the format `wireguard-portal` needs an entity and an event: \"peer.create\"";
        fields.refuse("event", form);
    }
    fields.finish()?;
    let event = event(&api, webhook, label);
    let event_id = event.id;
    let ended = send(&api, event).await?;
    let Some((delivery, attempt)) = ended else {
        // Deleted between the look above and the commit.
        return Err(Problem::not_found("webhook"));
    };
    let has_ended = attempt.is_some();
    let status = if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(json(status, &result(event_id, &delivery, attempt.as_ref())))
}

/// Commits the event and follows its delivery; `None`: it has none. Without an attempt where none
/// has ended in time.
async fn send(
    api: &Shared,
    event: NewEvent,
) -> Result<Option<(Delivery, Option<Attempt>)>, Problem> {
    let deadline = Instant::now() + WAIT_MAX;
    let changes = api.state.store.changes();
    let mut mark = changes.now();
    let event_id = event.id;
    let committed = api.state.store.commit(event, OnFailure::Refuse).await;
    committed.map_err(|error| Problem::of_store(&error))?;
    let mut is_ours = true;
    let mut known: Option<DeliveryId> = None;
    loop {
        if is_ours {
            let found = api.read(move |store| {
                if store.event(event_id)?.is_none() {
                    return Ok(None); // Not in the index yet.
                }
                let Some(delivery) = store.deliveries_of(event_id)?.pop() else {
                    return Ok(Some(None));
                };
                let attempt = store.attempts(delivery.id)?.pop();
                // Again: as the attempt has left it.
                Ok(store.delivery(delivery.id)?.map(|delivery| Some((delivery, attempt))))
            });
            match found.await? {
                Some(None) => return Ok(None),
                Some(Some((delivery, attempt))) => {
                    let is_late = Instant::now() >= deadline;
                    if attempt.is_some() || delivery.state == DeliveryState::Cancelled || is_late {
                        return Ok(Some((delivery, attempt)));
                    }
                    known = Some(delivery.id);
                }
                None if Instant::now() >= deadline => {
                    let detail = "the test event is stored, and cannot be read yet";
                    return Err(Problem::unavailable("store_unavailable", detail));
                }
                None => {}
            }
        }
        is_ours = tokio::time::timeout_at(deadline, changes.changed(mark)).await.is_err();
        match changes.after(mark, N_CHANGES) {
            Ok(new) => {
                is_ours |= new.iter().any(|(_, change)| match change {
                    Change::Event(id) => *id == event_id,
                    Change::Delivery(id) => Some(*id) == known,
                    Change::Webhook(_) => false,
                });
                mark = new.last().map_or(mark, |(last, _)| *last);
            }
            Err(_) => (is_ours, mark) = (true, changes.now()),
        }
    }
}

/// `POST /sidehook/test` with `{"test": true}`, answered 200 with the same.
fn event(api: &Shared, webhook: &Webhook, label: Option<String>) -> NewEvent {
    let full = webhook.events.iter().map(|pattern| pattern.as_str()).find(|p| !p.contains('*'));
    let label = label.unwrap_or_else(|| full.unwrap_or(LABEL).to_owned());
    let rules = api.state.control.rules();
    let rule = rules.rules().find(|rule| rule.label == label);
    let headers = || HeaderList(vec![("content-type".to_owned(), b"application/json".to_vec())]);
    let body = || Body::complete(r#"{"test": true}"#);
    NewEvent {
        id: EventId::from_uuid(Uuid::now_v7()),
        time: clock::now(),
        rule: RuleRef {
            id: rule.map_or(0, |rule| rule.id),
            tag: rule.and_then(|rule| rule.tag.clone()),
            label,
        },
        subject: None,
        depth: 0,
        test_of: Some(webhook.id),
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/sidehook/test".to_owned(),
                params: Vec::new(),
                headers: headers(),
                body: body(),
            },
            response: ResponsePart { status: 200, headers: headers(), body: body() },
        },
    }
}

fn result<'a>(id: EventId, delivery: &'a Delivery, attempt: Option<&Attempt>) -> TestResult<'a> {
    let reply = attempt.and_then(|attempt| attempt.outcome.reply());
    let text = reply.map(|reply| str::from_utf8(&reply.body));
    let late = "no attempt has ended yet; GET /v1/deliveries/{delivery_id} tells how it goes on";
    TestResult {
        id,
        delivery_id: delivery.id,
        status: delivery.state.name(),
        response_code: reply.map(|reply| reply.status),
        response_body: reply
            .zip(text)
            .map(|(reply, text)| text.map_or_else(|_| STANDARD.encode(&reply.body), str::to_owned)),
        response_body_encoding: text.is_some_and(|text| text.is_err()).then_some("base64"),
        response_body_truncated: reply.is_some_and(|reply| reply.body_truncated),
        response_time_ms: attempt.map(|attempt| attempt.duration_ms),
        error: if attempt.is_none() { Some(late) } else { delivery.error.as_deref() },
    }
}
