//! What the delivery half needs to know; what differs by webhook stands in `model::Webhook`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::egress::Egress;

/// What attempts go by: replaced as a whole while they run. Each attempt keeps what it began with.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct InForce(Arc<ArcSwap<Terms>>);

/// See [`InForce`].
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Settings,
    pub(super) egress: Egress,
}

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

impl Settings {
    /// The highest `concurrency`.
    pub const CONCURRENCY_MAX: usize = 65_536;
}

impl InForce {
    /// In force from the start.
    pub fn new(settings: Settings, egress: Egress) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Terms { settings, egress })))
    }

    /// Other settings and another way out from the next attempt on. It wakes nobody: the webhooks
    /// are put in force after it, and that does.
    pub fn replace(&self, settings: Settings, egress: Egress) {
        self.0.store(Arc::new(Terms { settings, egress }));
    }

    /// The way out in force.
    pub fn egress(&self) -> Egress {
        self.0.load().egress.clone()
    }

    /// What attempts name as the source of events, and as who they are (`user-agent`).
    pub fn names(&self) -> (Arc<str>, http::HeaderValue) {
        let terms = self.0.load();
        (Arc::clone(&terms.settings.source), terms.egress.user_agent().clone())
    }

    pub(super) fn terms(&self) -> Arc<Terms> {
        self.0.load_full()
    }
}
