//! One delivery given up, one event queued again.

use std::time::Duration;

use sidehook::clock;
use sidehook::model::{Delivery, DeliveryId, DeliveryState, EventId, NewEvent, Verdict, Webhook};
use sidehook::store::{Cancelled, Change, Store};

use super::fixture::*;

fn of(store: &Store, event: EventId, name: &str) -> Delivery {
    let deliveries = store.deliveries_of(event).expect("readable");
    deliveries.into_iter().find(|d| d.webhook_id == id_of(name)).expect("there")
}

async fn cancel(store: &Store, id: DeliveryId) -> Cancelled {
    store.cancel(id).await.expect("answered")
}

fn state(store: &Store, id: DeliveryId) -> DeliveryState {
    store.delivery(id).expect("readable").expect("known").state
}

#[tokio::test]
async fn a_cancelled_delivery_is_not_attempted_and_stays_so() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let id = of(&store, event, "a").id;
    let mark = store.changes().now();
    let Cancelled::Done(delivery) = cancel(&store, id).await else { panic!("cancelled") };
    assert_eq!((delivery.state, delivery.next_attempt_at), (DeliveryState::Cancelled, None));
    let changes = store.changes().after(mark, 9).expect("remembered");
    assert!(changes.iter().any(|&(_, change)| change == Change::Delivery(id)));
    assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
    assert!(matches!(cancel(&store, id).await, Cancelled::TooLate(_)));
    let unknown = DeliveryId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(cancel(&store, unknown).await, Cancelled::Unknown);
    assert_eq!(store.failed_in_a_row(id_of("a"), 9).expect("readable"), 0);
    let crashed = fixture.crashed();
    assert_eq!(state(&crashed.open(), id), DeliveryState::Cancelled);
    std::fs::remove_dir_all(crashed.path("index")).expect("removed");
    assert_eq!(state(&crashed.open(), id), DeliveryState::Cancelled);
    store.requeue(id).await.expect("stored");
    leases(&store, "a", 1).await;
}

#[tokio::test]
async fn a_running_attempt_counts_for_a_cancelled_delivery_only_when_it_was_accepted() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for (verdict, then) in [
        (Verdict::Delivered, DeliveryState::Delivered),
        (Verdict::Failed, DeliveryState::Cancelled),
        (Verdict::Retry { at: clock::now() }, DeliveryState::Cancelled),
    ] {
        let event = commit(&store, event("other")).await;
        let id = of(&store, event, "a").id;
        let lease = leases(&store, "a", 1).await.remove(0);
        assert!(matches!(cancel(&store, id).await, Cancelled::Done(_)));
        match verdict {
            Verdict::Delivered => delivered(&store, lease),
            verdict => failed(&store, lease, verdict),
        }
        attempted(&store, id, 1).await;
        assert_eq!(state(&store, id), then);
        assert!(matches!(cancel(&store, id).await, Cancelled::TooLate(_)));
        assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
        assert_eq!(store.failed_in_a_row(id_of("a"), 9).expect("readable"), 0);
    }
}

#[tokio::test]
async fn a_chain_goes_on_behind_a_cancelled_delivery() {
    let mut fixture = Fixture::new();
    fixture.webhooks = vec![Webhook { ordered: true, ..webhook("a", "*", true) }];
    let store = fixture.open();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(commit(&store, event("other")).await);
    }
    cancel(&store, of(&store, ids[0], "a").id).await;
    cancel(&store, of(&store, ids[1], "a").id).await;
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!(lease.event().id, ids[2]);
}

#[tokio::test]
async fn an_event_goes_again_to_all_that_had_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("task.created")).await;
    for name in ["a", "b"] {
        delivered(&store, leases(&store, name, 1).await.remove(0));
        attempted(&store, of(&store, event, name).id, 1).await;
    }
    assert_eq!(store.replay(event, None).await.expect("stored"), Some(2));
    for name in ["a", "b"] {
        let lease = leases(&store, name, 1).await.remove(0);
        assert_eq!(lease.delivery().id, of(&store, event, name).id);
        assert_eq!((lease.attempt_number(), lease.failures()), (2, 0));
    }
    let unknown = EventId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(store.replay(unknown, None).await.expect("answered"), None);
    // Of those that are there no more it is not sent to nobody.
    store.set_webhooks(vec![webhook("b", "task.*", true)]);
    assert_eq!(store.replay(event, None).await.expect("stored"), Some(1));
    let nobody = Some(vec![id_of("nobody"), id_of("a")]);
    assert_eq!(store.replay(event, nobody).await.expect("stored"), Some(0));
}

#[tokio::test]
async fn an_event_goes_to_webhooks_that_never_had_it_and_keeps_them() {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 16 * 1024;
    fixture.webhooks.push(Webhook { ordered: true, ..webhook("c", "none.*", true) });
    let store = fixture.open();
    let subject = Some("é".repeat(900));
    let first = commit(&store, NewEvent { subject: subject.clone(), ..event("other") }).await;
    let second = commit(&store, NewEvent { subject, ..event("other") }).await;
    for lease in leases(&store, "a", 2).await {
        delivered(&store, lease);
    }
    eventually("delivered", || store.stats().queues[0].pending == 0).await;
    let both = Some(vec![id_of("b"), id_of("c"), id_of("c")]);
    assert_eq!(store.replay(second, both.clone()).await.expect("stored"), Some(2));
    assert_eq!(store.replay(first, both.clone()).await.expect("stored"), Some(2));
    assert_eq!(store.replay(first, both).await.expect("stored"), Some(2), "the same again");
    let seen = |store: &Store| {
        [first, second].map(|id| {
            let event = store.event(id).expect("readable").expect("known");
            assert_eq!(event.deliveries.len(), 3);
            let deliveries = store.deliveries_of(id).expect("readable");
            let ids = deliveries.iter().map(|d| (d.id, d.webhook_id));
            assert_eq!(ids.collect::<Vec<_>>(), event.deliveries);
            deliveries
        })
    };
    let before = seen(&store);
    assert_eq!(leases(&store, "b", 2).await.len(), 2);
    // In the order of events, whatever came first.
    let lease = leases(&store, "c", 1).await.remove(0);
    assert_eq!(lease.event().id, first);
    delivered(&store, lease);
    let lease = leases(&store, "c", 1).await.remove(0);
    assert_eq!(lease.event().id, second);
    failed(&store, lease, Verdict::Retry { at: clock::now().plus(Duration::from_secs(600)) });
    attempted(&store, before[1][2].id, 1).await;

    // Over a restart, over a lost index, and out of a segment that goes.
    let before = seen(&store);
    for _ in 0..40 {
        commit(&store, event_of("other", vec![b'x'; 1000])).await;
    }
    for lease in leases(&store, "a", 40).await {
        delivered(&store, lease);
    }
    eventually("delivered", || store.stats().queues[0].pending == 0).await;
    store.close();
    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    eventually("carried", || !fixture.path("journal/00000001.seg").exists()).await;
    assert_eq!(seen(&store), before);
    store.close();
    fixture.settings.retain = Duration::from_secs(3600);
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(state(&store, before[1][2].id), DeliveryState::Pending);
    let carried: Vec<_> = seen(&store).concat();
    let wanted = before.concat();
    for (now, before) in carried.iter().zip(&wanted) {
        assert_eq!(
            (now.id, now.state, now.attempts, now.next_attempt_at),
            (before.id, before.state, before.attempts, before.next_attempt_at)
        );
    }
    assert_eq!(leases(&store, "b", 2).await.len(), 2);
    assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
}

#[tokio::test]
async fn a_replay_while_an_attempt_runs_lets_one_more_follow() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!(store.replay(event, None).await.expect("stored"), Some(1));
    delivered(&store, lease);
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!(lease.attempt_number(), 2);
    assert!(store.wanted_by_hand().is_empty(), "it goes out with its lane");
}
