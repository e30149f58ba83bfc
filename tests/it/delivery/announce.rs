//! A webhook's trouble is told to those who want to hear of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sidehook::model::*;
use sidehook::store::{DeliveryFilter, EventFilter, OnFailure, Page, Settings, Store, StoreError};

use super::world::{World, commit, new_event, open, run, settings, stands, webhook};
use crate::support::receiver::{Answer, Received, Receiver};

const HOUR: Duration = Duration::from_secs(3600);

fn wants(events: &str, webhook: Webhook) -> Webhook {
    Webhook { events: vec![LabelPattern::new(events)], ..webhook }
}

/// The labels of sidehook's own events in the store, newest first.
fn told(world: &World) -> Vec<String> {
    let page = Page { limit: 200, cursor: None };
    let events = world.store.events(&EventFilter::default(), &page).expect("readable").data;
    let labels = events.into_iter().map(|event| event.label);
    labels.filter(|label| label.starts_with(SYSTEM_LABELS)).collect()
}

/// The made-up calls with this label, whole.
fn stories<'a>(received: &'a [Received], label: &'a str) -> impl Iterator<Item = Value> + 'a {
    let told = received.iter().filter(move |one| one.header("x-webhook-event") == label);
    told.map(|one| serde_json::from_slice(&one.body).expect("JSON"))
}

#[tokio::test]
async fn trouble_and_its_end_are_events_for_those_who_name_them() {
    let (down, watcher, other) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    down.script([Answer::Status(500), Answer::Status(500)]);
    let mut url = down.url("/hook");
    url.set_query(Some("token=hidden"));
    let world = World::start(vec![
        Webhook { pause_after: 2, concurrency: 1, url, ..wants("a", webhook("down", &down)) },
        wants("sidehook.*", webhook("watcher", &watcher)),
        wants("*", webhook("other", &other)),
    ]);
    let failed: Vec<_> = [world.commit("a").await, world.commit("a").await].concat();
    world.commit("a").await;
    let received = watcher.received(4).await;

    let paused = stories(&received, "sidehook.webhook.paused").next().expect("told");
    assert_eq!(paused["event"], json!({"id": 0, "label": "sidehook.webhook.paused"}));
    assert_eq!(paused["request"]["method"], "post");
    assert_eq!(paused["request"]["url"], "/sidehook/webhook.paused");
    assert_eq!(paused["request"]["body"], Value::Null);
    assert_eq!(paused["response"]["status"], 200);
    let story = &paused["response"]["body"];
    assert_eq!(story["webhook"]["id"], WebhookId::of_name("down").to_string());
    assert_eq!(story["webhook"]["name"], "down");
    assert_eq!(story["webhook"]["url"], down.url("/hook").as_str(), "without its query");
    let reason = "2 failed attempts in a row; the last: the receiver answered 500";
    assert_eq!(story["reason"], reason);
    assert!(Timestamp::parse(story["since"].as_str().expect("text")).is_some());

    let recovered = stories(&received, "sidehook.webhook.recovered").next().expect("told");
    assert_eq!(recovered["response"]["body"]["webhook"]["name"], "down");

    let stories: Vec<_> = stories(&received, "sidehook.delivery.failed").collect();
    assert_eq!(stories.len(), 2);
    let first = failed.iter().find(|one| one.webhook_id == WebhookId::of_name("down"));
    let first = first.expect("it wants it");
    let told = stories.iter().map(|story| &story["response"]["body"]["delivery"]);
    let told = told.into_iter().find(|told| told["id"] == first.id.to_string());
    let expected = json!({
        "id": first.id, "event_id": first.event_id, "event": "a", "attempts": 1,
        "error": "the receiver answered 500", "response_code": 500,
    });
    assert_eq!(told, Some(&expected));

    let (page, filter) = (Page { limit: 10, cursor: None }, EventFilter::default());
    let events = world.store.events(&filter, &page).expect("readable").data;
    let paused = events.iter().find(|event| event.label == "sidehook.webhook.paused");
    let paused = world.store.event(paused.expect("listed").id).expect("readable").expect("known");
    assert_eq!(paused.subject.as_deref(), Some("down"));
    assert_eq!(paused.deliveries.len(), 1, "`*` alone is not for them");
    other.received(3).await;
    assert_eq!(other.count(), 3);
}

#[tokio::test]
async fn disabling_and_enabling_are_told() {
    let (gone, watcher) = (Receiver::start().await, Receiver::start().await);
    gone.script([Answer::Status(410)]);
    let world = World::start(vec![
        wants("a", webhook("gone", &gone)),
        wants("sidehook.webhook.*", webhook("watcher", &watcher)),
    ]);
    world.commit("a").await;
    let received = watcher.received(1).await;
    let disabled = stories(&received, "sidehook.webhook.disabled").next().expect("told");
    assert_eq!(disabled["response"]["body"]["reason"], "the receiver answered 410 Gone");

    let id = WebhookId::of_name("gone");
    world.store.set_webhook_state(id, WebhookState::default()).await.expect("durable");
    let received = watcher.received(2).await;
    let recovered = stories(&received, "sidehook.webhook.recovered").next().expect("told");
    assert_eq!(recovered["response"]["body"]["reason"], "enabled by an operator");
    let since = recovered["response"]["body"]["since"].as_str().expect("a time");
    assert!(since > "2020", "since when it is active again, not since {since}");

    let (status, reason) = (WebhookStatus::Disabled, Some("disabled by an operator".to_owned()));
    let state = WebhookState {
        status,
        reason,
        since: sidehook::clock::now(),
        overrides_file: false,
        rests_until: None,
    };
    world.store.set_webhook_state(id, state).await.expect("durable");
    let received = watcher.received(3).await;
    let disabled = stories(&received, "sidehook.webhook.disabled").nth(1).expect("told");
    assert_eq!(disabled["response"]["body"]["reason"], "disabled by an operator");
}

#[tokio::test]
async fn trouble_with_the_telling_breeds_no_more() {
    let (down, deaf) = (Receiver::start().await, Receiver::start().await);
    down.otherwise(Answer::Status(500));
    deaf.otherwise(Answer::Status(500));
    let world = World::start_probing(
        vec![
            Webhook { pause_after: 2, ..wants("a", webhook("down", &down)) },
            Webhook { pause_after: 1, ..wants("sidehook.*", webhook("deaf", &deaf)) },
        ],
        HOUR,
    );
    world.commit("a").await;
    let received = deaf.received(1).await;
    assert_eq!(stories(&received, "sidehook.delivery.failed").count(), 1);
    world.webhook_stands("deaf", WebhookStatus::Paused).await;
    // Nobody else is there to be told of the one who is to be told.
    assert_eq!(told(&world), ["sidehook.delivery.failed"]);
    world.commit("a").await;
    world.webhook_stands("down", WebhookStatus::Paused).await;
    let held = || {
        let queues = world.store.stats().queues;
        let deaf = queues.iter().find(|one| one.webhook_id == WebhookId::of_name("deaf"));
        deaf.is_some_and(|queue| queue.held == 2)
    };
    crate::support::until("both are kept for it", held).await;
    let labels = told(&world);
    assert_eq!(labels.iter().filter(|label| *label == "sidehook.delivery.failed").count(), 2);
    assert_eq!(labels.iter().filter(|label| *label == "sidehook.webhook.paused").count(), 1);
    assert_eq!(labels.len(), 3, "{labels:?}");
}

#[tokio::test]
async fn where_nobody_wants_to_hear_nothing_is_kept() {
    let down = Receiver::start().await;
    down.otherwise(Answer::Status(410));
    let world = World::start(vec![webhook("down", &down)]);
    let id = world.commit("a").await[0].id;
    world.stands(id, DeliveryState::Failed).await;
    world.webhook_stands("down", WebhookStatus::Disabled).await;
    assert!(told(&world).is_empty());
}

#[tokio::test]
async fn a_store_that_takes_nothing_keeps_its_memory_for_the_events_of_calls() {
    let (down, watcher) = (Receiver::start().await, Receiver::start().await);
    down.otherwise(Answer::Status(500));
    let directory = tempfile::TempDir::new().expect("a directory");
    let webhooks = || {
        let down = wants("a", webhook("down", &down));
        vec![down, wants("sidehook.*", webhook("watcher", &watcher))]
    };
    let store = open(directory.path());
    store.set_webhooks(webhooks());
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(commit(&store, "a").await[0].id);
    }
    store.close();

    let settings = settings(directory.path());
    let settings = Settings { free_bytes_min: u64::MAX, queue_bytes_max: 16 * 1024, ..settings };
    let store = Store::open(settings, Arc::default()).expect("opens");
    store.set_webhooks(webhooks());
    assert!(store.check().is_err(), "no disk has that much");
    run(&store, 256, &["127.0.0.0/8"]);
    for id in ids {
        stands(&store, id, DeliveryState::Failed).await;
    }
    // Not each of them was told of; a call's event finds its place.
    for _ in 0..5 {
        let kept = store.commit(new_event("a"), OnFailure::Keep).await;
        assert!(matches!(kept, Err(StoreError::Kept { .. })), "{kept:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_not_told_of_either() {
    let (down, deaf) = (Receiver::start().await, Receiver::start().await);
    down.otherwise(Answer::Status(500));
    deaf.otherwise(Answer::Status(500));
    let watcher = |name| wants("sidehook.*", webhook(name, &deaf));
    let world =
        World::start(vec![wants("a", webhook("down", &down)), watcher("one"), watcher("two")]);
    for n in 1..=3 {
        world.commit("a").await;
        // Each of the two fails to be told: once, and the other hears nothing of it.
        deaf.received(2 * n).await;
        let n_failed = || {
            let failed = Some(DeliveryState::Failed);
            let filter = DeliveryFilter { state: failed, ..DeliveryFilter::default() };
            let page = Page { limit: 200, cursor: None };
            world.store.deliveries(&filter, &page).expect("readable").data.len()
        };
        crate::support::until("all have failed", || n_failed() >= 3 * n).await;
    }
    assert_eq!(told(&world), ["sidehook.delivery.failed"; 3]);
}
