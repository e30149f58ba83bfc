//! What the admin API asks of the whole program.

use std::sync::{Arc, OnceLock};

use crate::admin::{ConfigStatus, Control, ProxyHealth, ReloadFailed, Reloading};
use crate::model::Timestamp;
use crate::proxy::UpstreamHealth;
use crate::rules::RuleSet;
use crate::shutdown::Stop;

/// The running program, for the admin API.
pub(super) struct Running {
    pub(super) rules: RuleSet,
    /// Set when the proxy has started, which is after the admin API.
    pub(super) upstream: Arc<OnceLock<UpstreamHealth>>,
    pub(super) draining: Stop,
    pub(super) loaded_at: Timestamp,
    pub(super) effective: String,
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

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { Err(ReloadFailed { problems: Vec::new() }) })
    }
}
