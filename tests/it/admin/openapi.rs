//! The OpenAPI document and the API are the same thing.

use serde_json::Value;

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
