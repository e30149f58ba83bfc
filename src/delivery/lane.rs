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
            bucket: Bucket::full(now),
        }
    }

    /// The same lane, its webhook defined anew.
    pub(super) fn with(self, webhook: Arc<Webhook>) -> Self {
        Self { webhook, is_stale: true, ..self }
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

    /// No attempt before this: the latest that the receiver has asked for counts.
    pub(super) fn wait_until(&mut self, until: Timestamp, now: Moment) {
        self.not_before = self.not_before.max(now.steady + until.since(now.wall));
    }

    /// Somebody wants it to go on: what the receiver asked for is over.
    pub(super) const fn wait_no_more(&mut self, now: Instant) {
        self.not_before = now;
    }

    fn is_open(&self, now: Moment) -> bool {
        self.opens_at().is_some_and(|at| at <= now.steady)
    }

    /// From when on it may start attempts; a full lane is woken by its attempts, not by time.
    fn opens_at(&self) -> Option<Instant> {
        if !self.webhook.active || self.in_flight >= self.webhook.concurrency {
            return None;
        }
        let at = self.health.opens_at()?.max(self.not_before);
        Some(match self.webhook.rate_limit {
            Some(limit) => at.max(self.bucket.next_at(limit)),
            None => at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::*;

    fn lane_of(webhook: Webhook, in_flight: usize, now: Moment) -> Lane {
        let health = Health::new(WebhookState::default(), 0, now.steady);
        Lane { in_flight, ..Lane::new(Arc::new(webhook), health, now.steady) }
    }

    fn webhook() -> Webhook {
        Webhook::new("w", url::Url::parse("https://example.com/").expect("a URL"))
    }

    fn lane(concurrency: usize, in_flight: usize, now: Moment) -> Lane {
        lane_of(Webhook { concurrency, ..webhook() }, in_flight, now)
    }

    fn later(now: Moment, by: Duration) -> Moment {
        Moment { wall: now.wall.plus(by), steady: now.steady + by }
    }

    #[test]
    fn a_lane_takes_its_concurrency_but_not_the_last_places() {
        let now = Moment::now();
        let share = |concurrency, in_flight, free, kept| {
            lane(concurrency, in_flight, now).share(free, kept, now)
        };
        assert_eq!(share(8, 0, 256, 0), 8, "alone: all it may");
        assert_eq!(share(8, 5, 256, 10), 3, "what is left of its own limit");
        assert_eq!(share(8, 8, 256, 0), 0);
        assert_eq!(share(100, 0, 256, 0), N_AT_ONCE_MAX, "then it is the others' turn");
        assert_eq!(share(100, 0, 10, 4), 6, "some places are kept for the others");
        assert_eq!(share(100, 6, 4, 4), 0, "a busy lane leaves them");
        assert_eq!(share(100, 0, 4, 4), 1, "an idle one takes its own");
        assert_eq!(share(100, 0, 0, 0), 0, "nothing is free");
    }

    #[test]
    fn a_lane_is_asked_when_something_may_be_due() {
        let now = Moment::now();
        let mut lane = lane(2, 0, now);
        assert!(lane.wants(now), "nobody asked yet");
        assert_eq!(lane.wakes_in(now), None, "it has its turn now");
        lane.is_stale = false;
        assert!(!lane.wants(now));
        assert_eq!(lane.wakes_in(now), None, "nothing waits");
        lane.next_due = Some(now.wall);
        assert!(lane.wants(now));
        assert_eq!(lane.wakes_in(now), Some(Duration::ZERO));
        let wait = Duration::from_millis(1);
        lane.next_due = Some(now.wall.plus(wait));
        assert!(!lane.wants(now));
        assert_eq!(lane.wakes_in(now), Some(wait));
        lane.in_flight = 2;
        lane.is_stale = true;
        assert!(!lane.wants(now), "full");
        assert_eq!(lane.wakes_in(now), None, "woken by its attempts");
    }

    #[test]
    fn a_limited_lane_waits_for_its_tokens_and_keeps_no_place_meanwhile() {
        let now = Moment::now();
        let rate_limit = Some(RateLimit { n: 2, per: Duration::from_secs(1) });
        let mut lane = lane_of(Webhook { rate_limit, ..webhook() }, 0, now);
        assert_eq!(lane.share(256, 0, now), 2);
        lane.begin(2, now);
        lane.in_flight = 0;
        lane.next_due = Some(now.wall);
        for is_stale in [true, false] {
            lane.is_stale = is_stale;
            assert!(!lane.wants(now) && !lane.is_idle(now));
            let wait = lane.wakes_in(now).expect("it wakes by itself");
            assert_eq!(wait, Duration::from_millis(500));
            assert_eq!(lane.share(256, 0, later(now, wait)), 1);
            assert!(lane.wants(later(now, wait)));
        }
    }

    #[test]
    fn what_the_receiver_asks_for_holds_the_whole_lane() {
        let now = Moment::now();
        let mut lane = lane(8, 0, now);
        let wait = Duration::from_secs(60);
        lane.wait_until(now.wall.plus(wait), now);
        lane.wait_until(now.wall.plus(wait / 2), now);
        assert!(!lane.wants(now) && !lane.is_idle(now));
        assert_eq!(lane.wakes_in(now), Some(wait), "the later one counts");
        assert!(lane.wants(later(now, wait)));
        lane.wait_no_more(now.steady);
        assert!(lane.wants(now));
    }

    #[test]
    fn a_paused_lane_makes_one_probe_at_a_time() {
        let now = Moment::now();
        let mut lane = lane(8, 3, now);
        let state = WebhookState { status: WebhookStatus::Paused, ..WebhookState::default() };
        lane.health = Health::new(state, 0, now.steady);
        assert!(lane.wants(now), "those of before do not count");
        assert_eq!(lane.share(256, 0, now), 1);
        assert!(lane.begin(1, now));
        assert!(!lane.wants(now) && lane.wakes_in(now).is_none());
        lane.health.probe_ended();
        assert!(lane.wants(now));
        lane.health = Health::new(WebhookState::default(), 0, now.steady);
        assert!(!lane.begin(1, now), "an ordinary one");
    }
}
