//! A store with a little history, and the admin API before it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sidehook::admin::{
    self, Admin, ConfigStatus, Control, ProxyHealth, Registry, ReloadFailed, Reloading,
};
use sidehook::clock;
use sidehook::config::WebhookReader;
use sidehook::delivery;
use sidehook::egress::Outgoing;
use sidehook::expr::Expression;
use sidehook::model::Reply as ReceiverReply;
use sidehook::model::*;
use sidehook::rules::RuleSet;
use sidehook::shutdown::{Stop, Tasks};
use sidehook::store::{self, OnFailure, Store};
use sidehook::telemetry::Metrics;
use sidehook::tls::ServerTls;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::client::{RawClient, Reply};

pub(super) const TOKEN: &str = "an-admin-token-for-tests";
pub(super) const READ_TOKEN: &str = "a-read-token-for-tests";

/// The admin API on a store of its own.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) metrics: Arc<Metrics>,
    pub(super) addr: SocketAddr,
    /// One rule.
    pub(super) rules: RuleSet,
    /// What the proxy says of itself.
    pub(super) draining: Arc<AtomicBool>,
    tasks: Tasks,
    _directory: TempDir,
}

/// What stands in for the rest of the program: a proxy whose upstream is down.
struct Rest {
    rules: RuleSet,
    draining: Arc<AtomicBool>,
}

impl Control for Rest {
    fn proxy(&self) -> ProxyHealth {
        ProxyHealth {
            listening: true,
            draining: self.draining.load(Ordering::SeqCst),
            upstream_healthy: false,
            upstream_error: Some("connection refused".to_owned()),
        }
    }

    fn rules(&self) -> RuleSet {
        self.rules.clone()
    }

    fn config(&self) -> ConfigStatus {
        ConfigStatus {
            generation: 1,
            loaded_at: clock::now(),
            problems: Vec::new(),
            effective: String::new(),
            needs_restart: Vec::new(),
        }
    }

    fn preview(
        &self,
        event: &Arc<Event>,
        webhook: &Webhook,
        delivery: DeliveryId,
        number: u32,
    ) -> Result<Outgoing, String> {
        let source = "//upstream.test".into();
        delivery::preview(event, webhook, delivery, number, &source, clock::now())
    }

    fn probe_opens_at(&self, _webhook: WebhookId) -> Option<Timestamp> {
        None // nothing is delivered here
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { Err(ReloadFailed { problems: Vec::new() }) })
    }
}

impl Desk {
    /// With the webhooks `billing` (active) and `audit` (not).
    pub(super) async fn open() -> Self {
        Self::open_with(None).await
    }

    /// The same, behind this certificate.
    pub(super) async fn open_with(tls: Option<ServerTls>) -> Self {
        let directory = TempDir::new().expect("a directory");
        let metrics = Arc::new(Metrics::default());
        let settings = store::Settings {
            path: directory.path().join("data"),
            retain: Duration::from_secs(3600),
            max_bytes: 1 << 30,
            segment_bytes: 1 << 20,
            queue_bytes_max: 1 << 24,
            free_bytes_min: 0,
        };
        let store = Store::open(settings, Arc::clone(&metrics)).expect("a new store");
        let of_file = vec![webhook("billing", true), webhook("audit", false)];
        let registry = Registry::start(store.clone(), of_file, Box::new(WebhookReader::default()));
        let draining = Arc::new(AtomicBool::new(false));
        let when = Expression::parse("response.body.id").expect("an expression");
        let rules = RuleSet::new(vec![EventRule {
            id: 5,
            label: "task.created".to_owned(),
            tag: Some("tasks".to_owned()),
            methods: Some(vec!["POST".to_owned()]),
            url: regex::bytes::Regex::new("^/tasks$").expect("a regex"),
            query: None,
            status: vec![200..=299, 404..=404, 300..=302],
            when: Some(when),
            subject: None,
            on_disconnect: OnDisconnect::Cancel,
            max_request_body: Some(4096),
            max_response_body: None,
        }]);
        let state = admin::State {
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            registry: Arc::new(registry),
            control: Box::new(Rest { rules: rules.clone(), draining: Arc::clone(&draining) }),
            started_at: clock::now(),
        };
        let settings = admin::Settings {
            listen: "127.0.0.1:0".parse().expect("an address"),
            token: Secret::new(TOKEN),
            read_token: Some(Secret::new(READ_TOKEN)),
            allowed_hosts: vec!["admin.example.com".to_owned()],
            tls,
        };
        let tasks = Tasks::new(Stop::new());
        let admin = Admin::start(settings, state, tasks.clone()).await.expect("starts");
        let addr = admin.local_addr();
        Self { store, metrics, addr, rules, draining, tasks, _directory: directory }
    }

    /// Commits a `POST /tasks?n={n}` that was answered 201; its deliveries, `billing` first.
    pub(super) async fn commit(&self, label: &str, n: usize) -> (EventId, Vec<Delivery>) {
        let changes = self.store.changes();
        let before = changes.now();
        let id = self.store_one(label, n).await;
        // Durable is before indexed, and indexed is before told: whoever follows from now on is not
        // told of this event.
        let is_told = || changes.after(before, 1).is_ok_and(|told| !told.is_empty());
        crate::support::until("the event can be read and is told", is_told).await;
        let mut deliveries = self.store.deliveries_of(id).expect("readable");
        deliveries.sort_by_key(|delivery| delivery.webhook_id != WebhookId::of_name("billing"));
        (id, deliveries)
    }

    /// The same; returns when the event is durable.
    pub(super) async fn store_one(&self, label: &str, n: usize) -> EventId {
        let id = EventId::from_uuid(Uuid::now_v7());
        let event = NewEvent {
            id,
            time: clock::now(),
            subject: None,
            depth: 0,
            test_of: None,
            rule: RuleRef { id: 7, label: label.to_owned(), tag: Some("tasks".to_owned()) },
            exchange: exchange(n),
        };
        self.store.commit(event, OnFailure::Refuse).await.expect("durable");
        id
    }

    /// Records an attempt at the oldest due delivery of `billing`.
    pub(super) async fn attempt(&self, outcome: Outcome, verdict: Verdict) -> DeliveryId {
        let billing = WebhookId::of_name("billing");
        let now = clock::now().plus(Duration::from_secs(3600));
        let mut leases = self.store.lease_due(billing, now, 1).expect("readable");
        let lease = leases.pop().expect("something is due");
        let attempt = Attempt {
            delivery_id: lease.delivery().id,
            number: lease.attempt_number(),
            started_at: clock::now(),
            duration_ms: 12,
            outcome,
            verdict,
        };
        let id = attempt.delivery_id;
        let changes = self.store.changes();
        let before = changes.now();
        self.store.finish(lease, attempt);
        let is_told = || changes.after(before, 1).is_ok_and(|told| !told.is_empty());
        crate::support::until("the attempt is recorded and told", is_told).await;
        id
    }

    /// Sends a request with these further header lines, and the token unless they hold one.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}");
        let lower = format!("\r\n{}", headers.to_ascii_lowercase());
        if !lower.contains("\r\nhost:") {
            head.push_str(&format!("host: {}\r\n", self.addr));
        }
        if !lower.contains("\r\nauthorization:") {
            head.push_str(&format!("authorization: Bearer {TOKEN}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut client = RawClient::connect(self.addr).await;
        client.send(format!("{head}\r\n{body}")).await;
        client.reply().await
    }

    /// Sends a request as it stands.
    pub(super) async fn raw(&self, request: &str) -> Reply {
        let mut client = RawClient::connect(self.addr).await;
        client.send(request.to_owned()).await;
        client.reply().await
    }

    /// The status of an answer whose body is not read: that of a HEAD has none.
    pub(super) async fn send_head(&self, method: &str, path: &str, headers: &str) -> u16 {
        let mut client = RawClient::connect(self.addr).await;
        let host = format!("host: {}\r\nconnection: close\r\n", self.addr);
        client.send(format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n")).await;
        client.reply_without_body().await.status()
    }

    /// Stops the admin API.
    pub(super) fn stop(&self) {
        self.tasks.stop().stop();
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").await
    }

    /// GET that must succeed.
    pub(super) async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
        json(&reply)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tasks.stop().stop();
    }
}

pub(super) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Asserts an error of the API (contract 6).
pub(super) fn assert_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status(), status, "{}{}", reply.head, reply.text());
    assert_eq!(reply.field("content-type"), ["application/problem+json"], "{}", reply.head);
    let problem = json(reply);
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["code"], code, "{problem}");
    for member in ["type", "title", "detail"] {
        assert!(problem[member].is_string(), "{member} of {problem}");
    }
}

/// The fields that a body was refused for.
pub(super) fn fields(reply: &Reply) -> Vec<String> {
    assert_problem(reply, 422, "invalid");
    let problem = json(reply);
    let errors = problem["errors"].as_array().expect("a list");
    errors.iter().map(|error| error["field"].as_str().expect("text").to_owned()).collect()
}

pub(super) fn accepted() -> Outcome {
    Outcome::Accepted {
        reply: ReceiverReply {
            status: 200,
            headers: HeaderList(vec![("x-a".into(), b"1".into()), ("x-a".into(), b"2".into())]),
            body: b"OK".to_vec(),
            body_truncated: false,
        },
    }
}

pub(super) fn rejected() -> Outcome {
    Outcome::Failed {
        failure: Failure::Rejected { status: 503 },
        reply: Some(ReceiverReply {
            status: 503,
            headers: HeaderList::default(),
            body: vec![0xff, 0x00],
            body_truncated: true,
        }),
    }
}

fn exchange(n: usize) -> Exchange {
    let json = || HeaderList(vec![("content-type".to_owned(), b"application/json".to_vec())]);
    Exchange {
        request: RequestPart {
            method: "POST".to_owned(),
            url: format!("/tasks?n={n}"),
            params: vec![("list".to_owned(), "1".to_owned())],
            headers: json(),
            body: Body::complete(r#"{"z": 1.0, "a": "b"}"#),
        },
        response: ResponsePart {
            status: 201,
            headers: json(),
            body: Body {
                bytes: b"{\"id\":".to_vec(),
                size: 900,
                state: BodyState::Truncated,
                ..Body::none()
            },
        },
    }
}

fn webhook(name: &str, active: bool) -> Webhook {
    let header = |name: &'static str, value: &'static str| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    Webhook {
        id: WebhookId::of_name(name),
        name: name.to_owned(),
        url: "https://example.com/hook".parse().expect("a URL"),
        active,
        events: vec![LabelPattern::new("*")],
        secret: Some(Secret::new("shown-secret")),
        signing_secret: Some(Secret::new("signing-secret")),
        headers: vec![header("x-env", "prod"), header("x-api-key", "header-secret")],
        basic_auth: Some(BasicAuth {
            username: "user".to_owned(),
            password: Secret::new("basic-secret"),
        }),
        method: http::Method::POST,
        format: Format::Exchange,
        signatures: vec![Scheme::Standard, Scheme::Sha256],
        retry: vec![Duration::from_secs(5), Duration::from_secs(60)],
        timeout: Duration::from_secs(15),
        concurrency: 8,
        source: WebhookSource::Config,
        created_at: clock::now(),
        updated_at: clock::now(),
        ..Webhook::new("", url::Url::parse("http://stand-in.invalid/").expect("a URL"))
    }
}
