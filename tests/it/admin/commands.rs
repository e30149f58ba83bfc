use std::process::{Command, Output};

use serde_json::Value;
use sidehook::model::Verdict;

use super::desk::{Desk, TOKEN, rejected};

/// Runs the real binary beside the running API.
async fn sidehook(arguments: &[&str], token: Option<&str>, directory: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidehook"));
    command.args(arguments).current_dir(directory);
    command.env_remove("SIDEHOOK_ADMIN").env_remove("SIDEHOOK_TOKEN");
    if let Some(token) = token {
        command.env("SIDEHOOK_TOKEN", token);
    }
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("no panic").expect("the binary runs")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn commands_print_json_when_nobody_looks() {
    let desk = Desk::open().await;
    let (event, _) = desk.commit("task.created", 1).await;
    let id = desk.attempt(rejected(), Verdict::Failed).await.to_string();
    let admin = format!("http://{}", desk.addr);
    let event = event.to_string();
    let directory = tempfile::tempdir().expect("a directory");
    for (arguments, pointer, expected) in [
        (&["status"][..], "/webhooks/0/status", "active"),
        (&["events", "--label", "task.created"], "/data/0/id", event.as_str()),
        (&["deliveries", "--webhook", "billing", "--status", "failed"], "/data/0/id", &id),
        (&["history", &id], "/attempts/0/error", "the receiver answered 503"),
        (&["history", &event], "/type", "event"),
        (&["retry", &id], "/status", "pending"),
    ] {
        let arguments = [arguments, &["--admin", &admin]].concat();
        let output = sidehook(&arguments, Some(TOKEN), directory.path()).await;
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told.pointer(pointer).and_then(Value::as_str), Some(expected), "{told}");
    }
}

#[tokio::test]
async fn errors_name_the_next_step() {
    let desk = Desk::open().await;
    let admin = format!("http://{}", desk.addr);
    let directory = tempfile::tempdir().expect("a directory");
    let unknown = "70195486-8934-4a31-a504-a97a72c7f322";
    for (arguments, token, code, hint) in [
        (&["status", "--admin", "http://127.0.0.1:1"][..], Some(TOKEN), 1, "sidehook run"),
        (&["status", "--admin", &admin], Some("wrong"), 1, "--token"),
        (&["status", "--admin", &admin], None, 1, "--data"),
        (&["history", unknown, "--admin", &admin], Some(TOKEN), 1, "sidehook events"),
        (&["deliveries", "--webhook", "x", "--admin", &admin], Some(TOKEN), 1, "billing"),
        (&["events", "--since", "yesterday"], Some(TOKEN), 2, "RFC 3339"),
        (&["events", "--limit", "0"], Some(TOKEN), 2, "1..=10000"),
        (&["status", "--admin", "ftp://localhost"], Some(TOKEN), 2, "http"),
        (&["history"], Some(TOKEN), 2, "ID"),
    ] {
        let output = sidehook(arguments, token, directory.path()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(hint), "{arguments:?}: {}", err(&output));
        assert!(output.stdout.is_empty(), "errors go to stderr");
    }
}

#[tokio::test]
async fn the_kept_token_is_found() {
    let desk = Desk::open().await;
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("data")).expect("a directory");
    std::fs::write(directory.path().join("data/admin-token"), format!("{TOKEN}\n")).expect("kept");
    let admin = format!("http://{}", desk.addr);
    let output = sidehook(&["status", "--admin", &admin], None, directory.path()).await;
    assert!(output.status.success(), "{}", err(&output));
}
