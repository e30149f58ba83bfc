//! What the delivery half needs to know; what differs by webhook stands in `model::Webhook`.

use std::sync::Arc;
use std::time::Duration;

/// Settings of the delivery half.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Attempts at a time, all webhooks together.
    pub concurrency: usize,
    /// Each wait of a retry schedule varies by this fraction either way (0.1: +-10 %).
    pub jitter: f64,
    /// Where events come from, as CloudEvents write it: `//` and the upstream's authority.
    pub source: Arc<str>,
    /// From the pause of a webhook to its first probe.
    pub probe_first: Duration,
    /// The wait between probes doubles up to this.
    pub probe_max: Duration,
}
