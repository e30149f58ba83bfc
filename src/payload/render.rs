//! Builds the body of a delivery.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::{cloudevents, exchange, flat};
use crate::expr::ExprError;
use crate::model::{DeliveryId, Event, Format, Webhook};
use crate::view;

/// Room for what stands around the bodies, bytes.
const FRAME_BYTES: usize = 512;

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
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

    let (content_type, body) = match &webhook.format {
        Format::Exchange => (JSON, json(event, &exchange::payload(event, delivery, webhook))?),
        Format::Vikunja => (JSON, json(event, &flat::vikunja(event))?),
        Format::Timestamped => (JSON, json(event, &flat::timestamped(event, webhook))?),
        Format::WireguardPortal => (JSON, json(event, &flat::wireguard_portal(event))?),
        Format::Typed => (JSON, json(event, &flat::typed(event))?),
        Format::Standard => (JSON, json(event, &flat::standard(event))?),
        Format::CloudEvents => (CLOUD_EVENT, json(event, &cloudevents::structured(event, source))?),
        Format::CloudEventsBinary => return Ok(cloudevents::binary(event, source)),
        Format::Json(expression) => {
            (JSON, expression.json(&view::delivery_scope(event, delivery, webhook))?)
        }
        Format::Template { template, content_type } => {
            let text = template.render(&view::delivery_scope(event, delivery, webhook))?;
            (content_type.clone(), text.into_bytes())
        }
    };
    Ok(Rendered { content_type: Some(content_type), headers: Vec::new(), body })
}

fn json(event: &Event, payload: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let exchange = &event.exchange;
    let bodies = exchange.request.body.bytes.len() + exchange.response.body.bytes.len();
    let mut body = Vec::with_capacity(bodies + FRAME_BYTES);
    serde_json::to_writer(&mut body, payload)?;
    Ok(body)
}
