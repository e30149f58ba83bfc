//! The metrics of one process, by the names in `docs/metrics.md`: one function per thing that
//! happens. What is on the proxy's threads is a handle made once, a plain atomic. What describes
//! a state (queues, the store) is handed in by whoever asks for the text, see [`Scrape`].

mod charted;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::log_lines;
use super::of_webhooks::OfWebhooks;
use super::recent::Recent;
use super::scrape::{Exposition, Scrape};
use super::spread::Spread;
use super::unserved::Unserved;

/// Upper bounds in seconds: a commit is one `fdatasync`, tens of microseconds to a second.
const COMMIT_BOUNDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Labels and reasons that a series can have are few and known: nothing that a caller can choose
/// becomes one.
const LOST_REASONS: [&str; 4] = ["queue_full", "closed", "redaction", "client_gone"];

/// The events that sidehook itself makes, and those of tests.
const OWN_LABELS: [&str; 5] = [
    "sidehook.webhook.paused",
    "sidehook.webhook.disabled",
    "sidehook.webhook.recovered",
    "sidehook.delivery.failed",
    TEST_LABEL,
];

/// Events of `POST /v1/webhooks/{id}/test` are counted here, whatever label they were given.
const TEST_LABEL: &str = "sidehook.test";

pub(super) type OneLabel = [(&'static str, Cow<'static, str>); 1];
pub(super) type TwoLabels = [(&'static str, Cow<'static, str>); 2];
pub(super) type Histograms = Family<OneLabel, Histogram, fn() -> Histogram>;

/// Counters and histograms of one process; a value, so that tests can have several.
pub struct Metrics {
    registry: Registry,
    calls_matched: Counter,
    calls_unmatched: Counter,
    upstream_errors: [Counter; UpstreamErrorKind::ALL.len()],
    captures_cut: [Counter; 2],
    connections: Family<OneLabel, Gauge>,
    connections_client: Gauge,
    connections_upstream: Gauge,
    events: Family<OneLabel, Counter>,
    events_lost: Family<OneLabel, Counter>,
    condition_errors: Family<OneLabel, Counter>,
    loops_stopped: Family<OneLabel, Counter>,
    responses_broken: Family<OneLabel, Counter>,
    commit_seconds: Histogram,
    commits_recent: Recent,
    commits_spread: Spread,
    events_all: AtomicU64,
    of_webhooks: OfWebhooks,
    connections_unserved: [Counter; Unserved::ALL.len()],
    config_reloads: [Counter; ReloadOutcome::ALL.len()],
    config_healthy: Gauge,
}

/// What went wrong with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the label values")]
pub enum UpstreamErrorKind {
    Connect,
    ConnectTimeout,
    ResponseTimeout,
    BadResponse,
    Broken,
    Busy,
}

/// Which body was cut at its capture limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the label values")]
pub enum CutSide {
    Request,
    Response,
}

/// What came of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the label values")]
pub enum ReloadOutcome {
    Changed,
    Unchanged,
    Refused,
}

impl Metrics {
    /// A call was answered: `sidehook_calls_total{matched}`.
    pub fn call(&self, matched: bool) {
        if matched { &self.calls_matched } else { &self.calls_unmatched }.inc();
    }

    /// `sidehook_upstream_errors_total{kind}`.
    pub fn upstream_error(&self, kind: UpstreamErrorKind) {
        self.upstream_errors[kind as usize].inc();
    }

    /// An event was committed: `sidehook_events_total{label}`.
    pub fn event_committed(&self, label: &str) {
        self.events.get_or_create(&[("label", label.to_owned().into())]).inc();
        self.events_all.fetch_add(1, Ordering::Relaxed);
    }

    /// Events of successes that were let through could not be stored:
    /// `sidehook_events_lost_total{reason}`.
    pub fn events_lost(&self, reason: &'static str, n: u64) {
        self.events_lost.get_or_create(&[("reason", reason.into())]).inc_by(n);
    }

    /// An expression of a rule failed: `sidehook_condition_errors_total{label}`.
    pub fn condition_error(&self, label: &str) {
        self.condition_errors.get_or_create(&[("label", label.to_owned().into())]).inc();
    }

    /// A call in a loop of webhooks made no event: `sidehook_loops_stopped_total{label}`.
    pub fn loop_stopped(&self, label: &str) {
        self.loops_stopped.get_or_create(&[("label", label.to_owned().into())]).inc();
    }

    /// A response that was a success by its head broke off: `sidehook_responses_broken_total{label}`.
    pub fn response_broken(&self, label: &str) {
        self.responses_broken.get_or_create(&[("label", label.to_owned().into())]).inc();
    }

    /// `sidehook_captures_cut_total{side}`.
    pub fn capture_cut(&self, side: CutSide) {
        self.captures_cut[side as usize].inc();
    }

    /// One commit, from hand-over to durable: `sidehook_commit_seconds`.
    pub fn commit(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commits_recent.record(took);
        self.commits_spread.count(took);
    }

    /// Median and 99th percentile of recent commits, for `/v1/status`.
    pub fn commit_quantiles(&self) -> Option<(Duration, Duration)> {
        self.commits_recent.quantiles()
    }

    /// One attempt ended: `sidehook_attempts_total{webhook,outcome}`, `sidehook_attempt_seconds`.
    pub fn attempt(&self, webhook: &str, outcome: &'static str, took: Duration) {
        self.of_webhooks.attempt(webhook, outcome, took);
    }

    /// From a call's end to its first attempt: `sidehook_delivery_lag_seconds{webhook}`.
    pub fn delivery_lag(&self, webhook: &str, lag: Duration) {
        self.of_webhooks.lag(webhook, lag);
    }

    /// A delivery ended: `sidehook_deliveries_finished_total{webhook,status}`.
    pub fn delivery_finished(&self, webhook: &str, status: &'static str) {
        self.of_webhooks.finished(webhook, status);
    }

    /// A connection was opened (`+1`) or closed (`-1`): `sidehook_connections{side}`; the sides
    /// of the proxy are `client` and `upstream`.
    pub fn connections(&self, side: &'static str, change: i64) {
        match side {
            "client" => self.connections_client.inc_by(change),
            "upstream" => self.connections_upstream.inc_by(change),
            other => self.connections.get_or_create(&[("side", other.into())]).inc_by(change),
        };
    }

    /// A client's connection was not served: `sidehook_connections_unserved_total{reason}`.
    pub fn unserved(&self, why: Unserved) {
        self.connections_unserved[why as usize].inc();
    }

    /// A test event was committed: counted apart, under one label.
    pub fn test_event_committed(&self) {
        self.event_committed(TEST_LABEL);
    }

    /// The configuration was read again: `sidehook_config_reloads_total{outcome}`, and
    /// `sidehook_config_healthy`, which is 0 from one that was refused until one is not.
    pub fn config_reloaded(&self, outcome: ReloadOutcome) {
        self.config_reloads[outcome as usize].inc();
        self.config_healthy.set(i64::from(outcome != ReloadOutcome::Refused));
    }

    /// Zero is there before the first event, so that the first is an increase.
    fn expect_label(&self, label: &str) {
        let of_rules = [&self.condition_errors, &self.loops_stopped, &self.responses_broken];
        for family in of_rules.into_iter().chain([&self.events]) {
            drop(family.get_or_create(&[("label", label.to_owned().into())]));
        }
    }

    /// All metrics as text: these, and the state handed in.
    pub fn encode(&self, scrape: &Scrape, exposition: Exposition) -> String {
        let webhooks: Vec<&str> = scrape.configured().collect();
        self.of_webhooks.are(&webhooks);
        for label in &scrape.labels {
            self.expect_label(label);
        }
        exposition.encode([&self.registry, &scrape.registry()])
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut to = Registry::with_prefix("sidehook");
        log_lines::register(&mut to);
        let commit_seconds = Histogram::new(COMMIT_BOUNDS);
        to.register(
            "commit_seconds",
            "Time from an event's hand-over to its being durable",
            commit_seconds.clone(),
        );
        let config_reloads =
            family(&mut to, "config_reloads", "Times the configuration was read again, by outcome");
        let config_healthy = Gauge::default();
        config_healthy.set(1);
        to.register(
            "config_healthy",
            "Whether the configuration that was read last is in force (1) or was refused (0)",
            config_healthy.clone(),
        );
        let calls = family(&mut to, "calls", "Calls answered, by whether they matched a rule");
        let upstream_errors = family(
            &mut to,
            "upstream_errors",
            "Calls that the upstream failed, by what went wrong",
        );
        let captures_cut = family(&mut to, "captures_cut", "Bodies not captured whole, by side");
        let connections: Family<OneLabel, Gauge> =
            family(&mut to, "connections", "Open connections of the proxy, by side");
        let unserved = family(
            &mut to,
            "connections_unserved",
            "Connections of clients that were not served, by why",
        );
        Self {
            connections_unserved: Unserved::ALL.map(|why| one(&unserved, "reason", why.name())),
            calls_matched: one(&calls, "matched", "true"),
            calls_unmatched: one(&calls, "matched", "false"),
            upstream_errors: UpstreamErrorKind::ALL
                .map(|kind| one(&upstream_errors, "kind", kind.name())),
            captures_cut: ["request", "response"].map(|side| one(&captures_cut, "side", side)),
            connections_client: one(&connections, "side", "client"),
            connections_upstream: one(&connections, "side", "upstream"),
            connections,
            events: events(&mut to),
            events_lost: events_lost(&mut to),
            condition_errors: family(
                &mut to,
                "condition_errors",
                "Expressions of rules that failed on a call",
            ),
            loops_stopped: family(
                &mut to,
                "loops_stopped",
                "Calls that made no event because webhooks had led to them",
            ),
            responses_broken: family(
                &mut to,
                "responses_broken",
                "Calls that made no event because their response broke off",
            ),
            commit_seconds,
            commits_recent: Recent::default(),
            commits_spread: Spread::default(),
            events_all: AtomicU64::new(0),
            of_webhooks: OfWebhooks::new(&mut to),
            config_reloads: ReloadOutcome::ALL.map(|o| one(&config_reloads, "outcome", o.name())),
            config_healthy,
            registry: to,
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl UpstreamErrorKind {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::ResponseTimeout,
        Self::BadResponse,
        Self::Broken,
        Self::Busy,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::BadResponse => "bad_response",
            Self::Broken => "broken",
            Self::Busy => "busy",
        }
    }
}

impl ReloadOutcome {
    const ALL: [Self; 3] = [Self::Changed, Self::Unchanged, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Registers a family of counters (the library adds `_total` to their names) or gauges.
pub(super) fn family<S, M>(to: &mut Registry, name: &str, help: &str) -> Family<S, M>
where
    S: Clone + Hash + Eq + fmt::Debug + Send + Sync + EncodeLabelSet + 'static,
    M: Default + EncodeMetric + TypedMetric + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    to.register(name, help, family.clone());
    family
}

fn events(to: &mut Registry) -> Family<OneLabel, Counter> {
    let family = family(to, "events", "Events committed to stable storage");
    for label in OWN_LABELS {
        one::<Counter>(&family, "label", label);
    }
    family
}

/// Its series are there from the start: zero is a promise, so it is shown.
fn events_lost(to: &mut Registry) -> Family<OneLabel, Counter> {
    let help = "Events of successful calls that could not be stored";
    let family = family(to, "events_lost", help);
    for reason in LOST_REASONS {
        one::<Counter>(&family, "reason", reason);
    }
    family
}

pub(super) fn histograms(
    to: &mut Registry,
    name: &str,
    help: &str,
    make: fn() -> Histogram,
) -> Histograms {
    let family = Family::new_with_constructor(make);
    to.register(name, help, family.clone());
    family
}

/// One series of a family, present from the start so that its rate is right from the first count.
fn one<M: Clone + Default>(
    family: &Family<OneLabel, M>,
    name: &'static str,
    value: &'static str,
) -> M {
    family.get_or_create_owned(&[(name, value.into())])
}
