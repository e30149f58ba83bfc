//! Webhooks that keep to the order of events, and how webhooks stand.

use std::time::Duration;

use sidehook::clock;
use sidehook::model::{
    DeliveryState, EventId, Failure, NewEvent, Timestamp, Verdict, Webhook, WebhookState,
    WebhookStatus,
};
use sidehook::store::{Lease, Store};

use super::fixture::*;

fn ordered() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.webhooks = vec![Webhook { ordered: true, ..webhook("a", "*", true) }];
    fixture
}

async fn commit_about(store: &Store, subject: Option<&str>) -> EventId {
    commit(store, NewEvent { subject: subject.map(str::to_owned), ..event("other") }).await
}

fn due(store: &Store, at: Timestamp) -> Vec<Lease> {
    store.lease_due(id_of("a"), at, 100).expect("readable")
}

fn in_an_hour() -> Timestamp {
    clock::now().plus(Duration::from_secs(3600))
}

fn standing(status: WebhookStatus, reason: &str) -> WebhookState {
    WebhookState {
        status,
        reason: Some(reason.to_owned()),
        since: Timestamp::from_millis(7),
        overrides_file: false,
        rests_until: None,
    }
}

#[tokio::test]
async fn one_at_a_time_in_the_order_of_events() {
    let fixture = ordered();
    let store = fixture.open();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(commit_about(&store, Some("one")).await);
    }
    for id in ids {
        let lease = leases(&store, "a", 1).await.remove(0);
        assert_eq!(lease.event().id, id);
        assert!(due(&store, Timestamp::MAX).is_empty(), "nobody overtakes it");
        assert_eq!(store.next_due(id_of("a")).expect("readable"), None);
        delivered(&store, lease);
    }
}

#[tokio::test]
async fn a_retry_holds_only_its_own_subject() {
    let fixture = ordered();
    let store = fixture.open();
    let held = commit_about(&store, Some("one")).await;
    let behind = commit_about(&store, Some("one")).await;
    for subject in [Some("two"), None, Some("two"), None] {
        commit_about(&store, subject).await;
    }
    let mut heads = leases(&store, "a", 3).await;
    let one = heads.remove(0);
    assert_eq!(one.event().id, held);
    let at = in_an_hour();
    failed(&store, one, Verdict::Retry { at });
    heads.into_iter().for_each(|lease| delivered(&store, lease));
    let next = leases(&store, "a", 2).await;
    assert!(next.iter().all(|lease| lease.event().id != behind));
    next.into_iter().for_each(|lease| delivered(&store, lease));
    eventually("only the retry is left", || {
        store.next_due(id_of("a")).expect("readable") == Some(at)
    })
    .await;
    let retried = due(&store, at).remove(0);
    assert_eq!(retried.event().id, held);
    failed(&store, retried, Verdict::Failed);
    assert_eq!(leases(&store, "a", 1).await[0].event().id, behind, "given up: the next goes");
}

#[tokio::test]
async fn an_older_one_that_is_queued_again_goes_before_the_others() {
    let fixture = ordered();
    let store = fixture.open();
    let first = commit_about(&store, Some("one")).await;
    let second = commit_about(&store, Some("one")).await;
    let lease = leases(&store, "a", 1).await.remove(0);
    let id = lease.delivery().id;
    failed(&store, lease, Verdict::Failed);
    let behind = leases(&store, "a", 1).await.remove(0);
    assert_eq!(behind.event().id, second);
    drop(behind);
    store.requeue(id).await.expect("stored").expect("known");
    let store = {
        drop(store);
        fixture.open()
    };
    let lease = leases(&store, "a", 1).await.remove(0);
    assert_eq!(lease.event().id, first);
    delivered(&store, lease);
    assert_eq!(leases(&store, "a", 1).await[0].event().id, second);
}

#[tokio::test]
async fn who_is_ordered_is_decided_when_the_event_is_committed() {
    let mut fixture = ordered();
    let store = fixture.open();
    for _ in 0..3 {
        commit_about(&store, None).await;
    }
    fixture.webhooks[0].ordered = false;
    store.set_webhooks(fixture.webhooks.clone());
    for _ in 0..3 {
        commit_about(&store, None).await;
    }
    assert_eq!(leases(&store, "a", 4).await.len(), 4, "the head of the chain and three");
}

#[tokio::test]
async fn order_and_standing_survive_retention_and_a_rebuild() {
    let mut fixture = ordered();
    fixture.settings.segment_bytes = 16 * 1024;
    let store = fixture.open();
    let disabled = standing(WebhookStatus::Disabled, "410");
    store.set_webhook_state(id_of("gone"), disabled.clone()).await.expect("stored");
    let enabled = WebhookState { overrides_file: true, ..WebhookState::default() };
    store.set_webhook_state(id_of("off"), enabled.clone()).await.expect("stored");
    let mut ids = Vec::new();
    for i in 0..60 {
        let subject = Some(["one", "two"][i % 2].to_owned());
        let new = NewEvent { subject, ..event_of("other", vec![b'x'; 1000]) };
        ids.push(commit(&store, new).await);
    }
    for lease in leases(&store, "a", 2).await {
        failed(&store, lease, Verdict::Retry { at: in_an_hour() });
    }
    eventually("both wait", || store.next_due(id_of("a")).expect("readable").is_some()).await;
    store.close();

    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    let first = |store: &Store| {
        let heads = due(store, Timestamp::MAX);
        heads.iter().map(|lease| lease.event().id).collect::<Vec<_>>()
    };
    // Nothing can go while all are unfinished; with every one that is delivered more can.
    for pair in ids[..50].chunks(2) {
        let mut heads = Vec::new();
        eventually("both heads", || {
            heads.extend(due(&store, Timestamp::MAX));
            heads.len() == 2
        })
        .await;
        let mut seen: Vec<_> = heads.iter().map(|lease| lease.event().id).collect();
        seen.sort_by_key(|id| ids.iter().position(|known| known == id));
        assert_eq!(seen, pair);
        heads.into_iter().for_each(|lease| delivered(&store, lease));
    }
    eventually("old segments go", || !fixture.path("journal/00000001.seg").exists()).await;
    assert_eq!(store.webhook_states()[&id_of("gone")], disabled);
    store.close();
    super::offline::assert_whole(&fixture);
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(store.webhook_states()[&id_of("gone")], disabled, "copied forward");
    assert_eq!(store.webhook_states()[&id_of("off")], enabled);
    let mut heads = first(&store);
    heads.sort_by_key(|id| ids.iter().position(|known| known == id));
    assert_eq!(heads, ids[50..52]);
    assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
}

#[tokio::test]
async fn a_disabled_webhook_gets_nothing_and_a_paused_one_is_probed_by_the_caller() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = commit(&store, event("other")).await;
    let shown = || store.deliveries_of(event).expect("readable")[0].state;
    let held = || store.stats().queues.iter().map(|queue| queue.held).sum::<u64>();
    let a = id_of("a");
    for (status, n_due) in [(WebhookStatus::Paused, 1), (WebhookStatus::Disabled, 0)] {
        store.set_webhook_state(a, standing(status, "why")).await.expect("stored");
        assert_eq!(due(&store, Timestamp::MAX).len(), n_due);
        assert_eq!(store.next_due(a).expect("readable").is_some(), n_due == 1);
        assert_eq!((shown(), held()), (DeliveryState::Held, 1));
        let told = store.webhook_status(&fixture.webhooks[0]);
        assert_eq!(told, (status, Some("why".to_owned())));
    }
    // Whatever woke it before.
    let _ = tokio::time::timeout(Duration::from_millis(1), store.work_available()).await;
    store.set_webhook_state(a, WebhookState::default()).await.expect("stored");
    tokio::time::timeout(Duration::from_secs(20), store.work_available()).await.expect("woken");
    let off = webhook("a", "*", false);
    assert_eq!(store.webhook_status(&off).0, WebhookStatus::Disabled);
    assert!(store.webhook_status(&off).1.is_some_and(|why| why.contains("configuration")));
    assert!(store.webhook_states().is_empty());
    assert_eq!((shown(), held()), (DeliveryState::Pending, 0));
    assert_eq!(due(&store, Timestamp::MAX).len(), 1);
}

#[tokio::test]
async fn failures_are_counted_until_one_is_delivered_or_the_webhook_is_enabled() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let a = id_of("a");
    let count = |n_max| store.failed_in_a_row(a, n_max).expect("readable");
    for _ in 0..4 {
        commit(&store, event("other")).await;
    }
    let mut four = leases(&store, "a", 4).await;
    for lease in four.split_off(1) {
        failed(&store, lease, Verdict::Failed);
    }
    eventually("three", || count(10) == 3).await;
    assert_eq!(count(2), 2);
    assert_eq!(store.failed_in_a_row(id_of("b"), 10).expect("readable"), 0);
    store.set_webhook_state(a, standing(WebhookStatus::Paused, "fails")).await.expect("stored");
    store.set_webhook_state(a, WebhookState::default()).await.expect("stored");
    assert_eq!(count(10), 3, "a pause is no end of it");
    delivered(&store, four.remove(0));
    eventually("none", || count(10) == 0).await;

    commit(&store, event("other")).await;
    failed(&store, leases(&store, "a", 1).await.remove(0), Verdict::Failed);
    eventually("one", || count(10) == 1).await;
    store.set_webhook_state(a, standing(WebhookStatus::Disabled, "1")).await.expect("stored");
    store.set_webhook_state(a, WebhookState::default()).await.expect("stored");
    eventually("enabled anew", || count(10) == 0).await;
}

#[tokio::test]
async fn a_failure_of_ours_is_not_counted_against_the_webhook() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for _ in 0..2 {
        commit(&store, event("other")).await;
    }
    let mut both = leases(&store, "a", 2).await;
    let (ours, theirs) = (both.remove(0), both.remove(0));
    let detail = "connection refused".to_owned();
    let ids = [ours.delivery().id, theirs.delivery().id];
    failed_for(&store, ours, Failure::ProxyUnreachable { detail }, Verdict::Failed);
    failed(&store, theirs, Verdict::Failed);
    for id in ids {
        attempted(&store, id, 1).await;
    }
    assert_eq!(store.failed_in_a_row(id_of("a"), 10).expect("readable"), 1);
}

#[tokio::test]
async fn a_state_is_in_force_before_anybody_waits_for_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let a = id_of("a");
    let ours = store.set_webhook_state(a, standing(WebhookStatus::Paused, "ours"));
    let theirs = store.set_webhook_state(a, standing(WebhookStatus::Disabled, "theirs"));
    ours.await.expect("stored");
    theirs.await.expect("stored");
    assert_eq!(store.webhook_states()[&a].status, WebhookStatus::Disabled, "the last word");
}
