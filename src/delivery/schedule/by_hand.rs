//! Attempts that somebody asked for by hand: now, whatever else their lane waits for.

use std::sync::Arc;

use super::Scheduler;
use crate::delivery::health::Moment;
use crate::store::StoreError;

impl Scheduler {
    /// Starts those for which there is a place; the others ask again when one is free.
    pub(super) fn serve_by_hand(&mut self, now: Moment) -> Result<(), StoreError> {
        let mut failed = Ok(());
        self.by_hand_at = None;
        let wanted = self.context.store.wanted_by_hand();
        if wanted.is_empty() {
            return failed;
        }
        let places = self.places();
        let idle = self.lanes.values().filter(|lane| lane.is_idle(now)).count();
        for (id, webhook) in wanted {
            let free = places.saturating_sub(self.in_flight);
            if free == 0 {
                break;
            }
            let is_configured = self.webhooks.iter().any(|known| known.id == webhook);
            let Some(lane) = self.lanes.get_mut(&webhook).filter(|_| is_configured) else {
                // It waits for a webhook of this name to come back.
                self.context.store.forget_by_hand(id);
                continue;
            };
            if !lane.takes_one_by_hand(free, idle.min(places / 2)) {
                continue;
            }
            if let Some(at) = lane.waits_for_token(now) {
                self.by_hand_at = Some(self.by_hand_at.map_or(at, |other| other.min(at)));
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
