//! The life of a delivery: commit, lease, finish, again; over a reopening.

use std::time::Duration;

use sidehook::clock;
use sidehook::model::{DeliveryId, DeliveryState, EventId, Timestamp, Verdict};
use sidehook::store::{OnFailure, Store, StoreError};

use super::fixture::*;

fn only_delivery(store: &Store, event: EventId) -> DeliveryId {
    let deliveries = store.deliveries_of(event).expect("readable");
    assert_eq!(deliveries.len(), 1);
    deliveries[0].id
}

async fn state_becomes(store: &Store, id: DeliveryId, state: DeliveryState) {
    eventually(state.name(), || {
        store.delivery(id).expect("readable").is_some_and(|d| d.state == state)
    })
    .await;
}

#[tokio::test]
async fn an_event_is_stored_whole_and_goes_to_the_webhooks_that_want_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let new = event("task.created");
    let id = commit(&store, new.clone()).await;
    commit(&store, event("invoice.paid")).await;
    leases(&store, "b", 1).await;
    leases(&store, "a", 2).await;
    drop(store);

    let store = fixture.open();
    let stored = store.event(id).expect("readable").expect("known");
    assert_eq!(stored.exchange, new.exchange);
    assert_eq!((stored.rule, stored.time), (new.rule, new.time));
    let targets: Vec<_> = stored.deliveries.iter().map(|(_, webhook)| *webhook).collect();
    assert_eq!(targets, [id_of("a"), id_of("b")]);
    let again = leases(&store, "a", 2).await;
    assert_eq!(again[0].event().id, id, "oldest first");
    assert_eq!(again[0].attempt_number(), 1);
}

#[tokio::test]
async fn an_attempt_is_recorded_with_its_reply_and_survives_a_reopening() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let id = only_delivery(&store, event);
    let lease = leases(&store, "a", 1).await.remove(0);
    assert!(store.lease_due(id_of("a"), clock::now(), 10).expect("readable").is_empty());
    failed(&store, lease, Verdict::Retry { at: clock::now() });
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!((lease.attempt_number(), lease.failures()), (2, 1));
    delivered(&store, lease);
    store.close();

    let store = fixture.open();
    let delivery = store.delivery(id).expect("readable").expect("known");
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!((delivery.attempts, delivery.response_code), (2, Some(200)));
    assert_eq!((delivery.error, delivery.next_attempt_at), (None, None));
    let attempts = store.attempts(id).expect("readable");
    assert_eq!(attempts.iter().map(|a| a.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(attempts[1].outcome.reply().expect("a reply").body, b"ok");
    assert!(attempts[0].outcome.failure().is_some());
    assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
}

#[tokio::test]
async fn a_retry_is_due_at_its_time_and_not_before() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit(&store, event("other")).await;
    let lease = leases(&store, "a", 1).await.remove(0);
    let at = clock::now().plus(Duration::from_secs(60));
    let id = lease.delivery().id;
    failed(&store, lease, Verdict::Retry { at });
    attempted(&store, id, 1).await;
    eventually("the lease ends", || store.next_due(id_of("a")).expect("readable") == Some(at))
        .await;
    assert!(store.lease_due(id_of("a"), clock::now(), 10).expect("readable").is_empty());
    let later = store.lease_due(id_of("a"), at, 10).expect("readable");
    assert_eq!(later.len(), 1);
    assert_eq!(store.next_due(id_of("a")).expect("readable"), None, "leased");
}

#[tokio::test]
async fn a_dropped_lease_is_due_again_at_once_and_wakes_the_scheduler() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for _ in 0..5 {
        commit(&store, event("other")).await;
    }
    let mut held = leases(&store, "a", 5).await;
    let second = held.remove(1);
    let id = second.delivery().id;
    // Whatever woke it before.
    let _ = tokio::time::timeout(Duration::from_millis(1), store.work_available()).await;
    drop(second);
    tokio::time::timeout(Duration::from_secs(20), store.work_available()).await.expect("woken");
    let again = store.lease_due(id_of("a"), clock::now(), 10).expect("readable");
    assert_eq!(again.iter().map(|l| l.delivery().id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn a_requeue_makes_it_due_with_a_new_schedule_and_counts_attempts_on() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let id = only_delivery(&store, event);
    let lease = leases(&store, "a", 1).await.remove(0);
    failed(&store, lease, Verdict::Failed);
    state_becomes(&store, id, DeliveryState::Failed).await;

    let shown = store.requeue(id).await.expect("stored").expect("known");
    assert_eq!((shown.state, shown.attempts), (DeliveryState::Pending, 1));
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!((lease.attempt_number(), lease.failures()), (2, 0));
    delivered(&store, lease);
    state_becomes(&store, id, DeliveryState::Delivered).await;
    store.requeue(id).await.expect("stored").expect("known");
    drop(store);
    let store = fixture.open();
    assert_eq!(leases(&store, "a", 1).await[0].attempt_number(), 3);
    let unknown = DeliveryId::from_uuid(uuid::Uuid::now_v7());
    assert!(store.requeue(unknown).await.expect("answered").is_none());
}

#[tokio::test]
async fn a_requeue_during_an_attempt_is_not_lost_whatever_the_attempt_brings() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for verdict in [Verdict::Delivered, Verdict::Failed] {
        let event = commit(&store, event("other")).await;
        let id = only_delivery(&store, event);
        let lease = leases(&store, "a", 1).await.remove(0);
        store.requeue(id).await.expect("stored").expect("known");
        assert!(store.lease_due(id_of("a"), clock::now(), 9).expect("readable").is_empty());
        match verdict {
            Verdict::Delivered => delivered(&store, lease),
            _ => failed(&store, lease, verdict),
        }
        attempted(&store, id, 1).await;
        let lease = leases(&store, "a", 1).await.remove(0);
        assert_eq!((lease.attempt_number(), lease.failures()), (2, 0));
        delivered(&store, lease);
        state_becomes(&store, id, DeliveryState::Delivered).await;
    }
    let queues = store.stats().queues;
    assert!(queues.iter().all(|q| (q.pending, q.held) == (0, 0)), "{queues:?}");
    let before = store.attempts(only_delivery(&store, newest(&store))).expect("readable");
    store.close();
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(store.attempts(only_delivery(&store, newest(&store))).expect("readable"), before);
    assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
}

fn newest(store: &Store) -> EventId {
    let page = sidehook::store::Page { limit: 1, cursor: None };
    store.events(&Default::default(), &page).expect("readable").data[0].id
}

#[tokio::test]
async fn deliveries_of_an_inactive_webhook_are_held_and_go_out_when_it_is_active_again() {
    let mut fixture = Fixture::new();
    fixture.webhooks = vec![webhook("a", "*", false)];
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let id = only_delivery(&store, event);
    let state = || store.delivery(id).expect("readable").expect("known").state;
    assert_eq!(state(), DeliveryState::Held);
    assert!(store.lease_due(id_of("a"), clock::now(), 9).expect("readable").is_empty());
    assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
    assert_eq!((store.stats().queues[0].pending, store.stats().queues[0].held), (0, 1));
    store.set_webhooks(Vec::new());
    assert_eq!(state(), DeliveryState::Held);
    assert_eq!(store.stats().queues[0].held, 1, "also when it is no longer configured");
    store.set_webhooks(vec![webhook("a", "*", true)]);
    assert_eq!(state(), DeliveryState::Pending);
    assert_eq!(leases(&store, "a", 1).await.len(), 1);
}

#[tokio::test]
async fn work_is_announced_for_commits_and_for_changed_webhooks() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let soon = Duration::from_secs(20);
    tokio::time::timeout(soon, store.work_available()).await.expect("set_webhooks");
    commit(&store, event("other")).await;
    tokio::time::timeout(soon, store.work_available()).await.expect("commit");
    store.set_webhooks(Vec::new());
    tokio::time::timeout(soon, store.work_available()).await.expect("set_webhooks");
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_directory() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let error = Store::open(fixture.settings.clone(), Default::default()).expect_err("locked");
    let pid = std::process::id();
    assert!(matches!(error, StoreError::Locked { pid: Some(p), .. } if p == pid), "{error:?}");
    assert!(error.to_string().contains(&pid.to_string()));
    store.close();
    fixture.open();
}

#[tokio::test]
async fn a_closed_store_refuses_in_words() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let id = commit(&store, event("other")).await;
    store.close();
    store.close();
    assert!(store.check().is_err());
    let refused = store.commit(event("other"), OnFailure::Refuse).await;
    assert!(matches!(refused, Err(StoreError::Closed)));
    assert!(matches!(store.event(id), Err(StoreError::Closed)));
    assert!(store.commit_later(event("other")).is_err());
}

#[tokio::test]
async fn events_handed_over_without_waiting_are_durable_after_a_close() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let events: Vec<_> = (0..100).map(|_| event("other")).collect();
    for event in &events {
        store.commit_later(event.clone()).expect("room");
    }
    store.close();
    let store = fixture.open();
    for event in &events {
        assert!(store.event(event.id).expect("readable").is_some());
    }
}

#[tokio::test]
async fn waiting_events_are_bounded_in_memory() {
    let mut fixture = Fixture::new();
    fixture.settings.queue_bytes_max = 10_000;
    let store = fixture.open();
    let mut full = 0;
    for _ in 0..200 {
        match store.commit_later(event_of("other", vec![b'x'; 3000])) {
            Ok(()) => {}
            Err(StoreError::Full { .. }) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(full > 0, "200 events of 3 kB went through 10 kB without waiting");
    eventually("there is room again", || store.commit_later(event("other")).is_ok()).await;
    // One event alone is taken whatever its size.
    eventually("room", || store.commit_later(event_of("big", vec![b'x'; 50_000])).is_ok()).await;
}

/// A machine that starts with a wrong clock, and is put right: what was written by then must not
/// wait for the time that it was thought to be.
#[tokio::test]
async fn a_clock_that_is_set_back_delays_nothing() {
    const DAY: Duration = Duration::from_secs(86_400);
    let fixture = Fixture::new();
    let store = fixture.open();
    commit(&store, event("other")).await;
    let retried = leases(&store, "a", 1).await.remove(0);
    let retried_id = retried.delivery().id;
    failed(&store, retried, Verdict::Retry { at: clock::now().plus(DAY) });
    attempted(&store, retried_id, 1).await;
    let new = commit(&store, event("other")).await;
    eventually("the index is told", || !store.deliveries_of(new).expect("readable").is_empty())
        .await;
    store.close();

    let store = fixture.open();
    let before = Timestamp::from_millis(clock::now().as_millis() - DAY.as_secs() * 30_000);
    let due = store.lease_due(id_of("a"), before, 10).expect("readable");
    assert_eq!(due.len(), 2, "both were written with the wrong time");
    drop(due);
    let due = store.lease_due(id_of("a"), clock::now(), 10).expect("readable");
    assert_eq!(due.len(), 1, "with the right clock the schedule holds");
    assert_ne!(due[0].delivery().id, retried_id);
}
