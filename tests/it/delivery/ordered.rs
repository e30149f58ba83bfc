//! `ordered`: one at a time in the order of events, per subject where there is one.

use std::time::Duration;

use sidehook::model::*;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Received, Receiver};

const SOON: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// The labels in the order in which they came.
fn labels<'a>(received: &'a [Received], prefix: &str) -> Vec<&'a str> {
    let labels = received.iter().map(|one| one.header("x-webhook-event"));
    labels.filter(|label| label.starts_with(prefix)).collect()
}

#[tokio::test]
async fn retries_keep_the_order_of_a_subject() {
    let receiver = Receiver::start().await;
    let bad = Answer::Status(500);
    receiver.script([bad.clone(), bad.clone(), bad]);
    let webhook = Webhook { ordered: true, retry: vec![SOON; 5], ..webhook("w", &receiver) };
    let world = World::start(vec![webhook]);
    let mut ids = Vec::new();
    for n in 1..=4 {
        for subject in ["a", "b"] {
            let label = format!("{subject}.{n}");
            ids.push(world.commit_about(&label, subject).await[0].id);
        }
    }
    for id in ids {
        world.stands(id, DeliveryState::Delivered).await;
    }
    let received = receiver.received(8 + 3).await;
    for subject in ["a", "b"] {
        let mut order = labels(&received, subject);
        assert!(order.is_sorted(), "{order:?}");
        order.dedup();
        assert_eq!(order.len(), 4, "{order:?}");
    }
}

#[tokio::test]
async fn a_retry_holds_its_own_subject_only() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500)]);
    let webhook = Webhook { ordered: true, retry: vec![HOUR], ..webhook("w", &receiver) };
    let world = World::start(vec![webhook]);
    let first = world.commit_about("a.1", "a").await[0].id;
    world.recorded(first, 1).await;
    let mut later = Vec::new();
    for n in 2..=3 {
        later.push(world.commit_about(&format!("a.{n}"), "a").await[0].id);
    }
    for n in 1..=5 {
        let id = world.commit_about(&format!("b.{n}"), "b").await[0].id;
        world.stands(id, DeliveryState::Delivered).await;
    }
    for &id in &later {
        let one = world.store.delivery(id).expect("readable").expect("known");
        assert_eq!((one.state, one.attempts), (DeliveryState::Pending, 0));
    }

    world.store.requeue(first).await.expect("durable").expect("known");
    for id in later {
        world.stands(id, DeliveryState::Delivered).await;
    }
    let received = receiver.received(9).await;
    assert_eq!(labels(&received, "a"), ["a.1", "a.1", "a.2", "a.3"]);
    assert_eq!(labels(&received, "b"), ["b.1", "b.2", "b.3", "b.4", "b.5"]);
}

#[tokio::test]
async fn subjects_go_side_by_side() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Hang, Answer::Hang, Answer::Hang]);
    let webhook = Webhook { ordered: true, ..webhook("w", &receiver) };
    let world = World::start(vec![webhook]);
    for subject in ["a", "b", "c"] {
        for n in 1..=2 {
            world.commit_about(&format!("{subject}.{n}"), subject).await;
        }
    }
    let received = receiver.received(3).await;
    let mut labels = labels(&received, "");
    labels.sort_unstable();
    assert_eq!(labels, ["a.1", "b.1", "c.1"]);
}

#[tokio::test]
async fn without_subjects_there_is_one_order() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500), Answer::Reset]);
    let webhook = Webhook { ordered: true, retry: vec![SOON; 5], ..webhook("w", &receiver) };
    let world = World::start(vec![webhook]);
    let mut ids = Vec::new();
    for n in 1..=6 {
        ids.push(world.commit(&format!("x.{n}")).await[0].id);
    }
    for id in ids {
        world.stands(id, DeliveryState::Delivered).await;
    }
    let received = receiver.received(8).await;
    let expected = ["x.1", "x.1", "x.1", "x.2", "x.3", "x.4", "x.5", "x.6"];
    assert_eq!(labels(&received, "x"), expected);
}

#[tokio::test]
async fn a_delivery_that_is_given_up_makes_way_for_the_next() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500)]);
    let world = World::start(vec![Webhook { ordered: true, ..webhook("w", &receiver) }]);
    let first = world.commit_about("a.1", "a").await[0].id;
    let second = world.commit_about("a.2", "a").await[0].id;
    world.stands(first, DeliveryState::Failed).await;
    world.stands(second, DeliveryState::Delivered).await;
}
