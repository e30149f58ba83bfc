//! Every way in which an attempt can fail, over real sockets and through the whole delivery half:
//! what the attempt's record says. Prints the table; docs/failures.md explains it to operators.

mod broken;
mod ours;
mod replies;
mod tls;

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sidehook::delivery;
use sidehook::egress::{self, Egress};
use sidehook::model::*;
use sidehook::shutdown::{Stop, Tasks};
use sidehook::store::OnFailure;
use sidehook::telemetry::Metrics;
use tempfile::TempDir;
use url::Url;

use super::world;
use crate::support::receiver::{Answer, Receiver};
use crate::support::{PATIENCE, found};

/// Long enough for a busy machine to get to the phase that hangs.
const SHORT: Duration = Duration::from_millis(1500);

/// Bytes of a recorded error: what a receiver sends must not fill the journal.
const ERROR_MAX: usize = 700;

/// Kinds that no test on one machine can bring about, or that only another test does.
const UNSEEN: [&str; 2] = [
    "timed_out/resolve", // src/egress/tests.rs: a resolver that is silent
    "tls/other",         // whatever the library finds next
];

/// One way to fail.
struct Case {
    what: &'static str,
    url: Url,
    tls: Option<Arc<TlsIdentity>>,
    timeout: Duration,
    is_large: bool,
    /// The kind that is to be recorded.
    kind: &'static str,
    /// Words of the recorded error.
    says: &'static str,
    _keep: Box<dyn Any>,
}

impl Case {
    fn new(
        what: &'static str,
        url: Url,
        kind: &'static str,
        says: &'static str,
        keep: impl Any,
    ) -> Self {
        Self {
            what,
            url,
            tls: None,
            timeout: PATIENCE,
            is_large: false,
            kind,
            says,
            _keep: Box::new(keep),
        }
    }

    /// A receiver that answers so.
    async fn answered(
        what: &'static str,
        answer: Answer,
        kind: &'static str,
        says: &'static str,
    ) -> Self {
        let receiver = Receiver::start().await;
        receiver.otherwise(answer);
        Self::new(what, receiver.url("/hook"), kind, says, receiver)
    }

    fn short(mut self) -> Self {
        self.timeout = SHORT;
        self
    }

    fn large(mut self) -> Self {
        self.is_large = true;
        self
    }

    fn with(mut self, tls: Arc<TlsIdentity>) -> Self {
        self.tls = Some(tls);
        self
    }
}

/// One line of the table.
struct Row {
    what: &'static str,
    kind: String,
    status: Option<u16>,
    error: String,
    /// What was expected instead.
    wrong: Option<String>,
}

fn settings() -> egress::Settings {
    egress::Settings {
        allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
        user_agent: "sidehook/test".to_owned(),
        response_kept_max: 1000,
        ..egress::Settings::default()
    }
}

/// Delivers one event to each, all at a time, and reads what was recorded.
async fn run(settings: egress::Settings, cases: Vec<Case>) -> Vec<Row> {
    let directory = TempDir::new().expect("a directory");
    let store = world::open(directory.path());
    let webhooks = cases.iter().enumerate().map(|(at, case)| Webhook {
        events: vec![LabelPattern::new(format!("case.{at}"))],
        timeout: case.timeout,
        tls: case.tls.clone(),
        ..Webhook::new(format!("w{at}"), case.url.clone())
    });
    store.set_webhooks(webhooks.collect());
    let tasks = Tasks::new(Stop::new());
    let egress = Egress::new(settings).expect("builds");
    let with = delivery::Settings {
        concurrency: 256,
        jitter: 0.0,
        source: "//test".into(),
        probe_first: Duration::from_secs(30),
        probe_max: Duration::from_secs(600),
    };
    delivery::start(with, store.clone(), egress, Arc::new(Metrics::default()), &tasks);

    let mut events = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let mut event = world::new_event(&format!("case.{at}"));
        if case.is_large {
            event.exchange.request.body = Body::complete("x".repeat(4_000_000));
        }
        events.push(event.id);
        store.commit(event, OnFailure::Refuse).await.expect("durable");
    }
    let mut rows = Vec::new();
    for (case, event) in cases.iter().zip(events) {
        let delivery = world::deliveries_of(&store, event).await.remove(0);
        let ended = async || store.attempts(delivery.id).expect("readable").into_iter().next();
        let attempt = found(ended).await.unwrap_or_else(|| panic!("{}: no end", case.what));
        rows.push(judged(case, &attempt));
    }
    rows
}

fn judged(case: &Case, attempt: &Attempt) -> Row {
    let error = attempt.outcome.failure().map(ToString::to_string).unwrap_or_default();
    let kind = attempt.outcome.failure().map_or_else(|| "delivered".to_owned(), kind);
    let is_right = kind == case.kind && error.contains(case.says) && error.len() < ERROR_MAX;
    let wrong = (!is_right).then(|| format!("{} and \"{}\" expected", case.kind, case.says));
    let status = attempt.outcome.reply().map(|reply| reply.status);
    Row { what: case.what, kind, status, error, wrong }
}

/// The kind as it stands in the journal, with its phase, cause or reason.
fn kind(failure: &Failure) -> String {
    let json = serde_json::to_value(failure).expect("plain data");
    let text = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let kind = text("kind").expect("tagged");
    let part = text("phase").or_else(|| text("cause")).or_else(|| text("reason"));
    part.map_or_else(|| kind.clone(), |part| format!("{kind}/{part}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_is_recorded_as_its_kind() {
    let mut rows = run(settings(), broken::cases().await).await;
    rows.extend(run(settings(), replies::cases().await).await);
    rows.extend(run(settings(), tls::cases().await).await);
    rows.extend(ours::rows().await);

    for Row { what, kind, status, error, .. } in &rows {
        let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        println!("{what:<42} {kind:<30} {status:<4} {error}");
    }
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.what, row.wrong.as_ref()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let failures = rows.iter().filter(|row| row.kind != "delivered").count();
    assert!(failures >= 80, "{failures} ways to fail");

    let seen: BTreeSet<&str> =
        rows.iter().map(|row| row.kind.as_str()).filter(|kind| *kind != "delivered").collect();
    let expected: BTreeSet<&str> = seen.iter().copied().chain(UNSEEN).collect();
    assert!(UNSEEN.iter().all(|kind| !seen.contains(kind)), "no longer unseen: {seen:?}");
    assert_eq!(documented(), expected, "docs/failures.md lists exactly what can be recorded");
    for cause in TlsFailure::ALL {
        let kind = kind(&Failure::Tls { cause, detail: String::new() });
        assert!(expected.contains(kind.as_str()), "{kind} is neither seen nor excused");
    }
}

/// The kinds in the first column of the tables of docs/failures.md.
fn documented() -> BTreeSet<&'static str> {
    let text = include_str!("../../../../docs/failures.md");
    let kinds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(kind, _)| kind)
        .collect();
    let set: BTreeSet<&str> = kinds.iter().copied().collect();
    assert_eq!(set.len(), kinds.len(), "no kind twice");
    set
}
