//! A new configuration while sidehook runs: what changes with it, and what does not notice.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use sidehook::config::{Environment, Inputs, load};
use tokio::sync::Notify;

use super::stand::{Stand, TASKS, delivery, post, webhook};
use super::start;
use crate::support::client::RawClient;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;
use crate::support::upstream::{Act, Signal, Upstream, ok, reply};

const OTHER: &str = "[[event]]\nlabel = \"other\"\nmethod = \"POST\"\nurl = '^/tasks'\n";

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_webhooks_change_under_load_and_no_call_fails_and_no_event_is_lost() {
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    let (always, sometimes) = (Receiver::start().await, Receiver::start().await);
    let text = |n: usize| {
        let more = format!("timeout = \"{}s\"", 10 + n);
        let also = if n.is_multiple_of(2) {
            format!("{OTHER}{}", webhook("sometimes", &sometimes, ""))
        } else {
            String::new()
        };
        let path = if n.is_multiple_of(3) { "^/tasks$" } else { "^/tasks" };
        let rule = TASKS.replace("^/tasks$", path);
        format!("{}{rule}{}{also}", delivery(""), webhook("always", &always, &more))
    };
    let stand = Stand::start(&upstream, &text(0)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (addr, is_over) = (stand.app.proxy_addr(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut client = RawClient::connect(addr).await;
                let mut n = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let body = format!("{{\"call\":\"{caller}-{n}\"}}");
                    assert_eq!(post(&mut client, &body).await, 201);
                    n += 1;
                }
                n
            })
        })
        .collect();
    for n in 1..12 {
        let before = upstream.requests().len();
        let reloaded = stand.take(&text(n)).await;
        assert_eq!(reloaded["generation"], n + 1);
        until("calls go on", || upstream.requests().len() > before + 8).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut expected = BTreeSet::new();
    for (caller, task) in callers.into_iter().enumerate() {
        expected.extend((0..task.await.expect("no call failed")).map(|n| format!("{caller}-{n}")));
    }
    // Beside them come those of the other rule.
    let (mut arrived, mut n) = (BTreeSet::new(), expected.len());
    while arrived.len() < expected.len() {
        let received = always.received(n).await;
        arrived = received.iter().filter_map(|request| task_of(&request.body)).collect();
        n = received.len() + 1;
    }
    assert_eq!(arrived, expected);
    stand.stop().await;
}

/// Which call made this event; `None`: it is of another rule.
fn task_of(body: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(body).expect("JSON");
    let call = event["request"]["body"]["call"].as_str().expect("text").to_owned();
    (event["event"]["label"] == "task.created").then_some(call)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_is_told_until_it_is_mended() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let good = format!("{}{TASKS}{}", delivery(""), webhook("w", &receiver, ""));
    let stand = Stand::start(&upstream, &good).await;
    let before = stand.get("/v1/config").await;
    assert_eq!((&before["generation"], &before["problems"]), (&json!(1), &json!([])));

    stand.write(&good.replace("^/tasks$", "^/(tasks$").replace("method", "methd"));
    let refused = stand.reload().await;
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.field("content-type"), ["application/problem+json"]);
    let refused = super::stand::json(&refused);
    assert_eq!(refused["code"], "invalid_configuration");
    assert_eq!(refused["errors"].as_array().expect("a list").len(), 2, "{refused:#}");
    let problem = &refused["problems"][0];
    assert_eq!((&problem["line"], &problem["column"]), (&json!(13), &json!(1)), "{refused:#}");
    assert!(problem["source"].as_str().expect("text").ends_with("sidehook.toml"));
    assert!(problem["cure"].as_str().expect("text").contains("method"));

    let now = stand.get("/v1/config").await;
    assert_eq!(now["problems"], refused["problems"]);
    assert_eq!(now["effective"], before["effective"]);
    let status = stand.get("/v1/status").await;
    assert_eq!(status["config"]["generation"], 1);
    let told = status["config"]["problems"][0].as_str().expect("text");
    assert!(told.contains("sidehook.toml:13:1"), "{told}");
    assert_eq!(stand.metric("sidehook_config_healthy").await, "0");
    assert_eq!(stand.metric("sidehook_config_reloads_total{outcome=\"refused\"}").await, "1");
    assert_eq!(stand.call().await, 200);
    receiver.received(1).await;

    // As it was, and then with something new.
    assert_eq!(stand.take(&format!("{good}# a remark\n")).await["generation"], 1);
    assert_eq!(stand.get("/v1/status").await["config"]["problems"], json!([]));
    assert_eq!(stand.metric("sidehook_config_healthy").await, "1");
    assert_eq!(stand.metric("sidehook_config_reloads_total{outcome=\"unchanged\"}").await, "1");
    assert_eq!(stand.take(&format!("{good}{OTHER}")).await["generation"], 2);
    let loaded = |config: &Value| config["loaded_at"].as_str().expect("text").to_owned();
    assert!(loaded(&stand.get("/v1/config").await) > loaded(&before));

    fs::remove_file(stand.file()).expect("there");
    assert_eq!(stand.reload().await.status(), 422, "not there is bad, too");
    assert_eq!(stand.call().await, 200);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_stays_counts_on_and_one_that_changes_begins_anew() {
    let upstream = Upstream::always(ok("{}")).await;
    let stand = Stand::start(&upstream, &format!("{TASKS}{OTHER}")).await;
    stand.call().await;
    let hits = async || {
        let rules = stand.get("/v1/rules").await;
        [0, 1].map(|at| rules["data"][at]["hits"].as_u64().expect("a number"))
    };
    assert_eq!(hits().await, [1, 1]);
    let changed = OTHER.replace("'^/tasks'", "'^/tas'");
    stand.take(&format!("{TASKS}max_request_body = \"1KiB\"\n{changed}")).await;
    assert_eq!(hits().await, [1, 0]);
    stand.call().await;
    assert_eq!(hits().await, [2, 1]);
    assert_eq!(stand.metric("sidehook_events_total{label=\"task.created\"}").await, "2");
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_changes_for_the_next_call_of_a_connection_that_stays() {
    let answer_now = Signal::new();
    let held = answer_now.clone();
    let old = Upstream::start(move |n, _| match n {
        1 => vec![Act::Await(held.clone()), Act::Send(reply("202 Accepted", "{}"))],
        _ => ok("{}"),
    })
    .await;
    let new = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    let mut stand = Stand::start(&old, TASKS).await;
    let mut client = RawClient::connect(stand.app.proxy_addr()).await;
    assert_eq!(post(&mut client, "{}").await, 200);
    let mut in_flight = RawClient::connect(stand.app.proxy_addr()).await;
    let call = tokio::spawn(async move { post(&mut in_flight, "{}").await });
    old.request(1).await;

    stand.upstream = format!("http://{}", new.addr);
    stand.take(TASKS).await;
    assert_eq!(post(&mut client, "{}").await, 201);
    answer_now.give();
    assert_eq!(call.await.expect("no panic"), 202, "it ends where it began");
    until("the old one's connections are closed", || old.open_connections() == 0).await;
    assert_eq!(post(&mut client, "{}").await, 201);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_receiver_comes_with_the_network_it_is_in() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let stand = Stand::start(&upstream, TASKS).await;
    let text =
        format!("{}{TASKS}{}", delivery("user_agent = \"other/1\""), webhook("w", &receiver, ""));
    stand.take(&text).await;
    stand.call().await;
    let received = &receiver.received(1).await[0];
    assert_eq!(received.header("user-agent"), "other/1");
    assert_eq!(received.header("x-webhook-attempt"), "1", "it was never refused");
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_and_a_concurrency_are_those_of_the_attempts_that_begin_after_the_change() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let gate = Arc::new(Notify::new());
    receiver.script([Answer::Wait(Arc::clone(&gate)), Answer::Wait(Arc::default())]);
    let text = |more: &str| format!("{}{TASKS}{}", delivery(more), webhook("w", &receiver, ""));
    let stand = Stand::start(&upstream, &text("concurrency = 1\nretry = []")).await;
    stand.call().await;
    receiver.received(1).await;
    stand.call().await;

    // The one place is taken, and stays so: the second delivery gets its own by the change alone.
    stand.take(&text("concurrency = 2\ntimeout = \"200ms\"\nretry = [\"1ms\"]")).await;
    receiver.received(3).await;
    gate.notify_one();
    let delivered = async || {
        let list = stand.get("/v1/deliveries?status=delivered").await;
        let attempts = |d: &Value| d["attempts"].as_u64().expect("a number");
        list["data"].as_array().expect("a list").iter().map(attempts).collect::<Vec<_>>()
    };
    let mut attempts = delivered().await;
    while attempts.len() < 2 {
        attempts = delivered().await;
    }
    // Newest first: the second was timed out once, the first had the time of its beginning.
    assert_eq!(attempts, [2, 1]);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_taken_out_and_brought_back_keeps_its_queue_and_its_age() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let text = |more: &str| format!("{}{TASKS}{}", delivery(""), webhook("w", &receiver, more));
    let stand = Stand::start(&upstream, &text("active = false")).await;
    stand.call().await;
    stand.take(TASKS).await;
    assert_eq!(stand.get("/v1/webhooks").await["data"], json!([]));
    stand.call().await;
    stand.take(&text("active = true")).await;
    let received = &receiver.received(1).await[0];
    let waiting = stand.get("/v1/deliveries").await;
    assert_eq!(waiting["data"].as_array().expect("a list").len(), 1, "the other was for nobody");
    assert_eq!(waiting["data"][0]["id"], received.header("webhook-id"));

    let times = async || {
        let webhook = stand.get("/v1/webhooks").await["data"][0].clone();
        (webhook["created_at"].clone(), webhook["updated_at"].clone())
    };
    let before = times().await;
    stand.take(&format!("{}{OTHER}", text("active = true"))).await;
    assert_eq!(times().await, before, "another rule is no change of it");
    stand.take(&text("method = \"PUT\"")).await;
    let (created, updated) = times().await;
    assert_eq!(created, before.0);
    assert!(updated.as_str() > before.1.as_str(), "{updated}");
    stand.stop().await;
}

/// A shell that writes the file empties it first; and whoever reads a pipe waits for its writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_emptied_or_no_file_any_more_changes_nothing_and_holds_nothing_up() {
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let text = format!("{}{TASKS}{}", delivery(""), webhook("w", &receiver, ""));
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    // What the file need not say, so that an empty one has no mistake.
    let variables = [
        ("SIDEHOOK_PROXY_UPSTREAM", format!("http://{}", upstream.addr)),
        ("SIDEHOOK_PROXY_LISTEN", "127.0.0.1:0".to_owned()),
        ("SIDEHOOK_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("SIDEHOOK_STORE_PATH", folder.path().join("data").display().to_string()),
    ];
    let environment = Environment::of(variables);
    let file = folder.path().join("sidehook.toml");
    fs::write(&file, &text).expect("writable");
    let inputs = Inputs { file: Some(file), environment, ..Inputs::default() };
    let app = start(load(&inputs).unwrap_or_else(|error| panic!("{error}"))).await;
    let stand = Stand { app, folder, upstream: String::new() };
    for (what, emptied) in [("empty", ""), ("begun", "\n# Our rules\n")] {
        fs::write(stand.file(), emptied).expect("writable");
        let refused = stand.reload().await;
        assert_eq!(refused.status(), 422, "{what}: {}", refused.text());
        assert!(refused.text().contains("restart"), "{what}: {}", refused.text());
    }
    fs::remove_file(stand.file()).expect("there");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, stand.file(), rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let refused = stand.reload().await;
    assert_eq!(refused.status(), 422, "a pipe: {}", refused.text());
    fs::remove_file(stand.file()).expect("there");
    fs::create_dir(stand.file()).expect("a folder");
    assert_eq!(stand.reload().await.status(), 422, "a folder");
    fs::remove_dir(stand.file()).expect("there");
    fs::write(stand.file(), "# ".repeat(5 << 20)).expect("writable");
    assert_eq!(stand.reload().await.status(), 422, "too large");
    assert_eq!(stand.get("/v1/config").await["generation"], 1);
    assert_eq!(stand.call().await, 200);
    receiver.received(1).await;
    stand.stop().await;
}
