//! Changes by hand to what was delivered, failed, or never sent: one delivery, one event, or all
//! that a webhook missed. The last is a **recovery**: it runs in the background, in slices between
//! batches, each slice one batch with the progress it made, so that a restart goes on where it was.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::index::candidates;
use super::queue::Request;
use super::{Store, StoreError, answered};
use crate::model::{Delivery, DeliveryId, DeliveryState, EventId, Timestamp, WebhookId};

/// Ordinals that are counted at once.
const N_ORDINALS: u64 = 1 << 16;

/// What became of a cancellation.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancelled {
    /// It is cancelled; durable.
    Done(Delivery),
    /// It had ended before.
    TooLate(Delivery),
    /// There is no such delivery.
    Unknown,
}

/// What to queue again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySpec {
    /// For this webhook.
    pub webhook: WebhookId,
    /// Events of this time or later.
    pub since: Option<Timestamp>,
    /// Events before this time.
    pub until: Option<Timestamp>,
    /// Deliveries in this state: failed, cancelled or delivered.
    pub state: DeliveryState,
    /// Also events that it wants and never got.
    pub backfill: bool,
}

/// A recovery: under way, or one of the last that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Identity.
    pub id: Uuid,
    /// What is queued again.
    pub spec: RecoverySpec,
    /// How many deliveries were found at the start.
    pub count: u64,
    /// How many have been queued so far.
    pub n_done: u64,
    /// How it stands.
    pub status: RecoveryStatus,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when; `None`: it runs.
    pub ended_at: Option<Timestamp>,
}

/// How a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryStatus {
    /// Under way, also over a restart.
    Running,
    /// Everything found has been queued.
    Done,
    /// Stopped by hand, or its webhook was deleted; what had been queued stays queued.
    Stopped,
}

impl Store {
    /// Gives a delivery up that is pending or held. An attempt that is just running is not broken
    /// off: accepted, the delivery counts as delivered. Durable on return.
    ///
    /// # Errors
    /// The change could not be stored.
    pub async fn cancel(&self, id: DeliveryId) -> Result<Cancelled, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::Cancel { id, waiter })?;
        answered(answer).await
    }

    /// Queues an event again: for all webhooks it has deliveries for, or for these, whether they
    /// had it or not; webhooks that do not exist any more are left out. They go out with their lanes:
    /// what is paused or disabled holds them. How many were queued; `None`: unknown event. Durable on
    /// return.
    ///
    /// # Errors
    /// The change could not be stored.
    pub async fn replay(
        &self,
        event: EventId,
        webhooks: Option<Vec<WebhookId>>,
    ) -> Result<Option<u64>, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::Replay { event, webhooks, waiter })?;
        answered(answer).await
    }

    /// How many deliveries a recovery would queue now. Blocking.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn count_recoverable(&self, spec: &RecoverySpec) -> Result<u64, StoreError> {
        let set = self.shared.webhooks.load();
        let Some(webhook) = set.get(spec.webhook) else { return Ok(0) };
        let (mut n, mut from) = (0, 0);
        // In parts, so that no look at the index lasts long.
        while let Some(first) = self.shared.index.with(|tree| candidates::first_from(tree, from))? {
            let to = first.saturating_add(N_ORDINALS);
            n +=
                self.shared.index.with(|tree| candidates::count(tree, spec, webhook, first, to))?;
            from = to;
        }
        Ok(n)
    }

    /// Starts a recovery; durable on return. It goes on by itself, oldest first, also over a
    /// restart.
    ///
    /// # Errors
    /// It could not be stored. `Declined`: one of this webhook or too many run already, or there is
    /// no such webhook.
    pub async fn recover(&self, spec: RecoverySpec) -> Result<Recovery, StoreError> {
        let (store, counted) = (self.clone(), spec.clone());
        let count = tokio::task::spawn_blocking(move || store.count_recoverable(&counted));
        let count = count.await.unwrap_or(Err(StoreError::Closed))?;
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::Recover { spec, count, waiter })?;
        answered(answer).await
    }

    /// The recoveries under way and the last that ended, newest first.
    pub fn recoveries(&self) -> Vec<Recovery> {
        self.shared.recoveries.load().to_vec()
    }

    /// Stops a recovery: what has been queued stays queued. `None`: unknown id.
    ///
    /// # Errors
    /// The change could not be stored.
    pub async fn stop_recovery(&self, id: Uuid) -> Result<Option<Recovery>, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::StopRecovery { id, waiter })?;
        answered(answer).await
    }
}
