//! Webhooks created, changed and deleted on the API.

use serde_json::{Value, json};
use sidehook::model::WebhookId;

use super::desk::{Desk, assert_problem, fields, json};
use crate::support::client::Reply;

const JSON: &str = "content-type: application/json\r\n";

async fn ask(desk: &Desk, method: &str, path: &str, body: Value) -> Reply {
    desk.send(method, path, JSON, &body.to_string()).await
}

/// Creates a webhook, which must work; its path and the answer.
async fn created(desk: &Desk, body: Value) -> (String, Value) {
    let reply = ask(desk, "POST", "/v1/webhooks", body).await;
    assert_eq!(reply.status(), 201, "{}", reply.text());
    let path = reply.field("location").remove(0);
    let webhook = json(&reply);
    assert_eq!(path, format!("/v1/webhooks/{}", webhook["id"].as_str().expect("an id")));
    (path, webhook)
}

#[tokio::test]
async fn a_webhook_needs_a_target_and_events_and_gets_a_name_and_a_key() {
    let desk = Desk::open().await;
    let body = json!({"url": "https://a.example/hook", "events": ["task.created", "later.*"]});
    let (path, first) = created(&desk, body.clone()).await;
    assert_eq!(first["name"], "a.example");
    assert_eq!((&first["source"], &first["status"]), (&json!("api"), &json!("active")));
    let key = first["signing_secret"].as_str().expect("shown once");
    assert!(key.starts_with("whsec_") && key.len() == 50, "{key}");
    assert_eq!(first["signatures"], json!(["standard", "sha256"]));
    let warnings = first["warnings"].as_array().expect("a list");
    assert!(warnings.iter().any(|one| one.as_str().expect("text").contains("`later.*`")));

    let (_, second) = created(&desk, body).await;
    assert_eq!(second["name"], "a.example-2");
    assert_ne!(second["signing_secret"], first["signing_secret"]);

    let shown = desk.get(&path).await;
    assert!(!shown.text().contains(key), "{}", shown.text());
    let shown = json(&shown);
    assert_eq!(shown["has_secret"], true);
    assert!(shown.get("signing_secret").is_none() && shown.get("secret").is_none());
    assert!(!desk.get("/v1/webhooks").await.text().contains(key));
    let definitions = format!("{:?}{:?}", desk.store.definitions(), desk.store.webhooks());
    assert!(!definitions.contains(key), "nor in what is logged");

    // It is in force: the next event is for it, too.
    let id: WebhookId = first["id"].as_str().expect("an id").parse().expect("an id");
    assert!(desk.store.webhooks().iter().any(|webhook| webhook.id == id));
}

#[tokio::test]
async fn given_secrets_are_shown_once() {
    let desk = Desk::open().await;
    let (path, webhook) = created(
        &desk,
        json!({
            "name": "w", "url": "https://a.example/", "events": ["*"], "active": false,
            "secret": "shown-1", "signing_secret": "key-1",
            "headers": {"Authorization": "Bearer header-1", "X-Env": "prod"},
        }),
    )
    .await;
    assert_eq!(
        (&webhook["secret"], &webhook["signing_secret"]),
        (&json!("shown-1"), &json!("key-1"))
    );
    assert_eq!(webhook["status"], "disabled");
    let text = desk.get(&path).await.text();
    for secret in ["shown-1", "key-1", "header-1"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_created() {
    let desk = Desk::open().await;
    let body = json!({
        "url": "http://127.0.0.1:1/", "events": [], "timeout": "soon", "colour": "red",
        "secret": {"file": "/etc/passwd"}, "active": "yes",
    });
    let mut named = fields(&ask(&desk, "POST", "/v1/webhooks", body).await);
    named.sort_unstable();
    assert_eq!(named, ["active", "colour", "events", "secret", "timeout", "url"]);
    assert_eq!(desk.store.webhooks().len(), 2);
    assert!(desk.store.definitions().is_empty());
    for (body, status, code) in
        [("", 400, "bad_json"), ("[", 400, "bad_json"), ("7", 422, "invalid")]
    {
        assert_problem(&desk.send("POST", "/v1/webhooks", JSON, body).await, status, code);
    }
}

#[tokio::test]
async fn names_are_unique_over_both_origins() {
    let desk = Desk::open().await;
    let body = |name: &str| json!({"name": name, "url": "https://a.example/", "events": ["*"]});
    assert_problem(&ask(&desk, "POST", "/v1/webhooks", body("billing")).await, 409, "name_taken");
    let both = tokio::join!(
        ask(&desk, "POST", "/v1/webhooks", body("w")),
        ask(&desk, "POST", "/v1/webhooks", body("w")),
    );
    let mut statuses = [both.0.status(), both.1.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "exactly one wins");
    let (path, _) = created(&desk, body("x")).await;
    assert_problem(&ask(&desk, "PATCH", &path, json!({"name": "w"})).await, 409, "name_taken");
    assert_eq!(ask(&desk, "PATCH", &path, json!({"name": "x"})).await.status(), 200, "its own");
    let reset = json(&ask(&desk, "PATCH", &path, json!({"name": null})).await);
    assert_eq!(reset["name"], "a.example");
}

#[tokio::test]
async fn a_change_is_all_or_nothing() {
    let desk = Desk::open().await;
    let (path, before) = created(
        &desk,
        json!({"url": "https://a.example/", "events": ["*"], "timeout": "5s",
            "headers": {"X-Env": "prod", "X-Token": "header-1"}}),
    )
    .await;
    let reply = ask(&desk, "PATCH", &path, json!({"timeout": "3s", "url": "ftp://x/"})).await;
    assert_eq!(fields(&reply), ["url"]);
    let reply = ask(&desk, "PATCH", &path, json!({"status": "paused", "method": "GET"})).await;
    assert_eq!(fields(&reply), ["status", "method"]);
    // Nobody writes a mask over a value.
    let reply = ask(&desk, "PATCH", &path, json!({"headers": {"x-token": "***"}})).await;
    assert_eq!(fields(&reply), ["headers.x-token"]);
    let shown = desk.json(&path).await;
    for key in ["timeout", "url", "method", "status", "updated_at", "headers"] {
        assert_eq!(shown[key], before[key], "{key}");
    }

    let patch = json!({"timeout": null, "headers": {"X-Env": "dev"}, "status": "disabled",
        "secret": "shown-2", "events": ["later"]});
    let reply = ask(&desk, "PATCH", &path, patch).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert!(!reply.text().contains("shown-2"), "secrets are write-only: {}", reply.text());
    let changed = json(&reply);
    assert_eq!((&changed["timeout"], &changed["status"]), (&json!("15s"), &json!("disabled")));
    assert_eq!(changed["headers"], json!({"x-env": "dev", "x-token": "***"}));
    assert_eq!(changed["warnings"].as_array().expect("a list").len(), 1);
    assert_eq!(changed["created_at"], before["created_at"]);
    let active = json(&ask(&desk, "PATCH", &path, json!({"status": "active"})).await);
    assert_eq!((&active["status"], &active["disabled_reason"]), (&json!("active"), &json!(null)));
}

#[tokio::test]
async fn a_deleted_webhook_is_gone_and_those_of_the_file_stay() {
    let desk = Desk::open().await;
    let (path, _) = created(&desk, json!({"url": "https://a.example/", "events": ["*"]})).await;
    let id: WebhookId = path.rsplit('/').next().expect("a path").parse().expect("an id");
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let its = deliveries.iter().find(|delivery| delivery.webhook_id == id).expect("it wants all");
    let reply = desk.send("DELETE", &path, "", "").await;
    assert_eq!((reply.status(), reply.text().as_str()), (204, ""));
    assert_problem(&desk.get(&path).await, 404, "not_found");
    assert_problem(&desk.send("DELETE", &path, "", "").await, 404, "not_found");
    assert!(desk.store.definitions().is_empty());
    // What was for it cannot go out any more.
    let retry = format!("/v1/deliveries/{}/retry", its.id);
    assert_problem(&desk.send("POST", &retry, "", "").await, 409, "declined");
    let of_file = format!("/v1/webhooks/{}", WebhookId::of_name("billing"));
    assert_problem(&desk.send("DELETE", &of_file, "", "").await, 409, "defined_in_file");
    let rotate = format!("{of_file}/rotate-secret");
    assert_problem(&desk.send("POST", &rotate, "", "").await, 409, "defined_in_file");
    assert_eq!(desk.store.webhooks().len(), 2);
}

#[tokio::test]
async fn a_key_is_rotated_and_the_one_before_lives_on_for_a_while() {
    let desk = Desk::open().await;
    let body = json!({"url": "https://a.example/", "events": ["*"], "signing_secret": "key-1"});
    let (path, webhook) = created(&desk, body).await;
    let id: WebhookId = webhook["id"].as_str().expect("an id").parse().expect("an id");
    let rotate = format!("{path}/rotate-secret");
    let reply = ask(&desk, "POST", &rotate, json!({"overlap": "1h"})).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert!(!reply.text().contains("key-1"), "{}", reply.text());
    let rotated = json(&reply);
    let key = rotated["signing_secret"].as_str().expect("the new one");
    assert!(key.starts_with("whsec_"), "{key}");
    assert!(rotated["previous_secret_until"].is_string() && rotated.get("secret").is_none());
    let keys = || {
        let webhooks = desk.store.webhooks();
        let webhook = webhooks.iter().find(|webhook| webhook.id == id).expect("there");
        let previous = webhook.previous_secrets.iter().map(|one| one.secret.reveal().to_owned());
        (webhook.hmac_key().expect("a key").reveal().to_owned(), previous.collect::<Vec<_>>())
    };
    assert_eq!(keys(), (key.to_owned(), vec!["key-1".to_owned()]));
    assert!(!desk.get(&path).await.text().contains(key), "shown once");
    // Without overlap only those still live stay.
    let bare = json(&ask(&desk, "POST", &rotate, json!({"overlap": "0s"})).await);
    assert_eq!(keys().1, ["key-1"], "its overlap has not ended");
    assert_ne!(bare["signing_secret"], key);
    for overlap in [json!("31d"), json!("soon"), json!(5)] {
        let reply = ask(&desk, "POST", &rotate, json!({"overlap": overlap})).await;
        assert_eq!(fields(&reply), ["overlap"]);
    }
    for _ in 0..3 {
        assert_eq!(desk.send("POST", &rotate, "", "").await.status(), 200);
    }
    assert_problem(&desk.send("POST", &rotate, "", "").await, 409, "too_many_keys");
    // A key that is set by hand ends them all.
    let reply = ask(&desk, "PATCH", &path, json!({"signing_secret": "key-9"})).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(keys(), ("key-9".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_key_that_is_rotated_is_the_one_that_signs() {
    let desk = Desk::open().await;
    let ed25519 = json!({"ed25519_key": format!("whsk_{}AQE=", "AQEB".repeat(10))});
    for (body, key, warning) in [
        (json!({"secret": "s", "format": "standard"}), "secret", ""),
        // Shown to the receiver, and so no key: it gets a first one.
        (json!({"secret": "s"}), "signing_secret", "the signatures were"),
        (
            json!({"secret": "s", "format": "standard", "signatures": ["authorization"]}),
            "signing_secret",
            "no signature uses the new key",
        ),
        (ed25519, "signing_secret", "the signatures were `standard-ed25519`"),
    ] {
        let mut body = body;
        body["url"] = "https://a.example/".into();
        body["events"] = json!(["*"]);
        let (path, _) = created(&desk, body.clone()).await;
        let reply = desk.send("POST", &format!("{path}/rotate-secret"), "", "").await;
        assert_eq!(reply.status(), 200, "{body}: {}", reply.text());
        let rotated = json(&reply);
        for name in ["secret", "signing_secret"] {
            assert_eq!(rotated.get(name).is_some(), name == key, "{body}: {rotated}");
        }
        let warned = rotated.get("warnings").map(ToString::to_string).unwrap_or_default();
        assert!(warned.contains(warning) && warned.is_empty() == warning.is_empty(), "{rotated}");
    }
}
