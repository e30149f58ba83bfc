//! How webhooks stand: shown everywhere alike, changed by hand.

use serde_json::json;
use sidehook::model::{WebhookId, WebhookState, WebhookStatus};

use super::desk::{Desk, assert_problem, json};
use crate::support::client::Reply;

async fn patch(desk: &Desk, name: &str, body: &str) -> Reply {
    let path = format!("/v1/webhooks/{}", WebhookId::of_name(name));
    desk.send("PATCH", &path, "content-type: application/json\r\n", body).await
}

async fn set(desk: &Desk, status: WebhookStatus, reason: &str) {
    let state = WebhookState {
        status,
        reason: Some(reason.to_owned()),
        since: sidehook::clock::now(),
        overrides_file: false,
        rests_until: None,
    };
    let id = WebhookId::of_name("billing");
    desk.store.set_webhook_state(id, state).await.expect("durable");
}

/// The status of `billing` as the API, the status page and the metrics tell it.
async fn assert_status(desk: &Desk, status: &str) {
    let id = WebhookId::of_name("billing").to_string();
    assert_eq!(desk.json(&format!("/v1/webhooks/{id}")).await["status"], status);
    let listed = desk.json("/v1/webhooks").await;
    let listed = listed["data"].as_array().expect("a list");
    assert_eq!(listed.iter().find(|one| one["id"] == *id).expect("listed")["status"], status);
    let told = desk.json("/v1/status").await;
    let told = told["webhooks"].as_array().expect("a list");
    assert_eq!(told.iter().find(|one| one["id"] == *id).expect("told")["status"], status);
    let metrics = desk.get("/metrics").await.text();
    for each in ["active", "disabled", "paused"] {
        let value = u8::from(each == status);
        let series =
            format!(r#"sidehook_webhook_status{{webhook="billing",status="{each}"}} {value}"#);
        assert!(metrics.lines().any(|line| line == series), "{series} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_status_is_told_everywhere_with_its_reason() {
    let desk = Desk::open().await;
    assert_status(&desk, "active").await;
    set(&desk, WebhookStatus::Paused, "10 failed attempts in a row").await;
    assert_status(&desk, "paused").await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let delivery = desk.json(&format!("/v1/deliveries/{}", deliveries[0].id)).await;
    assert_eq!(delivery["status"], "held");
    set(&desk, WebhookStatus::Disabled, "the receiver answered 410 Gone").await;
    assert_status(&desk, "disabled").await;
    let path = format!("/v1/webhooks/{}", WebhookId::of_name("billing"));
    let shown = desk.json(&path).await;
    assert_eq!(shown["disabled_reason"], "the receiver answered 410 Gone");
}

#[tokio::test]
async fn status_is_changed_by_hand() {
    let desk = Desk::open().await;
    let reply = patch(&desk, "billing", r#"{"status": "disabled"}"#).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let shown = json(&reply);
    assert_eq!(shown["name"], "billing");
    assert_eq!(shown["status"], "disabled");
    assert_eq!(shown["disabled_reason"], "disabled by an operator");
    assert_status(&desk, "disabled").await;
    let reply = patch(&desk, "billing", r#"{"status": "active"}"#).await;
    assert_eq!((reply.status(), &json(&reply)["disabled_reason"]), (200, &json!(null)));
    assert_status(&desk, "active").await;

    set(&desk, WebhookStatus::Paused, "10 failed attempts in a row").await;
    assert_eq!(json(&patch(&desk, "billing", r#"{"status":"active"}"#).await)["status"], "active");
    set(&desk, WebhookStatus::Disabled, "the receiver answered 410 Gone").await;
    let shown = json(&patch(&desk, "billing", r#"{"status":"disabled"}"#).await);
    assert_eq!(shown["disabled_reason"], "the receiver answered 410 Gone", "it keeps its reason");
}

#[tokio::test]
async fn of_what_the_file_says_only_the_status_is_changed_here() {
    let desk = Desk::open().await;
    for (status, reason) in
        [("active", json!(null)), ("disabled", json!("disabled by an operator"))]
    {
        let reply = patch(&desk, "audit", &format!(r#"{{"status": "{status}"}}"#)).await;
        assert_eq!((reply.status(), &json(&reply)["status"]), (200, &json!(status)));
        assert_eq!(json(&reply)["disabled_reason"], reason);
    }
    for body in [r#"{"url": "https://x.example/"}"#, r#"{"status": "active", "retry": []}"#] {
        let reply = patch(&desk, "billing", body).await;
        assert_problem(&reply, 409, "defined_in_file");
    }
    assert_status(&desk, "active").await;
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused() {
    let desk = Desk::open().await;
    for (body, fields) in [
        ("{}", &["status"][..]),
        (r#"{"status": "paused"}"#, &["status"]),
        (r#"{"status": null}"#, &["status"]),
        (r#"{"status": "active", "stauts": 1}"#, &["stauts"]),
        (r#"{"id": "wh_1"}"#, &["status", "id"]),
        ("[]", &[""]),
    ] {
        let reply = patch(&desk, "billing", body).await;
        assert_problem(&reply, 422, "invalid");
        let problem = json(&reply);
        let errors = problem["errors"].as_array().expect("a list");
        let named: Vec<_> = errors.iter().map(|one| one["field"].as_str().expect("text")).collect();
        assert_eq!(named, fields, "{body}");
    }
    assert_problem(&patch(&desk, "billing", "").await, 400, "bad_json");
    assert_problem(&patch(&desk, "billing", "{").await, 400, "bad_json");
    assert_problem(&patch(&desk, "nobody", r#"{"status": "active"}"#).await, 404, "not_found");
    let path = format!("/v1/webhooks/{}", WebhookId::of_name("billing"));
    let reply = desk.send("PATCH", &path, "", r#"{"status": "disabled"}"#).await;
    assert_problem(&reply, 415, "not_json");
    let json = "content-type: application/json\r\norigin: https://evil.example\r\n";
    let reply = desk.send("PATCH", &path, json, r#"{"status": "disabled"}"#).await;
    assert_problem(&reply, 403, "cross_site");
    assert_status(&desk, "active").await;
}
