//! The steps of an operator: webhooks come and go, deliveries are given up, events and whole
//! histories go out again.

use sidehook::clock;
use sidehook::model::{
    DeliveryId, DeliveryState, EventId, Secret, Webhook, WebhookId, WebhookStatus,
};
use sidehook::store::{Cancelled, RecoverySpec, RecoveryStatus};

use super::{Expected, NAMES, Run, eventually, id_of, webhook};

impl Expected {
    /// It is queued again.
    pub(super) fn requeue(&mut self) {
        (self.state, self.is_due, self.failures) = (DeliveryState::Pending, true, 0);
    }

    pub(super) fn cancel(&mut self) {
        (self.state, self.is_due, self.failures) = (DeliveryState::Cancelled, false, 0);
    }
}

impl Run {
    pub(super) fn is_there(&self, webhook: WebhookId) -> bool {
        self.fixture.webhooks.iter().any(|known| known.id == webhook)
    }

    fn wants(&self, webhook: WebhookId, event: EventId) -> bool {
        let label = &self.reference.labels[&event];
        self.fixture.webhooks.iter().any(|known| known.id == webhook && known.wants(label))
    }

    pub(super) async fn cancel(&mut self) {
        let Some(id) = self.any_delivery() else { return };
        let answer = self.store().cancel(id).await.expect("answered");
        let expected = self.reference.deliveries.get_mut(&id).expect("known");
        let was_pending = expected.state == DeliveryState::Pending;
        assert_eq!(matches!(answer, Cancelled::Done(_)), was_pending);
        assert_eq!(matches!(answer, Cancelled::TooLate(_)), !was_pending);
        if was_pending {
            expected.cancel();
        }
    }

    pub(super) fn any_delivery(&mut self) -> Option<DeliveryId> {
        let n = self.reference.deliveries.len();
        let at = (n > 0).then(|| self.dice.below(n))?;
        self.reference.deliveries.keys().nth(at).copied()
    }

    /// Defines one more webhook, changes one, or deletes one.
    pub(super) async fn define_or_delete(&mut self) {
        let n_defined = self.fixture.webhooks.len() - NAMES.len();
        match self.dice.below(3) {
            0 if n_defined > 0 => self.delete().await,
            1 if n_defined > 0 => {
                let at = NAMES.len() + self.dice.below(n_defined);
                self.fixture.webhooks[at].ordered = self.dice.below(2) == 0;
                self.define(at).await;
            }
            _ => {
                self.n_defined += 1;
                let labels = ["*", "task.*"][self.dice.below(2)];
                let new = webhook(&format!("late-{}", self.n_defined), labels, true);
                self.fixture.webhooks.push(new);
                self.define(self.fixture.webhooks.len() - 1).await;
            }
        }
    }

    async fn define(&mut self, at: usize) {
        let webhook: Webhook = self.fixture.webhooks[at].clone();
        let text = format!("{} {}", webhook.name, webhook.ordered);
        self.reference.definitions.insert(webhook.id, text.clone());
        self.store().define_webhook(webhook, Secret::new(text)).await.expect("stored");
    }

    async fn delete(&mut self) {
        let at = NAMES.len() + self.dice.below(self.fixture.webhooks.len() - NAMES.len());
        let id = self.fixture.webhooks.remove(at).id;
        assert!(self.store().delete_webhook(id).await.expect("stored"));
        if self.dice.below(2) == 0 {
            self.crash();
        }
        let reference = &mut self.reference;
        reference.states.remove(&id);
        reference.failed_in_a_row.remove(&id);
        reference.definitions.remove(&id);
        for expected in reference.deliveries.values_mut().filter(|d| d.webhook == id) {
            if expected.state == DeliveryState::Pending {
                expected.cancel();
            }
        }
        self.drained(id).await;
    }

    /// Nothing waits for it any more.
    pub(super) async fn drained(&self, id: WebhookId) {
        eventually("it is drained", || {
            self.store().stats().queues.iter().all(|queue| queue.webhook_id != id)
        })
        .await;
    }

    /// An event again, for all that had it or for a few that may never have had it.
    pub(super) async fn replay(&mut self) {
        if self.reference.events.is_empty() {
            return;
        }
        let event = self.reference.events[self.dice.below(self.reference.events.len())].0;
        let mut wanted: Vec<WebhookId> =
            self.fixture.webhooks.iter().map(|webhook| webhook.id).collect();
        wanted.retain(|_| self.dice.below(2) == 0);
        wanted.push(id_of("nobody"));
        let wanted = (self.dice.below(3) > 0).then_some(wanted);
        let is_wanted = |id: WebhookId| wanted.as_ref().is_none_or(|wanted| wanted.contains(&id));
        let mut n = 0;
        let there: Vec<WebhookId> = self.fixture.webhooks.iter().map(|w| w.id).collect();
        for expected in self.reference.deliveries.values_mut().filter(|d| d.event == event) {
            if there.contains(&expected.webhook) && is_wanted(expected.webhook) {
                expected.requeue();
                n += 1;
            }
        }
        let new: Vec<WebhookId> = wanted.iter().flatten().copied().collect();
        let new: Vec<WebhookId> = new.into_iter().filter(|id| self.lacks(*id, event)).collect();
        n += new.len() as u64;
        let answer = self.store().replay(event, wanted.clone()).await.expect("stored");
        assert_eq!(answer, Some(n));
        new.into_iter().for_each(|id| self.expect_added(event, id));
    }

    /// Whether it is there and has no delivery of an event.
    fn lacks(&self, webhook: WebhookId, event: EventId) -> bool {
        let mut deliveries = self.reference.deliveries.values();
        self.is_there(webhook) && !deliveries.any(|d| d.event == event && d.webhook == webhook)
    }

    /// A delivery has been added to a stored event.
    fn expect_added(&mut self, event: EventId, to: WebhookId) {
        let (ordinal, subject) = {
            let event = self.store().event(event).expect("readable").expect("known");
            (event.ordinal, event.subject)
        };
        let mut deliveries = self.store().deliveries_of(event).expect("readable").into_iter();
        let added = deliveries.find(|delivery| delivery.webhook_id == to).expect("added");
        let ordered = self.fixture.webhooks.iter().any(|w| w.id == to && w.ordered);
        let expected = Expected {
            event,
            webhook: to,
            chain: ordered.then_some((ordinal, subject)),
            state: DeliveryState::Pending,
            attempts: 0,
            failures: 0,
            is_due: true,
        };
        self.reference.deliveries.insert(added.id, expected);
    }

    /// All of a webhook's failed, or cancelled, or delivered ones, perhaps with what it never got,
    /// perhaps over a kill.
    pub(super) async fn recover(&mut self) {
        let webhook = self.fixture.webhooks[self.dice.below(self.fixture.webhooks.len())].id;
        let state = [DeliveryState::Failed, DeliveryState::Cancelled, DeliveryState::Delivered]
            [self.dice.below(3)];
        let backfill = self.dice.below(2) == 0;
        let events = self.reference.events.iter().map(|(id, _)| *id);
        let new: Vec<EventId> = events
            .filter(|&id| backfill && self.wants(webhook, id) && self.lacks(webhook, id))
            .collect();
        let mut n = new.len() as u64;
        for expected in self.reference.deliveries.values_mut() {
            if expected.webhook == webhook && expected.state == state {
                expected.requeue();
                n += 1;
            }
        }
        let spec = RecoverySpec { webhook, since: None, until: None, state, backfill };
        assert_eq!(self.store().count_recoverable(&spec).expect("readable"), n);
        let begun = self.store().recover(spec).await.expect("begun");
        assert_eq!(begun.count, n);
        match self.dice.below(4) {
            0 => self.crash(),
            1 => self.lose_index(),
            _ => {}
        }
        let now = || self.store().recoveries().into_iter().find(|known| known.id == begun.id);
        eventually("it has ended", || now().is_some_and(|known| known.ended_at.is_some())).await;
        let ended = now().expect("remembered");
        assert_eq!((ended.n_done, ended.status), (n, RecoveryStatus::Done));
        new.into_iter().for_each(|event| self.expect_added(event, webhook));
    }

    /// Its time passes: what has ended may go, what waits stays as it is, with its attempts, and so do
    /// webhooks and how they stand; also in an index that is built anew of what is left.
    pub(super) async fn age(&mut self) {
        let waiting = self.reference.deliveries.iter();
        let waiting = waiting.filter(|(_, expected)| expected.state == DeliveryState::Pending);
        let waiting: Vec<DeliveryId> = waiting.map(|(id, _)| *id).collect();
        for (at, id) in waiting.into_iter().enumerate() {
            if at % 16 != 7 {
                assert!(matches!(self.store().cancel(id).await, Ok(Cancelled::Done(_))));
                self.reference.deliveries.get_mut(&id).expect("known").cancel();
            }
        }
        self.compare();
        self.store = None;
        self.fixture.settings.retain = std::time::Duration::ZERO;
        self.store = Some(self.fixture.open());
        let first = self.fixture.path("journal/00000001.seg");
        eventually("the first segment is gone", || !first.exists()).await;
        for _ in 0..2 {
            self.compare_what_waits();
            self.crash();
            self.compare_what_waits();
            self.lose_index();
        }
    }

    fn compare_what_waits(&self) {
        let store = self.store();
        assert_eq!(*store.webhook_states(), self.reference.states);
        assert_eq!(store.definitions().len(), self.reference.definitions.len());
        for (id, expected) in &self.reference.deliveries {
            if expected.state != DeliveryState::Pending {
                continue;
            }
            let delivery = store.delivery(*id).expect("readable").expect("it waits");
            assert!(matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held));
            assert_eq!(delivery.attempts, expected.attempts);
            assert_eq!(store.attempts(*id).expect("readable").len(), expected.attempts as usize);
            assert!(store.event(expected.event).expect("readable").is_some());
        }
        for queue in store.stats().queues {
            let waiting =
                |d: &&Expected| d.webhook == queue.webhook_id && d.state == DeliveryState::Pending;
            let n = self.reference.deliveries.values().filter(waiting).count() as u64;
            assert_eq!(queue.pending + queue.held, n);
        }
        for webhook in &self.fixture.webhooks {
            let is_open = self.reference.status(webhook) != WebhookStatus::Disabled;
            let n_due = if is_open { self.reference.n_due(webhook.id) } else { 0 };
            let leases = store.lease_due(webhook.id, clock::now(), 1000).expect("readable");
            assert_eq!(leases.len(), n_due);
        }
        assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
    }
}
