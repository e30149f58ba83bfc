//! `POST /v1/rules/test`: each rule, each part of it, matched or why not.

use serde_json::{Value, json};

use super::desk::{Desk, assert_problem, json as read};
use crate::support::client::Reply;

async fn post(desk: &Desk, body: &Value) -> Reply {
    let header = "content-type: application/json\r\n";
    desk.send("POST", "/v1/rules/test", header, &body.to_string()).await
}

async fn tested(desk: &Desk, body: &Value) -> Value {
    let reply = post(desk, body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    read(&reply)["data"][0].clone()
}

#[tokio::test]
async fn a_rule_says_why_it_fires_and_why_not() {
    let desk = Desk::open().await;
    let call = json!({
        "method": "POST", "url": "//tasks?a=1", "status": 201,
        "request": {"headers": {"X-One": "1", "X-Two": ["2", "3"]}, "body": "text"},
        "response": {"body": {"id": 7}},
    });
    let yes = tested(&desk, &call).await;
    assert_eq!(
        (&yes["id"], &yes["label"], &yes["matched"]),
        (&json!(5), &json!("task.created"), &json!(true))
    );
    assert_eq!(
        yes["parts"]["url"],
        json!({
            "result": "matched", "expected": "^/tasks$", "found": "//tasks",
            "note": "in its normalised form /tasks",
        })
    );
    assert_eq!(yes["parts"]["when"]["found"], "7");
    assert_eq!(yes["parts"]["query"]["result"], "not_asked");
    assert_eq!((&yes["params"], &yes["subject"]), (&json!({}), &Value::Null));

    let no = tested(&desk, &json!({"method": "post", "url": "/tasks", "status": 500})).await;
    assert_eq!(no["matched"], false);
    assert_eq!(no["parts"]["method"]["result"], "not_matched");
    assert_eq!(no["parts"]["url"]["result"], "matched");
    assert_eq!(
        no["parts"]["status"],
        json!({
            "result": "not_matched", "expected": "2xx, 404, 300-302", "found": "500", "note": null,
        })
    );
    assert_eq!(no["parts"]["when"]["result"], "not_asked");
    // Nothing was counted: no call was made.
    assert_eq!(desk.json("/v1/rules").await["data"][0]["hits"], 0);
    // A body that is text, and JSON inside, is read as at a real call without a content type.
    let text = json!({"method": "POST", "url": "/tasks", "response": {"body": "{\"id\": 1}"}});
    assert_eq!(tested(&desk, &text).await["matched"], true);
}

#[tokio::test]
async fn every_member_that_is_wrong_is_named() {
    let desk = Desk::open().await;
    let call = json!({
        "url": 7, "status": "ok", "colour": 1, "response": 1,
        "request": {"headers": {"a b": "1", "c": 2}, "bdoy": 1},
    });
    let reply = post(&desk, &call).await;
    assert_problem(&reply, 422, "invalid");
    let problem = read(&reply);
    let errors = problem["errors"].as_array().expect("a list");
    let mut fields: Vec<&str> = errors.iter().filter_map(|e| e["field"].as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "colour",
            "method",
            "request.bdoy",
            "request.headers.a b",
            "request.headers.c",
            "response",
            "status",
            "url",
        ]
    );
    let call = json!({"method": "a b", "url": "tasks", "status": 99});
    let reply = post(&desk, &call).await;
    assert_eq!(reply.status(), 422);
    for field in ["\"method\"", "\"url\"", "\"status\""] {
        assert!(reply.text().contains(field), "{}", reply.text());
    }
    assert_problem(&desk.send("POST", "/v1/rules/test", "", "").await, 400, "bad_json");
}
