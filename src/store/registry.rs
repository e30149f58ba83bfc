//! The webhooks that events are for: those of the configuration, which are handed in anew at each
//! start and reload, and those that were created at run time, whose definitions are records of the
//! journal. What a definition means is the caller's: here it is text.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::changes::Change;
use super::queue::Request;
use super::shared::WebhookSet;
use super::{Store, StoreError, answered};
use crate::model::{Secret, Timestamp, Webhook, WebhookId, WebhookState, WebhookStatus};

/// A definition has at most so many bytes.
const DEFINITION_BYTES_MAX: usize = 64 * 1024;

/// A webhook created at run time, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Identity.
    pub id: WebhookId,
    /// What it is made of again; holds its secrets.
    pub text: Secret,
}

impl Store {
    /// Replaces the set of webhooks: who gets an event is decided at its commit, from this set.
    pub fn set_webhooks(&self, webhooks: Vec<Webhook>) {
        // The file is the operator's word again where it no longer says what was overridden.
        for webhook in webhooks.iter().filter(|webhook| webhook.active) {
            let states = self.shared.states.all();
            if let Some(state) = states.get(&webhook.id).filter(|state| state.overrides_file) {
                let state = WebhookState { overrides_file: false, ..state.clone() };
                drop(self.set_webhook_state(webhook.id, state));
            }
        }
        let before = self.shared.webhooks.swap(Arc::new(WebhookSet::new(webhooks)));
        self.shared.leases.wake.notify_one();
        let now = self.shared.webhooks.load();
        let is_other = |webhook: &&Arc<Webhook>, set: &WebhookSet| {
            set.get(webhook.id).is_none_or(|other| **other != ***webhook)
        };
        let new = now.list.iter().filter(|webhook| is_other(webhook, &before));
        let gone = before.list.iter().filter(|webhook| now.get(webhook.id).is_none());
        self.shared.changes.publish(new.chain(gone).map(|webhook| Change::Webhook(webhook.id)));
    }

    /// The current set.
    pub fn webhooks(&self) -> Arc<Vec<Arc<Webhook>>> {
        Arc::clone(&self.shared.webhooks.load().list)
    }

    /// The webhooks that were created at run time and not deleted since, as the journal has them.
    pub fn definitions(&self) -> Vec<Definition> {
        let known = self.shared.definitions.load();
        let defined = known.iter().map(|(&id, text)| Definition { id, text: text.clone() });
        let mut definitions: Vec<Definition> = defined.collect();
        definitions.sort_by_key(|definition| definition.id);
        definitions
    }

    /// Adds a webhook to the set, or replaces the one of the same id: durable and in force when the
    /// future is done. An id that was deleted is never used again for another webhook.
    ///
    /// # Errors
    /// It is not stored; the set is as before. After `TimedOut` it may yet be.
    pub async fn define_webhook(&self, webhook: Webhook, text: Secret) -> Result<(), StoreError> {
        let n_bytes = text.reveal().len();
        if n_bytes > DEFINITION_BYTES_MAX {
            let reason = format!(
                "the webhook is too large: its definition has {n_bytes} bytes, {DEFINITION_BYTES_MAX} are allowed"
            );
            return Err(StoreError::Declined { reason });
        }
        let (waiter, answer) = oneshot::channel();
        let webhook = Box::new(webhook);
        self.shared.queue.push_request(Request::Define { webhook, text, waiter })?;
        answered(answer).await
    }

    /// Deletes a webhook that was created at run time, and cancels what waits for it, that in the
    /// background; false: there is none of that id.
    ///
    /// # Errors
    /// The change could not be stored; the set is as before.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError> {
        let (waiter, answer) = oneshot::channel();
        self.shared.queue.push_request(Request::Delete { id, waiter })?;
        answered(answer).await
    }

    /// How the webhooks stand, as it was decided at run time; those that are not there are active.
    pub fn webhook_states(&self) -> Arc<HashMap<WebhookId, WebhookState>> {
        self.shared.states.all()
    }

    /// How a webhook stands, and why when it is not active. One that the configuration switched
    /// off is disabled, whatever was decided at run time.
    pub fn webhook_status(&self, webhook: &Webhook) -> (WebhookStatus, Option<String>) {
        let WebhookState { status, reason, .. } = self.webhook_state(webhook);
        (status, reason)
    }

    /// The same with its time, which is 0 where nobody has noted it: what the configuration switched off
    /// has none.
    pub fn webhook_state(&self, webhook: &Webhook) -> WebhookState {
        let disabled = |reason: String| WebhookState {
            status: WebhookStatus::Disabled,
            reason: Some(reason),
            ..WebhookState::default()
        };
        if let Some(reason) = &webhook.unusable {
            return disabled(reason.clone());
        }
        let states = self.shared.states.all();
        let state = states.get(&webhook.id).cloned().unwrap_or_default();
        let is_set = state.overrides_file || state.status == WebhookStatus::Disabled;
        if !webhook.active && !is_set {
            return disabled("`active = false` in the configuration".to_owned());
        }
        state
    }

    /// Sets how a webhook stands: in force at once, durable when the future is done. Enabling a disabled one
    /// begins [`Self::failed_in_a_row`] anew.
    ///
    /// # Errors
    /// The change is in force but not stored yet: that is tried again with every batch until it
    /// succeeds or the store is closed.
    pub fn set_webhook_state(
        &self,
        id: WebhookId,
        state: WebhookState,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        self.shared.states.set(id, state);
        self.shared.leases.wake.notify_one();
        let (waiter, answer) = oneshot::channel();
        let asked = self.shared.queue.push_request(Request::Stand { waiter });
        async move {
            asked?;
            answered(answer).await
        }
    }

    /// The receiver of a webhook wants no attempt before this: [`Self::webhook_states`] say so from
    /// now on, and after a restart, if it was not written too late.
    pub fn rest_webhook(&self, id: WebhookId, until: Timestamp) {
        self.shared.states.rest(id, until);
        // Nobody waits for it. No room: the next batch takes it along.
        let (waiter, _) = oneshot::channel();
        let _ = self.shared.queue.push_request(Request::Stand { waiter });
    }
}
