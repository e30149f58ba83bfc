//! How the queues are: one look per webhook, however much waits.

use crate::model::{Timestamp, WebhookId};
use crate::store::StoreError;
use crate::store::index::history;
use crate::store::index::rows::EventRow;
use crate::store::index::tallies::Counts;
use crate::store::index::{Tree, get, keys, ordinals};
use crate::store::shared::Shared;
use crate::store::types::{QueueStats, StoreStats};

use super::sets::counts_of_all;

impl Shared {
    pub(crate) fn stats(&self) -> StoreStats {
        let queues = self.index.with(|tree| self.queues(tree)).unwrap_or_else(|error| {
            tracing::debug!(error = %error.in_full(), "no queue statistics now");
            Vec::new()
        });
        let max_bytes = self.settings.max_bytes;
        StoreStats {
            bytes: self.bytes(),
            max_bytes,
            queues,
            damage: self.damage(),
            troubles: self.health.all(),
            reclaimable_bytes: self.reclaimable_bytes(),
            n_in_memory: self.n_in_memory(),
        }
    }

    pub(crate) fn waiting(&self) -> Result<Vec<(WebhookId, u64)>, StoreError> {
        self.index.with(|tree| {
            let pending = |known: Result<(WebhookId, Counts), StoreError>| {
                known.map(|(id, counts)| (id, counts.pending))
            };
            counts_of_all(tree).map(pending).collect()
        })
    }

    fn queues(&self, tree: &Tree) -> Result<Vec<QueueStats>, StoreError> {
        let set = self.webhooks.load();
        let mut ids: Vec<WebhookId> = set.list.iter().map(|webhook| webhook.id).collect();
        for known in counts_of_all(tree) {
            let (id, counts) = known?;
            ids.extend(Some(id).filter(|id| counts.pending > 0 && !ids.contains(id)));
        }
        let mut queues = Vec::with_capacity(ids.len());
        for webhook_id in ids {
            let counts: Counts = get(tree, keys::counts(webhook_id))?.unwrap_or_default();
            let waiting = counts.pending;
            let (pending, held) =
                if self.is_held(webhook_id) { (0, waiting) } else { (waiting, 0) };
            let oldest = oldest(tree, webhook_id)?;
            queues.push(QueueStats { webhook_id, pending, held, oldest });
        }
        Ok(queues)
    }
}

fn oldest(tree: &Tree, webhook: WebhookId) -> Result<Option<Timestamp>, StoreError> {
    let oldest = ordinals::oldest(tree, &keys::unfinished(webhook))?;
    let Some(ordinal) = oldest else { return Ok(None) };
    let event: Option<EventRow> = history::event_at(tree, ordinal)?;
    Ok(event.map(|event| event.committed_at))
}
