//! A whole sidehook whose configuration file the test writes again.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sidehook::app::App;
use sidehook::config::{Inputs, load};
use tempfile::TempDir;

use super::{start, stop};
use crate::support::client::{RawClient, Reply};
use crate::support::receiver::Receiver;
use crate::support::upstream::Upstream;

/// The rule of most tests.
pub(super) const TASKS: &str =
    "[[event]]\nlabel = \"task.created\"\nmethod = \"POST\"\nurl = '^/tasks$'\n";

/// sidehook, its folder, and what the file begins with.
pub(super) struct Stand {
    pub(super) app: App,
    pub(super) folder: TempDir,
    pub(super) upstream: String,
}

impl Stand {
    /// Started with this text behind the sections that every file needs; its files are not watched.
    pub(super) async fn start(upstream: &Upstream, text: &str) -> Self {
        Self::start_with(upstream, text, "watch_config = false\n").await
    }

    /// With these keys of `[admin]`.
    pub(super) async fn start_with(upstream: &Upstream, text: &str, admin: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let upstream = format!("http://{}", upstream.addr);
        let toml = whole(&upstream, admin, text);
        fs::write(folder.path().join("sidehook.toml"), toml).expect("writable");
        Self { upstream, ..Self::start_in(folder).await }
    }

    /// With the `sidehook.toml` that is in this folder.
    pub(super) async fn start_in(folder: TempDir) -> Self {
        let file = folder.path().join("sidehook.toml");
        let inputs = Inputs { file: Some(file), ..Inputs::default() };
        let config = load(&inputs).unwrap_or_else(|error| panic!("{error}"));
        Self { app: start(config).await, folder, upstream: String::new() }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("sidehook.toml")
    }

    /// Writes the file anew.
    pub(super) fn write(&self, text: &str) {
        let text = whole(&self.upstream, "watch_config = false\n", text);
        fs::write(self.file(), text).expect("writable");
    }

    /// Writes the file anew and has it read: what the API says, which is 200.
    pub(super) async fn take(&self, text: &str) -> Value {
        self.write(text);
        let reply = self.reload().await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        json(&reply)
    }

    pub(super) async fn reload(&self) -> Reply {
        self.ask("POST /v1/reload", "").await
    }

    pub(super) async fn ask(&self, request_line: &str, body: &str) -> Reply {
        self.ask_as(self.app.token().reveal(), request_line, body).await
    }

    pub(super) async fn ask_as(&self, token: &str, request_line: &str, body: &str) -> Reply {
        let mut client = RawClient::connect(self.app.admin_addr()).await;
        let length = body.len();
        let head = format!("{request_line} HTTP/1.1\r\nhost: localhost\r\n");
        let fields = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        client.send(&format!("{head}{fields}content-length: {length}\r\n\r\n{body}")).await;
        client.reply().await
    }

    /// What a GET of the admin API answers.
    pub(super) async fn get(&self, path: &str) -> Value {
        let reply = self.ask(&format!("GET {path}"), "").await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        json(&reply)
    }

    /// A line of the metrics.
    pub(super) async fn metric(&self, series: &str) -> String {
        let text = String::from_utf8(self.ask("GET /metrics", "").await.body).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).to_owned()
    }

    /// `POST /tasks` through the proxy; its status.
    pub(super) async fn call(&self) -> u16 {
        post(&mut RawClient::connect(self.app.proxy_addr()).await, "{}").await
    }

    pub(super) async fn stop(self) {
        stop(self.app).await;
    }
}

/// One call on an open connection; its status.
pub(super) async fn post(client: &mut RawClient, body: &str) -> u16 {
    let length = body.len();
    client
        .send(&format!("POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    client.reply().await.status()
}

/// A webhook of this name for everything, with further keys.
pub(super) fn webhook(name: &str, receiver: &Receiver, more: &str) -> String {
    let url = receiver.url("/");
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nevents = [\"*\"]\n{more}\n")
}

/// `[delivery]` with loopback allowed and further keys.
pub(super) fn delivery(more: &str) -> String {
    format!("[delivery]\nallow_networks = [\"127.0.0.0/8\"]\n{more}\n")
}

pub(super) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", reply.text()))
}

/// The sections that every file needs, and this text.
pub(super) fn whole(upstream: &str, admin: &str, text: &str) -> String {
    format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"{upstream}\"\nworkers = 2\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n{admin}{text}"
    )
}
