//! A paused webhook says since when, and when it is tried next, wherever it is shown.

use serde_json::{Value, json};
use sidehook::app::App;
use sidehook::clock;
use sidehook::model::Timestamp;
use tempfile::TempDir;

use super::managing::{LOOPBACK, configuration, create, get, upstream};
use super::{ask, call, start, stop};
use crate::support::found;
use crate::support::receiver::{Answer, Receiver};

/// Creates a webhook that pauses at the first failure, and has it paused; its path.
async fn paused(app: &App, receiver: &Receiver, retry: &str) -> String {
    receiver.otherwise(Answer::Status(500));
    let path = create(
        app,
        json!({"name": "w", "url": receiver.url("/").as_str(), "events": ["*"], "retry": [retry],
            "pause_after": 1}),
    )
    .await;
    call(app).await;
    path
}

/// The webhook as soon as it says when it is tried next: its last attempt is written then.
async fn waiting(app: &App, path: &str) -> Value {
    let look = async || Some(get(app, path).await).filter(|one| one["next_probe_at"].is_string());
    found(look).await.expect("it says when it is tried next")
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(Timestamp::parse).unwrap_or_else(|| panic!("{value} is no time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_since_when_and_when_it_is_tried_next_over_a_restart() {
    let folder = TempDir::new().expect("a temporary folder");
    let (upstream, receiver) = (upstream().await, Receiver::start().await);
    let config = || configuration(&folder, &upstream, LOOPBACK);
    let app = start(config()).await;
    let before = clock::now();
    let path = paused(&app, &receiver, "1h").await;
    let shown = waiting(&app, &path).await;
    assert_eq!(shown["status"], "paused");
    let paused_at = time(&shown["paused_at"]);
    assert!((before..=clock::now()).contains(&paused_at), "{paused_at} is not after {before}");
    // The pause would let it go in 30 s, but nothing is due then.
    let deliveries = get(&app, "/v1/deliveries").await;
    assert_eq!(shown["next_probe_at"], deliveries["data"][0]["next_attempt_at"]);
    for list in ["/v1/webhooks", "/v1/status"] {
        let listed = get(&app, list).await;
        let row = [&listed["data"][0], &listed["webhooks"][0]];
        let row = row.into_iter().find(|row| row.is_object()).expect("a row");
        for name in ["paused_at", "next_probe_at"] {
            assert_eq!(row[name], shown[name], "{name} in {list}");
        }
    }
    stop(app).await;

    let app = start(config()).await;
    let again = waiting(&app, &path).await;
    for name in ["status", "paused_at", "next_probe_at"] {
        assert_eq!(again[name], shown[name], "{name} after a restart");
    }
    let reply = ask(&app, &format!("PATCH {path}"), r#"{"status": "active"}"#).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let active = get(&app, &path).await;
    let (paused_at, next) = (active.get("paused_at"), active.get("next_probe_at"));
    assert_eq!((paused_at, next), (Some(&json!(null)), Some(&json!(null))));
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_sooner_waits_for_the_probe() {
    let folder = TempDir::new().expect("a temporary folder");
    let (upstream, receiver) = (upstream().await, Receiver::start().await);
    let app = start(configuration(&folder, &upstream, LOOPBACK)).await;
    let path = paused(&app, &receiver, "50ms").await;
    let shown = waiting(&app, &path).await;
    let until = time(&shown["next_probe_at"]).since(time(&shown["paused_at"]));
    assert!(until.as_secs() >= 20, "30 s and jitter, not 50 ms: {until:?}");
    // Nothing waits any more: nothing can be tried.
    let deliveries = get(&app, "/v1/deliveries").await;
    let delivery = deliveries["data"][0]["id"].as_str().expect("an id");
    let reply = ask(&app, &format!("POST /v1/deliveries/{delivery}/cancel"), "").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let empty = async || Some(get(&app, &path).await).filter(|one| one["next_probe_at"].is_null());
    let shown = found(empty).await.expect("no next probe");
    assert_eq!(shown["status"], "paused");
    assert!(shown["paused_at"].is_string(), "{shown}");
    stop(app).await;
}
