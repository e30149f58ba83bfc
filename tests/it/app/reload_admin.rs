//! What a reload says and changes of the admin API itself, and changes that nobody asks for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stand::{Stand, TASKS, delivery, webhook, whole};
use crate::support::found;
use crate::support::receiver::Receiver;
use crate::support::upstream::{Upstream, ok};

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_the_rest_is_in_force() {
    let upstream = Upstream::always(ok("{}")).await;
    let stand = Stand::start(&upstream, TASKS).await;
    let before = stand.get("/v1/config").await["effective"].as_str().expect("text").to_owned();
    let toml = fs::read_to_string(stand.file()).expect("there");
    let toml = toml
        .replacen("127.0.0.1:0", "127.0.0.1:9", 1)
        .replace("workers = 2", "workers = 3\nvia = false")
        .replace("task.created", "task.made");
    fs::write(stand.file(), format!("{toml}[store]\nretain = \"7d\"\n")).expect("writable");
    let reply = stand.reload().await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let waiting = json!(["[proxy] listen", "[proxy] workers", "[store] retain"]);
    let reloaded: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(reloaded, json!({"generation": 2, "needs_restart": waiting}));
    for path in ["/v1/config", "/v1/status"] {
        let said = stand.get(path).await;
        let config = said.get("config").unwrap_or(&said);
        assert_eq!(config["needs_restart"], waiting, "{path}");
    }
    // What runs is shown, not what is wished for.
    let effective = stand.get("/v1/config").await["effective"].as_str().expect("text").to_owned();
    for line in ["listen = \"127.0.0.1:0\"", "workers = 2", "retain = \"30d\"", "via = false"] {
        assert!(effective.lines().any(|l| l == line), "{line} in {effective}");
    }
    assert_eq!(effective.lines().count(), before.lines().count());
    stand.call().await;
    assert!(!upstream.request(0).await.text().to_lowercase().contains("via: "));
    let events = stand.get("/v1/events").await;
    assert_eq!(events["data"][0]["label"], "task.made");

    stand.take(TASKS).await;
    assert_eq!(stand.get("/v1/status").await["config"]["needs_restart"], json!([]));
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_rotated_and_names_are_added_without_a_restart() {
    let upstream = Upstream::always(ok("{}")).await;
    let stand = Stand::start_with(&upstream, TASKS, "token = \"the-first-admin-token\"\n").await;
    let toml = fs::read_to_string(stand.file()).expect("there");
    let toml = toml.replace("first", "second");
    let more = "read_token = \"a-token-for-readers\"\nallowed_hosts = [\"hooks.example.com\"]\n";
    fs::write(stand.file(), toml.replace("[[event]]", &format!("{more}[[event]]")))
        .expect("written");
    assert_eq!(stand.reload().await.status(), 200);
    let as_token = async |token: &str, line: &str| stand.ask_as(token, line, "").await.status();
    assert_eq!(as_token("the-first-admin-token", "GET /v1/status").await, 401);
    assert_eq!(as_token("the-second-admin-token", "POST /v1/reload").await, 200);
    assert_eq!(as_token("a-token-for-readers", "GET /v1/config").await, 200);
    assert_eq!(as_token("a-token-for-readers", "POST /v1/reload").await, 403);
    let config = stand.ask_as("a-token-for-readers", "GET /v1/config", "").await.text();
    assert!(!config.contains("second-admin"), "{config}");

    // Without any, it is the one that is kept beside the store.
    let toml = fs::read_to_string(stand.file()).expect("there");
    fs::write(stand.file(), toml.replace("token = \"the-second-admin-token\"\n", ""))
        .expect("written");
    assert_eq!(as_token("the-second-admin-token", "POST /v1/reload").await, 200);
    assert_eq!(as_token("the-second-admin-token", "GET /v1/status").await, 401);
    let path = stand.folder.path().join("data/admin-token");
    let kept = fs::read_to_string(path).expect("made");
    assert_eq!(as_token(kept.trim(), "GET /v1/status").await, 200);
    stand.stop().await;
}

/// What only shows under the lock of all names is refused like a mistake in the file: nothing of
/// the new configuration is in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_api_has_given_away_refuses_the_whole_file() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let text = format!("{}{TASKS}", delivery(""));
    let stand = Stand::start(&upstream, &text).await;
    let body = json!({"name": "taken", "url": receiver.url("/").as_str(), "events": ["*"]});
    let created = stand.ask("POST /v1/webhooks", &body.to_string()).await;
    assert_eq!(created.status(), 201, "{}", created.text());

    let other = text.replace("task.created", "task.made").replace("127.0.0.0/8", "127.0.0.1/32");
    stand.write(&format!("{other}{}", webhook("taken", &receiver, "")));
    let refused = stand.reload().await;
    assert_eq!(refused.status(), 422);
    assert!(refused.text().contains("`taken`"), "{}", refused.text());
    assert_eq!(stand.get("/v1/rules").await["data"][0]["label"], "task.created");
    assert_eq!(stand.get("/v1/config").await["generation"], 1);

    // Under another name both are there, and the one of the API goes on.
    stand.take(&format!("{other}{}", webhook("free", &receiver, ""))).await;
    stand.call().await;
    let received = receiver.received(2).await;
    assert!(received.iter().all(|request| request.header("x-webhook-event") == "task.made"));
    stand.stop().await;
}

/// As Kubernetes shows a ConfigMap: files that are links through one link, which is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_through_links_that_are_swapped_and_through_a_gap() {
    let upstream = Upstream::always(ok("{}")).await;
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, label: &str, token: &str| {
        fs::create_dir(at(name)).expect("created");
        let rule = TASKS.replace("task.created", label);
        let toml =
            whole(&format!("http://{}", upstream.addr), "token = { file = \"token\" }\n", &rule);
        fs::write(at(name).join("sidehook.toml"), toml).expect("written");
        fs::write(at(name).join("token"), token).expect("written");
    };
    version("..v1", "first", TOKEN);
    version("..v2", "second", TOKEN);
    version("..v3", "second", "the-token-of-version-3");
    swap(folder.path(), "..v1");
    for file in ["sidehook.toml", "token"] {
        symlink(format!("..data/{file}"), at(file)).expect("linked");
    }
    let stand = Stand::start_in(folder).await;
    let folder = stand.folder.path();

    swap(folder, "..v2");
    let rules =
        said(&stand, TOKEN, "/v1/rules", |rules| rules["data"][0]["label"] == "second").await;
    assert_eq!(rules["data"].as_array().expect("a list").len(), 1);

    // What it was made of is gone: that is told, and nothing else happens.
    fs::remove_file(folder.join("..data")).expect("there");
    let config = |config: &Value| config["problems"] != json!([]);
    let told = said(&stand, TOKEN, "/v1/config", config).await;
    assert!(told["problems"][0]["source"].as_str().expect("text").ends_with("sidehook.toml"));
    assert_eq!(stand.call().await, 200);

    // Only a file that it names has changed.
    swap(folder, "..v3");
    let mended = |config: &Value| config["generation"] == 3;
    let config = said(&stand, "the-token-of-version-3", "/v1/config", mended).await;
    assert_eq!(config["problems"], json!([]));
    let series = "sidehook_config_reloads_total{outcome=\"refused\"} 1";
    let metrics = stand.ask_as("the-token-of-version-3", "GET /metrics", "").await.text();
    assert!(metrics.lines().any(|line| line == series), "told once: {metrics}");
    stand.stop().await;
}

const TOKEN: &str = "the-token-of-the-first-versions";

/// What a path says when it says the right thing.
async fn said(stand: &Stand, token: &str, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let right = async || {
        let reply = stand.ask_as(token, &format!("GET {path}"), "").await;
        let said = (reply.status() == 200).then(|| super::stand::json(&reply));
        said.filter(|said| is_right(said))
    };
    found(right).await.unwrap_or_else(|| panic!("waited in vain: {path}"))
}

fn swap(folder: &Path, version: &str) {
    symlink(version, folder.join("..new")).expect("linked");
    fs::rename(folder.join("..new"), folder.join("..data")).expect("renamed");
}
