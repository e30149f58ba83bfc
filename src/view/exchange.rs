//! Request and response of one event as the admin API shows them: as in format `exchange`, with
//! parameters, headers and capture state.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::body::{BodyView, body_view};
use crate::model::{BodyState, Event, HeaderList};

/// The request of an event. Serialises as `{tag, method, url, params, headers, body,
/// body_encoding, body_truncated, body_size, capture}`.
#[derive(Clone, Debug)]
pub struct RequestView<'a> {
    event: &'a Event,
    body: BodyView<'a>,
}

/// The response of an event. Serialises as `{status, headers, body, body_encoding,
/// body_truncated, body_size, capture}`.
#[derive(Clone, Debug)]
pub struct ResponseView<'a> {
    event: &'a Event,
    body: BodyView<'a>,
}

/// Shows the request.
pub fn request_view(event: &Event) -> RequestView<'_> {
    let request = &event.exchange.request;
    RequestView { event, body: body_view(&request.body, &request.headers) }
}

/// Shows the response.
pub fn response_view(event: &Event) -> ResponseView<'_> {
    let response = &event.exchange.response;
    ResponseView { event, body: body_view(&response.body, &response.headers) }
}

impl Serialize for RequestView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = &self.event.exchange.request;
        let mut map = serializer.serialize_map(None)?;
        if let Some(tag) = &self.event.rule.tag {
            map.serialize_entry("tag", tag)?;
        }
        map.serialize_entry("method", &request.method.to_ascii_lowercase())?;
        map.serialize_entry("url", &request.url)?;
        map.serialize_entry("params", &Params(&request.params))?;
        map.serialize_entry("headers", &Headers(&request.headers))?;
        self.body.serialize_into(&mut map)?;
        map.serialize_entry("capture", capture(request.body.state))?;
        map.end()
    }
}

impl Serialize for ResponseView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = &self.event.exchange.response;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &response.status)?;
        map.serialize_entry("headers", &Headers(&response.headers))?;
        self.body.serialize_into(&mut map)?;
        map.serialize_entry("capture", capture(response.body.state))?;
        map.end()
    }
}

struct Params<'a>(&'a [(String, String)]);

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Headers as an object: names in lower case.
struct Headers<'a>(&'a HeaderList);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(joined(self.0, str::to_owned))
    }
}

/// Headers by what `name` makes of their names; repeated ones joined by `, ` (RFC 9110 5.3), bytes
/// outside ASCII as ISO 8859-1.
pub(super) fn joined(list: &HeaderList, name: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::with_capacity(list.0.len());
    for (field, value) in &list.0 {
        let name = name(field);
        let value = value.iter().map(|&b| char::from(b));
        match joined.iter_mut().find(|(known, _)| *known == name) {
            Some((_, text)) => {
                text.push_str(", ");
                text.extend(value);
            }
            None => joined.push((name, value.collect())),
        }
    }
    joined
}

const fn capture(state: BodyState) -> &'static str {
    match state {
        BodyState::Complete => "complete",
        BodyState::Truncated => "truncated",
        BodyState::OverBudget => "over_budget",
        BodyState::Redacted => "redacted",
        BodyState::ClientAborted => "client_aborted",
        BodyState::UpstreamAborted => "upstream_aborted",
        BodyState::Streaming => "streaming",
    }
}
