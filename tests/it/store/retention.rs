//! Old and finished events go, whole segments at a time; undelivered ones never do.

use std::time::Duration;

use sidehook::clock;
use sidehook::model::{EventId, Verdict};
use sidehook::store::{OnFailure, Store, StoreError};

use super::fixture::*;
use super::recovery::see;

fn small() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 16 * 1024;
    fixture.webhooks = vec![webhook("a", "*", true)];
    fixture
}

async fn commit_many(store: &Store, n: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(commit(store, event_of("other", vec![b'x'; 1000])).await);
    }
    ids
}

async fn deliver_all(store: &Store, n: usize) {
    let leases = leases(store, "a", n).await;
    let last = leases.last().map(|lease| lease.delivery().id);
    leases.into_iter().for_each(|lease| delivered(store, lease));
    if let Some(id) = last {
        attempted(store, id, 1).await;
    }
}

fn n_segments(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path("journal")).expect("listed").count()
}

#[tokio::test]
async fn finished_events_go_when_their_time_has_passed() {
    let mut fixture = small();
    let store = fixture.open();
    let ids = commit_many(&store, 100).await;
    deliver_all(&store, 100).await;
    let delivery = store.deliveries_of(ids[0]).expect("readable")[0].id;
    assert!(n_segments(&fixture) > 5);
    store.close();

    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    eventually("all segments but the open one are gone", || n_segments(&fixture) == 1).await;
    let seen = see(&store);
    assert_eq!(seen, see(&Fixture::new_like(&fixture).open()), "nothing is left of them");
    assert!(store.event(ids[0]).expect("readable").is_none());
    assert!(store.delivery(delivery).expect("readable").is_none());
    assert!(store.attempts(delivery).expect("readable").is_empty());
    assert!(store.requeue(delivery).await.expect("answered").is_none());
    assert!(store.stats().damage.is_empty());
    store.close();
    let store = fixture.open();
    assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
}

#[tokio::test]
async fn unfinished_events_are_carried_forward_with_their_attempts_and_survive_a_rebuild() {
    let mut fixture = small();
    let store = fixture.open();
    let ids = commit_many(&store, 100).await;
    let at = clock::now().plus(Duration::from_secs(600));
    for (i, lease) in leases(&store, "a", 100).await.into_iter().enumerate() {
        match i {
            3 | 50 => failed(&store, lease, Verdict::Retry { at }),
            7 => drop(lease),
            _ => delivered(&store, lease),
        }
    }
    eventually("finished", || store.stats().queues[0].pending == 3).await;
    let requeued = store.deliveries_of(ids[20]).expect("readable")[0].id;
    store.requeue(requeued).await.expect("stored");
    store.close();

    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    eventually("old segments are gone", || n_segments(&fixture) <= 2).await;
    let wanted = [ids[3], ids[7], ids[20], ids[50]];
    // The last ones share the open segment with what was carried forward.
    for (i, id) in ids[..80].iter().enumerate() {
        let is_wanted = wanted.contains(id);
        assert_eq!(store.event(*id).expect("readable").is_some(), is_wanted, "event {i}");
    }
    let delivery = &store.deliveries_of(ids[3]).expect("readable")[0];
    assert_eq!((delivery.attempts, delivery.next_attempt_at), (1, Some(at)));
    assert_eq!(store.attempts(delivery.id).expect("readable").len(), 1);
    let seen = see(&store);
    store.close();
    super::offline::assert_whole(&fixture);
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    fixture.settings.retain = Duration::from_secs(3600);
    let store = fixture.open();
    assert_eq!(see(&store), seen);
    assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
    let due = leases(&store, "a", 2).await;
    let due: Vec<_> = due.iter().map(|l| (l.event().id, l.attempt_number())).collect();
    assert_eq!(due.len(), 2);
    assert!(due.contains(&(ids[7], 1)) && due.contains(&(ids[20], 2)), "{due:?}");
}

#[tokio::test]
async fn a_full_store_refuses_new_events_keeps_the_old_and_recovers_by_itself() {
    let mut fixture = small();
    fixture.settings.segment_bytes = 64 * 1024;
    fixture.settings.max_bytes = 8 << 20;
    let store = fixture.open();
    let mut n = 0;
    let one = || store.commit(event_of("other", vec![b'x'; 20_000]), OnFailure::Refuse);
    let full = loop {
        match store.check() {
            Ok(()) => one().await.expect("who was told that the store is well is not refused then"),
            Err(unhealthy) => break unhealthy,
        };
        n += 1;
        assert!(n < 1000, "8 MiB hold no 1000 events of 20 kB");
    };
    // Calls under way when it became full still find room, but not for ever.
    let refused = loop {
        match one().await {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 1000, "8 MiB hold no 1000 events of 20 kB");
    };
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
    let reason = full.reason;
    assert!(reason.contains("max_size"), "{reason}");
    // The index grows between two looks at it, and beside what it holds.
    assert!(store.stats().bytes <= 10 << 20, "{}", store.stats().bytes);
    assert_eq!(see(&store).events.len(), n, "undelivered events are never evicted");

    // Deliveries go on, and their end makes room.
    deliver_all(&store, n).await;
    eventually("there is room again", || store.check().is_ok()).await;
    commit(&store, event("other")).await;
    assert!(store.stats().damage.is_empty());
}

#[tokio::test]
async fn a_store_under_pressure_keeps_going_by_evicting_the_oldest() {
    let mut fixture = small();
    fixture.settings.segment_bytes = 64 * 1024;
    fixture.settings.max_bytes = 8 << 20;
    let store = fixture.open();
    let mut kept = None;
    for round in 0..80 {
        let first = commit(&store, event_of("other", vec![b'x'; 20_000])).await;
        for _ in 0..9 {
            commit(&store, event_of("other", vec![b'x'; 20_000])).await;
        }
        let mut last = None;
        for lease in leases(&store, "a", 10).await {
            if round == 0 && lease.event().id == first {
                // This one stays unfinished all the time.
                kept = Some((first, lease));
            } else {
                last = Some(lease.delivery().id);
                delivered(&store, lease);
            }
        }
        if let Some(id) = last {
            attempted(&store, id, 1).await;
        }
        eventually("room", || store.check().is_ok()).await;
    }
    let (first, lease) = kept.expect("kept");
    assert!(store.event(first).expect("readable").is_some(), "the unfinished one is still there");
    assert!(see(&store).events.len() < 500, "16 MB went through 8 MiB");
    drop(lease);
    let again = leases(&store, "a", 1).await;
    assert_eq!(again[0].event().id, first);
}
