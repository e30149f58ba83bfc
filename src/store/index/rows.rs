//! The rows of the index, and what they say to callers.

use serde::{Deserialize, Serialize};

use super::keys::Chain;
use crate::model::{
    Delivery, DeliveryCounts, DeliveryId, DeliveryState, Event, EventId, Timestamp, WebhookId,
};
use crate::store::journal::{Location, Position};
use crate::store::types::EventSummary;

const URL_BYTES_MAX: usize = 1024;
const ERROR_BYTES_MAX: usize = 1024;
const SUBJECT_BYTES_MAX: usize = 1024;

/// What the index says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetaRow {
    pub(crate) format: u32,
    pub(crate) store_id: [u8; 16],
    /// Up to here the journal is in the index.
    pub(crate) position: Position,
    /// The record before the position, to see that it is still there.
    pub(crate) last: Option<Location>,
}

/// An event as lists show it, and where all of it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) id: EventId,
    pub(crate) location: Location,
    pub(crate) committed_at: Timestamp,
    pub(crate) time: Timestamp,
    pub(crate) label: String,
    pub(crate) tag: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) depth: u8,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) deliveries: Vec<(DeliveryId, WebhookId)>,
    /// A test of a webhook: nobody else ever wants it, and no recovery sends it again.
    pub(crate) is_test: bool,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeliveryRow {
    pub(crate) event_id: EventId,
    pub(crate) ordinal: u64,
    pub(crate) webhook_id: WebhookId,
    pub(crate) label: String,
    /// Where it keeps its place in the order of events.
    pub(crate) chain: Option<Chain>,
    /// Never `Held`: that is decided when it is shown.
    pub(crate) state: DeliveryState,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) due: Timestamp,
    pub(crate) created_at: Timestamp,
    /// Where its event stands, for the segment's counters.
    pub(crate) segment: u64,
    /// Its part of the event's bytes there.
    pub(crate) share_bytes: u32,
    pub(crate) last_attempt_at: Option<Timestamp>,
    pub(crate) response_code: Option<u16>,
    pub(crate) response_time_ms: Option<u64>,
    pub(crate) error: Option<String>,
    /// Of a test: its failures say nothing of the receiver.
    pub(crate) is_test: bool,
}

impl EventRow {
    pub(crate) fn of(event: &Event, committed_at: Timestamp, location: Location) -> Self {
        Self {
            id: event.id,
            location,
            committed_at,
            time: event.time,
            label: event.rule.label.clone(),
            tag: event.rule.tag.clone(),
            subject: event.subject.as_deref().map(|text| cut(text, SUBJECT_BYTES_MAX).to_owned()),
            depth: event.depth,
            method: cut(&event.exchange.request.method, URL_BYTES_MAX).to_owned(),
            url: cut(&event.exchange.request.url, URL_BYTES_MAX).to_owned(),
            status: event.exchange.response.status,
            deliveries: event.deliveries.clone(),
            is_test: event.is_test,
        }
    }

    /// As lists show it.
    pub(crate) fn summary(self, ordinal: u64, deliveries: DeliveryCounts) -> EventSummary {
        EventSummary {
            id: self.id,
            ordinal,
            time: self.time,
            label: self.label,
            tag: self.tag,
            subject: self.subject,
            method: self.method,
            url: self.url,
            status: self.status,
            deliveries,
        }
    }

    /// One delivery's part of the record.
    pub(crate) fn share_bytes(&self) -> u32 {
        let n = u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX);
        self.location.len / n.max(1)
    }
}

impl DeliveryRow {
    pub(crate) fn shown(&self, id: DeliveryId, is_held: bool) -> Delivery {
        let waits = self.state == DeliveryState::Pending;
        Delivery {
            id,
            event_id: self.event_id,
            ordinal: self.ordinal,
            webhook_id: self.webhook_id,
            label: self.label.clone(),
            state: if waits && is_held { DeliveryState::Held } else { self.state },
            attempts: self.attempts,
            created_at: self.created_at,
            last_attempt_at: self.last_attempt_at,
            next_attempt_at: waits.then_some(self.due),
            response_code: self.response_code,
            response_time_ms: self.response_time_ms,
            error: self.error.clone(),
        }
    }

    pub(crate) fn set_error(&mut self, error: Option<&str>) {
        self.error = error.map(|text| cut(text, ERROR_BYTES_MAX).to_owned());
    }
}

/// Whether the subject of a row is all of it.
pub(crate) fn is_whole_subject(subject: Option<&str>) -> bool {
    // A cut may be a little shorter, to end between characters.
    subject.is_none_or(|text| text.len() + 4 <= SUBJECT_BYTES_MAX)
}

/// The first `n_max` bytes, or a little less to end between characters.
pub(crate) fn cut(text: &str, n_max: usize) -> &str {
    &text[..text.floor_char_boundary(n_max)]
}
