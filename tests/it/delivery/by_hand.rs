//! What somebody sends again by hand goes out now, whatever the webhook waits for.

use std::time::Duration;

use sidehook::model::*;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};

const HOUR: Duration = Duration::from_secs(3600);
const OK: Answer = Answer::Status(200);

/// A webhook with one delivery that waits for an hour.
async fn waiting(receiver: &Receiver, change: impl FnOnce(&mut Webhook)) -> (World, DeliveryId) {
    let mut webhook = Webhook { retry: vec![HOUR; 3], ..webhook("w", receiver) };
    change(&mut webhook);
    let world = World::start_probing(vec![webhook], HOUR);
    let id = world.commit("a").await[0].id;
    world.recorded(id, 1).await;
    (world, id)
}

async fn again(world: &World, id: DeliveryId) {
    world.store.requeue(id).await.expect("stored").expect("known");
}

#[tokio::test]
async fn a_receiver_that_asked_to_wait_is_asked_all_the_same() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::With { status: 503, headers: &[("retry-after", "3600")] }, OK]);
    let (world, id) = waiting(&receiver, |_| {}).await;
    let other = world.commit("b").await[0].id;
    again(&world, id).await;
    world.stands(id, DeliveryState::Delivered).await;
    assert_eq!(world.attempts(other).len(), 0, "the others go on waiting");
}

#[tokio::test]
async fn a_paused_webhook_is_probed_with_it_and_recovers() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500), OK]);
    let (world, id) = waiting(&receiver, |webhook| webhook.pause_after = 1).await;
    world.webhook_stands("w", WebhookStatus::Paused).await;
    again(&world, id).await;
    world.stands(id, DeliveryState::Delivered).await;
    world.webhook_stands("w", WebhookStatus::Active).await;
}

#[tokio::test]
async fn a_disabled_webhook_gets_that_one_and_stays_disabled() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(410), OK]);
    let (world, id) = waiting(&receiver, |_| {}).await;
    world.webhook_stands("w", WebhookStatus::Disabled).await;
    let other = world.commit("b").await[0].id;
    again(&world, id).await;
    world.stands(id, DeliveryState::Delivered).await;
    world.webhook_stands("w", WebhookStatus::Disabled).await;
    world.stands(other, DeliveryState::Held).await;
    assert_eq!(receiver.count(), 2);
}

/// One attempt is asked for: its failure does not make two of it.
#[tokio::test]
async fn it_is_one_attempt_and_then_the_schedule() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500), Answer::Status(500)]);
    let (world, id) = waiting(&receiver, |_| {}).await;
    again(&world, id).await;
    let attempts = world.recorded(id, 2).await;
    let Verdict::Retry { at } = attempts[1].verdict else { panic!("{attempts:?}") };
    assert!(at.since(attempts[1].started_at) >= HOUR / 2);
    // Another delivery has its turn meanwhile.
    let other = world.commit("b").await[0].id;
    world.stands(other, DeliveryState::Delivered).await;
    assert_eq!(world.attempts(id).len(), 2);
}

/// The limit is the operator's own word, and many may be sent again at a time.
#[tokio::test]
async fn a_limited_webhook_gets_no_more_than_its_limit() {
    let (limited, good) = (Receiver::start().await, Receiver::start().await);
    let rate_limit = Some(RateLimit { n: 1, per: HOUR });
    let webhooks =
        vec![Webhook { rate_limit, ..webhook("limited", &limited) }, webhook("good", &good)];
    let world = World::start(webhooks);
    let deliveries = world.commit("a").await;
    for delivery in &deliveries {
        world.stands(delivery.id, DeliveryState::Delivered).await;
    }
    for delivery in &deliveries {
        again(&world, delivery.id).await;
    }
    good.received(2).await;
    world.commit("b").await;
    good.received(3).await;
    assert_eq!(limited.count(), 1);
}

#[tokio::test]
async fn a_limited_webhook_gets_all_of_them_in_time() {
    let receiver = Receiver::start().await;
    let asks = Answer::With { status: 503, headers: &[("retry-after", "3600")] };
    receiver.script([asks]);
    let rate_limit = Some(RateLimit { n: 20, per: Duration::from_secs(1) });
    let (world, id) = waiting(&receiver, |webhook| webhook.rate_limit = rate_limit).await;
    for _ in 0..25 {
        again(&world, id).await;
        world.stands(id, DeliveryState::Delivered).await;
    }
}

/// Nor do those that hang take the last places.
#[tokio::test]
async fn many_sent_to_a_receiver_that_hangs_leave_a_place_for_others() {
    let (hanging, good) = (Receiver::start().await, Receiver::start().await);
    let only = |label, webhook| Webhook { events: vec![LabelPattern::new(label)], ..webhook };
    let webhooks =
        vec![only("hanging", webhook("hanging", &hanging)), only("good", webhook("good", &good))];
    let world = World::start_with(webhooks, 2, &["127.0.0.0/8"]);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.commit("hanging").await[0].id);
    }
    for &id in &ids {
        world.stands(id, DeliveryState::Delivered).await;
    }
    hanging.otherwise(Answer::Hang);
    for &id in &ids {
        again(&world, id).await;
    }
    hanging.received(6).await;
    world.commit("good").await;
    good.received(1).await;
}
