//! The metrics of the contract's section 7.

use std::time::Duration;

/// Counters and histograms of one process; a value, so that tests can have several.
#[derive(Debug, Default)]
pub struct Metrics {}

/// What went wrong with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the label values
pub enum UpstreamErrorKind {
    Connect,
    ConnectTimeout,
    ResponseTimeout,
    BadResponse,
    Broken,
}

/// Which body was cut at its capture limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CutSide {
    Request,
    Response,
}

impl Metrics {
    /// A call was answered: `sidehook_calls_total{matched}`.
    pub fn call(&self, _matched: bool) {}
    /// `sidehook_upstream_errors_total{kind}`.
    pub fn upstream_error(&self, _kind: UpstreamErrorKind) {}
    /// An event was committed: `sidehook_events_total{label}`.
    pub fn event_committed(&self, _label: &str) {}
    /// Events of successes that were let through could not be stored:
    /// `sidehook_events_lost_total{reason}`.
    pub fn events_lost(&self, _reason: &'static str, _n: u64) {}
    /// `sidehook_captures_cut_total{side}`.
    pub fn capture_cut(&self, _side: CutSide) {}
    /// One commit, from hand-over to durable: `sidehook_commit_seconds`.
    pub fn commit(&self, _took: Duration) {}
    /// Median and 99th percentile of recent commits, for `/v1/status`.
    pub fn commit_quantiles(&self) -> Option<(Duration, Duration)> {
        None
    }
    /// One attempt ended: `sidehook_attempts_total{webhook,outcome}`, `sidehook_attempt_seconds`.
    pub fn attempt(&self, _webhook: &str, _outcome: &'static str, _took: Duration) {}
    /// From a call's end to its first attempt: `sidehook_delivery_lag_seconds{webhook}`.
    pub fn delivery_lag(&self, _webhook: &str, _lag: Duration) {}
    /// A delivery ended: `sidehook_deliveries_finished_total{webhook,status}`.
    pub fn delivery_finished(&self, _webhook: &str, _status: &'static str) {}
    /// A connection was opened (`+1`) or closed (`-1`): `sidehook_connections{side}`.
    pub fn connections(&self, _side: &'static str, _change: i64) {}
}
