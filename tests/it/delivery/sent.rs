//! What a receiver gets.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sidehook::model::*;
use sidehook::{clock, payload, sign};

use super::world::{World, webhook};
use crate::support::receiver::{Answer, Receiver};

#[tokio::test]
async fn an_event_arrives_with_everything_that_the_contract_names() {
    let receiver = Receiver::start().await;
    let webhook = Webhook {
        secret: Some(Secret::new("shown")),
        signing_secret: Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        signatures: vec![Scheme::Standard, Scheme::Sha256],
        headers: vec![(HeaderName::from_static("x-env"), HeaderValue::from_static("prod"))],
        basic_auth: Some(BasicAuth { username: "u".to_owned(), password: Secret::new("p:w") }),
        method: http::Method::PUT,
        ..webhook("billing", &receiver)
    };
    let world = World::start(vec![webhook.clone()]);
    let before = clock::now();
    let delivery = &world.commit("task.created").await[0];

    let received = &receiver.received(1).await[0];
    assert_eq!((received.method.as_str(), received.target.as_str()), ("PUT", "/hook"));
    let id = delivery.id.to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "sidehook/test"),
        ("x-env", "prod"),
        ("authorization", "Basic dTpwOnc="),
        ("webhook-id", id.as_str()),
        ("x-webhook-id", &webhook.id.to_string()),
        ("x-webhook-event", "task.created"),
        ("x-webhook-attempt", "1"),
        ("x-webhook-timestamp", received.header("webhook-timestamp")),
    ] {
        assert_eq!(received.header(name), value, "{name}");
    }
    let timestamp: u64 = received.header("webhook-timestamp").parse().expect("Unix seconds");
    assert!((before.as_secs()..=clock::now().as_secs()).contains(&timestamp));
    let trace = received.header("traceparent");
    assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{trace}");
    assert!(!trace.contains("00f067aa0ba902b7"), "a span of its own");

    let expected = format!(
        concat!(
            r#"{{"event":{{"id":7,"label":"task.created"}},"id":"{}","#,
            r#""request":{{"method":"post","url":"/tasks?notify=1","#,
            r#""body":{{"title": "wash", "n": 1.00}}}},"#,
            r#""response":{{"status":201,"body":{{"id": 12345678901234567890}}}},"#,
            r#""secret":"shown"}}"#
        ),
        id
    );
    assert_eq!(String::from_utf8_lossy(&received.body), expected);
    let key = webhook.hmac_key().expect("a key");
    for scheme in &[Scheme::Standard, Scheme::Sha256] {
        let tolerance = Duration::from_secs(300);
        let now = clock::now().as_secs();
        let verified = sign::verify(scheme, key, &received.headers, &received.body, now, tolerance);
        assert_eq!(verified, Ok(()), "{scheme:?}");
    }

    let done = world.stands(delivery.id, DeliveryState::Delivered).await;
    assert_eq!((done.attempts, done.response_code), (1, Some(200)));
    let attempts = world.attempts(delivery.id);
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].verdict, Verdict::Delivered);
    let reply = attempts[0].outcome.reply().expect("a reply");
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"ok".as_slice()));
    let event = world.store.event(delivery.event_id).expect("readable").expect("known");
    let event = Arc::new(event);
    let rendered =
        payload::render(&event, delivery.id, &webhook, "//upstream.test").expect("renders");
    assert_eq!(rendered.body, received.body, "what is rendered again is what was sent");
}

#[tokio::test]
async fn a_label_reaches_those_who_want_it() {
    let (tasks, all) = (Receiver::start().await, Receiver::start().await);
    let only = |pattern, receiver: &Receiver| Webhook {
        events: vec![LabelPattern::new(pattern)],
        ..webhook(pattern, receiver)
    };
    let world = World::start(vec![only("task.*", &tasks), only("*", &all)]);
    assert_eq!(world.commit("invoice.paid").await.len(), 1);
    assert_eq!(world.commit("task.created").await.len(), 2);
    let labels = |received: Vec<crate::support::receiver::Received>| -> Vec<String> {
        received.iter().map(|one| one.header("x-webhook-event").to_owned()).collect()
    };
    let mut all = labels(all.received(2).await);
    all.sort();
    assert_eq!(all, ["invoice.paid", "task.created"]);
    assert_eq!(labels(tasks.received(1).await), ["task.created"]);
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let receiver = Receiver::start().await;
    let world = World::start(vec![webhook("large", &receiver)]);
    let mut event = super::world::new_event("large");
    let text = format!("\"{}\"", "x".repeat(1_000_000));
    event.exchange.response.body = Body::complete(text.clone());
    let on_failure = sidehook::store::OnFailure::Refuse;
    world.store.commit(event, on_failure).await.expect("durable");
    let received = &receiver.received(1).await[0];
    let shown: serde_json::Value = serde_json::from_slice(&received.body).expect("JSON");
    assert_eq!(shown["response"]["body"].to_string(), text);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_leads_nowhere() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.otherwise(Answer::redirect(elsewhere.url("/").as_str()));
    let world = World::start(vec![webhook("moved", &receiver)]);
    let delivery = &world.commit("a").await[0];
    let failed = world.stands(delivery.id, DeliveryState::Failed).await;
    assert_eq!(failed.response_code, Some(307));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn loopback_is_refused_unless_listed() {
    let receiver = Receiver::start().await;
    let world = World::start_with(vec![webhook("inside", &receiver)], 256, &[]);
    let delivery = &world.commit("a").await[0];
    let failed = world.stands(delivery.id, DeliveryState::Failed).await;
    let words = failed.error.expect("a reason");
    assert!(words.contains("allow_networks"), "{words}");
    let attempts = world.attempts(delivery.id);
    let failure = attempts[0].outcome.failure().expect("refused");
    assert!(matches!(failure, Failure::Refused { reason: GuardReason::NotPublic, .. }));
    assert_eq!(receiver.connections(), 0, "nothing was dialled");
}

#[tokio::test]
async fn a_signature_without_a_usable_key_is_a_failed_attempt_with_its_reason() {
    let receiver = Receiver::start().await;
    let broken = Webhook {
        signing_secret: Some(Secret::new("whsec_not base64")),
        signatures: vec![Scheme::Standard],
        ..webhook("broken", &receiver)
    };
    let world = World::start(vec![broken]);
    let delivery = &world.commit("a").await[0];
    let failed = world.stands(delivery.id, DeliveryState::Failed).await;
    let words = failed.error.expect("a reason");
    assert!(words.contains("base64") && !words.contains("not base64\""), "{words}");
    assert_eq!(receiver.connections(), 0, "nothing goes out unsigned");
}

/// A receiver that has the new key already and one that still has the old one both verify.
#[tokio::test]
async fn while_its_key_is_rotated_a_webhook_is_signed_with_both() {
    let receiver = Receiver::start().await;
    let previous = |secret, until| PreviousSecret { secret: Secret::new(secret), until };
    let hour = Duration::from_secs(3600);
    let webhook = Webhook {
        signing_secret: Some(Secret::new("new")),
        previous_secrets: vec![
            previous("old", clock::now().plus(hour)),
            previous("expired", clock::now()),
        ],
        signatures: vec![Scheme::Standard, Scheme::Stripe, Scheme::Sha256],
        ..webhook("w", &receiver)
    };
    let world = World::start(vec![webhook]);
    world.commit("a").await;
    let received = &receiver.received(1).await[0];
    let holds = |scheme, secret| {
        let (now, key) = (clock::now().as_secs(), Secret::new(secret));
        sign::verify(scheme, &key, &received.headers, &received.body, now, hour).is_ok()
    };
    for scheme in [&Scheme::Standard, &Scheme::Stripe] {
        assert!(holds(scheme, "new") && holds(scheme, "old"), "{scheme:?}");
        assert!(!holds(scheme, "expired"), "{scheme:?}");
    }
    assert!(holds(&Scheme::Sha256, "new") && !holds(&Scheme::Sha256, "old"));
}
