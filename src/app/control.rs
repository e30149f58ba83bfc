//! What the admin API asks of the whole program.

use std::sync::{Arc, OnceLock};

use super::reload::{Cause, Reloads};
use crate::admin::{ConfigStatus, Control, ProxyHealth, Reloading};
use crate::egress::Outgoing;
use crate::model::{DeliveryId, Event, Timestamp, Webhook, WebhookId};
use crate::proxy;
use crate::rules::RuleSet;
use crate::shutdown::Stop;
use crate::{clock, delivery};

/// The running program, for the admin API.
pub(super) struct Running {
    /// Of the start.
    pub(super) rules: RuleSet,
    /// Set when the proxy has started, which is after the admin API.
    pub(super) proxy: Arc<OnceLock<proxy::InForce>>,
    pub(super) draining: Stop,
    pub(super) reloads: Arc<Reloads>,
    pub(super) delivery: delivery::InForce,
}

impl Control for Running {
    fn proxy(&self) -> ProxyHealth {
        let health = self.proxy.get().map(proxy::InForce::upstream_health);
        ProxyHealth {
            listening: health.is_some(),
            draining: self.draining.is_stopped(),
            upstream_healthy: health.is_none_or(proxy::UpstreamHealth::is_healthy),
            upstream_error: health.and_then(proxy::UpstreamHealth::last_error),
        }
    }

    fn rules(&self) -> RuleSet {
        self.proxy.get().map_or_else(|| self.rules.clone(), proxy::InForce::rules)
    }

    fn config(&self) -> ConfigStatus {
        self.reloads.status()
    }

    fn preview(
        &self,
        event: &Arc<Event>,
        webhook: &Webhook,
        delivery: DeliveryId,
        number: u32,
    ) -> Result<Outgoing, String> {
        self.delivery.preview(event, webhook, delivery, number, clock::now())
    }

    fn probe_opens_at(&self, webhook: WebhookId) -> Option<Timestamp> {
        self.delivery.probe_opens_at(webhook, clock::now())
    }

    fn reload(&self) -> Reloading<'_> {
        self.reloads.reload(Cause::Api)
    }
}
