//! What a delivery would send, to be looked at.

use sidehook::model::*;

use super::desk::{Desk, assert_problem, json};

const SECRETS: [&str; 4] = ["shown-secret", "signing-secret", "header-secret", "basic-secret"];

/// The desk's webhook `billing`, changed.
fn change(desk: &Desk, change: impl Fn(&mut Webhook)) {
    let webhooks = desk.store.webhooks();
    let mut webhooks: Vec<Webhook> = webhooks.iter().map(|webhook| (**webhook).clone()).collect();
    webhooks.iter_mut().filter(|webhook| webhook.name == "billing").for_each(change);
    desk.store.set_webhooks(webhooks);
}

#[tokio::test]
async fn the_body_is_as_it_would_be_sent_with_the_secret_masked() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let path = format!("/v1/deliveries/{}/payload", deliveries[0].id);
    let reply = desk.get(&path).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(reply.field("content-type"), ["application/json"]);
    assert!(reply.field("content-disposition")[0].starts_with("attachment"), "{}", reply.head);
    let body = json(&reply);
    assert_eq!(body["id"], deliveries[0].id.to_string());
    assert_eq!(body["secret"], "***");
    assert!(reply.text().contains(r#"{"z": 1.0, "a": "b"}"#), "{}", reply.text());

    let request = desk.json(&format!("{path}?view=request")).await;
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], "https://example.com/hook");
    let headers = &request["headers"];
    for (name, value) in [
        ("webhook-id", deliveries[0].id.to_string().as_str()),
        ("x-webhook-event", "task.created"),
        ("x-webhook-attempt", "1"),
        ("x-env", "prod"),
        ("x-api-key", "***"),
        ("authorization", "***"),
        ("webhook-signature", "***"),
        ("x-webhook-signature", "***"),
    ] {
        assert_eq!(headers[name], value, "{name} of {headers}");
    }
    assert_eq!(request["body"], reply.text());
    for secret in SECRETS {
        assert!(!request.to_string().contains(secret) && !reply.text().contains(secret));
    }
}

#[tokio::test]
async fn expressions_see_the_mask_and_other_formats_have_their_type() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let path = format!("/v1/deliveries/{}/payload", deliveries[0].id);
    change(&desk, |webhook| {
        let template = sidehook::expr::Template::parse("<b>{{ webhook.secret }}</b>");
        let content_type = http::HeaderValue::from_static("text/html");
        webhook.format = Format::Template { template: template.expect("parses"), content_type };
    });
    let reply = desk.get(&path).await;
    assert_eq!((reply.status(), reply.text().as_str()), (200, "<b>***</b>"));
    assert_eq!(reply.field("content-type"), ["text/html"]);
    assert_eq!(reply.field("x-content-type-options"), ["nosniff"]);

    change(&desk, |webhook| webhook.format = Format::CloudEventsBinary);
    let request = desk.json(&format!("{path}?view=request")).await;
    assert_eq!(request["headers"]["ce-type"], "task.created");
}

#[tokio::test]
async fn what_cannot_be_shown_says_why() {
    let desk = Desk::open().await;
    let (_, deliveries) = desk.commit("task.created", 1).await;
    let path = format!("/v1/deliveries/{}/payload", deliveries[0].id);
    assert_problem(&desk.get(&format!("{path}?view=page")).await, 400, "bad_query");
    let unknown = "/v1/deliveries/70195486-8934-4a31-a504-a97a72c7f322/payload";
    assert_problem(&desk.get(unknown).await, 404, "not_found");
    change(&desk, |webhook| {
        let expression = sidehook::expr::Expression::parse("1 / 0").expect("parses");
        webhook.format = Format::Json(expression);
    });
    assert_problem(&desk.get(&path).await, 422, "unrenderable");
    desk.store.set_webhooks(Vec::new());
    assert_problem(&desk.get(&path).await, 409, "webhook_gone");
}
