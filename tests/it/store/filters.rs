//! Every filter, and all of them together, against a naive look at everything: over random events,
//! attempts, cancellations, added deliveries, reopenings, a lost index, retention; page by page,
//! while new events arrive.

use std::time::Duration;

use sidehook::clock;
use sidehook::model::{
    Delivery, DeliveryCounts, DeliveryState, Event, EventId, NewEvent, Timestamp, Verdict,
    WebhookId,
};
use sidehook::store::{Cancelled, Cursor, DeliveryFilter, EventFilter, Page, Store};

use super::fixture::*;

const N_EVENTS: usize = 250;
/// Events that nobody gets, which retention can remove, large and before all others.
const N_FINISHED: usize = 40;
const N_FILTERS: usize = 150;
const NAMES: [&str; 3] = ["a", "b", "off"];
const LABELS: [&str; 4] = ["task.created", "task.done", "other", "nobody"];

/// xorshift64: seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// Mostly nothing: filters with all their parts find nothing.
    fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(4) == 0).then(|| some(self))
    }
}

/// An event with its deliveries, as single reads show them.
type Known = (Event, Vec<Delivery>);

fn new_event(dice: &mut Dice) -> NewEvent {
    let label = dice.one_of(&LABELS);
    let mut event = event(label);
    // Up to two hours ago, in no order.
    let ago = u64::try_from(dice.below(7_200_000)).expect("small");
    event.time = Timestamp::from_millis(clock::now().as_millis() - ago);
    let subjects = [None, Some("Kunde Äpfel"), Some("order-77"), Some("TASKS")];
    event.subject = dice.one_of(&subjects).map(str::to_owned);
    let id = uuid::Uuid::now_v7();
    event.exchange.request.url = match dice.below(3) {
        0 => "/api/v1/Tasks?from=orders".to_owned(),
        1 => format!("/orders/{id}"),
        _ => "/x".to_owned(),
    };
    event.exchange.response.status = dice.one_of(&[200, 201, 404]);
    event
}

/// Lets some deliveries of the active webhooks end.
async fn attempt(store: &Store, dice: &mut Dice) {
    for name in ["a", "b"] {
        let mut done = Vec::new();
        for lease in store.lease_due(id_of(name), clock::now(), 60).expect("readable") {
            done.push((lease.delivery().id, lease.attempt_number()));
            match dice.below(5) {
                0 => failed(store, lease, Verdict::Failed),
                1 => {
                    let at = clock::now().plus(Duration::from_secs(3600));
                    failed(store, lease, Verdict::Retry { at });
                }
                2 => drop(done.pop()),
                _ => delivered(store, lease),
            }
        }
        for (id, n) in done {
            attempted(store, id, n).await;
        }
    }
}

/// Gives some deliveries up, queues some events again, also for webhooks that never got them.
async fn by_hand(store: &Store, dice: &mut Dice, ids: &[EventId]) {
    let (mut n_cancelled, mut n_added) = (0, 0);
    for &id in ids {
        let deliveries = store.deliveries_of(id).expect("readable");
        match dice.below(8) {
            0 | 1 => {
                for delivery in deliveries {
                    let cancelled = store.cancel(delivery.id).await.expect("stored");
                    n_cancelled += usize::from(matches!(cancelled, Cancelled::Done(_)));
                }
            }
            2 => {
                let to = dice.one_of(&NAMES);
                store.replay(id, Some(vec![id_of(to)])).await.expect("stored");
                n_added += store.deliveries_of(id).expect("readable").len() - deliveries.len();
            }
            _ => {}
        }
    }
    assert!(n_cancelled > 10 && n_added > 10, "{n_cancelled} cancelled, {n_added} added");
}

/// Everything, newest first.
fn everything(store: &Store, ids: &[EventId]) -> Vec<Known> {
    let read = |&id: &EventId| Some((store.event(id).expect("readable")?, id));
    let with = |(event, id)| (event, store.deliveries_of(id).expect("readable"));
    let mut all: Vec<Known> = ids.iter().filter_map(read).map(with).collect();
    all.sort_by_key(|(event, _)| std::cmp::Reverse(event.ordinal));
    all
}

fn some_q(dice: &mut Dice, all: &[Known]) -> String {
    let (event, deliveries) = dice.one_of(all);
    let of_event = event.id.uuid().simple().to_string();
    let with_hyphens = event.id.uuid().hyphenated().to_string();
    let of_delivery = deliveries.first().map_or(with_hyphens, |d| d.id.to_string());
    match dice.below(10) {
        0 => "tAsKs".to_owned(),
        1 => "/ORDERS".to_owned(),
        2 => "äPF".to_owned(),
        3 => "from=".to_owned(),
        4 => event.id.to_string().to_uppercase(),
        5 => of_delivery.to_uppercase(),
        6 => of_event[..13 + dice.below(19)].to_owned(),
        7 => format!("del_{}", &of_delivery[..dice.below(30) + 6]),
        8 => format!("Evt_{}", &of_event[..1 + dice.below(20)]),
        _ => event.exchange.request.url,
    }
}

/// The same as the store says it, naively. Where ids begin so, they are meant.
struct Q {
    text: String,
    digits: Option<(bool, bool, String)>,
}

impl Q {
    fn of(q: &str, all: &[Known]) -> Self {
        let text = q.to_lowercase();
        let of_event = text.strip_prefix("evt_");
        let of_delivery = text.strip_prefix("del_");
        let bare = of_event.or(of_delivery).unwrap_or(&text).replace('-', "");
        let n_min = if of_event.or(of_delivery).is_some() { 1 } else { 8 };
        let is_id = bare.len() >= n_min && bare.chars().all(|c| c.is_ascii_hexdigit());
        let kinds = (of_delivery.is_none(), of_event.is_none(), bare);
        let mut q = Self { text, digits: is_id.then_some(kinds) };
        let are_some = all.iter().any(|(event, deliveries)| {
            q.is_event(event) || deliveries.iter().any(|d| q.is_delivery(d))
        });
        q.digits = q.digits.filter(|_| are_some);
        q
    }

    fn is_event(&self, event: &Event) -> bool {
        let id = event.id.uuid().simple().to_string();
        self.digits.as_ref().is_some_and(|(of_events, _, bare)| *of_events && id.starts_with(bare))
    }

    fn is_delivery(&self, delivery: &Delivery) -> bool {
        let id = delivery.id.uuid().simple().to_string();
        self.digits.as_ref().is_some_and(|(_, of_them, bare)| *of_them && id.starts_with(bare))
    }

    fn is_text(&self, event: &Event) -> bool {
        let url = event.exchange.request.url.to_lowercase();
        let subject = event.subject.clone().unwrap_or_default().to_lowercase();
        let path = url.split('?').next().unwrap_or_default();
        self.digits.is_none() && (path.contains(&self.text) || subject.contains(&self.text))
    }
}

fn events_like(all: &[Known], filter: &EventFilter) -> Vec<(EventId, DeliveryCounts)> {
    let q = filter.q.as_ref().map(|q| Q::of(q, all));
    let fits = |(event, deliveries): &&Known| {
        let is_asked_for = |d: &&Delivery| {
            filter.webhook.is_none_or(|webhook| d.webhook_id == webhook)
                && filter.state.is_none_or(|state| d.state == state)
        };
        let needs_one = filter.webhook.is_some() || filter.state.is_some();
        filter.label.as_ref().is_none_or(|label| *label == event.rule.label)
            && filter.since.is_none_or(|since| event.time >= since)
            && filter.until.is_none_or(|until| event.time < until)
            && filter.code.is_none_or(|code| event.exchange.response.status == code)
            && (!needs_one || deliveries.iter().any(|d| is_asked_for(&d)))
            && q.as_ref().is_none_or(|q| {
                q.is_text(event) || q.is_event(event) || deliveries.iter().any(|d| q.is_delivery(d))
            })
    };
    let shown = |(event, deliveries): &Known| (event.id, counts_of(deliveries));
    all.iter().filter(fits).map(shown).collect()
}

fn deliveries_like(all: &[Known], filter: &DeliveryFilter) -> Vec<Delivery> {
    let q = filter.q.as_ref().map(|q| Q::of(q, all));
    let fits = |event: &Event, d: &Delivery| {
        filter.webhook.is_none_or(|webhook| d.webhook_id == webhook)
            && filter.label.as_ref().is_none_or(|label| *label == d.label)
            && filter.state.is_none_or(|state| d.state == state)
            && filter.since.is_none_or(|since| d.created_at >= since)
            && filter.until.is_none_or(|until| d.created_at < until)
            && q.as_ref().is_none_or(|q| q.is_text(event) || q.is_event(event) || q.is_delivery(d))
    };
    let each = |(event, deliveries): &Known| -> Vec<Delivery> {
        deliveries.iter().filter(|d| fits(event, d)).cloned().collect()
    };
    all.iter().flat_map(each).collect()
}

fn counts_of(deliveries: &[Delivery]) -> DeliveryCounts {
    let n = |state| deliveries.iter().filter(|d| d.state == state).count() as u64;
    DeliveryCounts {
        pending: n(DeliveryState::Pending),
        held: n(DeliveryState::Held),
        delivered: n(DeliveryState::Delivered),
        failed: n(DeliveryState::Failed),
        cancelled: n(DeliveryState::Cancelled),
    }
}

fn page(limit: usize, cursor: Option<Cursor>) -> Page {
    Page { limit, cursor: cursor.map(|cursor| cursor.to_string().parse().expect("a cursor")) }
}

/// Compares random filters with a look at everything. What arrives between pages is in none.
async fn compare(store: &Store, dice: &mut Dice, ids: &mut Vec<EventId>) {
    let mut all = everything(store, ids);
    for round in 0..N_FILTERS {
        let limit = 1 + dice.below(40);
        let (label, state) = (|d: &mut Dice| d.one_of(&LABELS).to_owned(), DeliveryState::ALL);
        let webhook = |d: &mut Dice| -> WebhookId { id_of(d.one_of(&NAMES)) };
        let filter = EventFilter {
            label: dice.maybe(label),
            webhook: dice.maybe(webhook),
            state: dice.maybe(|d| d.one_of(&state)),
            code: dice.maybe(|d| d.one_of(&[200, 201, 404, 500])),
            since: dice.maybe(|d| d.one_of(&all).0.time),
            until: dice.maybe(|d| d.one_of(&all).0.time),
            q: dice.maybe(|d| some_q(d, &all)),
        };
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let listed = store.events(&filter, &page(limit, next)).expect("readable");
            let is_whole = listed.data.len() == limit || listed.next.is_none();
            assert!(is_whole || filter.q.is_some(), "{filter:?}");
            found.extend(listed.data.iter().map(|event| (event.id, event.deliveries)));
            next = listed.next;
            if next.is_none() {
                break;
            }
            if round % 20 == 0 {
                ids.push(commit(store, new_event(dice)).await);
            }
        }
        assert_eq!(found, events_like(&all, &filter), "{filter:?}");

        if round % 20 == 0 {
            all = everything(store, ids);
        }
        let created = |d: &mut Dice| loop {
            if let Some(delivery) = d.one_of(&all).1.first() {
                break delivery.created_at;
            }
        };
        let filter = DeliveryFilter {
            webhook: dice.maybe(webhook),
            label: dice.maybe(label),
            state: dice.maybe(|d| d.one_of(&state)),
            since: dice.maybe(created),
            until: dice.maybe(created),
            q: dice.maybe(|d| some_q(d, &all)),
        };
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let listed = store.deliveries(&filter, &page(limit, next)).expect("readable");
            let is_whole = listed.data.len() == limit || listed.next.is_none();
            assert!(is_whole || filter.q.is_some(), "{filter:?}");
            found.extend(listed.data);
            next = listed.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(found, deliveries_like(&all, &filter), "{filter:?}");
    }
}

#[tokio::test]
async fn every_filter_finds_what_a_look_at_everything_finds() {
    let given = std::env::var("SIDEHOOK_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    let seed = given.unwrap_or(1);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 20_000;
    fixture.webhooks[0].events =
        ["task.*", "other"].map(sidehook::model::LabelPattern::new).to_vec();
    fixture.webhooks.push(webhook(NAMES[2], "task.created", false));
    let mut store = fixture.open();
    let mut ids = Vec::new();
    for _ in 0..N_FINISHED {
        ids.push(commit(&store, event_of("nobody", vec![b'x'; 2000])).await);
    }
    for i in 0..N_EVENTS {
        ids.push(commit(&store, new_event(&mut dice)).await);
        if i % 50 == 49 {
            attempt(&store, &mut dice).await;
        }
    }
    by_hand(&store, &mut dice, &ids[N_FINISHED..]).await;
    compare(&store, &mut dice, &mut ids).await;
    attempt(&store, &mut dice).await;
    drop(store);
    store = fixture.open();
    compare(&store, &mut dice, &mut ids).await;
    drop(store);
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    store = fixture.open();
    attempt(&store, &mut dice).await;
    compare(&store, &mut dice, &mut ids).await;

    // A webhook that is no longer configured holds what it had; finished events go.
    drop(store);
    fixture.webhooks.remove(1);
    let retain = std::mem::replace(&mut fixture.settings.retain, Duration::ZERO);
    store = fixture.open();
    let is_gone = |id: &EventId| store.event(*id).expect("readable").is_none();
    eventually("some events are gone", || ids.iter().filter(|id| is_gone(id)).count() > 20).await;
    drop(store);
    fixture.settings.retain = retain;
    store = fixture.open();
    compare(&store, &mut dice, &mut ids).await;
}
