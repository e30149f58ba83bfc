//! An event with all that came of it, in one line of JSON: what `GET /v1/events/{id}` shows, each
//! delivery as `GET /v1/deliveries/{id}` shows it.

use serde::Serialize;

use super::views::{DeliveryView, OneDelivery};
use crate::model::{EventId, Timestamp};
use crate::store::Story;
use crate::view::{RequestView, ResponseView, request_view, response_view};

#[derive(Serialize)]
struct StoryView<'a> {
    id: EventId,
    label: &'a str,
    tag: Option<&'a str>,
    subject: Option<&'a str>,
    depth: u8,
    method: &'a str,
    url: &'a str,
    status: u16,
    created_at: Timestamp,
    request: RequestView<'a>,
    response: ResponseView<'a>,
    deliveries: Vec<DeliveryView<'a>>,
}

/// Writes the line, without its end.
pub fn story_line(Story { event, deliveries }: Story) -> Vec<u8> {
    let of = |(delivery, attempts)| OneDelivery { delivery, attempts };
    let deliveries: Vec<OneDelivery> = deliveries.into_iter().map(of).collect();
    let view = StoryView {
        id: event.id,
        label: &event.rule.label,
        tag: event.rule.tag.as_deref(),
        subject: event.subject.as_deref(),
        depth: event.depth,
        method: &event.exchange.request.method,
        url: &event.exchange.request.url,
        status: event.exchange.response.status,
        created_at: event.time,
        request: request_view(&event),
        response: response_view(&event),
        deliveries: deliveries.iter().map(OneDelivery::view).collect(),
    };
    serde_json::to_vec(&view).expect("views have string keys and never fail")
}
