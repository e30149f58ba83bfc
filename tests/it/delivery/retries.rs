//! What happens after a failed attempt.

use std::time::Duration;

use sidehook::model::*;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};

const SOON: Duration = Duration::from_millis(20);

#[tokio::test]
async fn failed_attempts_are_repeated_with_the_same_id_and_bytes() {
    let receiver = Receiver::start().await;
    // (A reset before the reply begins would be repeated within the attempt: docs/egress.md.)
    receiver.script([Answer::Status(500), Answer::ResetAfter(b"HTTP/1.1 2".to_vec())]);
    let world =
        World::start(vec![Webhook { retry: vec![SOON, SOON], ..webhook("flapping", &receiver) }]);
    let delivery = &world.commit("a").await[0];
    let done = world.stands(delivery.id, DeliveryState::Delivered).await;
    assert_eq!((done.attempts, done.response_code), (3, Some(200)));
    assert_eq!(done.error, None, "the last attempt went well");

    let received = receiver.received(3).await;
    assert_eq!(received.len(), 3);
    for (at, one) in received.iter().enumerate() {
        assert_eq!(one.header("webhook-id"), delivery.id.to_string());
        assert_eq!(one.header("x-webhook-attempt"), (at + 1).to_string());
        assert_eq!(one.body, received[0].body);
    }
    let attempts = world.attempts(delivery.id);
    let failures: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.failure()).collect();
    assert_eq!(failures.len(), 3);
    assert_eq!(failures[0], Some(&Failure::Rejected { status: 500 }));
    assert!(matches!(failures[1], Some(Failure::Broken { .. })), "{failures:?}");
    assert_eq!(failures[2], None);
    let Verdict::Retry { at } = attempts[0].verdict else { panic!("{:?}", attempts[0].verdict) };
    assert!(at.since(attempts[0].started_at) >= SOON);
    assert!(attempts[1].started_at >= at, "not before it was due");
}

#[tokio::test]
async fn at_the_end_of_the_schedule_it_has_visibly_failed() {
    let receiver = Receiver::start().await;
    receiver.otherwise(Answer::Status(503));
    let world =
        World::start(vec![Webhook { retry: vec![SOON, SOON], ..webhook("down", &receiver) }]);
    let delivery = &world.commit("a").await[0];
    let failed = world.stands(delivery.id, DeliveryState::Failed).await;
    assert_eq!((failed.attempts, failed.response_code), (3, Some(503)));
    assert_eq!(failed.next_attempt_at, None);
    assert_eq!(failed.error.as_deref(), Some("the receiver answered 503"));
    assert_eq!(world.attempts(delivery.id)[2].verdict, Verdict::Failed);
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_failed_delivery_goes_out_again_by_hand_and_counts_on() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500), Answer::Status(500)]);
    let world = World::start(vec![Webhook { retry: vec![SOON], ..webhook("healed", &receiver) }]);
    let delivery = &world.commit("a").await[0];
    world.stands(delivery.id, DeliveryState::Failed).await;

    receiver.script([Answer::Status(500)]);
    world.store.requeue(delivery.id).await.expect("durable").expect("known");
    let done = world.stands(delivery.id, DeliveryState::Delivered).await;
    assert_eq!(done.attempts, 4, "its schedule began again");
    let received = receiver.received(4).await;
    assert_eq!(received[3].header("x-webhook-attempt"), "4");
    assert_eq!(received[3].header("webhook-id"), delivery.id.to_string());
    assert_eq!(received[3].body, received[0].body);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_it_when_it_is_back() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Hang]);
    let short = Duration::from_millis(200);
    let world = World::start(vec![Webhook {
        timeout: short,
        retry: vec![SOON],
        ..webhook("slow", &receiver)
    }]);
    let delivery = &world.commit("a").await[0];
    world.stands(delivery.id, DeliveryState::Delivered).await;
    let attempts = world.attempts(delivery.id);
    let timed_out = Failure::TimedOut { phase: FailurePhase::Response, after_ms: 200 };
    assert_eq!(attempts[0].outcome.failure(), Some(&timed_out));
    assert!(attempts[0].duration_ms >= 200);
}
