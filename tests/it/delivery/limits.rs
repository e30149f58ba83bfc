//! `rate_limit`.

use std::time::Duration;

use sidehook::model::*;

use super::world::{World, webhook};
use crate::support::receiver::Receiver;

#[tokio::test]
async fn a_limited_webhook_gets_its_share_and_the_others_are_not_slowed_down() {
    let (slow, good) = (Receiver::start().await, Receiver::start().await);
    let rate_limit = Some(RateLimit { n: 1, per: Duration::from_secs(3600) });
    let limited = |name| Webhook { rate_limit, ..webhook(name, &slow) };
    // Two places in all: a limited webhook keeps none of them.
    let webhooks = vec![limited("one"), limited("two"), webhook("good", &good)];
    let world = World::start_with(webhooks, 2, &["127.0.0.0/8"]);
    for _ in 0..10 {
        world.commit("a").await;
    }
    good.received(10).await;
    assert_eq!(slow.received(2).await.len(), 2, "one an hour each");
}

#[tokio::test]
async fn beyond_the_burst_it_goes_on_at_the_rate() {
    let receiver = Receiver::start().await;
    let rate_limit = Some(RateLimit { n: 10, per: Duration::from_secs(1) });
    let world = World::start(vec![Webhook { rate_limit, ..webhook("w", &receiver) }]);
    let mut ids = Vec::new();
    for _ in 0..13 {
        ids.push(world.commit("a").await[0].id);
    }
    for id in &ids {
        world.stands(*id, DeliveryState::Delivered).await;
    }
    let mut started: Vec<_> = ids.iter().map(|&id| world.attempts(id)[0].started_at).collect();
    started.sort();
    // Never faster: the 13th has waited for three tokens. (Timestamps are cut to milliseconds.)
    let took = started[12].since(started[0]);
    assert!(took >= Duration::from_millis(298), "{took:?}");
}
