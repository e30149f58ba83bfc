//! Where the two halves meet: the durable queue.
//!
//! Two layers. The **journal** (append-only files, checksummed, numbered, synced once per batch)
//! is the truth; the **index** (sled) finds things in it and can be lost: it is rebuilt from the
//! journal. One thread, the **committer**, writes both, in this order: batch to the journal,
//! sync, answer the waiters, index (where events come thick and fast, of all batches of some
//! milliseconds together), wake the scheduler. So an acknowledged event is on stable
//! storage whatever happens to sled, and a [`Receipt`] exists only after the sync.
//!
//! What a caller may rely on: an event with a receipt is delivered or visibly failed; a
//! delivery's attempts are recorded within 50 ms (a crash can repeat one, never lose one
//! event); a requeue of a delivery whose attempt is just running counts that attempt, ignores
//! its verdict and lets one more follow; an event whose commit failed may in the worst case
//! (crash before the failed batch could be cut off) still appear, never the other way round. Of an
//! ordered webhook one delivery of each chain (its subject) is due at a time, in the order of
//! events; who is ordered is decided at the commit. How a webhook stands is in force at once.
//!
//! Reading order: `committer`, `journal`, `index`, `lanes`, `open`; for lists `read` and `index::walk`.

mod backup;
mod by_hand;
mod changes;
mod committer;
mod error;
mod health;
mod index;
mod journal;
mod lanes;
mod leases;
mod lock;
mod offline;
mod open;
pub(crate) mod owner;
mod queue;
mod read;
mod recovery;
mod registry;
mod shared;
mod shown;
mod space;
mod states;
mod types;

pub use changes::{Change, ChangeMark, Changes, Missed};
pub use error::StoreError;
pub use health::Trouble;
pub use leases::Lease;
pub use offline::{
    Checked, Exported, IndexFound, Offline, OnProgress, Progress, Rebuilt, Story, Within,
};
pub use recovery::{Cancelled, Recovery, RecoverySpec, RecoveryStatus};
pub use registry::Definition;
pub use types::{
    Cursor, CursorError, DeliveryFilter, EventFilter, EventSummary, Listed, OnFailure, Page,
    QueueStats, Receipt, Settings, StoreStats, Unhealthy,
};

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::model::{Attempt, Delivery, DeliveryId, Event, EventId, NewEvent, Timestamp, WebhookId};
use crate::telemetry::Metrics;
use lock::Lock;
use queue::{Finished, Request, Waiting};
use shared::{Shared, locked};

/// A caller waits at most this long for the disk.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(10);

/// The store. Clones share it; when the last one is dropped it closes. Reads are synchronous and
/// take microseconds to milliseconds: async callers outside the delivery loop use
/// `spawn_blocking`.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

/// What ends with the store.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    committer: Mutex<Option<(JoinHandle<()>, Lock)>>,
}

impl Store {
    /// Opens or creates the store: takes the directory's lock, verifies the journal's end, replays
    /// what the index lacks, starts the committer thread. Blocking.
    ///
    /// # Errors
    /// Directory in use (naming the holder's pid), not writable, newer format, journal unreadable.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let path = settings.path.clone();
        let (shared, committer, lock) = open::open(settings, metrics)?;
        let thread = std::thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|e| StoreError::io("start a thread to write", &path, e))?;
        let committer = Mutex::new(Some((thread, lock)));
        let running = Arc::new(Running { shared: Arc::clone(&shared), committer });
        Ok(Self { shared, running })
    }

    /// `Err` while matching calls must be refused. One atomic load when well.
    ///
    /// # Errors
    /// With the reason in words.
    pub fn check(&self) -> Result<(), Unhealthy> {
        self.shared.health.check()
    }

    /// Makes an event durable together with its deliveries. Whoever waits for the commit does not
    /// wait for the index: reads show it a moment later ([`Self::caught_up`]).
    ///
    /// # Errors
    /// The event is not stored (for [`OnFailure::Keep`]: not yet, unless `Full` or `Closed`).
    /// After `TimedOut` it may yet be.
    pub async fn commit(
        &self,
        event: NewEvent,
        on_failure: OnFailure,
    ) -> Result<Receipt, StoreError> {
        let keep = on_failure == OnFailure::Keep;
        if !keep && self.shared.health.has(Trouble::Stalled) {
            return Err(self.shared.health.refusal());
        }
        let (waiter, answer) = oneshot::channel();
        self.hand_over(event, keep, Some(waiter))?;
        match tokio::time::timeout(COMMIT_WAIT_MAX, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => {
                let after_ms = COMMIT_WAIT_MAX.as_secs() * 1000;
                let reason = format!("the disk has not answered for {after_ms} ms");
                if self.shared.health.set(Trouble::Stalled, reason) {
                    tracing::error!(after_ms, "a commit does not end; matching calls are refused");
                }
                Err(StoreError::TimedOut { after_ms })
            }
        }
    }

    /// Hands an event over without waiting (`commit = "after-response"`): kept in bounded memory
    /// until it is durable. Never blocks.
    ///
    /// # Errors
    /// The bounded memory is full: the event is lost, counted and logged by the store.
    pub fn commit_later(&self, event: NewEvent) -> Result<(), StoreError> {
        self.hand_over(event, true, None)
    }

    /// Hands over an event of sidehook's own: as [`Self::commit_later`], but in a small part of the
    /// memory, so that it never takes the place of a call's event.
    ///
    /// # Errors
    /// That part is full, or the store is closed: the event is not taken, and not counted as lost.
    pub fn offer(&self, event: NewEvent) -> Result<(), StoreError> {
        let (weight, since) = (event.weight(), Instant::now());
        let waiting = Waiting { event, weight, keep: true, waiter: None, since };
        self.shared.queue.push_own_event(waiting)
    }

    /// Due deliveries of one webhook that nobody holds a lease of, oldest due first, at most
    /// `n_max`; of an ordered webhook the first of each chain. None of a disabled webhook; a paused
    /// one is for the caller to probe.
    ///
    /// # Errors
    /// The index or the journal cannot be read.
    pub fn lease_due(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        n_max: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        self.shared.lease_due(webhook, now, n_max)
    }

    /// When the webhook's next unleased delivery is due; `None`: nothing waits.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn next_due(&self, webhook: WebhookId) -> Result<Option<Timestamp>, StoreError> {
        self.shared.next_due(webhook, crate::clock::now())
    }

    /// Records an attempt with its verdict and gives the lease back. Not waited for: it rides with
    /// the next batch, at most 50 ms later.
    pub fn finish(&self, lease: Lease, mut attempt: Attempt) {
        attempt.delivery_id = lease.delivery().id;
        attempt.number = lease.attempt_number();
        self.shared.queue.push_attempt(Finished { attempt, guard: lease.into_guard() });
    }

    /// Resolves when something may have become due or a webhook changed since the last call.
    /// For one waiter: the scheduler.
    pub async fn work_available(&self) {
        self.shared.leases.wake.notified().await;
    }

    /// Of which webhooks something may have become due since the last call; `None`: of any. What
    /// was due later all along is not told: [`Self::next_due`] has said when. For the scheduler.
    pub fn take_touched(&self) -> Option<HashSet<WebhookId>> {
        self.shared.leases.lock().take_touched()
    }

    /// Makes a delivery due now, whatever its state; `None`: unknown id. Durable on return. The
    /// retry schedule begins anew. When an attempt is running right now, that attempt is counted,
    /// its verdict ignored, and another one follows.
    ///
    /// # Errors
    /// The change could not be stored.
    pub async fn requeue(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::Requeue { id, waiter })?;
        answered(answer).await
    }

    /// Deliveries of a webhook that ended as failed since the last that was delivered, in the
    /// order in which they ended, at most `n_max`. Kept as a counter: it costs one read, whatever
    /// waits. Cancelled ones, those whose record is damaged and those whose last failure was not the
    /// receiver's do not count; after the index was lost it says what the journal still holds.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn failed_in_a_row(&self, webhook: WebhookId, n_max: u32) -> Result<u32, StoreError> {
        self.shared.failed_in_a_row(webhook).map(|n| n.min(n_max))
    }

    /// The depth of a delivery's event; `None`: unknown id.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn depth_of(&self, id: DeliveryId) -> Result<Option<u8>, StoreError> {
        self.shared.depth_of(id)
    }

    /// Resolves when reads show every event whose commit has been answered by now: milliseconds,
    /// or as long as the disk makes the store wait.
    pub async fn caught_up(&self) {
        self.shared.shown.caught_up().await;
    }

    /// What has just changed, to follow live.
    pub fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }

    /// Events, newest first. A page costs what is on it, however many events there are.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Listed<EventSummary>, StoreError> {
        self.shared.events(filter, page)
    }

    /// One event whole, read from the journal; `None`: unknown.
    ///
    /// # Errors
    /// Its record is damaged, or index or journal cannot be read.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.shared.event(id)
    }

    /// One event as lists show it; `None`: unknown.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn event_summary(&self, id: EventId) -> Result<Option<EventSummary>, StoreError> {
        self.shared.event_summary(id)
    }

    /// The deliveries of an event.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn deliveries_of(&self, id: EventId) -> Result<Vec<Delivery>, StoreError> {
        self.shared.deliveries_of(id)
    }

    /// Deliveries, newest event first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        self.shared.deliveries(filter, page)
    }

    /// One delivery; `None`: unknown.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.shared.delivery(id)
    }

    /// The attempts of a delivery, first first.
    ///
    /// # Errors
    /// A record is damaged, or index or journal cannot be read.
    pub fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        self.shared.attempts(id)
    }

    /// How many deliveries of each webhook are unfinished, those of webhooks that are gone included:
    /// counters that are kept, whatever waits.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn waiting(&self) -> Result<Vec<(WebhookId, u64)>, StoreError> {
        self.shared.waiting()
    }

    /// Size, queues, damage, troubles.
    pub fn stats(&self) -> StoreStats {
        self.shared.stats()
    }

    /// Commits what waits and closes cleanly. Blocking; later calls fail.
    pub fn close(&self) {
        self.running.close();
    }

    fn hand_over(
        &self,
        event: NewEvent,
        keep: bool,
        waiter: Option<oneshot::Sender<Result<Receipt, StoreError>>>,
    ) -> Result<(), StoreError> {
        let (id, weight) = (event.id, event.weight());
        let waiting = Waiting { event, weight, keep, waiter, since: Instant::now() };
        self.shared.queue.push_event(waiting).inspect_err(|error| {
            if keep {
                let reason =
                    if matches!(error, StoreError::Closed) { "closed" } else { "queue_full" };
                self.shared.metrics.events_lost(reason, 1);
                tracing::error!(event = %id, %error, "an event is lost");
            }
        })
    }
}

impl Running {
    fn close(&self) {
        let Some((thread, lock)) = locked(&self.committer).take() else { return };
        self.shared.health.set(Trouble::Closed, "the store is closed".to_owned());
        self.shared.queue.close();
        if thread.join().is_err() {
            tracing::error!("the committer panicked; what it held was not stored");
        }
        // Only now may another process have the directory.
        drop(lock);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}

/// Waits for the committer's answer to a change.
async fn answered<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    let after_ms = COMMIT_WAIT_MAX.as_secs() * 1000;
    match tokio::time::timeout(COMMIT_WAIT_MAX, answer).await {
        Ok(result) => result.unwrap_or(Err(StoreError::Closed)),
        Err(_) => Err(StoreError::TimedOut { after_ms }),
    }
}
