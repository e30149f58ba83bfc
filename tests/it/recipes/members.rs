//! The dialects with a body of their own: each receiver knows exactly the members it was promised.

use serde::Deserialize;
use serde_json::{Value, json};
use sidehook::model::Timestamp;

use super::hmac_hex;
use super::stand::{Stand, secret};
use crate::support::receiver::Received;

/// A body in the receiver's own types; anything it does not know is a mistake.
fn body<'r, T: Deserialize<'r>>(request: &'r Received) -> T {
    assert_eq!(request.header("content-type"), "application/json");
    serde_json::from_slice(&request.body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&request.body)))
}

mod apio {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Exchange {
        pub(super) event: Event,
        pub(super) id: uuid::Uuid,
        pub(super) request: Request,
        pub(super) response: Response,
        pub(super) secret: String,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Event {
        pub(super) id: i64,
        pub(super) label: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Request {
        pub(super) tag: String,
        pub(super) method: String,
        pub(super) url: String,
        pub(super) body: Value,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Response {
        pub(super) status: u16,
        pub(super) body: Value,
    }
}

#[test]
fn apio_gets_the_exchange_with_header_password_and_secret() {
    let stand = Stand::start("apio", "200 OK", "{}");
    let call = stand.call("POST", "/api/v01/some/url/path", "{\"foo\": \"bar\"}");
    assert_eq!(call, 200);
    let request = &stand.received(1)[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/apio"));
    assert_eq!(request.header("x-client"), "sidehook");
    // "apio:apio-password" (RFC 7617).
    assert_eq!(request.header("authorization"), "Basic YXBpbzphcGlvLXBhc3N3b3Jk");
    let exchange: apio::Exchange = body(request);
    assert_eq!(exchange.event, apio::Event { id: 1, label: "event-1".to_owned() });
    assert_eq!(exchange.id.to_string(), request.header("webhook-id"));
    assert_eq!(
        (exchange.request.tag.as_str(), exchange.request.method.as_str()),
        ("tag-1", "post")
    );
    assert_eq!(exchange.request.url, "/api/v01/some/url/path");
    assert_eq!(exchange.request.body, json!({"foo": "bar"}));
    assert_eq!((exchange.response.status, exchange.response.body), (200, json!({})));
    assert_eq!(exchange.secret, secret("APIO_SECRET"));
    assert!(request.headers.get("x-webhook-signature").is_none(), "what is shown cannot sign");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskEvent {
    event: String,
    timestamp: String,
    webhook_id: String,
    data: Value,
}

#[test]
fn the_task_api_gets_four_members_and_a_prefixed_signature() {
    let stand = Stand::start("tasks", "201 Created", "{\"id\": 7, \"title\": \"wash\"}");
    assert_eq!(stand.call("POST", "/api/v1/tasks", "{\"title\": \"wash\"}"), 201);
    let request = &stand.received(1)[0];
    let signature = request.header("x-webhook-signature").strip_prefix("sha256=");
    assert_eq!(signature, Some(&*hmac_hex(secret("TASKS_SECRET"), &request.body)));
    let event: TaskEvent = body(request);
    assert_eq!(event.event, "task.created");
    assert!(event.timestamp.ends_with('Z'), "{}", event.timestamp);
    assert!(Timestamp::parse(&event.timestamp).is_some(), "{}", event.timestamp);
    assert_eq!(event.webhook_id, request.header("x-webhook-id"));
    assert!(event.webhook_id.starts_with("wh_"), "{}", event.webhook_id);
    assert_eq!(event.data, json!({"id": 7, "title": "wash"}));
    let sent: u64 = request.header("x-webhook-timestamp").parse().expect("Unix seconds");
    let happened = Timestamp::parse(&event.timestamp).expect("read before").as_secs();
    assert!(sent >= happened, "{sent} {happened}");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    id: String,
    r#type: String,
    created_at: String,
    data: Value,
}

#[test]
fn the_typed_api_gets_an_id_a_type_and_a_time() {
    let stand = Stand::start("typed", "201 Created", "{\"order\": \"o-1\", \"total\": 12.50}");
    assert_eq!(stand.call("POST", "/v1/orders", "{}"), 201);
    let request = &stand.received(1)[0];
    let typed: Typed = body(request);
    assert!(typed.id.starts_with("evt_"), "{}", typed.id);
    assert_eq!(typed.r#type, "order.created");
    assert_eq!(request.header("x-webhook-event"), "order.created");
    assert!(Timestamp::parse(&typed.created_at).is_some(), "{}", typed.created_at);
    assert_eq!(typed.data, json!({"order": "o-1", "total": 12.50}));
    let raw = String::from_utf8_lossy(&request.body);
    assert!(raw.contains("12.50"), "the very bytes of the API: {raw}");
    let signature = format!("sha256={}", hmac_hex(secret("ORDERS_SECRET"), &request.body));
    assert_eq!(request.header("x-webhook-signature"), signature);
    assert!(request.header("webhook-signature").starts_with("v1,"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortalEvent {
    event: String,
    entity: String,
    identifier: String,
    payload: Value,
}

#[test]
fn the_portal_gets_entity_identifier_and_the_secret_verbatim() {
    let peer = "{\"Identifier\": \"xTIBA5rb/oUv=\", \"DisplayName\": \"laptop\"}";
    let stand = Stand::start("wireguard-portal", "200 OK", peer);
    assert_eq!(stand.call("POST", "/api/v1/peer/new", "{}"), 200);
    let request = &stand.received(1)[0];
    assert_eq!(request.header("authorization"), secret("PORTAL_SECRET"));
    let event: PortalEvent = body(request);
    assert_eq!((event.entity.as_str(), event.event.as_str()), ("peer", "create"));
    assert_eq!(event.identifier, "xTIBA5rb/oUv=");
    assert_eq!(event.payload["DisplayName"], "laptop");
    assert_eq!(stand.call("POST", "/api/v1/user/new", "{}"), 200);
    let requests = stand.received(2);
    let event: PortalEvent = body(&requests[1]);
    assert_eq!((event.entity.as_str(), event.event.as_str()), ("user", "create"));
}

#[test]
fn the_portal_hears_of_what_is_gone_by_the_path() {
    let stand = Stand::start("wireguard-portal", "204 No Content", "");
    assert_eq!(stand.call("DELETE", "/api/v1/peer/by-id/peer-7", ""), 204);
    let requests = stand.received(1);
    let event: PortalEvent = body(&requests[0]);
    assert_eq!((event.entity.as_str(), event.event.as_str()), ("peer", "delete"));
    assert_eq!((event.identifier.as_str(), event.payload), ("peer-7", Value::Null));
}
