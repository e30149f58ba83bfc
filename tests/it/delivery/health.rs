//! Webhooks that are paused or disabled for what came of their attempts, and come back.

use std::sync::Arc;
use std::time::Duration;

use sidehook::model::*;
use tokio::sync::Notify;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};

const SOON: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// `w` as it is given, and one beside it that shows that all have had their turn.
fn set(w: Webhook, control: &Receiver) -> Vec<Webhook> {
    vec![w, webhook("control", control)]
}

/// Commits so many events; the deliveries of `w`.
async fn commit(world: &World, n: usize) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        let deliveries = world.commit("a").await;
        let w = deliveries.iter().find(|one| one.webhook_id == WebhookId::of_name("w"));
        ids.push(w.expect("it wants it").id);
    }
    ids
}

async fn enable(world: &World, name: &str) {
    let state = WebhookState { since: sidehook::clock::now(), ..WebhookState::default() };
    world.store.set_webhook_state(WebhookId::of_name(name), state).await.expect("durable");
}

#[tokio::test]
async fn failed_attempts_in_a_row_pause_a_webhook() {
    let (down, control) = (Receiver::start().await, Receiver::start().await);
    down.otherwise(Answer::Status(500));
    let w = Webhook { pause_after: 3, concurrency: 1, ..webhook("w", &down) };
    let world = World::start_probing(set(w, &control), HOUR);
    let ids = commit(&world, 3).await;
    let reason = world.webhook_stands("w", WebhookStatus::Paused).await;
    assert_eq!(reason, "3 failed attempts in a row; the last: the receiver answered 500");
    for id in ids {
        world.stands(id, DeliveryState::Failed).await;
    }
    let held = commit(&world, 3).await;
    control.received(6).await;
    for id in held {
        world.stands(id, DeliveryState::Held).await;
    }
    assert_eq!(down.count(), 3, "no probe before its time");
}

#[tokio::test]
async fn one_probe_at_a_time_until_one_is_accepted() {
    let (down, control) = (Receiver::start().await, Receiver::start().await);
    let gate = Arc::new(Notify::new());
    let bad = Answer::Status(500);
    down.script([bad.clone(), bad.clone(), bad.clone(), bad, Answer::Wait(Arc::clone(&gate))]);
    let w = Webhook { pause_after: 2, concurrency: 1, retry: vec![HOUR], ..webhook("w", &down) };
    let world = World::start(set(w, &control));
    let ids = commit(&world, 8).await;
    down.received(5).await;
    world.webhook_stands("w", WebhookStatus::Paused).await;
    control.received(8).await;
    commit(&world, 2).await;
    control.received(10).await;
    assert_eq!(down.count(), 5, "a probe is under way");

    gate.notify_one();
    world.webhook_stands("w", WebhookStatus::Active).await;
    for &id in &ids[4..] {
        world.stands(id, DeliveryState::Delivered).await;
    }
    down.received(10 - 4 + 4).await;
    let waiting = world.store.delivery(ids[0]).expect("readable").expect("known");
    assert_eq!(waiting.state, DeliveryState::Pending, "its schedule goes on as it was");
}

#[tokio::test]
async fn one_probe_is_all_whatever_else_is_due_and_has_room() {
    let (down, control) = (Receiver::start().await, Receiver::start().await);
    let gate = Arc::new(Notify::new());
    down.script([Answer::Status(500), Answer::Wait(Arc::clone(&gate))]);
    let w = Webhook { pause_after: 1, concurrency: 8, ..webhook("w", &down) };
    let world = World::start(set(w, &control));
    commit(&world, 1).await;
    world.webhook_stands("w", WebhookStatus::Paused).await;
    let held = commit(&world, 6).await;
    down.received(2).await;
    control.received(7).await;
    commit(&world, 2).await;
    control.received(9).await;
    assert_eq!(down.count(), 2, "a probe is under way");
    gate.notify_one();
    for id in held {
        world.stands(id, DeliveryState::Delivered).await;
    }
}

#[tokio::test]
async fn a_pause_outlives_a_restart_and_is_probed_then() {
    let (down, control) = (Receiver::start().await, Receiver::start().await);
    down.script([Answer::Status(500)]);
    let w = Webhook { pause_after: 1, ..webhook("w", &down) };
    let mut world = World::start_probing(set(w, &control), HOUR);
    commit(&world, 1).await;
    world.webhook_stands("w", WebhookStatus::Paused).await;
    let held = commit(&world, 2).await;
    control.received(3).await;
    assert_eq!(down.count(), 1);

    world.restart(HOUR).await;
    for id in held {
        world.stands(id, DeliveryState::Delivered).await;
    }
    world.webhook_stands("w", WebhookStatus::Active).await;
}

#[tokio::test]
async fn who_is_gone_gets_no_more_until_somebody_enables_it() {
    let (gone, control) = (Receiver::start().await, Receiver::start().await);
    gone.script([Answer::Status(410)]);
    let w = Webhook { retry: vec![SOON, SOON], ..webhook("w", &gone) };
    let world = World::start(set(w, &control));
    let first = commit(&world, 1).await[0];
    let failed = world.stands(first, DeliveryState::Failed).await;
    assert_eq!((failed.attempts, failed.response_code), (1, Some(410)), "whatever the schedule");
    let reason = world.webhook_stands("w", WebhookStatus::Disabled).await;
    assert_eq!(reason, "the receiver answered 410 Gone");
    let held = commit(&world, 3).await;
    control.received(4).await;
    for &id in &held {
        world.stands(id, DeliveryState::Held).await;
    }
    assert_eq!(gone.count(), 1);

    enable(&world, "w").await;
    for id in held {
        world.stands(id, DeliveryState::Delivered).await;
    }
}

#[tokio::test]
async fn failed_deliveries_in_a_row_disable_a_webhook_over_restarts() {
    let (down, control) = (Receiver::start().await, Receiver::start().await);
    let (good, bad) = (Answer::Status(200), Answer::Status(500));
    down.script([bad.clone(), bad.clone(), good]);
    down.otherwise(bad);
    let w = Webhook { disable_after: 2, concurrency: 1, retry: vec![SOON], ..webhook("w", &down) };
    let mut world = World::start(set(w, &control));
    let one = commit(&world, 1).await[0];
    world.stands(one, DeliveryState::Failed).await;
    let two = commit(&world, 1).await[0];
    world.stands(two, DeliveryState::Delivered).await;
    let three = commit(&world, 1).await[0];
    world.stands(three, DeliveryState::Failed).await;
    assert!(world.store.webhook_states().is_empty(), "one in a row");

    world.restart(HOUR).await;
    let four = commit(&world, 1).await[0];
    world.stands(four, DeliveryState::Failed).await;
    let reason = world.webhook_stands("w", WebhookStatus::Disabled).await;
    assert_eq!(reason, "2 failed deliveries in a row; the last: the receiver answered 500");

    enable(&world, "w").await;
    let five = commit(&world, 1).await[0];
    world.stands(five, DeliveryState::Failed).await;
    world.restart(HOUR).await;
    commit(&world, 1).await;
    world.webhook_stands("w", WebhookStatus::Disabled).await;
}

#[tokio::test]
async fn what_cannot_be_built_is_not_held_against_the_receiver() {
    let receiver = Receiver::start().await;
    let w = Webhook {
        pause_after: 1,
        disable_after: 1,
        signing_secret: Some(Secret::new("whsec_not base64!")),
        signatures: vec![Scheme::Standard],
        ..webhook("w", &receiver)
    };
    let control = Receiver::start().await;
    let world = World::start(set(w, &control));
    for id in commit(&world, 3).await {
        world.stands(id, DeliveryState::Failed).await;
    }
    assert!(world.store.webhook_states().is_empty());
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn the_last_words_of_a_receiver_count_also_when_we_are_stopping() {
    let (gone, control) = (Receiver::start().await, Receiver::start().await);
    let gate = Arc::new(Notify::new());
    gone.script([Answer::WaitFor(Arc::clone(&gate), 410)]);
    let world = World::start(set(webhook("w", &gone), &control));
    commit(&world, 1).await;
    gone.received(1).await;
    world.tasks.stop().stop();
    gate.notify_one();
    assert!(world.tasks.finished_within(crate::support::PATIENCE).await);
    world.webhook_stands("w", WebhookStatus::Disabled).await;
}
