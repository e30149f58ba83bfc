//! Builds the request of one attempt: body, headers, signatures.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::trace;
use crate::egress::Outgoing;
use crate::model::{BasicAuth, DeliveryId, Event, Timestamp, Webhook};
use crate::{payload, sign};

/// Captured bytes from which rendering leaves the runtime's threads.
const RENDER_INLINE_MAX: usize = 256 * 1024;

/// What one attempt is made of.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) event: Arc<Event>,
    pub(super) webhook: Arc<Webhook>,
    pub(super) delivery: DeliveryId,
    /// Number of the attempt, from 1.
    pub(super) number: u32,
    pub(super) started_at: Timestamp,
    /// Where events come from.
    pub(super) source: Arc<str>,
    /// The span of `traceparent`.
    pub(super) span: u64,
}

/// Why a request cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutgoingError {
    #[error(transparent)]
    Render(#[from] payload::RenderError),
    #[error("the signing key: {0}")]
    Key(#[from] sign::KeyError),
    #[error("a header's value: {0}")]
    Header(#[from] InvalidHeaderValue),
    #[error("internal error: {0}")]
    Panicked(String),
}

/// Builds the request, on a thread for blocking work when the event is large.
///
/// # Errors
/// The body cannot be rendered or signed.
pub(super) async fn build(order: Order) -> Result<Outgoing, OutgoingError> {
    let exchange = &order.event.exchange;
    let size = exchange.request.body.bytes.len() + exchange.response.body.bytes.len();
    if size <= RENDER_INLINE_MAX {
        return outgoing(&order);
    }
    let built = tokio::task::spawn_blocking(move || outgoing(&order)).await;
    built.unwrap_or_else(|error| Err(OutgoingError::Panicked(error.to_string())))
}

fn outgoing(order: &Order) -> Result<Outgoing, OutgoingError> {
    let webhook = &order.webhook;
    let rendered = payload::render(&order.event, order.delivery, webhook, &order.source)?;
    let mut headers = headers(order, rendered.content_type)?;
    for (name, value) in rendered.headers {
        headers.insert(name, value);
    }
    if !webhook.signatures.is_empty() {
        let keys = sign::Keys::of(webhook, order.started_at);
        let id = order.delivery.to_string();
        let secs = order.started_at.as_secs();
        for (name, value) in sign::headers(&webhook.signatures, &keys, &id, secs, &rendered.body)? {
            headers.insert(name, value);
        }
    }
    Ok(Outgoing {
        method: webhook.method.clone(),
        url: webhook.url.clone(),
        headers,
        tls: webhook.tls.clone(),
        body: Bytes::from(rendered.body),
    })
}

/// The webhook's own headers first, so that none of them can stand in for one of ours.
fn headers(order: &Order, content_type: Option<HeaderValue>) -> Result<HeaderMap, OutgoingError> {
    const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
    const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
    const X_WEBHOOK_ID: HeaderName = HeaderName::from_static("x-webhook-id");
    const X_WEBHOOK_EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
    const X_WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
    const X_WEBHOOK_ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");

    let webhook = &order.webhook;
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in &webhook.headers {
        headers.append(name, value.clone());
    }
    let secs = HeaderValue::from(order.started_at.as_secs());
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(WEBHOOK_ID, HeaderValue::from_str(&order.delivery.to_string())?);
    headers.insert(WEBHOOK_TIMESTAMP, secs.clone());
    headers.insert(X_WEBHOOK_ID, HeaderValue::from_str(&webhook.id.to_string())?);
    headers.insert(X_WEBHOOK_EVENT, HeaderValue::from_str(&order.event.rule.label)?);
    headers.insert(X_WEBHOOK_TIMESTAMP, secs);
    headers.insert(X_WEBHOOK_ATTEMPT, HeaderValue::from(order.number));
    if let Some(auth) = &webhook.basic_auth {
        headers.insert(AUTHORIZATION, basic(auth)?);
    }
    let call = &order.event.exchange.request.headers;
    let parent = call.get("traceparent");
    if let Some(child) = parent.and_then(|parent| trace::child_of(parent, order.span)) {
        headers.insert("traceparent", HeaderValue::from_str(&child)?);
        let state = trace::state_of(call, order.delivery);
        headers.insert("tracestate", HeaderValue::from_str(&state)?);
    }
    Ok(headers)
}

/// RFC 7617, in UTF-8.
fn basic(auth: &BasicAuth) -> Result<HeaderValue, InvalidHeaderValue> {
    let pair = format!("{}:{}", auth.username, auth.password.reveal());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))?;
    value.set_sensitive(true);
    Ok(value)
}
