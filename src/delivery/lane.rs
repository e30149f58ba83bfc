//! One webhook's share of the work.

use std::sync::Arc;

use crate::model::{Timestamp, Webhook};

/// A webhook and its attempts under way. What waits stays in the store: a lane holds nothing
/// that grows with its queue.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) webhook: Arc<Webhook>,
    pub(super) in_flight: usize,
    /// The store has not been asked since something may have become due.
    pub(super) is_stale: bool,
    /// When the next delivery is due, as the store said when it was asked.
    pub(super) next_due: Option<Timestamp>,
}

impl Lane {
    pub(super) const fn new(webhook: Arc<Webhook>) -> Self {
        Self { webhook, in_flight: 0, is_stale: true, next_due: None }
    }

    /// Whether the store has to be asked now.
    pub(super) fn wants(&self, now: Timestamp) -> bool {
        self.is_open() && (self.is_stale || self.next_due.is_some_and(|due| due <= now))
    }

    fn is_open(&self) -> bool {
        self.webhook.active && self.in_flight < self.webhook.concurrency
    }

    /// When it wants to be woken; a full lane is woken by its attempts, not by time.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.next_due.filter(|_| self.is_open())
    }

    /// Whether it has nothing under way: then a place is kept for it.
    pub(super) fn is_idle(&self) -> bool {
        self.webhook.active && self.in_flight == 0
    }

    /// How many attempts it may start, of `free` places in all. One place always, and more only
    /// beyond those `kept` for lanes without any: hanging receivers cannot take the last ones.
    pub(super) fn share(&self, free: usize, kept: usize) -> usize {
        let room = self.webhook.concurrency.saturating_sub(self.in_flight);
        let first = usize::from(self.in_flight == 0).min(free);
        room.min(first.max(free.saturating_sub(kept)))
    }
}
