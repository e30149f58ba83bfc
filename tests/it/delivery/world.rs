//! A store, a running delivery half, and what tests ask of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sidehook::delivery;
use sidehook::egress::{self, Egress};
use sidehook::model::*;
use sidehook::shutdown::{Stop, Tasks};
use sidehook::store::{self, OnFailure, Store};
use sidehook::telemetry::Metrics;
use tempfile::TempDir;

use crate::support::receiver::Receiver;
use crate::support::{PATIENCE, found};

/// A delivery half at work on a store of its own.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) tasks: Tasks,
    directory: TempDir,
}

impl World {
    /// With these webhooks; loopback is allowed.
    pub(crate) fn start(webhooks: Vec<Webhook>) -> Self {
        Self::start_with(webhooks, 256, &["127.0.0.0/8"])
    }

    /// With this many attempts at a time, and these networks allowed.
    pub(crate) fn start_with(webhooks: Vec<Webhook>, concurrency: usize, allow: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let store = open(directory.path());
        store.set_webhooks(webhooks);
        let tasks = run(&store, concurrency, allow);
        Self { store, tasks, directory }
    }

    /// With these webhooks, and so long from a pause to its first probe.
    pub(crate) fn start_probing(webhooks: Vec<Webhook>, probe_first: Duration) -> Self {
        let directory = TempDir::new().expect("a directory");
        let store = open(directory.path());
        store.set_webhooks(webhooks);
        let tasks = run_probing(&store, probe_first);
        Self { store, tasks, directory }
    }

    /// The delivery half ends, and another one begins on the same store.
    pub(crate) async fn restart(&mut self, probe_first: Duration) {
        self.tasks.stop().stop();
        assert!(self.tasks.finished_within(PATIENCE).await);
        self.tasks = run_probing(&self.store, probe_first);
    }

    /// Commits an event and gives its deliveries, one per webhook that wants it.
    pub(crate) async fn commit(&self, label: &str) -> Vec<Delivery> {
        commit(&self.store, label).await
    }

    /// Commits an event about something.
    pub(crate) async fn commit_about(&self, label: &str, subject: &str) -> Vec<Delivery> {
        commit_event(
            &self.store,
            NewEvent { subject: Some(subject.to_owned()), ..new_event(label) },
        )
        .await
    }

    /// Waits until a webhook stands like this, and gives the reason.
    pub(crate) async fn webhook_stands(&self, name: &str, status: WebhookStatus) -> String {
        let id = WebhookId::of_name(name);
        let state = || self.store.webhook_states().get(&id).cloned().unwrap_or_default();
        let reached = found(async || Some(state()).filter(|state| state.status == status)).await;
        let Some(state) = reached else { panic!("waited for {status:?}: {:?}", state()) };
        state.reason.unwrap_or_default()
    }

    /// Waits until a delivery stands like this.
    pub(crate) async fn stands(&self, id: DeliveryId, state: DeliveryState) -> Delivery {
        stands(&self.store, id, state).await
    }

    /// Where the journal's files are.
    pub(crate) fn journal(&self) -> std::path::PathBuf {
        self.directory.path().join("data/journal")
    }

    /// Waits until so many attempts of a delivery are recorded.
    pub(crate) async fn recorded(&self, id: DeliveryId, n: usize) -> Vec<Attempt> {
        let attempts = || Some(self.attempts(id)).filter(|attempts| attempts.len() >= n);
        found(async || attempts()).await.expect("they are recorded")
    }

    /// The attempts of a delivery.
    pub(crate) fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        self.store.attempts(id).expect("readable")
    }
}

/// Opens the store in this directory.
pub(crate) fn open(directory: &Path) -> Store {
    Store::open(settings(directory), Arc::new(Metrics::default())).expect("opens")
}

/// Of the store in this directory.
pub(crate) fn settings(directory: &Path) -> store::Settings {
    store::Settings {
        path: directory.join("data"),
        retain: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        segment_bytes: 1 << 20,
        queue_bytes_max: 1 << 24,
        free_bytes_min: 0,
    }
}

/// Runs a delivery half on this store.
pub(crate) fn run(store: &Store, concurrency: usize, allow: &[&str]) -> Tasks {
    run_with(store, concurrency, allow, Duration::from_millis(20))
}

fn run_probing(store: &Store, probe_first: Duration) -> Tasks {
    run_with(store, 256, &["127.0.0.0/8"], probe_first)
}

fn run_with(store: &Store, concurrency: usize, allow: &[&str], probe_first: Duration) -> Tasks {
    let egress = Egress::new(egress::Settings {
        allow_networks: allow.iter().map(|net| net.parse().expect("a network")).collect(),
        deny_networks: Vec::new(),
        require_https: false,
        user_agent: "sidehook/test".to_owned(),
        response_kept_max: 1000,
        ..egress::Settings::default()
    })
    .expect("builds");
    let tasks = Tasks::new(Stop::new());
    let settings = delivery::Settings {
        concurrency,
        jitter: 0.0,
        source: "//upstream.test".into(),
        probe_first,
        probe_max: probe_first * 4,
    };
    delivery::start(settings, store.clone(), egress, Arc::new(Metrics::default()), &tasks);
    tasks
}

/// Commits an event and gives its deliveries; the index follows the journal within moments.
pub(crate) async fn commit(store: &Store, label: &str) -> Vec<Delivery> {
    commit_event(store, new_event(label)).await
}

async fn commit_event(store: &Store, event: NewEvent) -> Vec<Delivery> {
    let id = event.id;
    store.commit(event, OnFailure::Refuse).await.expect("durable");
    deliveries_of(store, id).await
}

/// The deliveries of an event, when they are indexed.
pub(crate) async fn deliveries_of(store: &Store, id: EventId) -> Vec<Delivery> {
    let indexed = || Some(store.deliveries_of(id).expect("readable")).filter(|all| !all.is_empty());
    found(async || indexed()).await.expect("a webhook wants it")
}

/// Waits until a delivery stands like this.
pub(crate) async fn stands(store: &Store, id: DeliveryId, state: DeliveryState) -> Delivery {
    let delivery = || store.delivery(id).expect("readable").filter(|one| one.state == state);
    let Some(delivery) = found(async || delivery()).await else {
        panic!("waited for {state:?}: {:?}", store.delivery(id));
    };
    delivery
}

/// A call with a JSON body and a trace.
pub(crate) fn new_event(label: &str) -> NewEvent {
    let json = ("content-type".to_owned(), b"application/json".to_vec());
    let trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_vec();
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: sidehook::clock::now(),
        subject: None,
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 7, label: label.to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/tasks?notify=1".to_owned(),
                params: Vec::new(),
                headers: HeaderList(vec![json.clone(), ("traceparent".to_owned(), trace)]),
                body: Body::complete(r#"{"title": "wash", "n": 1.00}"#),
            },
            response: ResponsePart {
                status: 201,
                headers: HeaderList(vec![json]),
                body: Body::complete(r#"{"id": 12345678901234567890}"#),
            },
        },
    }
}

/// A webhook for everything, without retries.
pub(crate) fn webhook(name: &str, receiver: &Receiver) -> Webhook {
    Webhook {
        id: WebhookId::of_name(name),
        name: name.to_owned(),
        url: receiver.url("/hook"),
        active: true,
        events: vec![LabelPattern::new("*")],
        secret: None,
        signing_secret: None,
        headers: Vec::new(),
        basic_auth: None,
        method: http::Method::POST,
        format: Format::Exchange,
        signatures: Vec::new(),
        retry: Vec::new(),
        timeout: PATIENCE,
        concurrency: 8,
        source: WebhookSource::Config,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        ..Webhook::new("", url::Url::parse("http://stand-in.invalid/").expect("a URL"))
    }
}
