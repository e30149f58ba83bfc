//! A day of an operator, with the real binary over real sockets: a webhook made by HTTP, its receiver
//! broken and mended, what it missed sent again from the shell, and all of it seen live.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, exchange};
use super::{sidehook, stderr};
use crate::support::found_blocking;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Upstream, ok};

/// One attempt and no more, so that each failure is one that somebody must recover.
const DELIVERY: &str =
    "[delivery]\nallow_networks = [\"127.0.0.0/8\"]\nretry = []\npause_after = 3\n";

/// `sidehook tail` for a program; what it has said so far.
struct Tail {
    child: Child,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Tail {
    fn start(folder: &Path, admin: &str) -> Self {
        let mut command = sidehook(folder, &["tail", "-n", "100"]);
        command.env("SIDEHOOK_ADMIN", admin).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let seen = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&seen);
        // Ends with the pipe, and so with the child.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).expect("a JSON object per line");
                kept.lock().expect("no panic").push(value);
            }
        });
        Self { child, seen }
    }

    /// Waits until so many changes of this type came with these members.
    fn until(&self, n: usize, kind: &str, members: &[(&str, Value)]) -> Vec<Value> {
        let seen = || self.seen.lock().expect("no panic");
        let is_one = |change: &&Value| {
            change["type"] == kind
                && members.iter().all(|(name, value)| change["data"][*name] == *value)
        };
        let enough = || {
            let changes: Vec<Value> = seen().iter().filter(is_one).cloned().collect();
            Some(changes).filter(|changes| changes.len() >= n)
        };
        found_blocking(enough).unwrap_or_else(|| panic!("{n} x {kind} {members:?}: {:#?}", seen()))
    }

    /// Ctrl-C.
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.child.wait().expect("our child").code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a running sidehook and the token that it made.
struct Operator {
    folder: TempDir,
    process: Process,
    admin: String,
}

impl Operator {
    fn start(upstream: &Upstream) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = format!(
            "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n[admin]\n\
             listen = \"127.0.0.1:0\"\n{DELIVERY}[[event]]\nlabel = \"task.created\"\n\
             method = \"POST\"\nurl = '^/tasks$'\n",
            upstream.addr
        );
        fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
        let process = Process::start(folder.path(), &[]);
        let admin = format!("http://{}", process.admin);
        Self { folder, process, admin }
    }

    /// As `curl` would, with the token of the file that the documentation names.
    fn create(&self, body: &str) -> String {
        let token = fs::read_to_string(self.folder.path().join("data/admin-token"));
        let token = token.expect("sidehook made one");
        let request = format!(
            "POST /v1/webhooks HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.process.admin,
            token.trim(),
            body.len()
        );
        exchange(&self.process.admin, request)
    }

    fn call(&self) {
        let head = "POST /tasks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        let answer = exchange(&self.process.proxy, format!("{head}content-length: 2\r\n\r\n{{}}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A command that succeeds; what it answers.
    fn runs(&self, arguments: &[&str]) -> Value {
        let mut command = sidehook(self.folder.path(), arguments);
        let output = command.env("SIDEHOOK_ADMIN", &self.admin).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON where nobody looks")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_breaks_and_is_mended_and_nothing_is_lost() {
    let upstream = Upstream::always(ok("{\"id\":7}")).await;
    let receiver = Receiver::start().await;
    tokio::task::spawn_blocking(move || live_through(&upstream, &receiver))
        .await
        .expect("no panic");
}

fn live_through(upstream: &Upstream, receiver: &Receiver) {
    let operator = Operator::start(upstream);
    let url = receiver.url("/hook");
    let created = operator.create(&format!(
        "{{\"name\": \"billing\", \"url\": \"{url}\", \"events\": [\"task.*\"]}}"
    ));
    assert!(created.starts_with("HTTP/1.1 201"), "{created}");
    let tail = Tail::start(operator.folder.path(), &operator.admin);
    assert_eq!(operator.runs(&["test", "billing"])["status"], "delivered");

    // It breaks: three failures in a row pause it, and what comes then is held.
    receiver.otherwise(Answer::Status(500));
    for n in 1..=3 {
        operator.call();
        tail.until(n, "delivery", &[("status", "failed".into()), ("attempts", 1.into())]);
    }
    let paused = tail.until(1, "webhook", &[("status", "paused".into())]);
    let reason = "3 failed attempts in a row; the last: the receiver answered 500";
    assert_eq!(paused[0]["data"]["disabled_reason"], reason);
    operator.call();
    let held = operator.runs(&["deliveries", "--status", "held"]);
    assert_eq!(held["data"].as_array().map(Vec::len), Some(1), "{held}");

    // It is mended: a test that is accepted ends the pause, and what was held goes out.
    receiver.otherwise(Answer::Status(200));
    assert_eq!(operator.runs(&["test", "billing"])["status"], "delivered");
    tail.until(1, "webhook", &[("status", "active".into())]);
    tail.until(1, "delivery", &[("id", held["data"][0]["id"].clone()), delivered()]);

    // What failed is counted, and sent again as the very deliveries that it was.
    let failed = operator.runs(&["deliveries", "--status", "failed"]);
    let failed = failed["data"].as_array().expect("a list");
    assert_eq!(failed.len(), 3);
    assert_eq!(operator.runs(&["recover", "billing", "--dry-run"])["count"], 3);
    let recovered = operator.runs(&["recover", "billing", "--yes"]);
    assert_eq!((&recovered["status"], &recovered["done"]), (&"done".into(), &3.into()));
    for delivery in failed {
        let again = [("id", delivery["id"].clone()), ("attempts", 2.into()), delivered()];
        tail.until(1, "delivery", &again);
    }
    let left = operator.runs(&["deliveries", "--status", "failed"]);
    assert_eq!(left["data"].as_array().map(Vec::len), Some(0), "{left}");
    assert_eq!(operator.runs(&["recover", "billing", "--dry-run"])["count"], 0);
    // Two tests, three attempts that failed, one that was held, three that were recovered.
    assert_eq!(receiver.count(), 9);
    assert_eq!(tail.stop(), Some(0));
}

fn delivered() -> (&'static str, Value) {
    ("status", "delivered".into())
}
