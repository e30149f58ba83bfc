//! Format `exchange`: the whole call. The order of members is the contract's.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::model::{DeliveryId, Event, RuleId, Webhook};
use crate::view::{BodyView, body_view};

/// The body of format `exchange`.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    event: EventPart<'a>,
    id: DeliveryId,
    request: Request<'a>,
    response: Response<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// Request and response as `exchange` shows them.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    request: Request<'a>,
    response: Response<'a>,
}

#[derive(Serialize)]
struct EventPart<'a> {
    id: RuleId,
    label: &'a str,
    /// How many webhooks stand before the call in a chain; absent for a call of its own.
    #[serde(skip_serializing_if = "is_zero")]
    depth: u8,
}

struct Request<'a> {
    tag: Option<&'a str>,
    method: String,
    url: &'a str,
    body: BodyView<'a>,
}

struct Response<'a> {
    status: u16,
    body: BodyView<'a>,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(tag) = self.tag {
            map.serialize_entry("tag", tag)?;
        }
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("url", self.url)?;
        self.body.serialize_into(&mut map)?;
        map.end()
    }
}

impl Serialize for Response<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.status)?;
        self.body.serialize_into(&mut map)?;
        map.end()
    }
}

pub(super) fn payload<'a>(
    event: &'a Event,
    delivery: DeliveryId,
    webhook: &'a Webhook,
) -> Payload<'a> {
    let Call { request, response } = call(event);
    let rule = &event.rule;
    Payload {
        event: EventPart { id: rule.id, label: &rule.label, depth: event.depth },
        id: delivery,
        request,
        response,
        secret: webhook.secret.as_ref().map(|secret| secret.reveal()),
    }
}

pub(super) fn call(event: &Event) -> Call<'_> {
    let request = &event.exchange.request;
    let response = &event.exchange.response;
    Call {
        request: Request {
            tag: event.rule.tag.as_deref(),
            method: request.method.to_ascii_lowercase(),
            url: &request.url,
            body: body_view(&request.body, &request.headers),
        },
        response: Response {
            status: response.status,
            body: body_view(&response.body, &response.headers),
        },
    }
}

/// Serde asks by reference.
fn is_zero(depth: &u8) -> bool {
    *depth == 0
}
