//! What the log says of calls, and what it does not let through.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, exchange};
use crate::support::upstream::{Act, Upstream, send};

/// A rule for `/tasks`; its upstream stands here.
fn folder(upstream: &Upstream) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let file = format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\n[[event]]\nlabel = \"task.created\"\nmethod = \"*\"\nurl = '^/tasks'\n",
        upstream.addr
    );
    fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
    folder
}

fn call(process: &Process, method: &str, target: &str, more: &str) -> String {
    let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}");
    exchange(&process.proxy, format!("{head}content-length: 5\r\n\r\nhello"))
}

fn calls(process: &Process) -> Vec<Value> {
    process.lines().into_iter().filter(|line| line["target"] == "sidehook::access").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_matched_call_is_one_line_and_others_are_none() {
    let upstream = Upstream::start(|n, _| {
        let status = if n == 1 { "404 Not Found" } else { "201 Created" };
        vec![send(&format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}"))]
    })
    .await;
    let folder = folder(&upstream);
    tokio::task::spawn_blocking(move || {
        let process = Process::start(folder.path(), &[("SIDEHOOK_LOG", "sidehook=debug")]);
        call(&process, "POST", "/tasks?n=1&access_token=hunter2&m=2", "");
        call(&process, "GET", "/tasks/9", "");
        call(&process, "GET", "/other", "");
        call(&process, "POST", "/tasks", "");
        process.until("all lines", |log| log.matches("sidehook::access").count() >= 3);
        let lines = calls(&process);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        let [first, second, _] = lines.as_slice() else { panic!("three") };
        assert_eq!(first["level"], "DEBUG");
        assert_eq!(first["method"], "POST");
        assert_eq!(first["url"], "/tasks?n=1&access_token=REDACTED&m=2");
        assert_eq!(first["status"], 201);
        assert_eq!(first["labels"], "task.created");
        assert!(first["events"].as_str().expect("text").starts_with("evt_"), "{first}");
        assert!(first["ms"].as_f64() >= first["commit_ms"].as_f64(), "{first}");
        assert_eq!(first["stored"], true);
        assert_eq!((&first["request_bytes"], &first["response_bytes"]), (&5.into(), &2.into()));
        assert_eq!((&second["status"], &second["events"]), (&404.into(), &"".into()), "{second}");
        assert!(second["commit_ms"].is_null() && second["stored"].is_null(), "{second}");
        assert!(!process.stop().contains("hunter2"));
        // Where nobody asks for them, there are none.
        let process = Process::start(folder.path(), &[]);
        call(&process, "POST", "/tasks", "");
        assert!(!process.stop().contains("sidehook::access"));
    })
    .await
    .expect("no panic");
}

/// A call that ends badly has its line too.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_upstream_fails_is_a_line_with_what_the_client_got() {
    let upstream = Upstream::always(vec![Act::Reset]).await;
    let folder = folder(&upstream);
    tokio::task::spawn_blocking(move || {
        let process =
            Process::start(folder.path(), &[("SIDEHOOK_LOG", "info,sidehook::access=debug")]);
        let answer = call(&process, "POST", "/tasks", "");
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        process.until("its line", |log| log.contains("sidehook::access"));
        let lines = calls(&process);
        assert_eq!(lines[0]["status"], 502, "{lines:#?}");
    })
    .await
    .expect("no panic");
}

/// Characters that a terminal obeys, from everybody who can send some.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_comes_from_outside_moves_the_terminal_or_forges_a_line() {
    let nasty = "\u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{7f}";
    let hostile = format!("{nasty}-reason");
    let upstream = Upstream::start(move |n, _| match n {
        0 => vec![send(&format!(
            "HTTP/1.1 200 {hostile}\r\nx: {hostile}\r\ncontent-length: 0\r\n\r\n"
        ))],
        1 => vec![send(&format!("HTTP/9.9 {hostile}\r\n\r\n")), Act::Close],
        _ => vec![send(&format!("{hostile}\n\n{{\"level\":\"ERROR\"}}\n")), Act::Close],
    })
    .await;
    let folder = folder(&upstream);
    tokio::task::spawn_blocking(move || {
        let trace = [("SIDEHOOK_LOG", "trace")];
        for flags in [&["--log-format", "json"][..], &["--log-format", "text"]] {
            let process = Process::start_as(folder.path(), flags, &trace);
            for target in
                ["/tasks/a", "/tasks/%1b%5b31m%0d%0aERROR", "/tasks/b", "/tasks/\u{202e}x"]
            {
                let more = format!("user-agent: {nasty}\r\nx-nasty: \u{202e}\r\n");
                call(&process, "POST", target, &more);
                call(&process, "GET", target, "");
            }
            exchange(&process.proxy, format!("{nasty} / HTTP/1.1\r\n\r\n"));
            exchange(&process.admin, format!("GET /{nasty} HTTP/1.1\r\nhost: {nasty}\r\n\r\n"));
            let log = process.stop();
            let unsafe_ones = |c: &char| {
                (c.is_control() && *c != '\n')
                    || ('\u{202a}'..='\u{202e}').contains(c)
                    || *c == '\u{2066}'
            };
            let found: Vec<char> = log.chars().filter(unsafe_ones).collect();
            assert!(found.is_empty(), "{found:?} in {log}");
            for line in log.lines() {
                let is_line = if flags[1] == "json" {
                    serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string())
                } else {
                    line.starts_with("20")
                };
                assert!(is_line, "a forged line: {line}\nin {log}");
            }
        }
    })
    .await
    .expect("no panic");
}

/// A log collector that dies, a disk that is full: the lines are lost, and nothing else.
#[test]
fn whoever_reads_the_log_may_go() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    use rustix::process::{Pid, Signal, kill_process};

    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("sidehook.toml"), super::GOOD).expect("written");
    for format in ["text", "json"] {
        let mut command = super::sidehook(folder.path(), &["run", "--log-format", format]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("sidehook is running")), "{format}");
        drop(lines);
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{format}");
    }
}
