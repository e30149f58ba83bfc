//! A proxy with its settings, ready for use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sidehook::model::{Event, EventRule};
use sidehook::proxy::{CaptureSettings, CommitMode, Proxy, Settings, UpstreamSettings};
use sidehook::rules::RuleSet;
use sidehook::shutdown::Stop;
use sidehook::store::{EventFilter, OnFailure, Page, Settings as StoreSettings, Store};
use sidehook::telemetry::Metrics;

use crate::support::client::RawClient;
use crate::support::until;
use crate::support::upstream::Upstream;

/// Settings as a test wants them, in front of this upstream.
pub(crate) fn settings(upstream: SocketAddr) -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        tls: None,
        h2c: false,
        proxy_protocol: false,
        upstream: UpstreamSettings::http(upstream.ip().to_string(), upstream.port()),
        workers: 1,
        commit: CommitMode::BeforeResponse,
        on_store_failure: OnFailure::Refuse,
        trusted_proxies: Vec::new(),
        connections_max: 100,
        connections_per_client_max: 0,
        head_bytes_max: 64 << 10,
        via: true,
        instance: "0badcafe".into(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Some(Duration::from_secs(30)),
        upstream_idle_timeout: Duration::from_secs(4),
        idle_timeout: Duration::from_secs(75),
        header_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(15),
        send_timeout: Duration::from_secs(30),
        upstream_body_timeout: Some(Duration::from_secs(300)),
        tunnel_timeout: Duration::from_secs(3600),
        commit_timeout: Duration::from_secs(10),
        shutdown_grace: Duration::from_secs(5),
        depth_max: 1,
        capture: CaptureSettings {
            request_body_max: 1000,
            response_body_max: 1000,
            total_max: 1 << 20,
            calls_max: 10_000,
            max_duration: Duration::from_secs(60),
            keep_headers: Some(vec!["content-type".into(), "x-kept".into()]),
            redact_headers: Vec::new(),
            redact_fields: Vec::new(),
            redact_query: Vec::new(),
        },
    }
}

/// A proxy without rules in front of this upstream.
pub(crate) async fn plain(upstream: &Upstream) -> (Proxy, RawClient) {
    with(settings(upstream.addr)).await
}

/// A proxy without rules, and a client of it.
pub(crate) async fn with(settings: Settings) -> (Proxy, RawClient) {
    let store = Storage::new();
    let proxy = start(settings, Vec::new(), store.store.clone());
    let client = RawClient::connect(proxy.local_addr()).await;
    (proxy, client)
}

/// A proxy, with its metrics.
pub(crate) fn measured(settings: Settings, rules: &RuleSet, store: Store) -> (Proxy, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let proxy = Proxy::start(settings, rules.clone(), store, Arc::clone(&metrics), Stop::new());
    (proxy.expect("a free port"), metrics)
}

/// A proxy.
pub(crate) fn start(settings: Settings, rules: Vec<EventRule>, store: Store) -> Proxy {
    let metrics = Arc::new(Metrics::default());
    Proxy::start(settings, RuleSet::new(rules), store, metrics, Stop::new()).expect("a free port")
}

/// A store in a directory of its own.
pub(crate) struct Storage {
    pub(crate) store: Store,
    directory: tempfile::TempDir,
}

impl Storage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut StoreSettings)) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary directory"), change)
    }

    fn at(directory: tempfile::TempDir, change: impl FnOnce(&mut StoreSettings)) -> Self {
        let mut settings = StoreSettings {
            path: directory.path().to_owned(),
            retain: Duration::from_secs(3600),
            max_bytes: 1 << 30,
            segment_bytes: 1 << 20,
            queue_bytes_max: 16 << 20,
            free_bytes_min: 0,
        };
        change(&mut settings);
        let store = Store::open(settings, Arc::new(Metrics::default())).expect("a new store");
        Self { store, directory }
    }

    /// What is in the journal at this moment, whether the index knows it yet or not: as after a
    /// crash.
    pub(crate) fn as_after_a_crash(&self) -> Vec<Event> {
        let copy = tempfile::tempdir().expect("a temporary directory");
        let journal = copy.path().join("journal");
        std::fs::create_dir(&journal).expect("writable");
        for entry in std::fs::read_dir(self.directory.path().join("journal")).expect("there") {
            let entry = entry.expect("readable");
            std::fs::copy(entry.path(), journal.join(entry.file_name())).expect("copied");
        }
        let id = self.directory.path().join("store-id");
        std::fs::copy(id, copy.path().join("store-id")).expect("copied");
        Self::at(copy, |_| {}).events()
    }

    /// All events, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut page = Page { limit: 200, cursor: None };
        loop {
            let listed = self.store.events(&EventFilter::default(), &page).expect("readable");
            let whole = |id| self.store.event(id).expect("readable").expect("listed");
            events.extend(listed.data.into_iter().map(|summary| whole(summary.id)));
            if listed.next.is_none() {
                events.reverse();
                return events;
            }
            page.cursor = listed.next;
        }
    }

    /// Waits for this many events.
    pub(crate) async fn events_of(&self, n: usize) -> Vec<Event> {
        until(&format!("{n} events"), || self.events().len() >= n).await;
        self.events()
    }
}

/// `METHOD REGEX` as a rule.
pub(crate) fn rule(label: &str, when: &str) -> EventRule {
    let (method, url) = when.split_once(' ').expect("METHOD REGEX");
    EventRule {
        id: 1,
        label: label.into(),
        tag: Some("tag-1".into()),
        methods: (method != "*").then(|| vec![method.into()]),
        url: regex::bytes::Regex::new(url).expect("a regex"),
        query: None,
        status: vec![200..=299],
        when: None,
        subject: None,
        on_disconnect: Default::default(),
        max_request_body: None,
        max_response_body: None,
    }
}
