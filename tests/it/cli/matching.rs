//! `sidehook match`: 0 where a rule matches, 1 where none does, 2 for what cannot be asked.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{GOOD, output, stderr, stdout};

const RULES: &str = r#"
[capture]
redact_headers = ["x-mine"]
redact_query = ["key"]
redact_fields = ["/request/body/pin"]
[[event]]
label = "task.done"
method = "POST"
url = '^/tasks/(?<id>[0-9]+)$'
status = [201]
when = 'response.body.status == "done"'
subject = 'request.params.id'
[[event]]
label = "spy"
method = "*"
url = '^/spy'
subject = 'request.headers.x_mine ~ request.query.key ~ request.body.pin ~ request.headers.x_odd'
"#;

fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("sidehook.toml"), format!("{GOOD}{RULES}")).expect("writable");
    folder
}

#[test]
fn it_shows_captures_and_why_the_others_do_not_match() {
    let folder = folder();
    fs::write(folder.path().join("body.json"), r#"{"status": "done"}"#).expect("writable");
    let arguments =
        ["match", "POST", "/x/../tasks/7", "--status", "201", "--response-body", "@body.json"];
    let done = output(folder.path(), &arguments);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let said = stdout(&done);
    for part in [
        "task.done (rule 1) matches",
        "in its normalised form /tasks/7",
        "captures id = 7",
        "subject  7",
        "spy (rule 2) does not match",
        "^/spy; found /x/../tasks/7",
        "1 of 2 rules match",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let done = output(folder.path(), &["match", "post", "/tasks/7"]);
    assert_eq!(done.status.code(), Some(1));
    let said = stdout(&done);
    for part in
        ["answered 200 (assumed", "NO   POST; found post", "NO   201; found 200", "None of 2"]
    {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[test]
fn json_is_what_the_api_answers_and_redacts_as_the_proxy_does() {
    let folder = folder();
    let arguments = [
        "match",
        "GET",
        "http://api.test/spy?key=1",
        "--json",
        "--header",
        "X-Mine: 2",
        "--header",
        "X-Odd: 3",
        "--request-body",
        r#"{"pin": 4}"#,
    ];
    let done = output(folder.path(), &arguments);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let answer: Value = serde_json::from_str(&stdout(&done)).expect("JSON");
    assert_eq!(answer["data"][0]["matched"], false);
    assert_eq!(answer["data"][1]["subject"], "REDACTEDREDACTEDREDACTED3", "{answer}");
}

#[test]
fn what_cannot_be_asked_is_2() {
    let folder = folder();
    for (arguments, said) in [
        (&["match", "G T", "/"][..], "method must be"),
        (&["match", "GET", "tasks"], "url must be"),
        (&["match", "GET", "/", "--status", "99"], "status must be"),
        (&["match", "GET", "/", "--header", "nonsense"], "'Name: value'"),
        (&["match", "GET", "/", "--request-body", "@gone"], "cannot read gone"),
        (&["match", "GET", "/", "--config", "gone.toml"], "gone.toml"),
    ] {
        let done = output(folder.path(), arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", stderr(&done));
        assert!(stderr(&done).contains(said), "{arguments:?}: {}", stderr(&done));
    }
}
