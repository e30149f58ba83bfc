//! When each dialect tries again, and what becomes of a receiver that never accepts.

use std::time::Duration;

use super::stand::{Stand, as_written};
use crate::support::receiver::Answer;

/// The recipe's first webhook: waits in seconds, `disable_after`, `pause_after`.
fn schedule(recipe: &str) -> (Vec<u64>, u32, u32) {
    let webhook = as_written(recipe).webhooks.remove(0);
    let waits = webhook.retry.iter().map(Duration::as_secs).collect();
    (waits, webhook.disable_after, webhook.pause_after)
}

/// The recipe with the same number of waits, all of them short.
fn in_a_hurry(recipe: &str) -> Stand {
    Stand::adjusted(recipe, "201 Created", "{}", |config| {
        let webhook = &mut config.webhooks[0];
        webhook.retry.fill(Duration::from_millis(20));
    })
}

#[test]
fn every_recipe_has_the_schedule_of_its_dialect() {
    let default = vec![60, 300, 1800, 3600, 21_600];
    assert_eq!(schedule("tasks"), (vec![60, 300, 1800], 1, 0));
    assert_eq!(schedule("typed"), (default.clone(), 0, 0));
    for recipe in ["apio", "vikunja", "wireguard-portal", "github", "stripe", "slack", "discord"] {
        assert_eq!(schedule(recipe), (default.clone(), 0, 10), "{recipe}");
    }
}

#[test]
fn the_task_api_is_disabled_after_four_attempts_and_loses_nothing() {
    let stand = in_a_hurry("tasks");
    stand.receiver.otherwise(Answer::Status(500));
    assert_eq!(stand.call("POST", "/api/v1/tasks", "{}"), 201);
    let failed = stand.deliveries("failed", 1);
    assert_eq!(failed[0]["attempts"], 4, "{failed:?}");
    let requests = stand.received(4);
    let numbers: Vec<&str> = requests.iter().map(|r| r.header("x-webhook-attempt")).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    let first = &requests[0];
    assert!(requests.iter().all(|r| r.body == first.body), "the same bytes each time");
    // Now it is disabled: what comes after is held, not sent.
    stand.receiver.otherwise(Answer::Status(200));
    assert_eq!(stand.call("POST", "/api/v1/tasks", "{}"), 201);
    stand.deliveries("held", 1);
    assert_eq!(stand.receiver.count(), 4);
}

#[test]
fn the_typed_api_gets_six_attempts_and_then_it_is_failed() {
    let stand = in_a_hurry("typed");
    stand.receiver.otherwise(Answer::Status(503));
    assert_eq!(stand.call("POST", "/v1/orders", "{}"), 201);
    let failed = stand.deliveries("failed", 1);
    assert_eq!((&failed[0]["attempts"], &failed[0]["response_code"]), (&6.into(), &503.into()));
    assert_eq!(stand.receiver.count(), 6);
    // The webhook itself goes on.
    stand.receiver.otherwise(Answer::Status(200));
    assert_eq!(stand.call("POST", "/v1/orders", "{}"), 201);
    stand.deliveries("delivered", 1);
}
