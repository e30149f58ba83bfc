//! Events and deliveries again, and no more.

use serde_json::{Value, json};
use sidehook::model::*;

use super::desk::{Desk, assert_problem, fields, json, rejected};
use crate::support::client::Reply;

const NOBODY: &str = "70195486-8934-4a31-a504-a97a72c7f322";

async fn post(desk: &Desk, path: &str, body: Value) -> Reply {
    desk.send("POST", path, "content-type: application/json\r\n", &body.to_string()).await
}

#[tokio::test]
async fn a_delivery_that_waits_is_cancelled() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    for delivery in &deliveries {
        let path = format!("/v1/deliveries/{}/cancel", delivery.id);
        let reply = desk.send("POST", &path, "", "").await;
        assert_eq!((reply.status(), &json(&reply)["status"]), (200, &json!("cancelled")));
        assert_problem(&desk.send("POST", &path, "", "").await, 409, "ended");
    }
    let metrics = desk.get("/metrics").await.text();
    let counted = "deliveries_finished_total{webhook=\"billing\",status=\"cancelled\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    let unknown = format!("/v1/deliveries/{NOBODY}/cancel");
    assert_problem(&desk.send("POST", &unknown, "", "").await, 404, "not_found");
}

#[tokio::test]
async fn an_event_is_replayed_to_all_or_to_some() {
    let desk = Desk::open().await;
    let (event, _) = desk.commit("task.created", 1).await;
    desk.attempt(rejected(), Verdict::Failed).await;
    let path = format!("/v1/events/{event}/replay");
    let reply = desk.send("POST", &path, "", "").await;
    assert_eq!((reply.status(), json(&reply)), (202, json!({"count": 2})));
    let billing = WebhookId::of_name("billing").to_string();
    let reply = post(&desk, &path, json!({"webhooks": [billing]})).await;
    assert_eq!((reply.status(), json(&reply)), (202, json!({"count": 1})));

    let unknown = format!("wh_{}", NOBODY.replace('-', ""));
    let body = json!({"webhooks": [billing, unknown, "x"], "events": 1});
    let mut named = fields(&post(&desk, &path, body).await);
    named.sort_unstable();
    assert_eq!(named, ["events", "webhooks[1]", "webhooks[2]"]);
    assert_eq!(fields(&post(&desk, &path, json!({"webhooks": []})).await), ["webhooks"]);
    let unknown = format!("/v1/events/{NOBODY}/replay");
    assert_problem(&desk.send("POST", &unknown, "", "").await, 404, "not_found");
}

#[tokio::test]
async fn what_failed_is_recovered_in_the_background() {
    let desk = Desk::open().await;
    for n in 0..3 {
        desk.commit("task.created", n).await;
        desk.attempt(rejected(), Verdict::Failed).await;
    }
    let path = format!("/v1/webhooks/{}/recover", WebhookId::of_name("billing"));
    let reply = post(&desk, &path, json!({"dry_run": true})).await;
    assert_eq!((reply.status(), json(&reply)), (200, json!({"count": 3})));
    let past = json!({"dry_run": true, "until": "2020-01-01T00:00:00Z"});
    assert_eq!(json(&post(&desk, &path, past).await), json!({"count": 0}));
    let cancelled = json!({"dry_run": true, "status": "cancelled", "backfill": true});
    assert_eq!(json(&post(&desk, &path, cancelled).await), json!({"count": 0}));

    let reply = desk.send("POST", &path, "", "").await;
    let started = json(&reply);
    assert_eq!((reply.status(), &started["count"]), (202, &json!(3)), "{started}");
    let one = format!("/v1/recoveries/{}", started["id"].as_str().expect("an id"));
    let recoveries = || desk.store.recoveries();
    crate::support::until("it is done", || recoveries()[0].ended_at.is_some()).await;
    let recovery = desk.json(&one).await;
    assert_eq!((&recovery["status"], &recovery["done"]), (&json!("done"), &json!(3)));
    assert_eq!(recovery["asked"]["status"], "failed");
    let listed = json!({"data": [recovery], "next": null});
    assert_eq!(desk.json("/v1/recoveries?limit=1").await, listed);
    let listed = desk.json("/v1/deliveries?status=pending").await;
    assert_eq!(listed["data"].as_array().expect("a list").len(), 3);
    let stopped = desk.send("POST", &format!("{one}/stop"), "", "").await;
    assert_eq!((stopped.status(), &json(&stopped)["status"]), (200, &json!("done")));
}

#[tokio::test]
async fn a_recovery_that_makes_no_sense_is_refused() {
    let desk = Desk::open().await;
    let path = format!("/v1/webhooks/{}/recover", WebhookId::of_name("billing"));
    for (body, named) in [
        (json!({"status": "pending"}), &["status"][..]),
        (json!({"since": "yesterday", "dry_run": 1}), &["since", "dry_run"]),
        (json!({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}), &["until"]),
        (json!({"state": "failed"}), &["state"]),
    ] {
        assert_eq!(fields(&post(&desk, &path, body.clone()).await), named, "{body}");
    }
    let unknown = format!("/v1/webhooks/{NOBODY}/recover");
    assert_problem(&desk.send("POST", &unknown, "", "").await, 404, "not_found");
    let unknown = format!("/v1/recoveries/{NOBODY}");
    assert_problem(&desk.get(&unknown).await, 404, "not_found");
    assert_problem(&desk.send("POST", &format!("{unknown}/stop"), "", "").await, 404, "not_found");
    assert_problem(&desk.get("/v1/recoveries/x").await, 404, "not_found");
}
