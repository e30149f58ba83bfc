//! When paused webhooks may be probed next, told to whoever asks: the scheduler knows it, and nobody
//! above sees into the scheduler.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::model::{Timestamp, WebhookId};

/// From when on each paused webhook may be probed. One whose probe is under way is not there. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes(Arc<ArcSwap<HashMap<WebhookId, Instant>>>);

impl Probes {
    /// That is all of them now.
    pub(super) fn show(&self, open: HashMap<WebhookId, Instant>) {
        if **self.0.load() != open {
            self.0.store(Arc::new(open));
        }
    }

    /// The time of day; one that is over when the probe only waits for something that is due.
    pub(super) fn opens_at(&self, webhook: WebhookId, now: Timestamp) -> Option<Timestamp> {
        let at = *self.0.load().get(&webhook)?;
        Some(now.plus(at.saturating_duration_since(Instant::now())))
    }
}
