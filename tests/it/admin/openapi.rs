//! The OpenAPI document and the API are the same thing.

use serde_json::Value;
use sidehook::model::{
    Body, BodyState, Event, EventId, Exchange, HeaderList, RequestPart, ResponsePart, RuleRef,
    Timestamp,
};
use sidehook::view::response_view;

use super::desk::{Desk, assert_problem};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let desk = Desk::open().await;
    let document = desk.json("/v1/openapi.json").await;
    assert!(document["openapi"].as_str().expect("text").starts_with("3.1"), "{document}");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 10, "{paths:?}");
    for (path, item) in paths {
        let operations = item.as_object().expect("operations");
        let path = path.replace("{id}", "x").replace("{recovery}", "x");
        for method in METHODS {
            if path == "/v1/stream" && method == "GET" {
                // It would not end; it has tests of its own.
                continue;
            }
            let described = operations.get(&method.to_ascii_lowercase());
            let reply = desk.send(method, &path, "", "").await;
            match described {
                None => assert_problem(&reply, 405, "method_not_allowed"),
                Some(operation) => assert_answer(&reply, operation, &path),
            }
        }
    }
}

/// The answer's status is among those that the document names.
fn assert_answer(reply: &crate::support::client::Reply, operation: &Value, path: &str) {
    let status = reply.status().to_string();
    assert_ne!(status, "405", "{path}");
    assert!(operation["responses"].get(&status).is_some(), "{path}: {status} {}", reply.text());
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = serde_json::to_value(sidehook::admin::openapi()).expect("JSON");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_code_of_a_problem_is_in_the_document() {
    let document = serde_json::to_value(sidehook::admin::openapi()).expect("JSON");
    let codes = document["components"]["schemas"]["ProblemCode"]["enum"].clone();
    let codes: Vec<&str> =
        codes.as_array().expect("a list").iter().map(|code| code.as_str().expect("text")).collect();
    let made = regex::Regex::new(
        r#"(?:Problem::|Self::)(?:new\(\s*(?:StatusCode::\w+|status),|forbidden\(|conflict\(|unavailable\()\s*"([a-z_]+)""#,
    )
    .expect("a regex");
    let mut n_found = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        for found in made.captures_iter(&source) {
            n_found += 1;
            assert!(
                codes.contains(&&found[1]),
                "{}: {} is not in CODES",
                path.display(),
                &found[1]
            );
        }
    }
    assert!(n_found > 10, "{n_found}");
}

/// Shown, documented and stored under one name.
#[test]
fn every_state_of_a_body_is_in_the_document() {
    let document = serde_json::to_value(sidehook::admin::openapi()).expect("JSON");
    let named = document["components"]["schemas"]["Capture"]["enum"].as_array().expect("a list");
    let states = [
        BodyState::Complete,
        BodyState::Truncated,
        BodyState::OverBudget,
        BodyState::Redacted,
        BodyState::ClientAborted,
        BodyState::UpstreamAborted,
        BodyState::Streaming,
    ];
    assert_eq!(named.len(), states.len());
    for state in states {
        let shown = serde_json::to_value(response_view(&event(state, 9))).expect("JSON");
        assert!(named.contains(&shown["capture"]), "{shown}");
        assert_eq!(shown["capture"], serde_json::to_value(state).expect("JSON"));
        assert_eq!(shown["body_size"].is_null(), state == BodyState::Complete, "{shown}");
    }
    // A stream of which nothing had come yet is not a response without a body.
    let shown = serde_json::to_value(response_view(&event(BodyState::Streaming, 0)));
    let shown = shown.expect("JSON");
    let body = [&shown["body"], &shown["body_truncated"], &shown["body_size"]];
    assert_eq!(body, [&Value::Null, &true.into(), &0.into()]);
}

fn event(state: BodyState, size: u64) -> Event {
    let mut bytes = b"part".to_vec();
    bytes.truncate(usize::try_from(size).expect("small"));
    Event {
        id: EventId::from_uuid(uuid::Uuid::nil()),
        ordinal: 1,
        time: Timestamp::from_millis(0),
        rule: RuleRef { id: 1, label: "a".to_owned(), tag: None },
        subject: None,
        depth: 0,
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/".to_owned(),
                params: Vec::new(),
                headers: HeaderList::default(),
                body: Body::none(),
            },
            response: ResponsePart {
                status: 200,
                headers: HeaderList::default(),
                body: Body { bytes, size, state, ..Body::none() },
            },
        },
        is_test: false,
        deliveries: Vec::new(),
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => references.push(text.clone()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
