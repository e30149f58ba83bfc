//! A recipe at work: the file as it stands, with its placeholders exchanged for what the test has.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sidehook::app::App;
use sidehook::config::{Config, Environment, Inputs, load};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::support::client::RawClient;
use crate::support::found_blocking;
use crate::support::receiver::{Received, Receiver};
use crate::support::upstream::{Act, Upstream};

/// The placeholder of every recipe's target.
pub(super) const TARGET: &str = "https://receiver.example.com/";

/// Every secret that a recipe asks for.
pub(super) const SECRETS: [(&str, &str); 9] = [
    ("APIO_SECRET", "secret-1"),
    ("APIO_PASSWORD", "apio-password"),
    ("VIKUNJA_SECRET", "vikunja-secret"),
    ("EGRESS_PROXY", "http://mole:proxy-password@127.0.0.1:4750"),
    ("TASKS_SECRET", "tasks-secret"),
    ("ORDERS_SECRET", "orders-secret"),
    ("PORTAL_SECRET", "Bearer portal-secret"),
    ("GITHUB_SECRET", "github-secret"),
    ("STRIPE_SECRET", "stripe-secret"),
];

/// A secret's value.
pub(super) fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).expect("a secret of a recipe").1
}

pub(super) fn path(recipe: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("docs/recipes").join(format!("{recipe}.toml"))
}

/// The recipe as it stands.
pub(super) fn as_written(recipe: &str) -> Config {
    let inputs = Inputs {
        file: Some(path(recipe)),
        environment: Environment::of(SECRETS),
        ..Inputs::default()
    };
    load(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

/// An API behind sidehook behind a receiver. Not async itself, because `App` is not.
pub(super) struct Stand {
    app: Option<App>,
    pub(super) receiver: Receiver,
    _folder: TempDir,
    runtime: Runtime,
}

impl Stand {
    /// The recipe in front of an API that always answers with this status and JSON.
    pub(super) fn start(recipe: &str, status: &str, body: &str) -> Self {
        Self::adjusted(recipe, status, body, |_| {})
    }

    /// The same, with what the test changes in the configuration.
    pub(super) fn adjusted(
        recipe: &str,
        status: &str,
        body: &str,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (upstream, receiver) = runtime.block_on(async move {
            let upstream = Upstream::always(vec![Act::Send(reply.into_bytes())]).await;
            (upstream, Receiver::start().await)
        });
        let text = fs::read_to_string(path(recipe)).expect("a recipe");
        assert!(text.contains(TARGET), "{recipe} has the placeholder of its target");
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("sidehook.toml");
        fs::write(&file, text.replace(TARGET, receiver.url("/").as_str())).expect("writable");
        let upstream = format!("http://{}", upstream.addr);
        let mut environment = SECRETS.to_vec();
        environment.extend([
            ("SIDEHOOK_PROXY_UPSTREAM", upstream.as_str()),
            ("SIDEHOOK_PROXY_LISTEN", "127.0.0.1:0"),
            ("SIDEHOOK_PROXY_WORKERS", "1"),
            ("SIDEHOOK_ADMIN_LISTEN", "127.0.0.1:0"),
            ("SIDEHOOK_DELIVERY_ALLOW_NETWORKS", "127.0.0.0/8"),
        ]);
        let environment = Environment::of(environment);
        let inputs = Inputs { file: Some(file), environment, ..Inputs::default() };
        let mut config = load(&inputs).unwrap_or_else(|error| panic!("{error}"));
        adjust(&mut config);
        let app = App::start(config).unwrap_or_else(|error| panic!("{error:#}"));
        Self { app: Some(app), receiver, _folder: folder, runtime }
    }

    /// A call through the proxy; its status.
    pub(super) fn call(&self, method: &str, target: &str, body: &str) -> u16 {
        self.call_with(method, target, "", body)
    }

    /// A call with further header lines.
    pub(super) fn call_with(&self, method: &str, target: &str, lines: &str, body: &str) -> u16 {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\n{lines}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let addr = self.app().proxy_addr();
        self.runtime.block_on(async {
            let mut client = RawClient::connect(addr).await;
            client.send(request).await;
            // An answer without a body has no length either.
            if method == "DELETE" {
                return client.reply_without_body().await.status();
            }
            client.reply().await.status()
        })
    }

    /// The first `n` requests at the receiver.
    pub(super) fn received(&self, n: usize) -> Vec<Received> {
        self.runtime.block_on(self.receiver.received(n))
    }

    /// What the admin API answers.
    pub(super) fn admin(&self, path: &str) -> Value {
        let app = self.app();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
            app.token().reveal()
        );
        let addr = app.admin_addr();
        self.runtime.block_on(async {
            let mut client = RawClient::connect(addr).await;
            client.send(request).await;
            serde_json::from_slice(&client.reply().await.body).expect("JSON")
        })
    }

    /// Waits until as many deliveries are in this state.
    pub(super) fn deliveries(&self, status: &str, n: usize) -> Vec<Value> {
        let list = || self.admin(&format!("/v1/deliveries?status={status}"));
        let enough = || {
            let list = list()["data"].as_array().expect("a list").clone();
            Some(list).filter(|list| list.len() >= n)
        };
        found_blocking(enough).unwrap_or_else(|| panic!("{n} {status}: {}", list()))
    }

    fn app(&self) -> &App {
        self.app.as_ref().expect("until it is dropped")
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }
}
