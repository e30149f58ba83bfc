//! Where the two halves meet: the durable queue. (Essay by the store's author.)
#![allow(unused_variables, clippy::todo, clippy::unused_async, missing_docs)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::*;
use crate::telemetry::Metrics;

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

impl Receipt {
    /// The event that is durable.
    pub const fn event(&self) -> EventId {
        self.event
    }
}

/// What becomes of an event whose commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is dropped and the caller told: the client gets no success.
    Refuse,
    /// It is kept in bounded memory and committed when the store is well again.
    Keep,
}

#[derive(Debug, thiserror::Error, Clone)]
#[error("store error")]
pub struct StoreError {}

/// Why the store takes no events now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// In words, with the cure.
    pub reason: String,
}

/// One due delivery, handed to one attempt. Consumed by [`Store::finish`]; when dropped instead,
/// the delivery is due again at once. Leases are an optimisation: at least once is the contract.
#[derive(Debug)]
pub struct Lease {
    // + a guard that releases on drop
    event: Arc<Event>,
    delivery: Delivery,
}

impl Lease {
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }
    /// As it stands before this attempt.
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }
    /// Number of the attempt to make, from 1.
    pub const fn attempt_number(&self) -> u32 {
        self.delivery.attempts + 1
    }
    /// Failed attempts since the delivery was queued (or queued again by hand): the position in
    /// the retry schedule.
    pub const fn failures(&self) -> u32 {
        0
    }
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

/// Newest first.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub data: Vec<T>,
    pub next: Option<Cursor>,
}

#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub label: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Has a delivery in that state.
    pub state: Option<DeliveryState>,
    /// The call's response status.
    pub code: Option<u16>,
}

#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub webhook: Option<WebhookId>,
    pub label: Option<String>,
    pub state: Option<DeliveryState>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// An event in a list.
#[derive(Clone, Debug)]
pub struct EventSummary {
    pub id: EventId,
    pub ordinal: u64,
    pub time: Timestamp,
    pub label: String,
    pub tag: Option<String>,
    pub method: String,
    pub url: String,
    pub status: u16,
    pub deliveries: DeliveryCounts,
}

/// One webhook's queue.
#[derive(Clone, Debug)]
pub struct QueueStats {
    pub webhook_id: WebhookId,
    pub pending: u64,
    pub held: u64,
    /// When the oldest unfinished delivery was created.
    pub oldest: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct StoreStats {
    /// All files together.
    pub bytes: u64,
    pub max_bytes: u64,
    pub queues: Vec<QueueStats>,
}

/// The store. Clones share it. Reads are synchronous and take microseconds to milliseconds: async
/// callers outside the delivery loop use `spawn_blocking`.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens or creates the store: takes the directory's lock, verifies the journal's end, replays
    /// what the index lacks, starts the committer thread. Blocking.
    ///
    /// # Errors
    /// Directory in use (naming the holder's pid), not writable, newer format, journal unreadable.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        todo!()
    }

    /// Replaces the set of webhooks: who gets an event is decided at its commit, from this set.
    pub fn set_webhooks(&self, webhooks: Vec<Webhook>) {
        todo!()
    }

    /// The current set.
    pub fn webhooks(&self) -> Arc<Vec<Arc<Webhook>>> {
        todo!()
    }

    /// `Err` while matching calls must be refused. One atomic load when well.
    pub fn check(&self) -> Result<(), Unhealthy> {
        todo!()
    }

    /// Makes an event durable together with its deliveries.
    ///
    /// # Errors
    /// The event is not stored (for [`OnFailure::Keep`]: not yet).
    pub async fn commit(
        &self,
        event: NewEvent,
        on_failure: OnFailure,
    ) -> Result<Receipt, StoreError> {
        todo!()
    }

    /// Hands an event over without waiting (`commit = "after-response"`): kept in bounded memory
    /// until it is durable. Never blocks.
    ///
    /// # Errors
    /// The bounded memory is full: the event is lost, counted and logged by the store.
    pub fn commit_later(&self, event: NewEvent) -> Result<(), StoreError> {
        todo!()
    }

    /// Due deliveries of one webhook that nobody holds a lease of, oldest due first, at most `n_max`.
    pub fn lease_due(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        n_max: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        todo!()
    }

    /// When the webhook's next unleased delivery is due; `None`: nothing waits.
    pub fn next_due(&self, webhook: WebhookId) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Records an attempt with its verdict and gives the lease back. Not waited for: it rides with
    /// the next batch, at most 50 ms later.
    pub fn finish(&self, lease: Lease, attempt: Attempt) {
        todo!()
    }

    /// Resolves when something may have become due or a webhook changed since the last call.
    /// For one waiter: the scheduler.
    pub async fn work_available(&self) {
        todo!()
    }

    /// Makes a delivery due now, whatever its state; `None`: unknown id. Durable on return.
    pub async fn requeue(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        todo!()
    }

    pub fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Listed<EventSummary>, StoreError> {
        todo!()
    }

    /// One event whole, read from the journal; `None`: unknown.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        todo!()
    }

    /// The deliveries of an event.
    pub fn deliveries_of(&self, id: EventId) -> Result<Vec<Delivery>, StoreError> {
        todo!()
    }

    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        todo!()
    }

    pub fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        todo!()
    }

    /// The attempts of a delivery, first first.
    pub fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        todo!()
    }

    pub fn stats(&self) -> StoreStats {
        todo!()
    }

    /// Commits what waits and closes cleanly. Blocking; later calls fail.
    pub fn close(&self) {
        todo!()
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.0, self.1)
    }
}

impl std::str::FromStr for Cursor {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (a, b) = text.split_once('-').unwrap_or(("", ""));
        Ok(Self(u64::from_str_radix(a, 16)?, u32::from_str_radix(b, 16)?))
    }
}
