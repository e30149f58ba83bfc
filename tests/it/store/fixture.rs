//! A store in a temporary directory, and things to put into it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sidehook::clock;
use sidehook::model::{
    Attempt, Body, DeliveryId, EventId, Exchange, Failure, Format, HeaderList, LabelPattern,
    NewEvent, Outcome, Reply, RequestPart, ResponsePart, RuleRef, Timestamp, Verdict, Webhook,
    WebhookId, WebhookSource,
};
use sidehook::store::{Lease, OnFailure, Settings, Store};
use sidehook::telemetry::Metrics;
use tempfile::TempDir;

pub(super) use crate::support::until as eventually;

/// A directory with a store that can be closed and opened again.
pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) settings: Settings,
    pub(super) webhooks: Vec<Webhook>,
}

impl Fixture {
    /// With the webhooks `a` (all labels) and `b` (only `task.*`).
    pub(super) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let settings = settings(dir.path());
        let webhooks = vec![webhook("a", "*", true), webhook("b", "task.*", true)];
        Self { dir, settings, webhooks }
    }

    /// An empty one with the same settings.
    pub(super) fn new_like(other: &Self) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let settings = Settings { path: dir.path().to_owned(), ..other.settings.clone() };
        Self { dir, settings, webhooks: other.webhooks.clone() }
    }

    pub(super) fn open(&self) -> Store {
        let store = Store::open(self.settings.clone(), Arc::new(Metrics::default()))
            .unwrap_or_else(|e| panic!("open: {e}: {:?}", std::error::Error::source(&e)));
        store.set_webhooks(self.webhooks.clone());
        store
    }

    /// Opens a copy of the directory as it stands now: what a crash would leave.
    pub(super) fn crashed(&self) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        copy_dir(self.dir.path(), dir.path());
        let settings = Settings { path: dir.path().to_owned(), ..self.settings.clone() };
        Self { dir, settings, webhooks: self.webhooks.clone() }
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

pub(super) fn settings(path: &Path) -> Settings {
    Settings {
        path: path.to_owned(),
        retain: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        segment_bytes: 16 << 20,
        queue_bytes_max: 64 << 20,
        free_bytes_min: 0,
    }
}

pub(super) fn webhook(name: &str, labels: &str, active: bool) -> Webhook {
    Webhook {
        id: WebhookId::of_name(name),
        name: name.to_owned(),
        url: "http://127.0.0.1:1/".parse().expect("a URL"),
        active,
        events: vec![LabelPattern::new(labels)],
        secret: None,
        signing_secret: None,
        headers: Vec::new(),
        basic_auth: None,
        method: http::Method::POST,
        format: Format::Exchange,
        signatures: Vec::new(),
        retry: vec![Duration::from_secs(1)],
        timeout: Duration::from_secs(1),
        concurrency: 8,
        source: WebhookSource::Config,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        ..Webhook::new("", url::Url::parse("http://stand-in.invalid/").expect("a URL"))
    }
}

pub(super) fn id_of(name: &str) -> WebhookId {
    WebhookId::of_name(name)
}

pub(super) fn event(label: &str) -> NewEvent {
    event_of(label, b"{\"foo\": \"bar\"}".to_vec())
}

pub(super) fn event_of(label: &str, body: Vec<u8>) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: clock::now(),
        subject: None,
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 7, label: label.to_owned(), tag: Some("tag".to_owned()) },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/api/v1/tasks?x=1".to_owned(),
                params: vec![("id".to_owned(), "5".to_owned())],
                headers: HeaderList(vec![("x-odd".to_owned(), vec![0xe9, b'"', 0x80])]),
                body: Body::complete(body),
            },
            response: ResponsePart {
                status: 201,
                headers: HeaderList::default(),
                body: Body::complete(b"\x00\xff{}".to_vec()),
            },
        },
    }
}

/// Commits an event that must be taken, and waits until reads show it.
pub(super) async fn commit(store: &Store, event: NewEvent) -> EventId {
    let receipt = store.commit(event, OnFailure::Refuse).await.expect("committed");
    let id = receipt.event();
    eventually("it is shown", || store.event(id).expect("readable").is_some()).await;
    id
}

/// Leases everything that is due for a webhook now, waiting for at least `n`.
pub(super) async fn leases(store: &Store, name: &str, n: usize) -> Vec<Lease> {
    let mut all = Vec::new();
    eventually("deliveries are due", || {
        all.extend(store.lease_due(id_of(name), clock::now(), 1000).expect("readable"));
        all.len() >= n
    })
    .await;
    assert_eq!(all.len(), n, "deliveries of {name}");
    all
}

pub(super) fn delivered(store: &Store, lease: Lease) {
    let reply = Reply { status: 200, body: b"ok".to_vec(), ..Reply::default() };
    finish(store, lease, Outcome::Accepted { reply }, Verdict::Delivered);
}

pub(super) fn failed(store: &Store, lease: Lease, verdict: Verdict) {
    failed_for(store, lease, Failure::Rejected { status: 500 }, verdict);
}

pub(super) fn failed_for(store: &Store, lease: Lease, failure: Failure, verdict: Verdict) {
    let reply = Some(Reply { status: 500, ..Reply::default() });
    finish(store, lease, Outcome::Failed { failure, reply }, verdict);
}

fn finish(store: &Store, lease: Lease, outcome: Outcome, verdict: Verdict) {
    let attempt = Attempt {
        delivery_id: lease.delivery().id,
        number: lease.attempt_number(),
        started_at: clock::now(),
        duration_ms: 12,
        outcome,
        verdict,
    };
    store.finish(lease, attempt);
}

/// Waits until a delivery has that many attempts: its record is durable and indexed.
pub(super) async fn attempted(store: &Store, id: DeliveryId, n: u32) {
    eventually("the attempt is recorded", || {
        store.delivery(id).expect("readable").is_some_and(|d| d.attempts >= n)
    })
    .await;
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("create");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            match std::fs::copy(entry.path(), &target) {
                // A segment whose time has passed just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("copy")),
            }
        }
    }
}
