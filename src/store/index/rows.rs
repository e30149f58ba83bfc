//! The rows of the index, and what they say to callers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{bytes_of, failed, keys, parse};
use crate::model::{Delivery, DeliveryId, DeliveryState, Event, EventId, Timestamp, WebhookId};
use crate::store::StoreError;
use crate::store::journal::{Location, Position};

const URL_BYTES_MAX: usize = 1024;
const ERROR_BYTES_MAX: usize = 1024;

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
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) deliveries: Vec<(DeliveryId, WebhookId)>,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeliveryRow {
    pub(crate) event_id: EventId,
    pub(crate) ordinal: u64,
    pub(crate) webhook_id: WebhookId,
    pub(crate) label: String,
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
}

/// A webhook's deliveries by stored state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) pending: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

/// What a journal segment holds, for retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentRow {
    /// Newest time of anything in it.
    pub(crate) newest: Timestamp,
    /// Events whose record here is the current one.
    pub(crate) n_events: u64,
    /// Unfinished deliveries of those.
    pub(crate) n_unfinished: u64,
    /// Their part of the bytes, attempts not counted.
    pub(crate) live_bytes: u64,
    /// What has been copied into it from older segments, attempts included: copying it once more
    /// would free nothing.
    pub(crate) carried_bytes: u64,
}

/// The counters, in memory and written with every batch that changes them.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    counts: HashMap<WebhookId, Counts>,
    segments: BTreeMap<u64, SegmentRow>,
    dirty_counts: HashSet<WebhookId>,
    dirty_segments: BTreeSet<u64>,
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
            method: cut(&event.exchange.request.method, URL_BYTES_MAX).to_owned(),
            url: cut(&event.exchange.request.url, URL_BYTES_MAX).to_owned(),
            status: event.exchange.response.status,
            deliveries: event.deliveries.clone(),
        }
    }

    /// One delivery's part of the record.
    pub(crate) fn share_bytes(&self) -> u32 {
        let n = u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX);
        self.location.len / n.max(1)
    }
}

impl DeliveryRow {
    pub(crate) fn shown(&self, id: DeliveryId, is_active: bool) -> Delivery {
        let waits = self.state == DeliveryState::Pending;
        Delivery {
            id,
            event_id: self.event_id,
            ordinal: self.ordinal,
            webhook_id: self.webhook_id,
            label: self.label.clone(),
            state: if waits && !is_active { DeliveryState::Held } else { self.state },
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

impl Counts {
    pub(crate) const fn of_mut(&mut self, state: DeliveryState) -> &mut u64 {
        match state {
            DeliveryState::Pending | DeliveryState::Held => &mut self.pending,
            DeliveryState::Delivered => &mut self.delivered,
            DeliveryState::Failed => &mut self.failed,
            DeliveryState::Cancelled => &mut self.cancelled,
        }
    }
}

impl Tallies {
    /// Reads the counters that the last batch left.
    pub(crate) fn load(tree: &sled::Tree) -> Result<Self, StoreError> {
        let mut tallies = Self::default();
        for row in tree.scan_prefix(b"c") {
            let (key, value) = row.map_err(failed)?;
            let webhook = keys::webhook_of(&key).ok_or_else(|| super::broken("a key is short"))?;
            tallies.counts.insert(webhook, parse(&value)?);
        }
        for row in tree.scan_prefix(b"s") {
            let (key, value) = row.map_err(failed)?;
            let number = keys::last_number(&key).ok_or_else(|| super::broken("a key is short"))?;
            tallies.segments.insert(number, parse(&value)?);
        }
        Ok(tallies)
    }

    pub(crate) const fn segments(&self) -> &BTreeMap<u64, SegmentRow> {
        &self.segments
    }

    /// Unfinished deliveries of all webhooks.
    pub(crate) fn n_pending(&self) -> u64 {
        self.counts.values().map(|c| c.pending).sum()
    }

    pub(crate) fn n_events(&self) -> u64 {
        self.segments.values().map(|s| s.n_events).sum()
    }

    pub(crate) fn segment(&mut self, number: u64) -> &mut SegmentRow {
        self.dirty_segments.insert(number);
        self.segments.entry(number).or_default()
    }

    pub(crate) fn drop_segment(&mut self, number: u64) {
        self.dirty_segments.insert(number);
        self.segments.remove(&number);
    }

    /// Counts a delivery in (`true`) or out.
    pub(crate) fn count(&mut self, row: &DeliveryRow, comes: bool) {
        let shift = |n: &mut u64, by: u64| {
            *n = if comes { *n + by } else { n.saturating_sub(by) };
        };
        self.dirty_counts.insert(row.webhook_id);
        shift(self.counts.entry(row.webhook_id).or_default().of_mut(row.state), 1);
        if row.state == DeliveryState::Pending {
            let segment = self.segment(row.segment);
            shift(&mut segment.n_unfinished, 1);
            shift(&mut segment.live_bytes, u64::from(row.share_bytes));
        }
    }

    /// Adds the changed counters to a batch.
    pub(crate) fn write(&mut self, batch: &mut sled::Batch) {
        for webhook in self.dirty_counts.drain() {
            let counts = self.counts.get(&webhook).copied().unwrap_or_default();
            if counts == Counts::default() {
                self.counts.remove(&webhook);
                batch.remove(&keys::counts(webhook)[..]);
            } else {
                batch.insert(&keys::counts(webhook)[..], bytes_of(&counts));
            }
        }
        for number in std::mem::take(&mut self.dirty_segments) {
            match self.segments.get(&number) {
                Some(row) => batch.insert(&keys::segment(number)[..], bytes_of(row)),
                None => batch.remove(&keys::segment(number)[..]),
            }
        }
    }
}

/// The first `n_max` bytes, or a little less to end between characters.
fn cut(text: &str, n_max: usize) -> &str {
    &text[..text.floor_char_boundary(n_max)]
}
