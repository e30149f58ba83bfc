//! How the webhooks stand: in force in memory at once, whatever the disk says; written with the
//! next batch that succeeds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::index::rows::cut;
use super::locked;
use crate::model::{Timestamp, WebhookId, WebhookState, WebhookStatus};

const REASON_BYTES_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct States {
    in_force: ArcSwap<HashMap<WebhookId, WebhookState>>,
    /// In force but not in the journal yet: at most one for each webhook, the newest.
    unwritten: Mutex<HashMap<WebhookId, WebhookState>>,
}

impl States {
    /// What the journal says, at the start.
    pub(crate) fn load(&self, states: HashMap<WebhookId, WebhookState>) {
        self.in_force.store(Arc::new(states));
    }

    pub(crate) fn all(&self) -> Arc<HashMap<WebhookId, WebhookState>> {
        self.in_force.load_full()
    }

    pub(crate) fn status(&self, webhook: WebhookId) -> WebhookStatus {
        self.in_force.load().get(&webhook).map_or(WebhookStatus::Active, |state| state.status)
    }

    pub(crate) fn overrides_file(&self, webhook: WebhookId) -> bool {
        self.in_force.load().get(&webhook).is_some_and(|state| state.overrides_file)
    }

    pub(crate) fn set(&self, webhook: WebhookId, mut state: WebhookState) {
        state.reason = state.reason.map(|text| cut(&text, REASON_BYTES_MAX).to_owned());
        let mut unwritten = locked(&self.unwritten);
        let mut states = HashMap::clone(&self.in_force.load());
        if state.is_unremarkable() {
            states.remove(&webhook);
        } else {
            states.insert(webhook, state.clone());
        }
        self.in_force.store(Arc::new(states));
        unwritten.insert(webhook, state);
    }

    /// However it stands meanwhile: that stays as somebody has set it.
    pub(crate) fn rest(&self, webhook: WebhookId, until: Timestamp) {
        let mut unwritten = locked(&self.unwritten);
        let mut states = HashMap::clone(&self.in_force.load());
        let state = states.entry(webhook).or_default();
        state.rests_until = Some(until);
        unwritten.insert(webhook, state.clone());
        self.in_force.store(Arc::new(states));
    }

    /// The webhook is deleted.
    pub(crate) fn forget(&self, webhook: WebhookId) {
        let mut unwritten = locked(&self.unwritten);
        let mut states = HashMap::clone(&self.in_force.load());
        states.remove(&webhook);
        self.in_force.store(Arc::new(states));
        unwritten.remove(&webhook);
    }

    /// What is to be written, for the committer.
    pub(crate) fn take_unwritten(&self) -> Vec<(WebhookId, WebhookState)> {
        locked(&self.unwritten).drain().collect()
    }

    /// It could not be written; what has been set meanwhile is newer.
    pub(crate) fn put_back(&self, states: Vec<(WebhookId, WebhookState)>) {
        let mut unwritten = locked(&self.unwritten);
        for (webhook, state) in states {
            unwritten.entry(webhook).or_insert(state);
        }
    }
}
