//! A receiver that asked for rest (`Retry-After`) has it, also when sidehook is killed and started again.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::process::{Process, exchange};
use super::{sidehook, stderr};
use crate::support::found_blocking;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Act, Upstream, reply};

const CALL: &str =
    "POST /tasks HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

fn folder(upstream: &Upstream, busy: &Receiver, control: &Receiver) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let file = format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [delivery]\nallow_networks = [\"127.0.0.0/8\"]\nretry = []\n\
         [[event]]\nlabel = \"task.created\"\nmethod = \"POST\"\nurl = '^/tasks$'\n\
         [[webhook]]\nname = \"busy\"\nurl = \"{}\"\nevents = [\"*\"]\n\
         [[webhook]]\nname = \"control\"\nurl = \"{}\"\nevents = [\"*\"]\n",
        upstream.addr,
        busy.url("/"),
        control.url("/"),
    );
    fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
    folder
}

/// Calls, and waits until the other webhook has had all of them.
fn call(process: &Process, n: usize, control: &Receiver) {
    for _ in 0..n {
        let n_before = control.count();
        let answer = exchange(&process.proxy, CALL);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        Handle::current().block_on(control.received(n_before + 1));
    }
}

/// What the journal holds, read as text.
fn journal(folder: &Path) -> String {
    let files = fs::read_dir(folder.join("data/journal")).expect("there");
    let read = files.map(|file| fs::read(file.expect("a file").path()).expect("readable"));
    read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// What a command of the running sidehook prints.
fn asked(folder: &Path, process: &Process, command: &[&str]) -> String {
    let mut command = sidehook(folder, command);
    let output = command
        .env("SIDEHOOK_ADMIN", format!("http://{}", process.admin))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Until when the webhook `busy` is said to rest, in the two places that tell it.
fn rests_until(folder: &Path, process: &Process) -> [Value; 2] {
    [["webhooks", "data"], ["status", "webhooks"]].map(|[command, list]| {
        let shown = asked(folder, process, &[command, "--json"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let all = shown[list].as_array().expect("a list");
        let busy = all.iter().find(|webhook| webhook["name"] == "busy").expect("it is there");
        assert_eq!(busy["status"], "active");
        busy["rests_until"].clone()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_it_over_restarts_until_somebody_ends_it() {
    let (busy, control) = (Receiver::start().await, Receiver::start().await);
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    busy.script([Answer::With { status: 429, headers: &[("retry-after", "3600")] }]);
    let folder = folder(&upstream, &busy, &control);
    let day = move || {
        let process = Process::start(folder.path(), &[]);
        call(&process, 1, &control);
        let is_written = || journal(folder.path()).contains("rests_until").then_some(());
        found_blocking(is_written).expect("what it asked for is in the journal");
        // Killed.
        drop(process);

        let process = Process::start(folder.path(), &[]);
        call(&process, 5, &control);
        assert_eq!(busy.count(), 1);
        let [first, second] = rests_until(folder.path(), &process);
        assert!(first.is_string() && first == second, "{first} {second}");
        drop(process);

        fs::remove_dir_all(folder.path().join("data/index")).expect("removed");
        let process = Process::start(folder.path(), &[]);
        call(&process, 5, &control);
        assert_eq!(busy.count(), 1, "the journal alone knows it too");

        asked(folder.path(), &process, &["webhooks", "enable", "busy"]);
        assert_eq!(rests_until(folder.path(), &process), [Value::Null, Value::Null]);
        Handle::current().block_on(busy.received(11));
        process.stop();
        let process = Process::start(folder.path(), &[]);
        call(&process, 1, &control);
        Handle::current().block_on(busy.received(12));
        process.stop();
    };
    tokio::task::spawn_blocking(day).await.expect("no panic");
}
