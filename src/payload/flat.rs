//! The formats that put a few words beside the response's body. The order of members is the
//! contract's.

use std::borrow::Cow;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::model::{Event, Webhook};
use crate::view::{BodyView, body_view};

/// Texts, then the response's body with its markers.
pub(super) struct Flat<'a> {
    texts: Vec<(&'static str, Cow<'a, str>)>,
    names: &'static Names,
    body: BodyView<'a>,
}

/// What the body and its markers are called.
struct Names {
    body: &'static str,
    encoding: &'static str,
    truncated: &'static str,
    size: &'static str,
}

const DATA: Names = Names {
    body: "data",
    encoding: "data_encoding",
    truncated: "data_truncated",
    size: "data_size",
};

const PAYLOAD: Names = Names {
    body: "payload",
    encoding: "payload_encoding",
    truncated: "payload_truncated",
    size: "payload_size",
};

impl<'a> Flat<'a> {
    fn new<const N: usize>(
        event: &'a Event,
        names: &'static Names,
        texts: [(&'static str, Cow<'a, str>); N],
    ) -> Self {
        let response = &event.exchange.response;
        Self { texts: Vec::from(texts), names, body: body_view(&response.body, &response.headers) }
    }
}

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, text) in &self.texts {
            map.serialize_entry(name, text)?;
        }
        map.serialize_entry(self.names.body, &self.body.body)?;
        if let Some(encoding) = self.body.body_encoding {
            map.serialize_entry(self.names.encoding, encoding)?;
        }
        if self.body.body_truncated {
            map.serialize_entry(self.names.truncated, &true)?;
        }
        if let Some(size) = self.body.body_size {
            map.serialize_entry(self.names.size, &size)?;
        }
        map.end()
    }
}

/// `{event_name, time, data}`; Vikunja writes the offset of UTC in digits.
pub(super) fn vikunja(event: &Event) -> Flat<'_> {
    let time = event.time.to_string();
    let time = format!("{}+00:00", time.trim_end_matches('Z'));
    Flat::new(event, &DATA, [("event_name", label(event)), ("time", time.into())])
}

/// `{event, timestamp, webhook_id, data}`.
pub(super) fn timestamped<'a>(event: &'a Event, webhook: &Webhook) -> Flat<'a> {
    let id = webhook.id.to_string().into();
    Flat::new(
        event,
        &DATA,
        [("event", label(event)), ("timestamp", time(event)), ("webhook_id", id)],
    )
}

/// `{event, entity, identifier, payload}`: of label `peer.create` the entity is `peer`, the event
/// `create`.
pub(super) fn wireguard_portal(event: &Event) -> Flat<'_> {
    let label = event.rule.label.as_str();
    let first = label.split_once('.').map_or(label, |(first, _)| first);
    let last = label.rsplit_once('.').map_or(label, |(_, last)| last);
    let subject = event.subject.as_deref().unwrap_or_default();
    Flat::new(
        event,
        &PAYLOAD,
        [("event", last.into()), ("entity", first.into()), ("identifier", subject.into())],
    )
}

/// `{id, type, created_at, data}`.
pub(super) fn typed(event: &Event) -> Flat<'_> {
    let id = event.id.to_string().into();
    Flat::new(event, &DATA, [("id", id), ("type", label(event)), ("created_at", time(event))])
}

/// `{type, timestamp, data}`, as Standard Webhooks recommends.
pub(super) fn standard(event: &Event) -> Flat<'_> {
    Flat::new(event, &DATA, [("type", label(event)), ("timestamp", time(event))])
}

fn label(event: &Event) -> Cow<'_, str> {
    event.rule.label.as_str().into()
}

fn time(event: &Event) -> Cow<'_, str> {
    event.time.to_string().into()
}
