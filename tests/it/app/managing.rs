//! Webhooks of the admin API in the whole program: delivered to, kept over restarts, tested.

use serde_json::{Value, json};
use sidehook::app::App;
use sidehook::config::{Config, Inputs, load};
use tempfile::TempDir;

use super::{ask, call, start, stop};
use crate::support::client::Reply;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Act, Upstream, reply};

/// One rule, and what else is given; on free ports.
pub(super) fn configuration(folder: &TempDir, upstream: &Upstream, rest: &str) -> Config {
    let toml = format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\nworkers = 1\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [[event]]\nid = 7\nlabel = \"task.created\"\ntag = \"t\"\nmethod = \"POST\"\n\
         url = '^/tasks$'\n{rest}",
        upstream.addr,
    );
    let file = folder.path().join("sidehook.toml");
    std::fs::write(&file, toml).expect("writable");
    let inputs = Inputs { file: Some(file), ..Inputs::default() };
    load(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) const LOOPBACK: &str = "[delivery]\nallow_networks = [\"127.0.0.0/8\"]\n";

pub(super) async fn upstream() -> Upstream {
    Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Creates a webhook, which must work; its path.
pub(super) async fn create(app: &App, body: Value) -> String {
    let reply = ask(app, "POST /v1/webhooks", &body.to_string()).await;
    assert_eq!(reply.status(), 201, "{}", reply.text());
    reply.field("location").remove(0)
}

pub(super) async fn get(app: &App, path: &str) -> Value {
    json(&ask(app, &format!("GET {path}"), "").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_the_api_gets_events_over_restarts_and_rotations() {
    let folder = TempDir::new().expect("a temporary folder");
    let (upstream, receiver) = (upstream().await, Receiver::start().await);
    let config = || configuration(&folder, &upstream, LOOPBACK);
    let app = start(config()).await;
    let body = json!({"name": "w", "url": receiver.url("/hook").as_str(), "events": ["task.*"]});
    let path = create(&app, body).await;
    call(&app).await;
    let signatures = |n: usize| {
        let receiver = &receiver;
        async move {
            let received = receiver.received(n).await;
            received[n - 1].header("webhook-signature").split(' ').count()
        }
    };
    assert_eq!(signatures(1).await, 1);
    assert_eq!(ask(&app, &format!("POST {path}/rotate-secret"), "").await.status(), 200);
    call(&app).await;
    assert_eq!(signatures(2).await, 2, "by the new key and by the old one");
    stop(app).await;

    let app = start(config()).await;
    assert_eq!(get(&app, &path).await["source"], "api");
    call(&app).await;
    assert_eq!(signatures(3).await, 2, "over a restart");
    let reply = ask(&app, &format!("PATCH {path}"), r#"{"format": "standard"}"#).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    call(&app).await;
    let received = receiver.received(4).await;
    let body: Value = serde_json::from_slice(&received[3].body).expect("JSON");
    assert_eq!(body["type"], "task.created", "{body}");
    assert_eq!(ask(&app, &format!("DELETE {path}"), "").await.status(), 204);
    stop(app).await;

    let app = start(config()).await;
    assert_eq!(ask(&app, &format!("GET {path}"), "").await.status(), 404, "gone for good");
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_the_configuration_no_longer_allows_waits_for_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let (upstream, receiver) = (upstream().await, Receiver::start().await);
    let app = start(configuration(&folder, &upstream, LOOPBACK)).await;
    let body = json!({"name": "w", "url": receiver.url("/hook").as_str(), "events": ["*"]});
    let path = create(&app, body).await;
    stop(app).await;

    let app = start(configuration(&folder, &upstream, "")).await;
    let shown = get(&app, &path).await;
    assert_eq!((&shown["name"], &shown["status"]), (&json!("w"), &json!("disabled")));
    let reason = shown["disabled_reason"].as_str().expect("a reason");
    assert!(reason.contains("url: ") && reason.contains("allow_networks"), "{reason}");
    call(&app).await;
    let enabled = ask(&app, &format!("PATCH {path}"), r#"{"status": "active"}"#).await;
    assert_eq!(enabled.status(), 409, "{}", enabled.text());
    let tested = ask(&app, &format!("POST {path}/test"), "").await;
    assert_eq!(tested.status(), 409, "{}", tested.text());
    stop(app).await;
    assert_eq!(receiver.count(), 0);

    let app = start(configuration(&folder, &upstream, LOOPBACK)).await;
    receiver.received(1).await;
    assert_eq!(get(&app, &path).await["status"], "active");
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_file_has_too_stops_no_start_and_waits_for_another() {
    let folder = TempDir::new().expect("a temporary folder");
    let upstream = upstream().await;
    let app = start(configuration(&folder, &upstream, "")).await;
    let body = json!({"name": "w", "url": "https://example.com/", "events": ["*"]});
    let path = create(&app, body).await;
    stop(app).await;
    let both = "[[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n";
    let app = start(configuration(&folder, &upstream, both)).await;
    let waits = get(&app, &path).await;
    assert_eq!((&waits["name"], &waits["status"]), (&json!("w-2"), &json!("disabled")));
    let reason = waits["disabled_reason"].as_str().expect("a reason");
    assert!(reason.contains("`w`") && reason.contains(&path), "{reason}");
    // It was so at the start: no reload is refused for it.
    assert_eq!(ask(&app, "POST /v1/reload", "").await.status(), 200);
    call(&app).await;
    let reply = ask(&app, &format!("PATCH {path}"), "{\"name\": \"other\"}").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let mended = get(&app, &path).await;
    assert_eq!((&mended["name"], &mended["status"]), (&json!("other"), &json!("active")));
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_what_the_receiver_answers() {
    let folder = TempDir::new().expect("a temporary folder");
    let (upstream, receiver) = (upstream().await, Receiver::start().await);
    let app = start(configuration(&folder, &upstream, LOOPBACK)).await;
    let body = json!({"url": receiver.url("/").as_str(), "events": ["*", "task.created"], "secret": "s",
        "active": false, "disable_after": 1});
    let path = create(&app, body).await;
    let test = async |body: &str| ask(&app, &format!("POST {path}/test"), body).await;

    let reply = test("").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let told = json(&reply);
    assert_eq!((&told["status"], &told["response_code"]), (&json!("delivered"), &json!(200)));
    assert_eq!((&told["response_body"], &told["error"]), (&json!("ok"), &json!(null)));
    assert!(told["response_time_ms"].is_u64(), "{told}");
    let sent: Value = serde_json::from_slice(&receiver.received(1).await[0].body).expect("JSON");
    assert_eq!(sent["event"], json!({"id": 7, "label": "task.created"}));
    assert_eq!(sent["id"], told["delivery_id"]);
    let request =
        json!({"tag": "t", "method": "post", "url": "/sidehook/test", "body": {"test": true}});
    assert_eq!((&sent["request"], &sent["response"]["status"]), (&request, &json!(200)));
    assert_eq!(sent["secret"], "s");

    receiver.script([
        Answer::Status(410),
        Answer::Raw(b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n\xff\x00".to_vec()),
    ]);
    let told = json(&test(r#"{"event": "other.label"}"#).await);
    assert_eq!((&told["status"], &told["response_code"]), (&json!("failed"), &json!(410)));
    let told = json(&test("").await);
    assert_eq!(
        (&told["response_body"], &told["response_body_encoding"]),
        (&json!("/wA="), &json!("base64"))
    );
    assert!(told["error"].as_str().expect("why").contains("500"), "{told}");

    let event = get(&app, &format!("/v1/events/{}", told["id"].as_str().expect("an id"))).await;
    assert_eq!(event["deliveries"].as_array().expect("a list").len(), 1, "it is in the history");
    let rules = get(&app, "/v1/rules").await;
    assert_eq!(rules["data"][0]["hits"], 0, "and no call");
    assert_eq!(test(r#"{"event": "a b"}"#).await.status(), 422);
    assert_eq!(get(&app, &path).await["disabled_reason"], "disabled by an operator");

    let portal = r#"{"format": "wireguard-portal", "events": ["peer.create"], "secret": null}"#;
    let patched = ask(&app, &format!("PATCH {path}"), portal).await;
    assert_eq!(patched.status(), 200, "{}", patched.text());
    let told = json(&test("").await);
    assert_eq!(told["status"], "delivered", "{told}");
    let received = receiver.received(4).await;
    let sent: Value = serde_json::from_slice(&received[3].body).expect("JSON");
    assert_eq!((&sent["entity"], &sent["event"]), (&json!("peer"), &json!("create")));
    assert_eq!(test(r#"{"event": "peer"}"#).await.status(), 422);
    stop(app).await;
}
