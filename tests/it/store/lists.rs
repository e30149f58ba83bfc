//! Lists: filters, stable cursors, counts.

use sidehook::model::{DeliveryCounts, DeliveryState, EventId, Verdict};
use sidehook::store::{
    Cursor, DeliveryFilter, EventFilter, EventSummary, Listed, Page, Store, StoreError,
};

use super::fixture::*;

type Fetch<'a, T> = &'a dyn Fn(&Page) -> Result<Listed<T>, StoreError>;

/// Follows the cursors, through their text, to the end.
fn pages<T>(limit: usize, fetch: Fetch<'_, T>) -> Vec<Vec<T>> {
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let listed = fetch(&Page { limit, cursor }).expect("readable");
        pages.push(listed.data);
        match listed.next {
            Some(next) => cursor = Some(next.to_string().parse().expect("a cursor")),
            None => return pages,
        }
    }
}

fn ids(events: &[EventSummary]) -> Vec<EventId> {
    events.iter().map(|e| e.id).collect()
}

async fn with_events(n: usize) -> (Fixture, Store, Vec<EventId>) {
    let fixture = Fixture::new();
    let store = fixture.open();
    let mut all = Vec::new();
    for i in 0..n {
        let label = if i % 2 == 0 { "task.created" } else { "invoice.paid" };
        all.push(commit(&store, event(label)).await);
    }
    all.reverse();
    leases(&store, "a", n).await;
    (fixture, store, all)
}

#[tokio::test]
async fn pages_follow_one_another_newest_first_also_while_events_arrive() {
    let (_fixture, store, all) = with_events(25).await;
    let first = store.events(&EventFilter::default(), &Page { limit: 10, cursor: None });
    let first = first.expect("readable");
    assert_eq!(ids(&first.data), all[..10]);
    commit(&store, event("task.created")).await;
    let page = Page { limit: 10, cursor: first.next };
    let second = store.events(&EventFilter::default(), &page).expect("readable");
    assert_eq!(ids(&second.data), all[10..20]);
    let page = Page { limit: 10, cursor: second.next };
    let third = store.events(&EventFilter::default(), &page).expect("readable");
    assert_eq!((ids(&third.data), third.next), (all[20..].to_vec(), None));
}

#[tokio::test]
async fn a_last_page_that_is_just_full_has_no_next() {
    let (_fixture, store, _) = with_events(6).await;
    let all = EventFilter::default();
    let lengths: Vec<_> = pages(3, &|page| store.events(&all, page)).iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 3]);
}

#[tokio::test]
async fn events_are_filtered_by_label_state_status_and_time() {
    let (_fixture, store, all) = with_events(9).await;
    let list = |filter: EventFilter| {
        pages(2, &|page| store.events(&filter, page))
            .concat()
            .iter()
            .map(|e| e.id)
            .collect::<Vec<_>>()
    };
    let tasks: Vec<_> = all.iter().copied().step_by(2).collect();
    let label = Some("task.created".to_owned());
    assert_eq!(list(EventFilter { label: label.clone(), ..Default::default() }), tasks);
    assert_eq!(list(EventFilter { code: Some(201), label, ..Default::default() }), tasks);
    assert!(list(EventFilter { code: Some(200), ..Default::default() }).is_empty());
    let label = Some("task".to_owned());
    assert!(list(EventFilter { label, ..Default::default() }).is_empty(), "no prefix");

    let time = store.event(all[4]).expect("readable").expect("known").time;
    let since = list(EventFilter { since: Some(time), ..Default::default() });
    let until = list(EventFilter { until: Some(time), ..Default::default() });
    assert!(since.contains(&all[4]) && !until.contains(&all[4]));
    assert_eq!(since.len() + until.len(), 9);

    let delivery = store.deliveries_of(all[3]).expect("readable")[0].id;
    store.requeue(delivery).await.expect("stored");
    let failed = EventFilter { state: Some(DeliveryState::Failed), ..Default::default() };
    assert!(list(failed.clone()).is_empty());
    for lease in leases(&store, "a", 9).await {
        if lease.delivery().id == delivery {
            super::fixture::failed(&store, lease, Verdict::Failed);
        }
    }
    attempted(&store, delivery, 1).await;
    assert_eq!(list(failed), [all[3]]);
    let page = store.events(&EventFilter::default(), &Page::default()).expect("readable");
    let counts = page.data[3].deliveries;
    assert_eq!(counts, DeliveryCounts { failed: 1, ..Default::default() });
}

#[tokio::test]
async fn deliveries_are_listed_once_each_for_one_webhook_and_for_all() {
    let (_fixture, store, all) = with_events(9).await;
    let list = |limit, filter: DeliveryFilter| {
        pages(limit, &|page| store.deliveries(&filter, page)).concat()
    };
    // Five events are for both webhooks, four for one.
    for limit in [1, 2, 3, 14, 50] {
        let mut ids: Vec<_> = list(limit, DeliveryFilter::default()).iter().map(|d| d.id).collect();
        assert_eq!(ids.len(), 14, "pages of {limit}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 14, "pages of {limit}");
    }
    let of_b = list(2, DeliveryFilter { webhook: Some(id_of("b")), ..Default::default() });
    let events: Vec<_> = of_b.iter().map(|d| d.event_id).collect();
    assert_eq!(events, all.iter().copied().step_by(2).collect::<Vec<_>>());

    let lease = leases(&store, "b", 5).await.remove(2);
    let id = lease.delivery().id;
    delivered(&store, lease);
    attempted(&store, id, 1).await;
    let filter = |state| DeliveryFilter {
        webhook: Some(id_of("b")),
        state: Some(state),
        ..Default::default()
    };
    assert_eq!(list(2, filter(DeliveryState::Delivered)).len(), 1);
    assert_eq!(list(2, filter(DeliveryState::Pending)).len(), 4);
    assert!(list(2, filter(DeliveryState::Held)).is_empty());
    let label = Some("invoice.paid".to_owned());
    assert_eq!(list(3, DeliveryFilter { label, ..Default::default() }).len(), 4);
}

#[tokio::test]
async fn stats_count_every_queue_and_name_its_oldest() {
    let (_fixture, store, all) = with_events(9).await;
    let stats = store.stats();
    let queue = |name| stats.queues.iter().find(|q| q.webhook_id == id_of(name)).expect("listed");
    assert_eq!((queue("a").pending, queue("a").held), (9, 0));
    assert_eq!((queue("b").pending, queue("b").held), (5, 0));
    let oldest = store.deliveries_of(all[8]).expect("readable")[0].created_at;
    assert_eq!(queue("a").oldest, Some(oldest));
    assert!(stats.bytes > 0 && stats.bytes < stats.max_bytes);
    assert!(stats.damage.is_empty());
}
