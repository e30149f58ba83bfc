//! What looks like a change and is none, and what looks harmless and is not.

use serde_json::{Value, json};

use super::desk::{Desk, fields};
use crate::support::client::Reply;

async fn ask(desk: &Desk, method: &str, path: &str, body: Value) -> Reply {
    let content_type = "content-type: application/json\r\n";
    desk.send(method, path, content_type, &body.to_string()).await
}

/// Somebody resets `signing_secert`, is told 200, and believes that the key is gone.
#[tokio::test]
async fn a_member_that_there_is_not_cannot_be_reset() {
    let desk = Desk::open().await;
    let body = json!({"url": "https://a.example/", "events": ["*"], "signing_secert": null});
    assert_eq!(fields(&ask(&desk, "POST", "/v1/webhooks", body).await), ["signing_secert"]);
    let body = json!({"url": "https://a.example/", "events": ["*"], "signing_secret": null});
    let created = ask(&desk, "POST", "/v1/webhooks", body).await;
    assert_eq!(created.status(), 201, "{}", created.text());
    let path = created.field("location").remove(0);
    let patch = json!({"signing_secert": null, "id": null, "retry": null, "timeout": "soon"});
    assert_eq!(
        fields(&ask(&desk, "PATCH", &path, patch).await),
        ["id", "signing_secert", "timeout"]
    );
    let patch = json!({"retry": null, "rate_limit": null, "ca_file": null});
    assert_eq!(ask(&desk, "PATCH", &path, patch).await.status(), 200);
}

#[tokio::test]
async fn a_field_has_one_error() {
    let desk = Desk::open().await;
    let body = json!({"url": "https://a.example/", "events": ["*"], "has_secret": false});
    assert_eq!(fields(&ask(&desk, "POST", "/v1/webhooks", body).await), ["has_secret"]);
}

#[tokio::test]
async fn headers_that_may_hold_a_credential_are_masked_whatever_they_are_called() {
    let desk = Desk::open().await;
    let body = json!({
        "name": "w", "url": "https://a.example/", "events": ["task.*"],
        "headers": {
            "X-Pass": "hidden-1", "Passphrase": "hidden-2", "X-PWD": "hidden-3",
            "X-Session-Id": "hidden-4", "X-JWT": "hidden-5", "X-Upstream": "Bearer hidden-6",
            "X-Env": "prod",
        },
    });
    let created = ask(&desk, "POST", "/v1/webhooks", body).await;
    assert_eq!(created.status(), 201, "{}", created.text());
    let shown = desk.get(&created.field("location")[0]).await;
    for shown in [created.text(), shown.text(), desk.get("/v1/webhooks").await.text()] {
        assert!(!shown.contains("hidden-"), "{shown}");
        assert!(shown.contains("\"prod\""), "{shown}");
    }
}

/// They are told apart by people, and stand in tables and logs.
#[tokio::test]
async fn names_that_look_like_others_are_refused() {
    let desk = Desk::open().await;
    for name in ["billing ", " billing", "bill\u{200b}ing", "\u{202e}gnillib", "\u{feff}billing"] {
        let body = json!({"name": name, "url": "https://a.example/", "events": ["*"]});
        let reply = ask(&desk, "POST", "/v1/webhooks", body).await;
        assert_eq!(fields(&reply), ["name"], "{name:?}");
    }
    let body = json!({"name": "Müller & Söhne 1", "url": "https://a.example/", "events": ["*"]});
    assert_eq!(ask(&desk, "POST", "/v1/webhooks", body).await.status(), 201);
}

/// "For ever" and "from the beginning" are times, too.
#[tokio::test]
async fn the_ends_of_time_are_times() {
    let desk = Desk::open().await;
    for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999%2B01:00"] {
        let reply = desk.get(&format!("/v1/events?until={text}")).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    let billing = sidehook::model::WebhookId::of_name("billing");
    let path = format!("/v1/webhooks/{billing}/recover");
    let range = json!({
        "since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z", "dry_run": true,
    });
    let reply = ask(&desk, "POST", &path, range).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    for wrong in
        ["9999-12-31", "9999-13-31T00:00:00Z", "99999-01-01T00:00:00Z", "9999-12-31T23:59:59"]
    {
        assert_eq!(desk.get(&format!("/v1/events?until={wrong}")).await.status(), 400, "{wrong}");
    }
}
