//! Stopping and starting again.

use std::sync::Arc;
use std::time::Duration;

use sidehook::model::*;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::world::{World, commit, open, run, stands, webhook};
use crate::support::PATIENCE;
use crate::support::receiver::{Answer, Receiver};

#[tokio::test]
async fn at_a_stop_attempts_under_way_end_and_none_begins() {
    let receiver = Receiver::start().await;
    let gate = Arc::new(Notify::new());
    receiver.script([Answer::Wait(Arc::clone(&gate))]);
    let world = World::start(vec![webhook("w", &receiver)]);
    let first = &world.commit("a").await[0];
    receiver.received(1).await;

    world.tasks.stop().stop();
    let late = &world.commit("b").await[0];
    gate.notify_one();
    assert!(world.tasks.finished_within(PATIENCE).await);
    world.stands(first.id, DeliveryState::Delivered).await;
    world.stands(late.id, DeliveryState::Pending).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn what_the_last_attempts_say_of_their_receiver_is_kept() {
    let receiver = Receiver::start().await;
    let (first, last) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    receiver.script([
        Answer::WaitFor(Arc::clone(&first), 500),
        Answer::WaitFor(Arc::clone(&last), 410),
    ]);
    let w = Webhook { pause_after: 1, concurrency: 2, ..webhook("w", &receiver) };
    let world = World::start(vec![w]);
    for label in ["a", "b"] {
        world.commit(label).await;
    }
    receiver.received(2).await;
    world.tasks.stop().stop();
    first.notify_one();
    world.webhook_stands("w", WebhookStatus::Paused).await;
    last.notify_one();
    assert!(world.tasks.finished_within(PATIENCE).await);
    let states = world.store.webhook_states();
    assert_eq!(states[&WebhookId::of_name("w")].status, WebhookStatus::Disabled, "it is gone");
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A process that ends in the middle of an attempt, and the next one on the same directory.
#[test]
fn after_a_restart_what_was_under_way_is_sent_again_with_the_same_id_and_bytes() {
    let directory = TempDir::new().expect("a directory");
    let outside = runtime();
    let receiver = outside.block_on(Receiver::start());
    receiver.script([Answer::Hang, Answer::Hang]);
    let webhooks = || vec![Webhook { concurrency: 2, ..webhook("w", &receiver) }];

    let first_life = runtime();
    let ids: Vec<DeliveryId> = first_life.block_on(async {
        let store = open(directory.path());
        store.set_webhooks(webhooks());
        run(&store, 256, &["127.0.0.0/8"]);
        let mut ids = Vec::new();
        for label in ["a", "b", "c"] {
            ids.push(commit(&store, label).await[0].id);
        }
        receiver.received(2).await;
        store.close();
        ids
    });
    first_life.shutdown_timeout(Duration::from_secs(5));

    let second_life = runtime();
    second_life.block_on(async {
        let store = open(directory.path());
        store.set_webhooks(webhooks());
        run(&store, 256, &["127.0.0.0/8"]);
        for &id in &ids {
            stands(&store, id, DeliveryState::Delivered).await;
        }
    });
    let received = outside.block_on(receiver.received(5));
    for id in ids {
        let id = id.to_string();
        let sent: Vec<_> = received.iter().filter(|one| one.header("webhook-id") == id).collect();
        let times = if sent[0].header("x-webhook-event") == "c" { 1 } else { 2 };
        assert_eq!(sent.len(), times);
        assert!(sent.iter().all(|one| one.body == sent[0].body));
    }
}
