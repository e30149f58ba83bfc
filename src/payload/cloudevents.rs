//! CloudEvents 1.0: structured mode (JSON event format) and binary mode (HTTP protocol binding).

use http::header::CONTENT_ENCODING;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::Rendered;
use super::exchange::{Call, call};
use crate::model::{Event, EventId, Timestamp};
use crate::view;

/// An event in structured mode. Extension attributes have names of letters and digits only
/// (CloudEvents 3.1).
#[derive(Serialize)]
pub(super) struct Structured<'a> {
    specversion: &'static str,
    id: EventId,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    /// Must not be empty (CloudEvents 3.1.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sidehookdepth: Option<u8>,
    data: Call<'a>,
}

pub(super) fn structured<'a>(event: &'a Event, source: &'a str) -> Structured<'a> {
    Structured {
        specversion: "1.0",
        id: event.id,
        source,
        kind: &event.rule.label,
        subject: subject(event),
        time: event.time,
        sidehookdepth: depth(event),
        data: call(event),
    }
}

/// Binary mode: the attributes are headers, the body is the response's, decoded, with its own
/// content type.
pub(super) fn binary(event: &Event, source: &str) -> Rendered {
    let response = &event.exchange.response;
    let decoded = view::decoded_bytes(&response.body, &response.headers);
    let mut headers = vec![
        (HeaderName::from_static("ce-specversion"), HeaderValue::from_static("1.0")),
        (HeaderName::from_static("ce-id"), value(&event.id.to_string())),
        (HeaderName::from_static("ce-source"), value(source)),
        (HeaderName::from_static("ce-type"), value(&event.rule.label)),
        (HeaderName::from_static("ce-time"), value(&event.time.to_string())),
    ];
    if let Some(subject) = subject(event) {
        headers.push((HeaderName::from_static("ce-subject"), value(subject)));
    }
    if let Some(depth) = depth(event) {
        headers.push((HeaderName::from_static("ce-sidehookdepth"), u16::from(depth).into()));
    }
    if decoded.is_cut {
        let yes = HeaderValue::from_static("true");
        headers.push((HeaderName::from_static("ce-sidehooktruncated"), yes));
        let size = HeaderValue::from(decoded.wire_size);
        headers.push((HeaderName::from_static("ce-sidehooksize"), size));
    }
    let field = |name| {
        let kept = response.headers.get(name);
        let value = kept.or_else(|| response.body.described_by.as_ref()?.get(name))?;
        HeaderValue::from_bytes(value).ok()
    };
    if decoded.is_encoded
        && let Some(coding) = field("content-encoding")
    {
        headers.push((CONTENT_ENCODING, coding));
    }
    // A body that is not there has no type.
    let content_type = field("content-type").filter(|_| !decoded.bytes.is_empty());
    Rendered { content_type, headers, body: decoded.bytes.into_owned() }
}

fn subject(event: &Event) -> Option<&str> {
    event.subject.as_deref().filter(|subject| !subject.is_empty())
}

fn depth(event: &Event) -> Option<u8> {
    (event.depth > 0).then_some(event.depth)
}

/// An attribute's value as a header: everything but printable ASCII, and also space, `"` and `%`,
/// is percent-encoded as UTF-8 (HTTP protocol binding 3.1.3.2).
fn value(text: &str) -> HeaderValue {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'%') {
            encoded.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            encoded.extend([b'%', HEX[high], HEX[low]]);
        }
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded))
        .expect("percent-encoded text is visible ASCII")
}
