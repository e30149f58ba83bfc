//! Builds the body of a delivery.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::expr::ExprError;
use crate::model::{DeliveryId, Event, Format, RuleId, Webhook};
use crate::view::{BodyView, body_view};

/// A body ready to be signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its `content-type`; `None` for a body whose own is not known (`cloudevents-binary`).
    pub content_type: Option<HeaderValue>,
    /// Further headers that belong to the format (`ce-*`).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Exactly the bytes to sign and send.
    pub body: Vec<u8>,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The format's expression or template failed.
    #[error("format: {0}")]
    Expression(#[from] ExprError),
    /// Stand-in of the skeleton.
    #[error("format {0} is not built")]
    NotBuilt(&'static str),
    /// The JSON writer gave up.
    #[error("the body cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Renders an event for one of its deliveries. The same input gives the same bytes. `source` is
/// where the event comes from, as CloudEvents write it: `//` and the upstream's authority.
///
/// # Errors
/// The format fails on this event.
pub fn render(
    event: &Arc<Event>,
    delivery: DeliveryId,
    webhook: &Webhook,
    source: &str,
) -> Result<Rendered, RenderError> {
    let _ = source;
    match &webhook.format {
        Format::Exchange => exchange(event, delivery, webhook),
        other => Err(RenderError::NotBuilt(other.name())),
    }
}

fn exchange(
    event: &Event,
    delivery: DeliveryId,
    webhook: &Webhook,
) -> Result<Rendered, RenderError> {
    let request = &event.exchange.request;
    let response = &event.exchange.response;
    let payload = Payload {
        event: EventPart { id: event.rule.id, label: &event.rule.label },
        id: delivery,
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
        secret: webhook.secret.as_ref().map(|secret| secret.reveal()),
    };
    Ok(Rendered {
        content_type: Some(HeaderValue::from_static("application/json")),
        headers: Vec::new(),
        body: serde_json::to_vec(&payload)?,
    })
}

/// Format `exchange`; the order of members is the contract's.
#[derive(Serialize)]
struct Payload<'a> {
    event: EventPart<'a>,
    id: DeliveryId,
    request: Request<'a>,
    response: Response<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

#[derive(Serialize)]
struct EventPart<'a> {
    id: RuleId,
    label: &'a str,
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
