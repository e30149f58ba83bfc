//! One receiver's trouble is not another's.

use sidehook::model::*;
use sidehook::store::OnFailure;

use super::world::{World, new_event, webhook};
use crate::support::receiver::{Answer, Receiver};

#[tokio::test]
async fn a_hanging_receiver_does_not_delay_another() {
    let (hanging, good) = (Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Answer::Hang);
    let world = World::start(vec![
        Webhook { concurrency: 2, ..webhook("hanging", &hanging) },
        webhook("good", &good),
    ]);
    for _ in 0..20 {
        world.commit("a").await;
    }
    good.received(20).await;
    assert_eq!(hanging.received(2).await.len(), 2, "as many as it may have at a time");
}

#[tokio::test]
async fn hanging_receivers_do_not_take_the_last_places() {
    let (hanging, good) = (Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Answer::Hang);
    let greedy = |name| Webhook { concurrency: 100, ..webhook(name, &hanging) };
    let label = |label, webhook| Webhook { events: vec![LabelPattern::new(label)], ..webhook };
    let world = World::start_with(
        vec![
            label("first", greedy("first")),
            label("first", greedy("second")),
            label("late", webhook("good", &good)),
        ],
        4,
        &["127.0.0.0/8"],
    );
    for _ in 0..20 {
        world.commit("first").await;
    }
    hanging.received(3).await;
    for _ in 0..5 {
        world.commit("late").await;
    }
    good.received(5).await;
}

#[tokio::test]
async fn what_is_held_goes_out_when_its_webhook_is_active_again() {
    let (paused, control) = (Receiver::start().await, Receiver::start().await);
    let set = |active| {
        vec![Webhook { active, ..webhook("paused", &paused) }, webhook("control", &control)]
    };
    let world = World::start(set(false));
    let deliveries = world.commit("a").await;
    control.received(1).await;
    let held = deliveries.iter().find(|one| one.webhook_id == WebhookId::of_name("paused"));
    let held = held.expect("queued all the same").id;
    world.stands(held, DeliveryState::Held).await;
    assert_eq!(paused.connections(), 0);

    world.store.set_webhooks(set(true));
    world.stands(held, DeliveryState::Delivered).await;
    assert_eq!(paused.received(1).await[0].header("webhook-id"), held.to_string());
}

#[tokio::test]
async fn a_webhook_whose_events_cannot_be_read_does_not_stop_another() {
    let (unread, good) = (Receiver::start().await, Receiver::start().await);
    let only = |label, webhook| Webhook { events: vec![LabelPattern::new(label)], ..webhook };
    let set = |active| {
        vec![
            Webhook { active, concurrency: 1, ..only("unread", webhook("unread", &unread)) },
            only("good", webhook("good", &good)),
        ]
    };
    let world = World::start(set(false));
    world.commit("unread").await;
    let mut filler = new_event("filler");
    filler.exchange.response.body = Body::complete(vec![b'x'; 2 << 20]);
    world.store.commit(filler, OnFailure::Refuse).await.expect("fills the segment");
    // Reads of a directory fail otherwise than of a file that is damaged or gone.
    let segment = world.journal().join("00000001.seg");
    std::fs::remove_file(&segment).expect("removed");
    std::fs::create_dir(&segment).expect("created");
    world.store.set_webhooks(set(true));
    world.commit("good").await;
    good.received(1).await;
    assert_eq!(unread.connections(), 0);
    // Nor what comes behind it in its own lane, though that takes one at a time.
    let later = world.commit("unread").await[0].id;
    world.stands(later, DeliveryState::Delivered).await;
}

#[tokio::test]
async fn hundreds_of_webhooks_each_get_theirs_beside_those_that_hang_or_fail() {
    let (good, hanging, failing) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Answer::Hang);
    failing.otherwise(Answer::Status(500));
    let mut webhooks: Vec<_> = (0..300).map(|n| webhook(&format!("good-{n}"), &good)).collect();
    let greedy = |name, receiver| Webhook { concurrency: 100, ..webhook(name, receiver) };
    webhooks.extend([greedy("hanging", &hanging), greedy("failing", &failing)]);
    let world = World::start_with(webhooks, 64, &["127.0.0.0/8"]);
    world.commit("a").await;
    good.received(300).await;
    hanging.received(1).await;
    failing.received(1).await;
    world.commit("b").await;
    let received = good.received(600).await;
    let ids: std::collections::HashSet<_> =
        received.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 600, "each its own, once");
}
