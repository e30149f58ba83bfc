//! The JSON of events and deliveries, member by member as the API documents it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::model::{
    Attempt, Delivery, DeliveryCounts, DeliveryId, Event, EventId, HeaderList, Timestamp, Verdict,
    WebhookId,
};
use crate::store::{EventSummary, Listed};
use crate::view::{RequestView, ResponseView, request_view, response_view};

/// `{"data": [...], "next": cursor or null}`.
#[derive(Serialize)]
pub(super) struct List<T> {
    data: Vec<T>,
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

/// An event; `D` is the counts in a list, the deliveries themselves for one event.
#[derive(Serialize)]
pub(super) struct EventView<'a, D> {
    id: EventId,
    label: &'a str,
    tag: Option<&'a str>,
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u8>,
    method: &'a str,
    url: &'a str,
    status: u16,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseView<'a>>,
    deliveries: D,
}

/// A delivery; `A` is their number in a list, the attempts themselves for one delivery.
#[derive(Serialize)]
pub(super) struct DeliveryView<'a, A> {
    id: DeliveryId,
    event_id: EventId,
    webhook_id: WebhookId,
    event: &'a str,
    status: &'static str,
    response_code: Option<u16>,
    response_time_ms: Option<u64>,
    attempts: A,
    created_at: Timestamp,
    timestamp: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    error: Option<&'a str>,
}

/// One attempt; the body is text, or base64 and says so.
#[derive(Serialize)]
pub(super) struct AttemptView<'a> {
    number: u32,
    started_at: Timestamp,
    response_code: Option<u16>,
    response_headers: Option<HeadersView<'a>>,
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body_encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    response_body_truncated: bool,
    response_time_ms: u64,
    error: Option<String>,
    next_attempt_at: Option<Timestamp>,
}

/// Headers as an object: lower-case names, repeated ones joined by `, ` (RFC 9110 5.3).
pub(super) struct HeadersView<'a>(&'a HeaderList);

impl<T> List<T> {
    pub(super) fn of<'a, S>(listed: &'a Listed<S>, view: impl Fn(&'a S) -> T) -> Self {
        Self {
            data: listed.data.iter().map(view).collect(),
            next: listed.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl OneEvent {
    pub(super) fn view(&self) -> EventView<'_, Vec<DeliveryView<'_, u32>>> {
        let event = &self.event;
        EventView {
            id: event.id,
            label: &event.rule.label,
            tag: event.rule.tag.as_deref(),
            subject: event.subject.as_deref(),
            depth: Some(event.depth),
            method: &event.exchange.request.method,
            url: &event.exchange.request.url,
            status: event.exchange.response.status,
            created_at: event.time,
            request: Some(request_view(event)),
            response: Some(response_view(event)),
            deliveries: self.deliveries.iter().map(delivery_in_list).collect(),
        }
    }
}

impl OneDelivery {
    pub(super) fn view(&self) -> DeliveryView<'_, Vec<AttemptView<'_>>> {
        delivery(&self.delivery, self.attempts.iter().map(attempt).collect())
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

pub(super) fn event_in_list(event: &EventSummary) -> EventView<'_, DeliveryCounts> {
    EventView {
        id: event.id,
        label: &event.label,
        tag: event.tag.as_deref(),
        subject: event.subject.as_deref(),
        depth: None,
        method: &event.method,
        url: &event.url,
        status: event.status,
        created_at: event.time,
        request: None,
        response: None,
        deliveries: event.deliveries,
    }
}

pub(super) fn delivery_in_list(of: &Delivery) -> DeliveryView<'_, u32> {
    delivery(of, of.attempts)
}

fn delivery<A>(of: &Delivery, attempts: A) -> DeliveryView<'_, A> {
    DeliveryView {
        id: of.id,
        event_id: of.event_id,
        webhook_id: of.webhook_id,
        event: &of.label,
        status: of.state.name(),
        response_code: of.response_code,
        response_time_ms: of.response_time_ms,
        attempts,
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
