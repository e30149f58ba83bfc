//! Builds the request of one attempt: body, headers, signatures.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::trace;
use crate::egress::Outgoing;
use crate::model::{BasicAuth, Body, DeliveryId, Event, Format, HeaderList, Timestamp, Webhook};
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

/// Builds the request, on a thread for blocking work when that may take long.
///
/// # Errors
/// The body cannot be rendered or signed.
pub(super) async fn build(order: Order) -> Result<Outgoing, OutgoingError> {
    if !takes_long(&order) {
        return outgoing(&order);
    }
    let built = tokio::task::spawn_blocking(move || outgoing(&order)).await;
    built.unwrap_or_else(|error| Err(OutgoingError::Panicked(error.to_string())))
}

/// Large events, compressed ones (a few bytes become many), and what an expression makes of an
/// event: it is bounded, but by far more than other webhooks could wait.
fn takes_long(order: &Order) -> bool {
    let exchange = &order.event.exchange;
    let (request, response) = (&exchange.request, &exchange.response);
    let is_encoded = |headers: &HeaderList, body: &Body| {
        let described = body.described_by.as_deref();
        let fields = [Some(headers), described].into_iter().flatten();
        !body.bytes.is_empty() && fields.into_iter().any(|f| f.get("content-encoding").is_some())
    };
    matches!(order.webhook.format, Format::Json(_) | Format::Template { .. })
        || request.body.bytes.len() + response.body.bytes.len() > RENDER_INLINE_MAX
        || is_encoded(&request.headers, &request.body)
        || is_encoded(&response.headers, &response.body)
}

pub(super) fn outgoing(order: &Order) -> Result<Outgoing, OutgoingError> {
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
    let request = &order.event.exchange.request;
    let call = &request.headers;
    let beside = request.body.described_by.as_deref();
    let parent = call.get("traceparent").or_else(|| beside?.get("traceparent"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, Exchange, RequestPart, ResponsePart, RuleRef, Scheme, Secret};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// The headers of one attempt for an event whose call carried these.
    fn sent(call: &[(&str, &str)], webhook: Webhook) -> HeaderMap {
        let kept = call.iter().map(|&(n, v)| (n.to_owned(), v.as_bytes().to_vec())).collect();
        let event = Event {
            id: EventId::from_uuid(uuid::Uuid::nil()),
            ordinal: 1,
            time: Timestamp::default(),
            rule: RuleRef { id: 1, label: "a.b".to_owned(), tag: None },
            subject: None,
            depth: 0,
            is_test: false,
            exchange: Exchange {
                request: RequestPart {
                    method: "POST".to_owned(),
                    url: "/".to_owned(),
                    params: vec![],
                    headers: HeaderList(kept),
                    body: Body::none(),
                },
                response: ResponsePart {
                    status: 204,
                    headers: HeaderList::default(),
                    body: Body::none(),
                },
            },
            deliveries: vec![],
        };
        let order = Order {
            event: Arc::new(event),
            webhook: Arc::new(webhook),
            delivery: DeliveryId::from_uuid(uuid::Uuid::from_u128(7)),
            number: 3,
            started_at: Timestamp::from_millis(5_000),
            source: "//upstream".into(),
            span: 0xabc,
        };
        outgoing(&order).expect("builds").headers
    }

    fn webhook(format: Format) -> Webhook {
        let url = url::Url::parse("https://example.com/").expect("a URL");
        Webhook { format, ..Webhook::new("w", url) }
    }

    #[test]
    fn a_traced_call_is_carried_on_with_our_mark_first() {
        let call = [("traceparent", PARENT), ("tracestate", "rojo=1")];
        let headers = sent(&call, webhook(Format::Standard));
        let child = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01";
        assert_eq!(headers["traceparent"], child);
        assert_eq!(headers["tracestate"], "sidehook=00000000000000000000000000000007,rojo=1");
        for call in [&[("tracestate", "rojo=1")][..], &[("traceparent", "REDACTED")]] {
            let headers = sent(call, webhook(Format::Standard));
            assert!(!headers.contains_key("traceparent") && !headers.contains_key("tracestate"));
        }
    }

    #[test]
    fn what_the_format_and_the_schemes_write_wins_over_the_webhooks_own_headers() {
        let own = |name| (HeaderName::from_static(name), HeaderValue::from_static("own"));
        let webhook = Webhook {
            headers: vec![own("authorization"), own("x-own"), own("ce-id")],
            secret: Some(Secret::new("Bearer verbatim")),
            signing_secret: Some(Secret::new("key")),
            signatures: vec![Scheme::Authorization, Scheme::Standard],
            ..webhook(Format::CloudEventsBinary)
        };
        let headers = sent(&[], webhook);
        assert_eq!(headers["x-own"], "own");
        assert_eq!(headers["authorization"], "Bearer verbatim");
        assert_eq!(headers["ce-id"], "evt_00000000000000000000000000000000");
        assert_eq!(headers["ce-source"], "//upstream");
        assert!(!headers.contains_key("content-type"), "there is no body to have a type");
        assert_eq!(headers["webhook-timestamp"], "5");
        assert_eq!(headers["x-webhook-attempt"], "3");
        assert!(headers["webhook-signature"].to_str().is_ok_and(|text| text.starts_with("v1,")));
        assert_eq!(headers.get_all("authorization").iter().count(), 1);
    }
}
