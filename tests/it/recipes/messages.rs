//! The dialects of well-known services, made by expressions.

use serde::Deserialize;
use serde_json::{Value, json};
use sidehook::clock;

use super::hmac_hex;
use super::stand::{Stand, secret};
use crate::support::receiver::{Answer, Received};

fn parsed(request: &Received) -> Value {
    assert_eq!(request.header("content-type"), "application/json");
    serde_json::from_slice(&request.body).expect("JSON")
}

/// What `verify` of `@octokit/webhooks-methods` does.
fn verify_github(request: &Received) {
    let expected = format!("sha256={}", hmac_hex(secret("GITHUB_SECRET"), &request.body));
    assert_eq!(request.header("x-hub-signature-256"), expected);
}

const ISSUE: &str =
    "{\"number\": 12, \"title\": \"It breaks\", \"user\": {\"login\": \"octocat\"}}";

#[test]
fn github_gets_an_action_an_issue_and_its_signature() {
    let stand = Stand::start("github", "201 Created", ISSUE);
    assert_eq!(stand.call("POST", "/repos/octo/hello/issues", "{\"title\": \"It breaks\"}"), 201);
    let request = &stand.received(1)[0];
    verify_github(request);
    assert_eq!(request.header("x-github-event"), "issues");
    let issue: Value = serde_json::from_str(ISSUE).expect("JSON");
    let expected = json!({
        "action": "opened",
        "issue": issue,
        "repository": {
            "name": "hello", "full_name": "octo/hello", "owner": {"login": "octo"}
        },
        "sender": {"login": "octocat"}
    });
    assert_eq!(parsed(request), expected);
}

#[test]
fn github_tells_closing_from_editing_by_the_condition() {
    let stand = Stand::start("github", "200 OK", ISSUE);
    for (body, action) in [("{\"state\": \"closed\"}", "closed"), ("{\"title\": \"x\"}", "edited")]
    {
        let before = stand.receiver.count();
        assert_eq!(stand.call("PATCH", "/repos/octo/hello/issues/12", body), 200);
        let request = &stand.received(before + 1)[before];
        verify_github(request);
        assert_eq!(parsed(request)["action"], action);
    }
}

/// What Stripe's `constructEvent` does: the header's parts, the tolerance, the signature, the event.
fn construct_event(request: &Received, key: &str) -> StripeEvent {
    let header = request.header("stripe-signature");
    let part =
        |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let time: u64 = part("t").and_then(|text| text.parse().ok()).expect("t=<seconds>");
    assert!(clock::now().as_secs().abs_diff(time) <= 300, "outside of the tolerance");
    let signed = [format!("{time}.").as_bytes(), &request.body].concat();
    assert_eq!(part("v1"), Some(&*hmac_hex(key, &signed)), "{header}");
    serde_json::from_slice(&request.body).expect("Stripe's event")
}

#[derive(Deserialize)]
struct StripeEvent {
    id: String,
    object: String,
    r#type: String,
    livemode: bool,
    data: StripeData,
    request: StripeRequest,
}

#[derive(Deserialize)]
struct StripeData {
    object: Value,
}

#[derive(Deserialize)]
struct StripeRequest {
    id: Option<String>,
    idempotency_key: Option<String>,
}

#[test]
fn stripe_gets_its_event_object_and_a_timed_signature() {
    let invoice = "{\"id\": \"in_1\", \"object\": \"invoice\", \"status\": \"paid\"}";
    let stand = Stand::start("stripe", "200 OK", invoice);
    let lines = "idempotency-key: key-7\r\n";
    assert_eq!(stand.call_with("POST", "/v1/invoices/in_1/pay", lines, "{}"), 200);
    let event = construct_event(&stand.received(1)[0], secret("STRIPE_SECRET"));
    assert!(event.id.starts_with("evt_"), "{}", event.id);
    assert_eq!((event.object.as_str(), event.r#type.as_str()), ("event", "invoice.paid"));
    assert!(event.livemode);
    assert_eq!(event.data.object["id"], "in_1");
    assert_eq!(event.request.idempotency_key.as_deref(), Some("key-7"));
    assert_eq!(event.request.id, None);
}

#[test]
fn stripe_hears_of_invoices_that_are_paid_and_of_no_others() {
    let stand = Stand::start("stripe", "200 OK", "{\"id\": \"in_1\", \"status\": \"open\"}");
    assert_eq!(stand.call("POST", "/v1/invoices/in_1/pay", "{}"), 200);
    assert_eq!(stand.call("POST", "/v1/customers", "{}"), 200);
    let event = construct_event(&stand.received(1)[0], secret("STRIPE_SECRET"));
    assert_eq!(event.r#type, "customer.created", "the invoice's call came first");
    assert_eq!(stand.admin("/v1/events")["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn slack_gets_a_text_with_its_marks_escaped() {
    let task = "{\"title\": \"wash <@U1> & <!channel>\"}";
    let stand = Stand::start("slack", "201 Created", task);
    // Slack's answer.
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nok";
    stand.receiver.otherwise(Answer::Raw(ok.into()));
    assert_eq!(stand.call("POST", "/api/v1/tasks", "{}"), 201);
    let text = "New task: wash &lt;@U1&gt; &amp; &lt;!channel&gt;";
    assert_eq!(parsed(&stand.received(1)[0]), json!({ "text": text }));
    stand.deliveries("delivered", 1);
}

#[test]
fn discord_gets_content_of_bounded_length_that_mentions_nobody() {
    let title = "ä@everyone ".repeat(300);
    let stand = Stand::start("discord", "201 Created", &json!({ "title": title }).to_string());
    // Discord's answer.
    stand.receiver.otherwise(Answer::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()));
    assert_eq!(stand.call("POST", "/api/v1/tasks", "{}"), 201);
    let message = parsed(&stand.received(1)[0]);
    let content = message["content"].as_str().expect("a text");
    assert!(content.starts_with("New task: ä@everyone"), "{content}");
    assert!((1900..=2000).contains(&content.chars().count()), "{}", content.chars().count());
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    assert_eq!(message["username"], "tasks");
    stand.deliveries("delivered", 1);
}

#[test]
fn a_message_about_what_has_no_title_says_nothing_strange() {
    for (recipe, member) in [("discord", "content"), ("slack", "text")] {
        for body in ["{}", "{\"title\": null}"] {
            let stand = Stand::start(recipe, "201 Created", body);
            assert_eq!(stand.call("POST", "/api/v1/tasks", "{}"), 201);
            assert_eq!(parsed(&stand.received(1)[0])[member], "New task: ", "{recipe}: {body}");
        }
    }
}
