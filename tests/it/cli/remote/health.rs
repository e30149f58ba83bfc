use std::process::Output;

use serde_json::json;

use super::fake::{Fake, Says};
use crate::cli::{GOOD, output, process::Process, stderr, stdout};

fn asked(admin: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let admin = format!("http://{admin}");
    output(folder.path(), &[&["health", "--admin", &admin], arguments].concat())
}

#[test]
fn a_running_sidehook_is_healthy_without_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("sidehook.toml"), GOOD).expect("written");
    let process = Process::start(folder.path(), &[]);
    for flags in [&[][..], &["--live"]] {
        let answer = asked(&process.admin, flags);
        assert_eq!(answer.status.code(), Some(0), "{}", stderr(&answer));
    }
    let admin = process.admin.clone();
    process.stop();
    let gone = asked(&admin, &[]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("cannot ask sidehook"), "{}", stderr(&gone));
}

#[test]
fn one_that_is_not_ready_fails_with_its_reasons_and_is_alive_all_the_same() {
    let fake = Fake::start(|seen, _| match seen.line.as_str() {
        "GET /readyz" => {
            Says::Json(503, json!({"status": "not ready", "reasons": ["the store is full"]}))
        }
        "GET /livez" => Says::Json(200, json!({"status": "alive", "reasons": []})),
        _ => Says::Nothing,
    });
    let (shown, code) = fake.show(&["health"], &[]);
    assert_eq!((shown.contains("the store is full"), code), (true, 1), "{shown}");
    let plain = fake.run(&["health"]);
    assert_eq!(plain.status.code(), Some(1));
    assert!(stdout(&plain).contains("the store is full"), "{}", stdout(&plain));
    assert_eq!(fake.show(&["health", "--live"], &[]).1, 0);
}

#[test]
fn another_server_is_not_taken_for_sidehook() {
    let other = Fake::start(|_, _| Says::Json(404, json!({})));
    let answer = other.run(&["health"]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(stderr(&answer).contains("admin address"), "{}", stderr(&answer));
}
