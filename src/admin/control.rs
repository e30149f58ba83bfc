//! What the API asks of the rest of the program, which is built after it and above it.

use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;

use crate::egress::Outgoing;
use crate::model::{DeliveryId, Event, Timestamp, Webhook, WebhookId};
use crate::rules::RuleSet;

/// The rest of the program, as the admin API sees it.
pub trait Control: Send + Sync {
    /// How the proxy is; cheap, called per request.
    fn proxy(&self) -> ProxyHealth;

    /// The rules in force, with what they have seen.
    fn rules(&self) -> RuleSet;

    /// How the configuration stands.
    fn config(&self) -> ConfigStatus;

    /// The request of a delivery's attempt `number` as it would be sent now, secrets masked. May
    /// take long, as rendering may.
    ///
    /// # Errors
    /// It cannot be built, in words.
    fn preview(
        &self,
        event: &Arc<Event>,
        webhook: &Webhook,
        delivery: DeliveryId,
        number: u32,
    ) -> Result<Outgoing, String>;

    /// From when on a paused webhook may be probed; `None`: not known, or a probe is under way. Cheap.
    fn probe_opens_at(&self, webhook: WebhookId) -> Option<Timestamp>;

    /// Reads the configuration again and puts it in force, all of it or nothing.
    fn reload(&self) -> Reloading<'_>;
}

/// A reload under way.
pub type Reloading<'a> = Pin<Box<dyn Future<Output = Result<Reloaded, ReloadFailed>> + Send + 'a>>;

impl ConfigProblem {
    /// Where it is: `sidehook.toml:12:3`, or the source alone.
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (0, _) => self.source.clone(),
            (line, 0) => format!("{}:{line}", self.source),
            (line, column) => format!("{}:{line}:{column}", self.source),
        }
    }
}

/// What the proxy says about itself.
#[derive(Clone, Debug)]
pub struct ProxyHealth {
    /// Its listeners are open.
    pub listening: bool,
    /// It finishes what it has and takes nothing new.
    pub draining: bool,
    /// The last call reached the upstream.
    pub upstream_healthy: bool,
    /// Why not, in words.
    pub upstream_error: Option<String>,
}

/// How the configuration stands.
#[derive(Clone, Debug)]
pub struct ConfigStatus {
    /// 1 at the start, one more with each reload that changed something.
    pub generation: u64,
    /// When what is in force was read.
    pub loaded_at: Timestamp,
    /// What is wrong with the file as it is now; empty: it is what is in force.
    pub problems: Vec<ConfigProblem>,
    /// What is in force, as TOML, secrets masked.
    pub effective: String,
    /// What of the file waits for a restart, such as `[proxy] listen`.
    pub needs_restart: Vec<String>,
}

/// A mistake in the configuration, with its place and its cure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ConfigProblem {
    /// The file, environment variable or flag.
    pub source: String,
    /// Line, from 1; 0: of the whole.
    pub line: usize,
    /// Column in characters, from 1; 0: of the whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub cure: String,
}

/// A configuration that is in force now.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Its generation; unchanged when there was nothing new.
    pub generation: u64,
    /// What of the new file waits for a restart, such as `[proxy] listen`.
    pub needs_restart: Vec<String>,
}

/// The configuration is as it was.
#[derive(Clone, Debug)]
pub struct ReloadFailed {
    /// All that is wrong.
    pub problems: Vec<ConfigProblem>,
}
