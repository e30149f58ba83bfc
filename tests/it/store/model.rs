//! Random histories against a reference in memory, over reopenings, crashes and a lost index.
//! `SIDEHOOK_SEED=n` repeats one.

use std::collections::BTreeMap;
use std::time::Duration;

use sidehook::clock;
use sidehook::model::{DeliveryId, DeliveryState, EventId, Verdict, WebhookId};
use sidehook::store::{DeliveryFilter, EventFilter, Lease, Page, Store};

use super::fixture::*;

const N_STEPS: usize = 150;

/// xorshift64*: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let [high, ..] = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes().map(usize::from);
        let [_, low, lower, ..] = self.0.to_be_bytes().map(usize::from);
        (high << 16 | low << 8 | lower) % n
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Expected {
    event: EventId,
    webhook: WebhookId,
    state: DeliveryState,
    attempts: u32,
    failures: u32,
    is_due: bool,
}

/// What should be true.
#[derive(Default)]
struct Reference {
    events: Vec<EventId>,
    deliveries: BTreeMap<DeliveryId, Expected>,
}

struct Run {
    fixture: Fixture,
    store: Option<Store>,
    reference: Reference,
    dice: Dice,
}

impl Run {
    fn store(&self) -> &Store {
        self.store.as_ref().expect("open between steps")
    }

    async fn step(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.commit().await,
            7..=13 => self.attempt().await,
            14 | 15 => self.requeue().await,
            16 => self.toggle(),
            17 => self.reopen(),
            18 => self.crash(),
            _ => self.lose_index(),
        }
    }

    async fn commit(&mut self) {
        let label = ["task.created", "other"][self.dice.below(2)];
        let body = vec![b'x'; self.dice.below(3000)];
        let id = commit(self.store(), event_of(label, body)).await;
        self.reference.events.push(id);
        for delivery in self.store().deliveries_of(id).expect("readable") {
            let expected = Expected {
                event: id,
                webhook: delivery.webhook_id,
                state: DeliveryState::Pending,
                attempts: 0,
                failures: 0,
                is_due: true,
            };
            self.reference.deliveries.insert(delivery.id, expected);
        }
        let n = self.reference.deliveries.values().filter(|d| d.event == id).count();
        assert_eq!(n, if label == "other" { 1 } else { 2 });
    }

    /// Takes what is due for one webhook, up to a few, and decides over each.
    async fn attempt(&mut self) {
        let name = ["a", "b"][self.dice.below(2)];
        let n_max = 1 + self.dice.below(4);
        let leases = self.store().lease_due(id_of(name), clock::now(), n_max).expect("readable");
        let is_active = self.fixture.webhooks.iter().any(|w| w.name == name && w.active);
        let due = |d: &&Expected| d.webhook == id_of(name) && d.is_due;
        let n_due = self.reference.deliveries.values().filter(due).count();
        assert_eq!(leases.len(), if is_active { n_due.min(n_max) } else { 0 }, "due for {name}");
        for lease in leases {
            self.decide(lease).await;
        }
    }

    async fn decide(&mut self, lease: Lease) {
        let id = lease.delivery().id;
        let store = self.store().clone();
        let expected = self.reference.deliveries.get_mut(&id).expect("known");
        assert_eq!(lease.event().id, expected.event);
        assert_eq!(
            (lease.attempt_number(), lease.failures()),
            (expected.attempts + 1, expected.failures)
        );
        assert!(expected.is_due);
        let overtaken = self.dice.below(6) == 0;
        if overtaken {
            store.requeue(id).await.expect("stored").expect("known");
            expected.failures = 0;
        }
        let (state, verdict, is_due) = match self.dice.below(5) {
            0 => {
                drop(lease);
                return;
            }
            1 => (DeliveryState::Failed, Verdict::Failed, false),
            2 => (DeliveryState::Pending, Verdict::Retry { at: clock::now() }, true),
            3 => {
                let at = clock::now().plus(Duration::from_secs(3600));
                (DeliveryState::Pending, Verdict::Retry { at }, false)
            }
            _ => (DeliveryState::Delivered, Verdict::Delivered, false),
        };
        expected.attempts += 1;
        if !overtaken {
            expected.failures += u32::from(verdict != Verdict::Delivered);
            (expected.state, expected.is_due) = (state, is_due);
        }
        let attempts = expected.attempts;
        match verdict {
            Verdict::Delivered => delivered(&store, lease),
            _ => failed(&store, lease, verdict),
        }
        attempted(&store, id, attempts).await;
    }

    async fn requeue(&mut self) {
        let n = self.reference.deliveries.len();
        if n == 0 {
            return;
        }
        let at = self.dice.below(n);
        let id = *self.reference.deliveries.keys().nth(at).expect("there");
        self.store().requeue(id).await.expect("stored").expect("known");
        let expected = self.reference.deliveries.get_mut(&id).expect("known");
        (expected.state, expected.is_due, expected.failures) = (DeliveryState::Pending, true, 0);
    }

    fn toggle(&mut self) {
        let at = self.dice.below(2);
        let is_active = &mut self.fixture.webhooks[at].active;
        *is_active = !*is_active;
        self.store().set_webhooks(self.fixture.webhooks.clone());
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.fixture.open());
    }

    /// Goes on with a copy of the files as they stand, as after a kill.
    fn crash(&mut self) {
        let crashed = self.fixture.crashed();
        self.store = None;
        self.fixture = crashed;
        self.store = Some(self.fixture.open());
    }

    fn lose_index(&mut self) {
        self.store = None;
        std::fs::remove_dir_all(self.fixture.path("index")).expect("removed");
        self.store = Some(self.fixture.open());
    }

    fn compare(&self) {
        let store = self.store();
        let page = Page { limit: 200, cursor: None };
        let events = store.events(&EventFilter::default(), &page).expect("readable").data;
        let mut ids: Vec<_> = events.iter().map(|e| e.id).collect();
        ids.reverse();
        assert_eq!(ids, self.reference.events);
        let mut n_seen = 0;
        for (id, expected) in &self.reference.deliveries {
            let delivery = store.delivery(*id).expect("readable").expect("known");
            let is_active =
                self.fixture.webhooks.iter().any(|w| w.id == expected.webhook && w.active);
            let state = match expected.state {
                DeliveryState::Pending if !is_active => DeliveryState::Held,
                state => state,
            };
            assert_eq!((delivery.state, delivery.attempts), (state, expected.attempts));
            assert_eq!(store.attempts(*id).expect("readable").len(), expected.attempts as usize);
            n_seen += 1;
        }
        for queue in store.stats().queues {
            let waiting =
                |d: &&Expected| d.webhook == queue.webhook_id && d.state == DeliveryState::Pending;
            let n = self.reference.deliveries.values().filter(waiting).count() as u64;
            assert_eq!(queue.pending + queue.held, n);
            assert_eq!(queue.oldest.is_some(), n > 0);
        }
        let listed = store.deliveries(&DeliveryFilter::default(), &page).expect("readable");
        assert_eq!(listed.data.len(), n_seen.min(200));
        assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
    }
}

#[tokio::test]
async fn random_histories_end_as_the_reference_says() {
    let given = std::env::var("SIDEHOOK_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = given.map_or_else(|| (1..=6).collect(), |seed| vec![seed]);
    for seed in seeds {
        eprintln!("seed {seed}");
        let mut fixture = Fixture::new();
        fixture.settings.segment_bytes = 20_000;
        let store = Some(fixture.open());
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut run = Run { fixture, store, reference: Reference::default(), dice };
        for _ in 0..N_STEPS {
            run.step().await;
            run.compare();
        }
    }
}
