//! All that a webhook missed, queued again in the background.

use std::collections::HashMap;
use std::time::Duration;

use sidehook::clock;
use sidehook::model::{Delivery, DeliveryId, DeliveryState, EventId, NewEvent, Verdict, Webhook};
use sidehook::store::{
    DeliveryFilter, Page, Recovery, RecoverySpec, RecoveryStatus, Store, StoreError,
};

use super::fixture::*;

/// More than two slices.
const N: usize = 300;

fn spec(name: &str, state: DeliveryState) -> RecoverySpec {
    RecoverySpec { webhook: id_of(name), since: None, until: None, state, backfill: false }
}

async fn commit_many(store: &Store, n: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(commit(store, event("other")).await);
    }
    ids
}

async fn fail_all(store: &Store, n: usize) {
    let leases = leases(store, "a", n).await;
    leases.into_iter().for_each(|lease| failed(store, lease, Verdict::Failed));
    eventually("failed", || n_in(store, DeliveryState::Failed) >= n).await;
}

fn n_in(store: &Store, state: DeliveryState) -> usize {
    all(store, "a").iter().filter(|delivery| delivery.state == state).count()
}

fn all(store: &Store, name: &str) -> Vec<Delivery> {
    let filter = DeliveryFilter { webhook: Some(id_of(name)), ..DeliveryFilter::default() };
    let mut page = Page { limit: 200, cursor: None };
    let mut all = Vec::new();
    loop {
        let listed = store.deliveries(&filter, &page).expect("readable");
        all.extend(listed.data);
        page.cursor = listed.next;
        if page.cursor.is_none() {
            return all;
        }
    }
}

fn the(store: &Store) -> Recovery {
    store.recoveries().remove(0)
}

async fn done(store: &Store) -> Recovery {
    eventually("the recovery has ended", || the(store).ended_at.is_some()).await;
    the(store)
}

#[tokio::test]
async fn what_failed_goes_out_again_in_order_and_once() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let ids = commit_many(&store, N).await;
    fail_all(&store, N).await;
    let wanted = spec("a", DeliveryState::Failed);
    assert_eq!(store.count_recoverable(&wanted).expect("readable"), N as u64);
    let begun = store.recover(wanted.clone()).await.expect("begun");
    assert_eq!((begun.count, begun.status), (N as u64, RecoveryStatus::Running));
    // Whatever fails again while it goes on stays failed.
    let mut seen: HashMap<DeliveryId, u32> = HashMap::new();
    let mut order = Vec::new();
    eventually("all have gone out", || {
        for lease in store.lease_due(id_of("a"), clock::now(), 50).expect("readable") {
            *seen.entry(lease.delivery().id).or_default() += 1;
            assert_eq!((lease.attempt_number(), lease.failures()), (2, 0));
            order.push(lease.event().id);
            failed(&store, lease, Verdict::Failed);
        }
        seen.len() == N
    })
    .await;
    assert_eq!(order, ids, "oldest first");
    let ended = done(&store).await;
    assert_eq!((ended.n_done, ended.status), (N as u64, RecoveryStatus::Done));
    eventually("all failed again", || n_in(&store, DeliveryState::Failed) == N).await;
    assert!(seen.values().all(|&n| n == 1));
    assert!(store.wanted_by_hand().is_empty(), "they went out with their lane");
    // It is remembered.
    let crashed = fixture.crashed();
    assert_eq!(crashed.open().recoveries(), std::slice::from_ref(&ended));
    std::fs::remove_dir_all(crashed.path("index")).expect("removed");
    assert_eq!(crashed.open().recoveries(), [ended]);
}

#[tokio::test]
async fn only_what_is_asked_for() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let at = |millis| sidehook::model::Timestamp::from_millis(millis);
    let mut ids = Vec::new();
    for millis in [1000, 2000, 3000, 4000, 5000, 6000] {
        ids.push(commit(&store, NewEvent { time: at(millis), ..event("other") }).await);
    }
    for (i, lease) in leases(&store, "a", 6).await.into_iter().enumerate() {
        match i {
            2 => delivered(&store, lease),
            3 => assert!(store.cancel(lease.delivery().id).await.is_ok()),
            _ => failed(&store, lease, Verdict::Failed),
        }
    }
    eventually("ended", || store.stats().queues[0].pending == 0).await;
    let count = |spec: &RecoverySpec| store.count_recoverable(spec).expect("readable");
    let window = RecoverySpec {
        since: Some(at(2000)),
        until: Some(at(6000)),
        ..spec("a", DeliveryState::Failed)
    };
    assert_eq!(count(&window), 2);
    assert_eq!(count(&RecoverySpec { until: None, ..window.clone() }), 3);
    assert_eq!(count(&spec("a", DeliveryState::Failed)), 4);
    assert_eq!(count(&spec("a", DeliveryState::Delivered)), 1);
    assert_eq!(count(&spec("a", DeliveryState::Cancelled)), 1);
    assert_eq!(count(&spec("nobody", DeliveryState::Failed)), 0);
    store.recover(window).await.expect("begun");
    assert_eq!(done(&store).await.n_done, 2);
    let due: Vec<_> = leases(&store, "a", 2).await.iter().map(|l| l.event().id).collect();
    assert_eq!(due, [ids[1], ids[4]]);
}

#[tokio::test]
async fn a_new_webhook_gets_what_it_wants_of_the_history() {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 16 * 1024;
    let store = fixture.open();
    for i in 0..N {
        let label = ["task.created", "other", "sidehook.webhook.paused"][i % 3];
        commit(&store, event(label)).await;
    }
    let late = Webhook { ordered: true, ..webhook("late", "*", true) };
    fixture.webhooks.push(late);
    store.set_webhooks(fixture.webhooks.clone());
    let in_between = commit(&store, event("other")).await;
    let wanted = RecoverySpec { backfill: true, ..spec("late", DeliveryState::Failed) };
    let n = N / 3 * 2;
    assert_eq!(store.count_recoverable(&wanted).expect("readable"), n as u64);
    store.recover(wanted.clone()).await.expect("begun");
    assert_eq!(done(&store).await.n_done, n as u64);
    let added = all(&store, "late");
    assert_eq!(added.len(), n + 1);
    let head = leases(&store, "late", 1).await.remove(0);
    assert_eq!(head.event().id, added.last().expect("some").event_id, "the oldest goes first");
    assert_ne!(head.event().id, in_between);
    drop(head);
    assert_eq!(store.count_recoverable(&wanted).expect("readable"), 0);
    store.close();
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(all(&store, "late"), added);
    assert_eq!(done(&store).await.n_done, n as u64);
}

#[tokio::test]
async fn a_crash_at_any_point_neither_loses_nor_doubles_anything() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit_many(&store, N).await;
    fail_all(&store, N).await;
    store.recover(spec("a", DeliveryState::Failed)).await.expect("begun");
    let mut copies = Vec::new();
    // Copies of the files at points of its way; at the beginning at the latest.
    while copies.is_empty() || (the(&store).ended_at.is_none() && copies.len() < 20) {
        copies.push(fixture.crashed());
    }
    done(&store).await;
    copies.push(fixture.crashed());
    for (i, copy) in copies.iter().enumerate() {
        if i % 2 == 1 {
            std::fs::remove_dir_all(copy.path("index")).expect("removed");
        }
        let store = copy.open();
        let ended = done(&store).await;
        assert_eq!((ended.status, ended.n_done), (RecoveryStatus::Done, N as u64), "copy {i}");
        assert_eq!(n_in(&store, DeliveryState::Pending), N);
    }
}

#[tokio::test]
async fn one_at_a_time_for_a_webhook_until_it_is_stopped() {
    let mut fixture = Fixture::new();
    let store = fixture.open();
    commit_many(&store, 5).await;
    fail_all(&store, 5).await;
    // One whose webhook is not there waits.
    let wanted = spec("a", DeliveryState::Failed);
    let refused = store.recover(spec("nobody", DeliveryState::Failed)).await;
    assert!(matches!(refused, Err(StoreError::Declined { .. })), "{refused:?}");
    let both = tokio::join!(store.recover(wanted.clone()), store.recover(wanted.clone()));
    let (begun, refused) = match both {
        (Ok(begun), Err(refused)) | (Err(refused), Ok(begun)) => (begun, refused),
        // The first had ended before the second was asked for.
        (Ok(one), Ok(other)) => {
            assert!(one.count + other.count >= 5);
            return;
        }
        other => panic!("{other:?}"),
    };
    assert!(refused.to_string().contains(&begun.id.to_string()), "{refused}");
    done(&store).await;
    let late = store.stop_recovery(begun.id).await.expect("answered").expect("known");
    assert_eq!(late.status, RecoveryStatus::Done, "it had ended");
    assert_eq!(store.stop_recovery(uuid::Uuid::nil()).await.expect("answered"), None);
    store.close();
    fixture.webhooks.clear();
    assert_eq!(fixture.open().recoveries(), [late]);
}

#[tokio::test]
async fn a_stopped_recovery_leaves_the_rest_as_it_is() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit_many(&store, N).await;
    fail_all(&store, N).await;
    let begun = store.recover(spec("a", DeliveryState::Failed)).await.expect("begun");
    let stopped = store.stop_recovery(begun.id).await.expect("stored").expect("known");
    let n_queued = n_in(&store, DeliveryState::Pending) as u64;
    assert_eq!(stopped.n_done, n_queued);
    assert!(stopped.ended_at.is_some());
    store.close();
    let store = fixture.open();
    assert_eq!(store.recoveries(), [stopped]);
    tokio::time::timeout(Duration::from_millis(1), store.work_available()).await.ok();
    assert_eq!(n_in(&store, DeliveryState::Pending) as u64, n_queued);
}

#[tokio::test]
async fn a_test_is_neither_recovered_nor_for_others() {
    let mut fixture = Fixture::new();
    fixture.webhooks.push(webhook("late", "*", true));
    let store = fixture.open();
    let test = NewEvent { test_of: Some(id_of("a")), ..event("other") };
    let test = commit(&store, test).await;
    let lease = leases(&store, "a", 1).await.remove(0);
    let id = lease.delivery().id;
    failed(&store, lease, Verdict::Failed);
    attempted(&store, id, 1).await;
    let backfill =
        |name: &str| RecoverySpec { backfill: true, ..spec(name, DeliveryState::Failed) };
    for name in ["a", "late"] {
        assert_eq!(store.count_recoverable(&backfill(name)).expect("readable"), 0);
        store.recover(backfill(name)).await.expect("begun");
        assert_eq!(done(&store).await.n_done, 0);
    }
    let others = Some(vec![id_of("a"), id_of("late")]);
    assert_eq!(store.replay(test, others).await.expect("stored"), Some(1));
}
