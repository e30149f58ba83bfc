//! What callers of the store hand in and get back.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::health::Trouble;
use crate::model::{DeliveryCounts, DeliveryState, EventId, Timestamp, WebhookId};

/// What the store needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory.
    pub path: PathBuf,
    /// Finished events are kept this long.
    pub retain: Duration,
    /// All files of the store together, bytes.
    pub max_bytes: u64,
    /// A journal segment is closed when it has reached this size (16 MiB; tests use less).
    pub segment_bytes: u64,
    /// Events waiting for their commit, together, bytes; beyond it the store is `Full`.
    pub queue_bytes_max: usize,
    /// Free space of the disk below which matching calls are refused (low-water mark), bytes.
    pub free_bytes_min: u64,
}

/// Proof that an event is on stable storage. Only the store can make one.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    event: EventId,
}

/// What becomes of an event whose commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is dropped and the caller told: the client gets no success.
    Refuse,
    /// It is kept in bounded memory and committed when the store is well again.
    Keep,
}

/// Why the store takes no events now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// In words, with the cure.
    pub reason: String,
}

/// Which part of a list to read.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// 1..=200.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<Cursor>,
}

/// An opaque, stable position in a list, shown to users as text (`Display`/`FromStr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub u64, pub u32);

/// Text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; take `next` of the page before as it is")]
pub struct CursorError;

/// Newest first. `next` may be set although the page is not full, even empty: what must be searched
/// for (`q`) is searched for a bounded time, and `next` goes on from there.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Which events to list; empty: all.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this label.
    pub label: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Has a delivery to this webhook.
    pub webhook: Option<WebhookId>,
    /// Has a delivery in that state; with `webhook`, that one is.
    pub state: Option<DeliveryState>,
    /// The call's response status.
    pub code: Option<u16>,
    /// Part of the path or of the subject (the first KiB of each), in any case; or its id, or one
    /// of its deliveries', or the beginning of one (with `evt_` or `del_`, or eight digits), in any
    /// spelling. Where ids begin so, only those are listed.
    pub q: Option<String>,
}

/// Which deliveries to list; empty: all.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// For this webhook.
    pub webhook: Option<WebhookId>,
    /// Of events of this label.
    pub label: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Created at this time or later.
    pub since: Option<Timestamp>,
    /// Created before this time.
    pub until: Option<Timestamp>,
    /// Part of the path or of the subject of its event, its id or its event's: as with events.
    pub q: Option<String>,
}

/// An event in a list.
#[derive(Clone, Debug)]
pub struct EventSummary {
    /// Identity.
    pub id: EventId,
    /// Position in the order of commits.
    pub ordinal: u64,
    /// When the upstream's response was complete.
    pub time: Timestamp,
    /// The rule's label.
    pub label: String,
    /// The rule's tag.
    pub tag: Option<String>,
    /// What it is about; cut after 1 KiB.
    pub subject: Option<String>,
    /// The request's method as received.
    pub method: String,
    /// Path and query as received; cut after 1 KiB (the event itself has all of it).
    pub url: String,
    /// The response's status.
    pub status: u16,
    /// How many of its deliveries stand where.
    pub deliveries: DeliveryCounts,
}

/// One webhook's queue.
#[derive(Clone, Debug)]
pub struct QueueStats {
    /// The webhook, configured or not.
    pub webhook_id: WebhookId,
    /// Deliveries that wait for an attempt.
    pub pending: u64,
    /// Deliveries that wait for their webhook.
    pub held: u64,
    /// When the oldest unfinished delivery was created.
    pub oldest: Option<Timestamp>,
}

/// How the store stands.
#[derive(Clone, Debug, Default)]
pub struct StoreStats {
    /// All files together.
    pub bytes: u64,
    /// Their limit.
    pub max_bytes: u64,
    /// How much of `bytes` retention can let go when room is needed; as of the last look.
    pub reclaimable_bytes: u64,
    /// One per webhook that is configured or has unfinished deliveries.
    pub queues: Vec<QueueStats>,
    /// Damage found since the start: file, bytes, records. Empty is the promise.
    pub damage: Vec<String>,
    /// What is wrong now, each in words; empty: the store takes events.
    pub troubles: Vec<(Trouble, String)>,
    /// Events that could not be written and wait in memory.
    pub n_in_memory: u64,
}

impl Receipt {
    /// Made after the sync, and nowhere else.
    pub(crate) const fn of(event: EventId) -> Self {
        Self { event }
    }

    /// The event that is durable.
    pub const fn event(&self) -> EventId {
        self.event
    }
}

impl Page {
    /// The limit within its bounds; 0 means the default of 50.
    pub(crate) fn n_max(&self) -> usize {
        match self.limit {
            0 => 50,
            n => n.min(200),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0, self.1)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (ordinal, place) = text.split_once('-').ok_or(CursorError)?;
        let hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex(ordinal) || !hex(place) {
            return Err(CursorError);
        }
        let ordinal = u64::from_str_radix(ordinal, 16).map_err(|_| CursorError)?;
        let place = u32::from_str_radix(place, 16).map_err(|_| CursorError)?;
        Ok(Self(ordinal, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_being_text_and_nothing_else_is_one() {
        let cursor = Cursor(u64::MAX, 7);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "-", "1", "1-", "-1", "g-1", "+1-1", "1-100000000", "1-1-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
