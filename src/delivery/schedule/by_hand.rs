//! Attempts that somebody asked for by hand: now, whatever else their lane waits for.

use std::sync::Arc;

use super::Scheduler;
use crate::delivery::health::Moment;
use crate::store::StoreError;

impl Scheduler {
    /// Starts those for which there is a place; the others ask again when one is free.
    pub(super) fn serve_by_hand(&mut self, now: Moment) -> Result<(), StoreError> {
        let mut failed = Ok(());
        for (id, webhook) in self.context.store.wanted_by_hand()? {
            if self.in_flight >= self.slots.max_capacity() {
                break;
            }
            let is_configured = self.webhooks.iter().any(|known| known.id == webhook);
            let Some(lane) = self.lanes.get_mut(&webhook).filter(|_| is_configured) else {
                // It waits for a webhook of this name to come back.
                self.context.store.forget_by_hand(id);
                continue;
            };
            if !lane.takes_one_by_hand() {
                continue;
            }
            let lease = match self.context.store.lease_by_hand(id) {
                Ok(Some(lease)) => lease,
                Ok(None) => continue,
                Err(error) => {
                    // Its lane asks for it again, after a pause.
                    self.context.store.forget_by_hand(id);
                    failed = Err(error);
                    continue;
                }
            };
            let is_probe = lane.begin_by_hand(now);
            let webhook = Arc::clone(&lane.webhook);
            self.in_flight += 1;
            self.begin(&webhook, lease, is_probe);
        }
        failed
    }
}
