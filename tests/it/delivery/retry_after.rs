//! A receiver that says when it wants to be asked again.

use std::time::Duration;

use sidehook::model::*;

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

const SOON: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

const fn in_an_hour(status: u16) -> Answer {
    Answer::With { status, headers: &[("retry-after", "3600")] }
}

/// What else is sent to the webhook while it waits: the other one shows that all had their turn.
async fn others_wait(world: &World, waiting: &Receiver, control: &Receiver) {
    let id = WebhookId::of_name("w");
    until("its receiver has asked for rest", || {
        world.store.webhook_states().get(&id).is_some_and(|state| state.rests_until.is_some())
    })
    .await;
    let n_before = waiting.count();
    let mut late = Vec::new();
    for _ in 0..5 {
        let deliveries = world.commit("late").await;
        late.extend(deliveries.into_iter().filter(|one| one.webhook_id == WebhookId::of_name("w")));
    }
    control.received(6).await;
    for one in late {
        let one = world.store.delivery(one.id).expect("readable").expect("known");
        assert_eq!((one.state, one.attempts), (DeliveryState::Pending, 0));
    }
    assert_eq!(waiting.count(), n_before, "not one attempt more");
}

#[tokio::test]
async fn the_whole_webhook_waits_as_long_as_its_receiver_asks() {
    for status in [429, 503] {
        let (busy, control) = (Receiver::start().await, Receiver::start().await);
        busy.script([in_an_hour(status)]);
        let world = World::start(vec![
            Webhook { retry: vec![SOON], ..webhook("w", &busy) },
            webhook("control", &control),
        ]);
        let first = world.commit("first").await;
        let first = first.iter().find(|one| one.webhook_id == WebhookId::of_name("w"));
        let id = first.expect("it wants it").id;
        busy.received(1).await;
        let attempts = world.recorded(id, 1).await;
        let Verdict::Retry { at } = attempts[0].verdict else { panic!("{attempts:?}") };
        assert!(at.since(attempts[0].started_at) >= HOUR, "the later of both");
        others_wait(&world, &busy, &control).await;
    }
}

#[tokio::test]
async fn when_the_time_has_come_it_goes_on() {
    let busy = Receiver::start().await;
    busy.script([Answer::With { status: 503, headers: &[("retry-after", "1")] }]);
    let webhook = Webhook { retry: vec![SOON], concurrency: 1, ..webhook("w", &busy) };
    let world = World::start(vec![webhook]);
    let (first, second) = (world.commit("a").await[0].id, world.commit("b").await[0].id);
    world.stands(first, DeliveryState::Delivered).await;
    world.stands(second, DeliveryState::Delivered).await;
    let refused = &world.attempts(first)[0];
    assert_eq!(refused.outcome.failure(), Some(&Failure::Rejected { status: 503 }));
    let wanted = refused.started_at.plus(Duration::from_secs(1));
    for attempt in [&world.attempts(first)[1], &world.attempts(second)[0]] {
        assert!(attempt.started_at >= wanted, "{attempt:?}");
    }
}

#[tokio::test]
async fn at_the_end_of_its_schedule_a_delivery_fails_and_the_others_wait_all_the_same() {
    let (busy, control) = (Receiver::start().await, Receiver::start().await);
    busy.script([in_an_hour(429)]);
    let world = World::start(vec![webhook("w", &busy), webhook("control", &control)]);
    for one in world.commit("first").await {
        let is_w = one.webhook_id == WebhookId::of_name("w");
        let state = if is_w { DeliveryState::Failed } else { DeliveryState::Delivered };
        world.stands(one.id, state).await;
    }
    others_wait(&world, &busy, &control).await;
}

#[tokio::test]
async fn nonsense_and_other_answers_leave_the_schedule_as_it_is() {
    for answer in [
        Answer::With { status: 503, headers: &[("retry-after", "tomorrow")] },
        Answer::With { status: 500, headers: &[("retry-after", "3600")] },
        Answer::With { status: 429, headers: &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")] },
        Answer::With { status: 503, headers: &[] },
    ] {
        let receiver = Receiver::start().await;
        receiver.script([answer]);
        let world = World::start(vec![Webhook { retry: vec![SOON], ..webhook("w", &receiver) }]);
        let id = world.commit("a").await[0].id;
        world.stands(id, DeliveryState::Delivered).await;
        assert_eq!(receiver.count(), 2);
    }
}

#[tokio::test]
async fn a_year_is_a_day() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::With { status: 503, headers: &[("retry-after", "31536000")] }]);
    let world = World::start(vec![Webhook { retry: vec![SOON], ..webhook("w", &receiver) }]);
    let id = world.commit("a").await[0].id;
    let attempts = world.recorded(id, 1).await;
    let Verdict::Retry { at } = attempts[0].verdict else { panic!("{attempts:?}") };
    let end = attempts[0].started_at.plus(Duration::from_millis(attempts[0].duration_ms + 1000));
    assert!(at >= attempts[0].started_at.plus(24 * HOUR), "{at}");
    assert!(at <= end.plus(24 * HOUR), "{at}");
}

#[tokio::test]
async fn who_disables_and_enables_it_need_not_wait() {
    let (busy, control) = (Receiver::start().await, Receiver::start().await);
    busy.script([in_an_hour(429)]);
    let world = World::start(vec![webhook("w", &busy), webhook("control", &control)]);
    world.commit("first").await;
    busy.received(1).await;
    others_wait(&world, &busy, &control).await;

    let id = WebhookId::of_name("w");
    for status in [WebhookStatus::Disabled, WebhookStatus::Active] {
        let state = WebhookState {
            status,
            since: sidehook::clock::now(),
            reason: None,
            overrides_file: false,
            rests_until: None,
        };
        world.store.set_webhook_state(id, state).await.expect("durable");
        let n = control.count() + 1;
        world.commit("meanwhile").await;
        control.received(n).await;
    }
    busy.received(1 + 5 + 2).await;
}
