//! Webhooks created at run time: in force and durable together, kept over everything, and when one
//! is deleted nothing of it is left.

use std::time::Duration;

use sidehook::model::{
    DeliveryState, Secret, Timestamp, Verdict, Webhook, WebhookSource, WebhookState, WebhookStatus,
};
use sidehook::store::{Change, RecoverySpec, RecoveryStatus, Store, StoreError};

use super::fixture::*;

fn new(name: &str) -> Webhook {
    Webhook { source: WebhookSource::Api, ..webhook(name, "*", true) }
}

fn text(text: &str) -> Secret {
    Secret::new(text)
}

fn defined(store: &Store) -> Vec<(String, String)> {
    let definitions = store.definitions().into_iter();
    definitions.map(|d| (d.id.to_string(), d.text.reveal().to_owned())).collect()
}

fn names(store: &Store) -> Vec<String> {
    store.webhooks().iter().map(|webhook| webhook.name.clone()).collect()
}

#[tokio::test]
async fn a_defined_webhook_gets_the_next_event_and_is_known_after_everything() {
    let mut fixture = Fixture::new();
    fixture.webhooks.truncate(1);
    let store = fixture.open();
    let mark = store.changes().now();
    let secret = "{\"secret\": \"whsec_0123456789\"}";
    store.define_webhook(new("late"), text(secret)).await.expect("stored");
    assert_eq!(names(&store), ["a", "late"]);
    let changed = store.changes().after(mark, 9).expect("remembered");
    assert!(changed.iter().any(|&(_, change)| change == Change::Webhook(id_of("late"))));
    let id = commit(&store, event("other")).await;
    assert_eq!(store.deliveries_of(id).expect("readable").len(), 2);
    // Replaced, not doubled.
    let slower = Webhook { timeout: Duration::from_secs(9), ..new("late") };
    store.define_webhook(slower, text("second")).await.expect("stored");
    assert_eq!(names(&store), ["a", "late"]);
    assert_eq!(store.webhooks()[1].timeout, Duration::from_secs(9));

    let wanted = vec![(id_of("late").to_string(), "second".to_owned())];
    assert_eq!(defined(&store), wanted);
    assert!(!format!("{:?}", store.definitions()).contains("second"), "secrets are not shown");
    let crashed = fixture.crashed();
    assert_eq!(defined(&crashed.open()), wanted, "after a crash");
    store.close();
    assert_eq!(defined(&fixture.open()), wanted, "after a restart");
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    assert_eq!(defined(&fixture.open()), wanted, "after the index was lost");
}

#[tokio::test]
async fn a_definition_is_bounded() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let large = "x".repeat(64 * 1024 + 1);
    let refused = store.define_webhook(new("late"), text(&large)).await.expect_err("too large");
    assert!(matches!(&refused, StoreError::Declined { reason } if reason.contains("65536")));
    assert_eq!(names(&store), ["a", "b"]);
    store.define_webhook(new("late"), text(&large[1..])).await.expect("just fits");
}

#[tokio::test]
async fn a_definition_is_carried_out_of_segments_that_go() {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 16 * 1024;
    fixture.webhooks.clear();
    let store = fixture.open();
    for name in ["kept", "deleted"] {
        store.define_webhook(new(name), text(&"y".repeat(300))).await.expect("stored");
    }
    assert!(store.delete_webhook(id_of("deleted")).await.expect("stored"));
    store
        .define_webhook(Webhook { active: false, ..new("kept") }, text("t"))
        .await
        .expect("stored");
    for _ in 0..100 {
        commit(&store, event_of("other", vec![b'x'; 1000])).await;
    }
    store.delete_webhook(id_of("nobody")).await.expect("answered");
    for delivery in all_of(&store, "kept") {
        store.cancel(delivery).await.expect("stored");
    }
    store.close();

    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    let first = fixture.path("journal/00000001.seg");
    eventually("the first segment is gone", || !first.exists()).await;
    let wanted = vec![(id_of("kept").to_string(), "t".to_owned())];
    assert_eq!(defined(&store), wanted);
    store.close();
    std::fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(defined(&store), wanted);
    assert!(store.stats().damage.is_empty(), "{:?}", store.stats().damage);
}

fn all_of(store: &Store, name: &str) -> Vec<sidehook::model::DeliveryId> {
    let filter =
        sidehook::store::DeliveryFilter { webhook: Some(id_of(name)), ..Default::default() };
    let page = sidehook::store::Page { limit: 200, cursor: None };
    store.deliveries(&filter, &page).expect("readable").data.into_iter().map(|d| d.id).collect()
}

#[tokio::test]
async fn what_waits_for_a_deleted_webhook_is_cancelled_also_over_restarts() {
    for (ordered, crash) in [(false, true), (true, false)] {
        let mut fixture = Fixture::new();
        fixture.webhooks.truncate(1);
        let store = fixture.open();
        let late = Webhook { ordered, ..new("late") };
        store.define_webhook(late.clone(), text("t")).await.expect("stored");
        let mut ids = Vec::new();
        for _ in 0..300 {
            ids.push(commit(&store, event("other")).await);
        }
        let running = leases(&store, "late", if ordered { 1 } else { 300 }).await;
        let running = running.into_iter().next().expect("one");
        let state = WebhookState {
            status: WebhookStatus::Paused,
            reason: Some("fails".to_owned()),
            since: Timestamp::from_millis(7),
            overrides_file: false,
            rests_until: None,
        };
        store.set_webhook_state(late.id, state).await.expect("stored");
        let spec = RecoverySpec {
            webhook: late.id,
            since: None,
            until: None,
            state: DeliveryState::Failed,
            backfill: false,
        };
        store.recover(spec).await.expect("begun");

        assert!(store.delete_webhook(late.id).await.expect("stored"));
        assert_eq!(names(&store), ["a"]);
        assert!(defined(&store).is_empty() && store.webhook_states().is_empty());
        assert!(!store.delete_webhook(late.id).await.expect("answered"), "it is gone");
        assert_ne!(store.recoveries()[0].status, RecoveryStatus::Running);
        let id = running.delivery().id;
        delivered(&store, running);
        attempted(&store, id, 1).await;
        let fixture = if crash { fixture.crashed() } else { fixture };
        store.close();
        let store = fixture.open();
        eventually("nothing is left in the queue", || {
            store.stats().queues.iter().all(|queue| queue.webhook_id != late.id)
        })
        .await;
        let cancelled = |store: &Store| {
            let of = |id| store.deliveries_of(id).expect("readable");
            let all: Vec<_> = ids.iter().flat_map(|&id| of(id)).collect();
            all.iter().filter(|d| d.state == DeliveryState::Cancelled).count()
        };
        assert_eq!(cancelled(&store), 299);
        let delivery = store.delivery(id).expect("readable").expect("known");
        assert_eq!(delivery.state, DeliveryState::Delivered, "what was accepted was delivered");
        // Nothing is queued again for it.
        let declined = store.requeue(id).await;
        assert!(matches!(declined, Err(StoreError::Declined { .. })), "{declined:?}");
        store.close();
        std::fs::remove_dir_all(fixture.path("index")).expect("removed");
        let store = fixture.open();
        assert_eq!(cancelled(&store), 299);
        assert!(defined(&store).is_empty() && store.webhook_states().is_empty());
        assert_eq!(store.stats().queues.len(), 1);
    }
}

#[tokio::test]
async fn followers_are_told_what_another_set_changes_and_nothing_else() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let mark = store.changes().now();
    let [same, other] = [&fixture.webhooks[0], &fixture.webhooks[1]].map(Webhook::clone);
    let slower = Webhook { timeout: Duration::from_secs(9), ..other };
    store.set_webhooks(vec![same.clone(), slower, webhook("c", "*", true)]);
    store.set_webhooks(vec![same]);
    let told = store.changes().after(mark, 9).expect("remembered");
    let told: Vec<Change> = told.into_iter().map(|(_, change)| change).collect();
    assert_eq!(told, ["b", "c", "b", "c"].map(|name| Change::Webhook(id_of(name))));
}

#[tokio::test]
async fn a_webhook_of_the_file_is_not_deleted() {
    let fixture = Fixture::new();
    let store = fixture.open();
    assert!(!store.delete_webhook(id_of("a")).await.expect("answered"));
    assert_eq!(names(&store), ["a", "b"]);
    let lease = {
        commit(&store, event("other")).await;
        leases(&store, "a", 1).await.remove(0)
    };
    failed(&store, lease, Verdict::Failed);
}

/// sled writes files that everybody may read, and a store's directory is often made by somebody
/// else first, for all to enter.
#[tokio::test]
async fn nobody_else_can_read_the_index_whoever_made_its_directory() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let index = fixture.settings.path.join("index");
    std::fs::create_dir_all(&index).expect("created");
    for dir in [&fixture.settings.path, &index] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("changed");
    }
    let store = fixture.open();
    store.define_webhook(new("late"), text("{\"secret\": \"x\"}")).await.expect("stored");
    let mode = std::fs::metadata(&index).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{mode:o}");
}
