//! A test goes to one webhook, now, in one attempt that is not held against it.

use std::time::Duration;

use sidehook::model::*;
use sidehook::store::OnFailure;

use super::world::{World, deliveries_of, new_event, webhook};
use crate::support::receiver::{Answer, Receiver};

const HOUR: Duration = Duration::from_secs(3600);

/// Commits a test of a webhook and gives its only delivery.
async fn test(world: &World, name: &str) -> DeliveryId {
    let test_of = Some(WebhookId::of_name(name));
    let event = NewEvent { test_of, ..new_event("anything.at-all") };
    let id = event.id;
    world.store.commit(event, OnFailure::Refuse).await.expect("durable");
    let deliveries = deliveries_of(&world.store, id).await;
    assert_eq!(deliveries.len(), 1, "for nobody else");
    assert_eq!(deliveries[0].webhook_id, WebhookId::of_name(name));
    deliveries[0].id
}

#[tokio::test]
async fn it_goes_to_that_webhook_alone_whatever_it_wants() {
    let receiver = Receiver::start().await;
    let wants_little =
        Webhook { events: vec![LabelPattern::new("other")], ..webhook("w", &receiver) };
    let world = World::start(vec![webhook("all", &receiver), wants_little]);
    let id = test(&world, "w").await;
    world.stands(id, DeliveryState::Delivered).await;
    assert_eq!(receiver.count(), 1);
    assert_eq!(receiver.received(1).await[0].header("x-webhook-event"), "anything.at-all");
}

#[tokio::test]
async fn a_failed_one_is_failed_at_once_and_not_held_against_the_webhook() {
    let receiver = Receiver::start().await;
    receiver.otherwise(Answer::With { status: 503, headers: &[("retry-after", "3600")] });
    receiver.script([Answer::Status(410), Answer::Status(500)]);
    let strict = Webhook {
        retry: vec![HOUR; 3],
        pause_after: 1,
        disable_after: 1,
        ..webhook("w", &receiver)
    };
    let told =
        Webhook { events: vec![LabelPattern::new("sidehook.*")], ..webhook("told", &receiver) };
    let mut world = World::start_probing(vec![strict, told], HOUR);
    for _ in 0..3 {
        let id = test(&world, "w").await;
        let delivery = world.stands(id, DeliveryState::Failed).await;
        assert_eq!((delivery.attempts, delivery.next_attempt_at), (1, None));
    }
    assert_eq!(receiver.count(), 3, "nobody is told by an event");
    // Neither paused nor disabled, nor waiting as the receiver asked; after a restart neither.
    world.restart(HOUR).await;
    assert_eq!(world.store.failed_in_a_row(WebhookId::of_name("w"), 9).expect("readable"), 0);
    receiver.otherwise(Answer::Status(200));
    let delivery = world.commit("a").await[0].id;
    world.stands(delivery, DeliveryState::Delivered).await;
    world.webhook_stands("w", WebhookStatus::Active).await;
}

#[tokio::test]
async fn it_reaches_a_disabled_webhook_which_stays_so() {
    let receiver = Receiver::start().await;
    let world = World::start(vec![Webhook { active: false, ..webhook("w", &receiver) }]);
    let id = test(&world, "w").await;
    world.stands(id, DeliveryState::Delivered).await;
    let held = world.commit("a").await[0].id;
    world.stands(held, DeliveryState::Held).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn one_that_is_accepted_ends_a_pause() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500)]);
    let pausing = Webhook { retry: vec![HOUR], pause_after: 1, ..webhook("w", &receiver) };
    let world = World::start_probing(vec![pausing], HOUR);
    world.commit("a").await;
    world.webhook_stands("w", WebhookStatus::Paused).await;
    let id = test(&world, "w").await;
    world.stands(id, DeliveryState::Delivered).await;
    world.webhook_stands("w", WebhookStatus::Active).await;
}

#[tokio::test]
async fn it_keeps_out_of_the_order_of_events() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500)]);
    let ordered = Webhook { ordered: true, retry: vec![HOUR], ..webhook("w", &receiver) };
    let world = World::start(vec![ordered]);
    let first = world.commit("a").await[0].id;
    world.recorded(first, 1).await;
    let id = test(&world, "w").await;
    world.stands(id, DeliveryState::Delivered).await;
    assert_eq!(world.attempts(first).len(), 1, "the first of its chain waits as before");
}

#[tokio::test]
async fn nothing_is_sent_to_a_webhook_that_cannot_be_used() {
    let receiver = Receiver::start().await;
    let unusable = Webhook { unusable: Some("because".to_owned()), ..webhook("w", &receiver) };
    let world = World::start(vec![unusable.clone(), webhook("other", &receiver)]);
    let waiting = test(&world, "w").await;
    let deliveries = world.commit("a").await;
    for delivery in &deliveries {
        let (other, state) = (WebhookId::of_name("other"), DeliveryState::Delivered);
        let state = if delivery.webhook_id == other { state } else { DeliveryState::Held };
        world.stands(delivery.id, state).await;
    }
    assert_eq!(receiver.count(), 1);
    let stands = world.store.webhook_status(&unusable);
    assert_eq!(stands, (WebhookStatus::Disabled, Some("because".to_owned())));
    // When it can be used again, what waited goes out.
    world.store.set_webhooks(vec![webhook("w", &receiver), webhook("other", &receiver)]);
    world.stands(waiting, DeliveryState::Delivered).await;
}
