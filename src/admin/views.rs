//! The JSON of events and deliveries, member by member as the API documents it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use super::captured::{Base64, CapturedRequest, CapturedResponse};
use super::schemas::{Label, StatusCode};
use crate::model::{
    Attempt, Delivery, DeliveryCounts, DeliveryId, DeliveryState, Event, EventId, HeaderList,
    Timestamp, Verdict, WebhookId,
};
use crate::store::{EventSummary, Listed};
use crate::view::{RequestView, ResponseView, request_view, response_view};

/// One page of events.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList<'a> {
    data: Vec<EventInList<'a>>,
    /// The `cursor` of the next page; null at the end. A list that is filtered may have pages that
    /// are not full, or empty, before its end.
    #[schema(required)]
    next: Option<String>,
}

/// One page of deliveries.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryList<'a> {
    data: Vec<DeliveryInList<'a>>,
    /// The `cursor` of the next page; null at the end. A list that is filtered may have pages that
    /// are not full, or empty, before its end.
    #[schema(required)]
    next: Option<String>,
}

/// An event with its deliveries, read from the store.
pub(super) struct OneEvent {
    pub(super) event: Event,
    pub(super) deliveries: Vec<Delivery>,
}

/// A delivery with its attempts, read from the store.
pub(super) struct OneDelivery {
    pub(super) delivery: Delivery,
    pub(super) attempts: Vec<Attempt>,
}

/// An event as lists show it.
#[derive(Serialize, ToSchema)]
#[schema(as = EventSummary)]
pub(super) struct EventInList<'a> {
    id: EventId,
    #[schema(value_type = Label)]
    label: &'a str,
    /// The rule's tag.
    #[schema(required)]
    tag: Option<&'a str>,
    /// What the event is about, as the rule's `subject` says.
    #[schema(required)]
    subject: Option<&'a str>,
    /// The call's method.
    method: &'a str,
    /// The call's path and query as received.
    url: &'a str,
    /// How the call was answered.
    #[schema(value_type = StatusCode)]
    status: u16,
    created_at: Timestamp,
    /// How many of its deliveries stand in each state.
    #[schema(value_type = CountsView)]
    deliveries: DeliveryCounts,
}

/// How many deliveries stand in each state.
#[derive(ToSchema)]
#[schema(as = DeliveryCounts)]
#[expect(dead_code, reason = "tells the document how `DeliveryCounts` is written")]
pub(super) struct CountsView {
    pending: u64,
    held: u64,
    delivered: u64,
    failed: u64,
    cancelled: u64,
}

/// An event with the call that made it and its deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView<'a> {
    id: EventId,
    #[schema(value_type = Label)]
    label: &'a str,
    /// The rule's tag.
    #[schema(required)]
    tag: Option<&'a str>,
    /// What the event is about, as the rule's `subject` says.
    #[schema(required)]
    subject: Option<&'a str>,
    /// How many webhooks stand before the call in a chain; 0 for a call of its own.
    depth: u8,
    /// The call's method.
    method: &'a str,
    /// The call's path and query as received.
    url: &'a str,
    /// How the call was answered.
    #[schema(value_type = StatusCode)]
    status: u16,
    created_at: Timestamp,
    #[schema(value_type = CapturedRequest)]
    request: RequestView<'a>,
    #[schema(value_type = CapturedResponse)]
    response: ResponseView<'a>,
    deliveries: Vec<DeliveryInList<'a>>,
}

/// One event for one webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryInList<'a> {
    id: DeliveryId,
    event_id: EventId,
    webhook_id: WebhookId,
    /// The event's label.
    #[schema(value_type = Label)]
    event: &'a str,
    status: DeliveryState,
    /// Status of the last reply.
    #[schema(required, value_type = Option<StatusCode>)]
    response_code: Option<u16>,
    /// Duration of the last attempt.
    #[schema(required)]
    response_time_ms: Option<u64>,
    /// Attempts made so far.
    attempts: u32,
    created_at: Timestamp,
    /// When the last attempt began.
    #[schema(required)]
    timestamp: Option<Timestamp>,
    /// When the next attempt is due.
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, in words.
    #[schema(required)]
    error: Option<&'a str>,
}

/// One event for one webhook, with its attempts.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub(super) struct DeliveryView<'a> {
    id: DeliveryId,
    event_id: EventId,
    webhook_id: WebhookId,
    /// The event's label.
    #[schema(value_type = Label)]
    event: &'a str,
    status: DeliveryState,
    /// Status of the last reply.
    #[schema(required, value_type = Option<StatusCode>)]
    response_code: Option<u16>,
    /// Duration of the last attempt.
    #[schema(required)]
    response_time_ms: Option<u64>,
    /// The attempts, the first one first.
    attempts: Vec<AttemptView<'a>>,
    created_at: Timestamp,
    /// When the last attempt began.
    #[schema(required)]
    timestamp: Option<Timestamp>,
    /// When the next attempt is due.
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, in words.
    #[schema(required)]
    error: Option<&'a str>,
}

/// One attempt: one HTTP request of a delivery and what came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct AttemptView<'a> {
    /// From 1, counting on over retries by hand.
    #[schema(minimum = 1)]
    number: u32,
    started_at: Timestamp,
    /// Status of the reply; null: there was none.
    #[schema(required, value_type = Option<StatusCode>)]
    response_code: Option<u16>,
    /// Headers of the reply: names in lower case, repeated ones joined by `, `.
    #[schema(required, value_type = Option<BTreeMap<String, String>>)]
    response_headers: Option<HeadersView<'a>>,
    /// The kept part of the reply's body.
    #[schema(required)]
    response_body: Option<String>,
    /// How `response_body` is written where it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Base64)]
    response_body_encoding: Option<&'static str>,
    /// True where there was more than is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    response_body_truncated: bool,
    response_time_ms: u64,
    /// Why it failed, in words.
    #[schema(required)]
    error: Option<String>,
    /// When the next attempt was due.
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
}

/// Headers as an object: lower-case names, repeated ones joined by `, ` (RFC 9110 5.3).
pub(super) struct HeadersView<'a>(&'a HeaderList);

impl<'a> EventList<'a> {
    pub(super) fn of(listed: &'a Listed<EventSummary>) -> Self {
        let data = listed.data.iter().map(event_in_list).collect();
        Self { data, next: listed.next.map(|cursor| cursor.to_string()) }
    }
}

impl<'a> DeliveryList<'a> {
    pub(super) fn of(listed: &'a Listed<Delivery>) -> Self {
        let data = listed.data.iter().map(delivery_in_list).collect();
        Self { data, next: listed.next.map(|cursor| cursor.to_string()) }
    }
}

impl OneEvent {
    pub(super) fn view(&self) -> EventView<'_> {
        let event = &self.event;
        EventView {
            id: event.id,
            label: &event.rule.label,
            tag: event.rule.tag.as_deref(),
            subject: event.subject.as_deref(),
            depth: event.depth,
            method: &event.exchange.request.method,
            url: &event.exchange.request.url,
            status: event.exchange.response.status,
            created_at: event.time,
            request: request_view(event),
            response: response_view(event),
            deliveries: self.deliveries.iter().map(delivery_in_list).collect(),
        }
    }
}

impl OneDelivery {
    pub(super) fn view(&self) -> DeliveryView<'_> {
        let of = &self.delivery;
        DeliveryView {
            id: of.id,
            event_id: of.event_id,
            webhook_id: of.webhook_id,
            event: &of.label,
            status: of.state,
            response_code: of.response_code,
            response_time_ms: of.response_time_ms,
            attempts: self.attempts.iter().map(attempt).collect(),
            created_at: of.created_at,
            timestamp: of.last_attempt_at,
            next_attempt_at: of.next_attempt_at,
            error: of.error.as_deref(),
        }
    }
}

impl Serialize for HeadersView<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut joined: Vec<(&str, String)> = Vec::new();
        for (name, value) in &self.0.0 {
            let value = String::from_utf8_lossy(value);
            match joined.iter_mut().find(|(known, _)| known == name) {
                Some((_, text)) => {
                    text.push_str(", ");
                    text.push_str(&value);
                }
                None => joined.push((name, value.into_owned())),
            }
        }
        serializer.collect_map(joined)
    }
}

pub(super) fn event_in_list(event: &EventSummary) -> EventInList<'_> {
    EventInList {
        id: event.id,
        label: &event.label,
        tag: event.tag.as_deref(),
        subject: event.subject.as_deref(),
        method: &event.method,
        url: &event.url,
        status: event.status,
        created_at: event.time,
        deliveries: event.deliveries,
    }
}

pub(super) fn delivery_in_list(of: &Delivery) -> DeliveryInList<'_> {
    DeliveryInList {
        id: of.id,
        event_id: of.event_id,
        webhook_id: of.webhook_id,
        event: &of.label,
        status: of.state,
        response_code: of.response_code,
        response_time_ms: of.response_time_ms,
        attempts: of.attempts,
        created_at: of.created_at,
        timestamp: of.last_attempt_at,
        next_attempt_at: of.next_attempt_at,
        error: of.error.as_deref(),
    }
}

fn attempt(of: &Attempt) -> AttemptView<'_> {
    let reply = of.outcome.reply();
    let text = reply.map(|reply| str::from_utf8(&reply.body));
    AttemptView {
        number: of.number,
        started_at: of.started_at,
        response_code: reply.map(|reply| reply.status),
        response_headers: reply.map(|reply| HeadersView(&reply.headers)),
        response_body: reply.zip(text).map(|(reply, text)| match text {
            Ok(text) => text.to_owned(),
            Err(_) => STANDARD.encode(&reply.body),
        }),
        response_body_encoding: text.is_some_and(|text| text.is_err()).then_some("base64"),
        response_body_truncated: reply.is_some_and(|reply| reply.body_truncated),
        response_time_ms: of.duration_ms,
        error: of.outcome.failure().map(ToString::to_string),
        next_attempt_at: match of.verdict {
            Verdict::Retry { at } => Some(at),
            Verdict::Delivered | Verdict::Failed => None,
        },
    }
}
