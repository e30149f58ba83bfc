//! The live stream over raw sockets.

use serde_json::Value;
use sidehook::admin::Settings;
use sidehook::model::{Verdict, WebhookId};

use super::desk::{Desk, TOKEN, accepted, assert_problem};
use crate::support::client::RawClient;

/// One event of a stream: its name, id and data.
type Told = (String, String, Value);

async fn follow(desk: &Desk, query: &str, headers: &str) -> RawClient {
    let mut client = RawClient::connect(desk.addr).await;
    client
        .send(format!(
            "GET /v1/stream{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
             {headers}\r\n",
            desk.addr
        ))
        .await;
    let head = client.read_until("\n\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    assert!(head.contains("retry: 2000\n"), "{head}");
    client
}

/// The events that were received whole, without the frames of the chunks.
fn told(text: &str) -> Vec<Told> {
    let (mut id, mut name, mut all) = (String::new(), String::new(), Vec::new());
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    for line in whole.lines() {
        if let Some(value) = line.strip_prefix("id: ") {
            value.clone_into(&mut id);
        } else if let Some(value) = line.strip_prefix("event: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data: ") {
            let data = serde_json::from_str(value).expect("one line of JSON");
            all.push((name.clone(), id.clone(), data));
        }
    }
    all
}

/// What was told until so many events have come.
async fn read(client: &mut RawClient, n: usize) -> Vec<Told> {
    let mut seen = told(&client.received());
    while seen.len() < n {
        client.read_more().await;
        seen = told(&client.received());
    }
    assert_eq!(seen.len(), n, "{seen:?}");
    seen
}

#[tokio::test]
async fn changes_arrive_in_order_and_whoever_comes_back_misses_none() {
    let desk = Desk::open().await;
    desk.commit("before", 0).await;
    let mut client = follow(&desk, "", "").await;
    let mut ids = Vec::new();
    for n in 1..4 {
        ids.push(desk.commit("task.created", n).await.0.to_string());
        read(&mut client, n).await;
    }
    let delivery = desk.attempt(accepted(), Verdict::Delivered).await.to_string();
    let seen = read(&mut client, 4).await;
    let kinds: Vec<&str> = seen.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(kinds, ["event", "event", "event", "delivery"]);
    let told_ids: Vec<&str> = seen.iter().map(|it| it.2["id"].as_str().expect("text")).collect();
    assert_eq!(told_ids, [&ids[0], &ids[1], &ids[2], &delivery]);
    let listed = desk.json("/v1/deliveries?status=delivered").await;
    assert_eq!(seen[3].2, listed["data"][0], "as in the list");
    drop(client);

    let later = desk.commit("task.created", 4).await.0.to_string();
    let billing = WebhookId::of_name("billing");
    let path = format!("/v1/webhooks/{billing}");
    let json_type = "content-type: application/json\r\n";
    desk.send("PATCH", &path, json_type, r#"{"status": "disabled"}"#).await;
    let header = format!("last-event-id: {}\r\n", seen[1].1);
    let mut client = follow(&desk, "?last_event_id=0-0", &header).await;
    let seen = read(&mut client, 4).await;
    let again: Vec<(&str, &str)> =
        seen.iter().map(|it| (it.0.as_str(), it.2["id"].as_str().expect("text"))).collect();
    let billing = billing.to_string();
    let missed = [
        ("event", ids[2].as_str()),
        ("delivery", &delivery),
        ("event", &later),
        ("webhook", &billing),
    ];
    assert_eq!(again, missed);
    assert_eq!(seen[3].2["status"], "disabled");
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let desk = Desk::open().await;
    let audit = WebhookId::of_name("audit");
    let mut deliveries = follow(&desk, "?types=delivery,webhook", "").await;
    let mut of_audit = follow(&desk, &format!("?webhook={audit}"), "").await;
    desk.commit("task.created", 1).await;
    desk.attempt(accepted(), Verdict::Delivered).await;
    let path = format!("/v1/webhooks/{audit}");
    let json_type = "content-type: application/json\r\n";
    desk.send("PATCH", &path, json_type, r#"{"status": "active"}"#).await;
    let kinds = |seen: Vec<Told>| seen.into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(kinds(read(&mut deliveries, 2).await), ["delivery", "webhook"]);
    assert_eq!(kinds(read(&mut of_audit, 2).await), ["event", "webhook"]);
}

#[tokio::test]
async fn a_mark_of_another_process_is_told_to_read_the_lists_again() {
    let desk = Desk::open().await;
    desk.commit("before", 0).await;
    let mut client = follow(&desk, "", "last-event-id: 1-1\r\n").await;
    let seen = read(&mut client, 1).await;
    assert_eq!((seen[0].0.as_str(), &seen[0].2["reason"]), ("reset", &Value::from("missed")));
    desk.commit("task.created", 1).await;
    let seen = read(&mut client, 2).await;
    assert_eq!(seen[1].0, "event");
    assert_eq!(seen[1].2["label"], "task.created", "live again, and only that");
}

#[tokio::test]
async fn a_stop_ends_the_streams_with_a_word() {
    let desk = Desk::open().await;
    let client = follow(&desk, "", "").await;
    desk.stop();
    let rest = client.rest().await;
    let text = String::from_utf8_lossy(&rest.bytes).into_owned();
    let seen = told(&text);
    assert_eq!((seen[0].0.as_str(), &seen[0].2["reason"]), ("closed", &Value::from("stopping")));
    assert!(text.ends_with("0\r\n\r\n") && !rest.was_reset, "a whole answer: {text}");
}

#[tokio::test]
async fn followers_are_counted() {
    let desk = Desk::open().await;
    let mut clients = Vec::new();
    for _ in 0..Settings::STREAMS_MAX {
        clients.push(follow(&desk, "", "").await);
    }
    let reply = desk.get("/v1/stream").await;
    assert_problem(&reply, 503, "too_many_streams");
    assert_eq!(reply.field("retry-after"), ["5"]);
    clients.pop();
    // Its place is free when the server has seen that it is gone.
    while desk.send_head("GET", "/v1/stream", &format!("authorization: Bearer {TOKEN}\r\n")).await
        != 200
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_is_for_those_with_the_token_and_a_sound_question() {
    let desk = Desk::open().await;
    let reply = desk.send("GET", "/v1/stream", "authorization: Bearer no\r\n", "").await;
    assert_problem(&reply, 401, "unauthorized");
    for query in ["types=", "types=event,all", "webhook=x", "last_event_id=1", "limit=5"] {
        let reply = desk.get(&format!("/v1/stream?{query}")).await;
        assert_problem(&reply, 400, "bad_query");
    }
    let reply = desk.send("GET", "/v1/stream", "last-event-id: x\r\n", "").await;
    assert_problem(&reply, 400, "bad_query");
    let reply = desk.send("POST", "/v1/stream", "content-length: 0\r\n", "").await;
    assert_problem(&reply, 405, "method_not_allowed");
    let headers = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(desk.send_head("HEAD", "/v1/stream", &headers).await, 200);
}
