//! What the admin API asks of the whole program.

use std::sync::{Arc, OnceLock};

use crate::admin::{ConfigStatus, Control, ProxyHealth, ReloadFailed, Reloading};
use crate::egress::Outgoing;
use crate::model::{DeliveryId, Event, Timestamp, Webhook};
use crate::proxy::UpstreamHealth;
use crate::rules::RuleSet;
use crate::shutdown::Stop;
use crate::{clock, delivery};

/// The running program, for the admin API.
pub(super) struct Running {
    pub(super) rules: RuleSet,
    /// Set when the proxy has started, which is after the admin API.
    pub(super) upstream: Arc<OnceLock<UpstreamHealth>>,
    pub(super) draining: Stop,
    pub(super) loaded_at: Timestamp,
    pub(super) effective: String,
    /// What attempts name as the source of events, and as who they are.
    pub(super) source: Arc<str>,
    pub(super) user_agent: String,
}

impl Control for Running {
    fn proxy(&self) -> ProxyHealth {
        let seen = self.upstream.get();
        ProxyHealth {
            listening: seen.is_some(),
            draining: self.draining.is_stopped(),
            upstream_healthy: seen.is_none_or(UpstreamHealth::is_healthy),
            upstream_error: seen.and_then(UpstreamHealth::last_error),
        }
    }

    fn rules(&self) -> RuleSet {
        self.rules.clone()
    }

    fn config(&self) -> ConfigStatus {
        ConfigStatus {
            generation: 1,
            loaded_at: self.loaded_at,
            problems: Vec::new(),
            effective: self.effective.clone(),
        }
    }

    fn preview(
        &self,
        event: &Arc<Event>,
        webhook: &Webhook,
        delivery: DeliveryId,
        number: u32,
    ) -> Result<Outgoing, String> {
        let source = &self.source;
        let mut outgoing =
            delivery::preview(event, webhook, delivery, number, source, clock::now())?;
        if let Ok(agent) = http::HeaderValue::from_str(&self.user_agent) {
            outgoing.headers.insert(http::header::USER_AGENT, agent);
        }
        Ok(outgoing)
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { Err(ReloadFailed { problems: Vec::new() }) })
    }
}
