//! What the delivery half needs to know; what differs by webhook stands in `model::Webhook`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::USER_AGENT;

use super::preview::preview;
use super::probes::Probes;
use crate::egress::{Egress, Outgoing};
use crate::model::{DeliveryId, Event, Timestamp, Webhook, WebhookId};

/// What attempts go by: replaced as a whole while they run. Each attempt keeps what it began with.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct InForce {
    terms: Arc<ArcSwap<Terms>>,
    /// What the scheduler tells.
    pub(super) probes: Probes,
}

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
        let terms = Arc::new(ArcSwap::from_pointee(Terms { settings, egress }));
        Self { terms, probes: Probes::default() }
    }

    /// Other settings and another way out from the next attempt on. It wakes nobody: the webhooks
    /// are put in force after it, and that does.
    pub fn replace(&self, settings: Settings, egress: Egress) {
        self.terms.store(Arc::new(Terms { settings, egress }));
    }

    /// The way out in force.
    pub fn egress(&self) -> Egress {
        self.terms.load().egress.clone()
    }

    /// The request of a delivery's attempt `number` as it would be at this time, every secret masked,
    /// signatures there by name. May take long, as rendering may.
    ///
    /// # Errors
    /// The body cannot be rendered, in words.
    pub fn preview(
        &self,
        event: &Arc<Event>,
        webhook: &Webhook,
        delivery: DeliveryId,
        number: u32,
        now: Timestamp,
    ) -> Result<Outgoing, String> {
        let terms = self.terms();
        let source = &terms.settings.source;
        let mut outgoing = preview(event, webhook, delivery, number, source, now)?;
        let agent = || terms.egress.user_agent().clone();
        outgoing.headers.entry(USER_AGENT).or_insert_with(agent);
        Ok(outgoing)
    }

    /// From when on a paused webhook may be probed, which takes a delivery that is due then, too.
    /// `None`: it is not paused, its probe is under way, or the scheduler does not know it.
    pub fn probe_opens_at(&self, webhook: WebhookId, now: Timestamp) -> Option<Timestamp> {
        self.probes.opens_at(webhook, now)
    }

    pub(super) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }
}
