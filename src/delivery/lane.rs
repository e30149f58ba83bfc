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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::*;
    use std::time::Duration;

    fn lane(concurrency: usize, in_flight: usize) -> Lane {
        let webhook = Webhook {
            id: WebhookId::of_name("w"),
            name: "w".to_owned(),
            url: url::Url::parse("https://example.com/").expect("a URL"),
            active: true,
            events: Vec::new(),
            secret: None,
            signing_secret: None,
            headers: Vec::new(),
            basic_auth: None,
            method: http::Method::POST,
            format: Format::Exchange,
            signatures: Vec::new(),
            retry: Vec::new(),
            timeout: Duration::from_secs(1),
            concurrency,
            source: WebhookSource::Config,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            ..Webhook::new("", url::Url::parse("http://stand-in.invalid/").expect("a URL"))
        };
        Lane { in_flight, ..Lane::new(Arc::new(webhook)) }
    }

    #[test]
    fn a_lane_takes_its_concurrency_but_not_the_last_places() {
        assert_eq!(lane(8, 0).share(256, 0), 8, "alone: all it may");
        assert_eq!(lane(8, 5).share(256, 10), 3, "what is left of its own limit");
        assert_eq!(lane(8, 8).share(256, 0), 0);
        assert_eq!(lane(100, 0).share(10, 4), 6, "some places are kept for the others");
        assert_eq!(lane(100, 6).share(4, 4), 0, "a busy lane leaves them");
        assert_eq!(lane(100, 0).share(4, 4), 1, "an idle one takes its own");
        assert_eq!(lane(100, 0).share(0, 0), 0, "nothing is free");
    }

    #[test]
    fn a_lane_is_asked_when_something_may_be_due() {
        let now = Timestamp::from_millis(1000);
        let mut lane = lane(2, 0);
        assert!(lane.wants(now), "nobody asked yet");
        lane.is_stale = false;
        assert!(!lane.wants(now));
        lane.next_due = Some(now);
        assert!(lane.wants(now));
        assert_eq!(lane.wake_at(), Some(now));
        lane.next_due = Some(now.plus(Duration::from_millis(1)));
        assert!(!lane.wants(now));
        lane.in_flight = 2;
        lane.is_stale = true;
        assert!(!lane.wants(now), "full");
        assert_eq!(lane.wake_at(), None, "woken by its attempts");
    }
}
