//! A backup of a store that goes on: its journal and its id, copied as docs/operations.md says.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidehook::clock;
use sidehook::model::{EventId, WebhookState, WebhookStatus};
use sidehook::store::{OnFailure, Store};

use super::fixture::*;

/// Small segments: there is always one that has just been begun.
fn small() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 16 * 1024;
    fixture.webhooks = vec![webhook("a", "*", true)];
    fixture
}

/// A copy, if no file went away meanwhile.
fn copied(fixture: &Fixture) -> Option<Fixture> {
    let copy = Fixture::new_like(fixture);
    let mut cp = Command::new("cp");
    cp.arg("-a").args([fixture.path("journal"), fixture.path("store-id")]).arg(copy.dir.path());
    cp.output().expect("it runs").status.success().then_some(copy)
}

async fn commit_one(store: &Store) -> EventId {
    let event = event_of("other", vec![b'x'; 1000]);
    store.commit(event, OnFailure::Refuse).await.expect("committed").event()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_all_that_was_promised_before_and_is_sound() {
    let fixture = small();
    let store = fixture.open();
    let is_over = AtomicBool::new(false);
    let write = async {
        let mut ids = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            ids.push(commit_one(&store).await);
        }
        ids.len()
    };
    let look = async {
        for _ in 0..10 {
            let mut promised = Vec::new();
            for _ in 0..20 {
                promised.push(commit_one(&store).await);
            }
            let copy = tokio::task::block_in_place(|| copied(&fixture)).expect("nothing goes away");
            let restored = copy.open();
            assert_eq!(restored.stats().damage, Vec::<String>::new());
            for id in promised {
                assert!(restored.event(id).expect("readable").is_some());
            }
            restored.close();
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (n, ()) = tokio::join!(write, look);
    assert!(n > 0);
    store.close();
}

/// What is wanted for ever is carried out of each segment before it goes: a copy that missed both
/// would be told of by `cp`.
#[tokio::test(flavor = "multi_thread")]
async fn where_retention_takes_a_file_away_the_copy_fails_or_lacks_nothing() {
    let mut fixture = small();
    fixture.settings.retain = Duration::ZERO;
    let store = fixture.open();
    let status = WebhookStatus::Disabled;
    let reason = Some("by hand".to_owned());
    let kept = WebhookState { status, reason, since: clock::now(), ..WebhookState::default() };
    store.set_webhook_state(id_of("b"), kept.clone()).await.expect("durable");
    let (mut n_good, mut n_tries) = (0, 0);
    while n_good < 10 {
        n_tries += 1;
        assert!(n_tries <= 300, "of 300 copies {n_good} were whole");
        for _ in 0..30 {
            commit_one(&store).await;
        }
        for lease in store.lease_due(id_of("a"), clock::now(), 1000).expect("readable") {
            delivered(&store, lease);
        }
        let Some(copy) = tokio::task::block_in_place(|| copied(&fixture)) else { continue };
        let restored = copy.open();
        assert_eq!(restored.stats().damage, Vec::<String>::new());
        assert_eq!(restored.webhook_states().get(&id_of("b")), Some(&kept));
        restored.close();
        n_good += 1;
    }
    store.close();
}
