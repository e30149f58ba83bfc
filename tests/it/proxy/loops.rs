//! A receiver that calls back through the proxy: its calls carry the marks of the webhook.

use sidehook::model::{DeliveryId, EventId, Exchange, NewEvent, RuleRef, Webhook};
use sidehook::rules::RuleSet;
use sidehook::telemetry::{Exposition, Scrape};

use super::stand::{Storage, measured, rule, settings};
use crate::support::client::RawClient;
use crate::support::until;
use crate::support::upstream::{Seen, Upstream, ok};

/// A delivery of an event of this depth.
async fn delivery(storage: &Storage, depth: u8) -> DeliveryId {
    let exchange: Exchange = serde_json::from_value(serde_json::json!({
        "request": {"method": "POST", "url": "/", "params": [], "headers": [],
                    "body": {"size": 0, "state": "complete"}},
        "response": {"status": 200, "headers": [], "body": {"size": 0, "state": "complete"}},
    }))
    .expect("an exchange");
    let id = EventId::from_uuid(uuid::Uuid::now_v7());
    let event = NewEvent {
        id,
        time: sidehook::clock::now(),
        rule: RuleRef { id: 9, label: "seed".into(), tag: None },
        subject: None,
        depth,
        test_of: None,
        exchange,
    };
    storage.store.commit(event, sidehook::store::OnFailure::Refuse).await.expect("committed");
    let deliveries = || storage.store.deliveries_of(id).expect("readable");
    until("its delivery", || !deliveries().is_empty()).await;
    deliveries()[0].id
}

/// The depth of the event that a call with these header lines makes, if it makes one; what the
/// upstream saw of it; and the metrics.
async fn call(storage: &Storage, depth_max: u8, lines: &str) -> (Option<u8>, Seen, String) {
    let upstream = Upstream::always(ok("{}")).await;
    let mut settings = settings(upstream.addr);
    settings.depth_max = depth_max;
    let rules = RuleSet::new(vec![rule("called", "POST ^/back$")]);
    let (proxy, metrics) = measured(settings, &rules, storage.store.clone());
    let before = storage.as_after_a_crash().len();
    let mut client = RawClient::connect(proxy.local_addr()).await;
    let request = format!("POST /back HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: 0\r\n\r\n");
    client.send(request).await;
    assert_eq!(client.reply().await.status(), 200, "the call is untouched");
    let events = storage.as_after_a_crash();
    let made = events[before..].first().map(|event| event.depth);
    let seen = upstream.requests().pop().expect("a request");
    (made, seen, metrics.encode(&Scrape::default(), Exposition::Text))
}

fn storage() -> Storage {
    let storage = Storage::new();
    let url = "http://127.0.0.1:9/".parse().expect("a URL");
    storage.store.set_webhooks(vec![Webhook::new("w", url)]);
    storage
}

#[tokio::test]
async fn marks_of_deliveries_that_nobody_made_hide_nothing() {
    let storage = storage();
    for lines in [
        "webhook-id: 70195486-8934-4a31-a504-a97a72c7f322\r\n",
        "tracestate: sidehook=701954868934 4a31\r\n",
        "webhook-id: msg_1\r\n",
        "",
    ] {
        let (made, _, metrics) = call(&storage, 0, lines).await;
        assert_eq!(made, Some(0), "{lines}");
        assert!(!metrics.contains("sidehook_loops_stopped_total{"), "{metrics}");
    }
}

#[tokio::test]
async fn a_chain_of_webhooks_ends_at_its_depth() {
    let storage = storage();
    let (first, second) = (delivery(&storage, 0).await, delivery(&storage, 1).await);
    let by_header = |id: DeliveryId| format!("webhook-id: {id}\r\n");
    let by_trace = |id: DeliveryId| format!("tracestate: a=1,sidehook={}\r\n", id.uuid().simple());
    for lines in [by_header(first), by_trace(first)] {
        let (made, seen, _) = call(&storage, 1, &lines).await;
        assert_eq!(made, Some(1), "{lines}");
        assert!(
            String::from_utf8_lossy(&seen.raw).contains(lines.trim_end()),
            "passed on as it is"
        );
        assert_eq!(call(&storage, 0, &lines).await.0, None, "{lines}");
    }
    for lines in [by_header(second), by_trace(second), by_header(first) + &by_trace(second)] {
        let (made, _, metrics) = call(&storage, 1, &lines).await;
        assert_eq!(made, None, "{lines}");
        let line = "sidehook_loops_stopped_total{label=\"called\"} 1";
        assert!(metrics.contains(line), "{metrics}");
        assert_eq!(call(&storage, 2, &lines).await.0, Some(2), "{lines}");
    }
}
