//! One webhook's share of the work.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::health::{Health, Moment};
use super::rate::Bucket;
use crate::model::{Timestamp, Webhook, WebhookState};

/// So many deliveries are taken from the store at once: then the other lanes have their turn.
const N_AT_ONCE_MAX: usize = 16;

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
    pub(super) health: Health,
    /// The status that is being written to the store just now.
    pub(super) saving: Option<WebhookState>,
    /// When it was last told that its requests cannot be built.
    pub(super) told_at: Option<Instant>,
    /// The receiver wants no attempt before this.
    not_before: Instant,
    /// The store could not be read for it, and is not asked again before this.
    unread_until: Instant,
    bucket: Bucket,
}

impl Lane {
    pub(super) fn new(webhook: Arc<Webhook>, health: Health, now: Instant) -> Self {
        Self {
            webhook,
            in_flight: 0,
            is_stale: true,
            next_due: None,
            health,
            saving: None,
            told_at: None,
            not_before: now,
            unread_until: now,
            bucket: Bucket::full(now),
        }
    }

    /// The same lane, its webhook defined anew.
    pub(super) fn with(mut self, webhook: Arc<Webhook>, now: Instant) -> Self {
        if let Some(limit) = webhook.rate_limit {
            self.bucket.owe_at_most(limit, now);
        }
        Self { webhook, is_stale: true, ..self }
    }

    /// The same lane, its webhook gone: its attempts end, and none begins.
    pub(super) fn closed(self) -> Self {
        let webhook = Webhook { concurrency: 0, ..Webhook::clone(&self.webhook) };
        Self { webhook: Arc::new(webhook), ..self }
    }

    /// Whether the store has to be asked now.
    pub(super) fn wants(&self, now: Moment) -> bool {
        let has_due = self.is_stale || self.next_due.is_some_and(|due| due <= now.wall);
        has_due && self.is_open(now)
    }

    /// In what time it wants to be looked at; `None`: when an attempt ends, or the store says so.
    pub(super) fn wakes_in(&self, now: Moment) -> Option<Duration> {
        let opens_in = self.opens_at()?.saturating_duration_since(now.steady);
        if self.is_stale {
            // One that is open waits for a place or for the store.
            return Some(opens_in).filter(|wait| !wait.is_zero());
        }
        Some(opens_in.max(self.next_due?.since(now.wall)))
    }

    /// Whether it has nothing under way but could: then a place is kept for it.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        self.in_flight == 0 && self.is_open(now)
    }

    /// How many attempts it may start, of `free` places in all. One place always, and more only
    /// beyond those `kept` for lanes without any: hanging receivers cannot take the last ones.
    pub(super) fn share(&self, free: usize, kept: usize, now: Moment) -> usize {
        let room = self.webhook.concurrency.saturating_sub(self.in_flight).min(N_AT_ONCE_MAX);
        let room = if self.health.is_paused() { room.min(1) } else { room };
        let tokens = |limit| self.bucket.tokens(limit, now.steady);
        let room = self.webhook.rate_limit.map_or(room, |limit| room.min(tokens(limit)));
        let first = usize::from(self.in_flight == 0).min(free);
        room.min(first.max(free.saturating_sub(kept)))
    }

    /// `n` attempts begin; whether they are probes.
    pub(super) fn begin(&mut self, n: usize, now: Moment) -> bool {
        self.in_flight += n;
        if let Some(limit) = self.webhook.rate_limit {
            self.bucket.take(limit, n, now.steady);
        }
        let is_probe = n > 0 && self.health.is_paused();
        if is_probe {
            self.health.probe();
        }
        is_probe
    }

    /// Whether one more may begin because somebody wants it now: whatever the receiver's health
    /// and wishes are, but not more at a time than it takes, nor the places of others.
    pub(super) fn takes_one_by_hand(&self, free: usize, kept: usize) -> bool {
        let has_place = if self.in_flight == 0 { free > 0 } else { free > kept };
        let is_usable = self.webhook.unusable.is_none();
        has_place && is_usable && self.in_flight < self.webhook.concurrency
    }

    /// When its `rate_limit` lets the next attempt begin, where it has to wait for that.
    pub(super) fn waits_for_token(&self, now: Moment) -> Option<Instant> {
        let limit = self.webhook.rate_limit?;
        (self.bucket.tokens(limit, now.steady) == 0).then(|| self.bucket.next_at(limit))
    }

    /// It begins; whether it is a probe.
    pub(super) fn begin_by_hand(&mut self, now: Moment) -> bool {
        let is_probed = self.health.is_probing();
        self.begin(1, now) && !is_probed
    }

    /// No attempt before this: the latest that the receiver has asked for counts.
    pub(super) fn wait_until(&mut self, until: Timestamp, now: Moment) {
        self.not_before = self.not_before.max(now.steady + until.since(now.wall));
    }

    /// Somebody wants it to go on: what the receiver asked for is over.
    pub(super) const fn wait_no_more(&mut self, now: Instant) {
        self.not_before = now;
    }

    /// The store could not be read for it.
    pub(super) fn pause_reading(&mut self, pause: Duration, now: Moment) {
        self.unread_until = now.steady + pause;
    }

    /// Whether that is so.
    pub(super) fn is_unread(&self, now: Moment) -> bool {
        self.unread_until > now.steady
    }

    /// From when on it may be probed; `None`: it is not paused, or a probe is under way.
    pub(super) fn probe_opens_at(&self) -> Option<Instant> {
        let is_paused = self.health.is_paused() && self.is_active();
        is_paused.then(|| self.permitted_at()).flatten()
    }

    fn is_open(&self, now: Moment) -> bool {
        self.opens_at().is_some_and(|at| at <= now.steady)
    }

    /// From when on it may start attempts; a full lane is woken by its attempts, not by time.
    fn opens_at(&self) -> Option<Instant> {
        if !self.is_active() || self.in_flight >= self.webhook.concurrency {
            return None;
        }
        self.permitted_at()
    }

    fn is_active(&self) -> bool {
        let is_usable = self.webhook.unusable.is_none();
        is_usable && (self.webhook.active || self.health.overrides_file())
    }

    /// From when on the receiver, the store and the limits let it start attempts.
    fn permitted_at(&self) -> Option<Instant> {
        let at = self.health.opens_at()?.max(self.not_before).max(self.unread_until);
        Some(match self.webhook.rate_limit {
            Some(limit) => at.max(self.bucket.next_at(limit)),
            None => at,
        })
    }
}

#[cfg(test)]
mod tests;
