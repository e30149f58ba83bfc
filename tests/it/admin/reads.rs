use std::sync::Arc;

use sidehook::model::{Failure, FailurePhase, Outcome, Timestamp, Verdict};

use super::desk::{Desk, accepted, assert_problem, json, rejected};

const SECRETS: [&str; 4] = ["shown-secret", "signing-secret", "header-secret", "basic-secret"];

#[tokio::test]
async fn one_event_is_the_whole_call_and_its_deliveries() {
    let desk = Desk::open().await;
    let (id, deliveries) = desk.commit("task.created", 3).await;
    let reply = desk.get(&format!("/v1/events/{id}")).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(reply.field("content-type"), ["application/json"]);
    let event = json(&reply);
    assert_eq!(event["id"], id.to_string());
    assert_eq!(event["label"], "task.created");
    assert_eq!(event["tag"], "tasks");
    assert!(event["subject"].is_null());
    assert_eq!(event["depth"], 0);
    assert_eq!(event["status"], 201);
    assert_eq!(event["url"], "/tasks?n=3");
    assert!(Timestamp::parse(event["created_at"].as_str().expect("text")).is_some());
    assert_eq!(event["request"]["method"], "post");
    assert_eq!(event["request"]["headers"]["content-type"], "application/json");
    // The very bytes received: key order and the number's spelling are kept.
    assert!(reply.text().contains(r#"{"z": 1.0, "a": "b"}"#), "{}", reply.text());
    assert_eq!(event["response"]["body"], "{\"id\":");
    assert_eq!(event["response"]["body_encoding"], "text");
    assert_eq!(event["response"]["body_truncated"], true);
    assert_eq!(event["response"]["body_size"], 900);
    let listed = event["deliveries"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    let find = |at: usize| {
        let id = deliveries[at].id.to_string();
        listed.iter().find(|delivery| delivery["id"] == id.as_str()).expect("is listed")
    };
    assert_eq!(find(0)["status"], "pending");
    assert_eq!(find(1)["status"], "held", "its webhook is not active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_been_told_that_an_event_is_stored_finds_it_at_once() {
    let desk = Arc::new(Desk::open().await);
    // Thick and fast: then the index is told latest.
    let callers = (0..8).map(|caller| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for n in 0..40 {
                let id = desk.store_one("task.created", caller * 100 + n).await;
                let reply = desk.get(&format!("/v1/events/{id}")).await;
                assert_eq!(reply.status(), 200, "{}", reply.text());
                let listed = desk.json(&format!("/v1/events?q={id}")).await;
                assert_eq!(listed["data"][0]["id"], id.to_string());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("every event is found");
    }
}

#[tokio::test]
async fn one_delivery_tells_its_attempts() {
    let desk = Desk::open().await;
    let (event, _) = desk.commit("task.created", 1).await;
    let at = Timestamp::from_millis(sidehook::clock::now().as_millis() + 1000);
    let unreachable = Outcome::Failed {
        failure: Failure::TimedOut { phase: FailurePhase::Connect, after_ms: 15_000 },
        reply: None,
    };
    desk.attempt(rejected(), Verdict::Retry { at }).await;
    desk.attempt(unreachable, Verdict::Retry { at }).await;
    let id = desk.attempt(accepted(), Verdict::Delivered).await;
    let delivery = desk.json(&format!("/v1/deliveries/{id}")).await;
    assert_eq!(delivery["id"], id.to_string());
    assert_eq!(delivery["event_id"], event.to_string());
    assert!(delivery["webhook_id"].as_str().expect("text").starts_with("wh_"));
    assert_eq!(delivery["event"], "task.created");
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["response_code"], 200);
    assert_eq!(delivery["response_time_ms"], 12);
    assert!(delivery["next_attempt_at"].is_null() && delivery["error"].is_null(), "{delivery}");
    let attempts = delivery["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 3, "{delivery}");
    assert_eq!(attempts[0]["number"], 1);
    assert_eq!(attempts[0]["response_code"], 503);
    assert_eq!(attempts[0]["response_body"], "/wA=");
    assert_eq!(attempts[0]["response_body_encoding"], "base64");
    assert_eq!(attempts[0]["response_body_truncated"], true);
    assert_eq!(attempts[0]["error"], "the receiver answered 503");
    assert_eq!(attempts[0]["next_attempt_at"], at.to_string());
    assert!(attempts[1]["response_code"].is_null() && attempts[1]["response_body"].is_null());
    assert_eq!(attempts[1]["error"], "timed out after 15000 ms connecting");
    assert_eq!(attempts[2]["response_body"], "OK");
    assert_eq!(attempts[2]["response_headers"]["x-a"], "1, 2");
    assert!(attempts[2].get("response_body_encoding").is_none());
    let listed = desk.json("/v1/deliveries?status=delivered").await;
    assert_eq!(listed["data"][0]["attempts"], 3, "a list counts them");
}

#[tokio::test]
async fn retry_makes_a_delivery_due_again_with_the_same_id() {
    let desk = Desk::open().await;
    desk.commit("task.created", 1).await;
    let id = desk.attempt(rejected(), Verdict::Failed).await;
    assert_eq!(desk.json(&format!("/v1/deliveries/{id}")).await["status"], "failed");
    let reply = desk.send("POST", &format!("/v1/deliveries/{id}/retry"), "", "").await;
    assert_eq!(reply.status(), 202, "{}", reply.text());
    let delivery = json(&reply);
    assert_eq!(delivery["id"], id.to_string());
    assert_eq!(delivery["status"], "pending");
    assert!(delivery["next_attempt_at"].is_string());
    assert_eq!(desk.attempt(accepted(), Verdict::Delivered).await, id);
    let delivery = desk.json(&format!("/v1/deliveries/{id}")).await;
    assert_eq!(delivery["attempts"][1]["number"], 2, "counting on");
}

#[tokio::test]
async fn history_knows_every_spelling_of_every_id() {
    let desk = Desk::open().await;
    let (event, deliveries) = desk.commit("task.created", 1).await;
    let delivery = deliveries[0].id;
    let simple = delivery.uuid().simple().to_string();
    for id in [
        delivery.to_string(),
        delivery.to_string().to_uppercase(),
        simple.clone(),
        simple.to_uppercase(),
        format!("del_{simple}"),
        format!("DEL_{delivery}"),
    ] {
        let told = desk.json(&format!("/v1/history/{id}")).await;
        assert_eq!(told["type"], "delivery", "{id}");
        assert_eq!(told["id"], delivery.to_string(), "{id}");
        assert!(told["attempts"].is_array());
    }
    for id in [
        event.to_string(),
        event.to_string().to_uppercase(),
        event.uuid().to_string(),
        event.uuid().to_string().to_uppercase(),
        format!("evt_{}", event.uuid()),
        format!("Evt_{}", event.uuid()),
    ] {
        let told = desk.json(&format!("/v1/history/{id}")).await;
        assert_eq!(told["type"], "event", "{id}");
        assert_eq!(told["id"], event.to_string(), "{id}");
        assert_eq!(told["request"]["body"]["z"], 1.0);
    }
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_the_same_404() {
    let desk = Desk::open().await;
    for id in ["70195486-8934-4a31-a504-a97a72c7f322", "x", "evt_", "%00", "%ff", "wh_1", "1%2F2"] {
        for resource in ["events", "deliveries", "webhooks", "history"] {
            let reply = desk.get(&format!("/v1/{resource}/{id}")).await;
            assert_problem(&reply, 404, "not_found");
        }
        let reply = desk.send("POST", &format!("/v1/deliveries/{id}/retry"), "", "").await;
        assert_problem(&reply, 404, "not_found");
        assert_problem(&desk.get(&format!("/v1/webhooks/{id}/deliveries")).await, 404, "not_found");
    }
}

#[tokio::test]
async fn webhooks_never_show_a_secret() {
    let desk = Desk::open().await;
    let reply = desk.get("/v1/webhooks").await;
    let listed = json(&reply);
    let billing =
        listed["data"].as_array().expect("a list").iter().find(|one| one["name"] == "billing");
    let billing = billing.expect("is listed");
    assert!(billing["id"].as_str().expect("text").starts_with("wh_"));
    assert_eq!(billing["url"], "https://example.com/hook");
    assert_eq!(billing["status"], "active");
    assert_eq!(billing["events"], serde_json::json!(["*"]));
    assert_eq!(billing["format"], "exchange");
    assert_eq!(billing["signatures"], serde_json::json!(["standard", "sha256"]));
    assert_eq!(billing["headers"], serde_json::json!({"x-api-key": "***", "x-env": "prod"}));
    assert_eq!(billing["basic_auth"], serde_json::json!({"username": "user"}));
    assert_eq!(billing["has_secret"], true);
    assert_eq!(billing["retry"], serde_json::json!(["5s", "1m"]));
    assert_eq!(billing["source"], "config");
    let one = desk.get(&format!("/v1/webhooks/{}", billing["id"].as_str().expect("text"))).await;
    assert_eq!(json(&one), *billing);
    for secret in SECRETS {
        assert!(!reply.text().contains(secret) && !one.text().contains(secret), "{secret}");
    }
    let audit = sidehook::model::WebhookId::of_name("audit");
    let audit = desk.json(&format!("/v1/webhooks/{audit}")).await;
    assert_eq!(audit["status"], "disabled");
    assert!(audit["disabled_reason"].is_string());
}

#[tokio::test]
async fn rules_are_listed_with_what_they_have_seen() {
    let desk = Desk::open().await;
    let rule = |list: serde_json::Value| {
        assert!(list["next"].is_null());
        list["data"].as_array().expect("a list")[0].clone()
    };
    let before = rule(json(&desk.get("/v1/rules?limit=1").await));
    assert_eq!(json(&desk.get("/v1/rules?cursor=1").await)["data"], serde_json::json!([]));
    let expected = serde_json::json!({
        "id": 5, "label": "task.created", "tag": "tasks", "method": "POST", "url": "^/tasks$",
        "query": null, "status": ["2xx", 404, "300-302"], "when": "response.body.id",
        "subject": null, "on_disconnect": "cancel", "max_request_body": 4096, "max_response_body": null,
        "hits": 0, "last_hit_at": null, "condition_errors": 0, "last_condition_error": null,
    });
    assert_eq!(before, expected);
    let at = Timestamp::from_millis(1_769_851_800_123);
    desk.rules.tallies().for_each(|tally| tally.hit(at));
    let after = rule(json(&desk.get("/v1/rules").await));
    assert_eq!(
        (&after["hits"], &after["last_hit_at"]),
        (&1.into(), &"2026-01-31T09:30:00.123Z".into())
    );
    assert_eq!(desk.get("/v1/rules?limt=1").await.status(), 400);
}
