//! Webhooks that change, go and come back while attempts are under way.

use std::sync::Arc;

use sidehook::model::*;
use tokio::sync::Notify;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};

#[tokio::test]
async fn a_webhook_that_goes_and_comes_back_keeps_to_its_concurrency() {
    let (slow, control) = (Receiver::start().await, Receiver::start().await);
    let gate = Arc::new(Notify::new());
    slow.script([Answer::Wait(Arc::clone(&gate))]);
    let w = Webhook { concurrency: 1, ..webhook("w", &slow) };
    let both = || vec![w.clone(), webhook("control", &control)];
    let world = World::start(both());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let all = world.commit("a").await;
        ids.extend(all.iter().filter(|one| one.webhook_id == w.id).map(|one| one.id));
    }
    slow.received(1).await;
    control.received(2).await;

    world.store.set_webhooks(vec![webhook("control", &control)]);
    world.commit("b").await;
    control.received(3).await;
    world.store.set_webhooks(both());
    world.commit("c").await;
    control.received(4).await;
    // The one beside it has had its turn twice: so has this one.
    assert_eq!(slow.count(), 1, "the attempt from before is still under way");

    gate.notify_one();
    for id in ids {
        world.stands(id, DeliveryState::Delivered).await;
    }
    slow.received(3).await;
}
