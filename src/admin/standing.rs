//! How webhooks stand, as every answer tells it: since when one is paused, and when it is tried next.
//! The time is kept in the store, so it outlives a restart; the next probe is the scheduler's, and what
//! cannot be known is null.

use std::sync::Arc;

use super::state::{Api, Shared};
use crate::clock;
use crate::model::{Timestamp, Webhook, WebhookState, WebhookStatus};
use crate::store::Store;

/// How a webhook stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    pub(super) status: WebhookStatus,
    /// Why it is disabled or paused, in words.
    pub(super) reason: Option<String>,
    /// Since when, where it is.
    pub(super) paused_at: Option<Timestamp>,
    /// When it is paused: the next attempt. `None`: one is under way, nothing waits, or not known.
    pub(super) next_probe_at: Option<Timestamp>,
    /// Its receiver asked for no attempt before this (`Retry-After`).
    pub(super) rests_until: Option<Timestamp>,
}

impl Stands {
    /// Reads the index where the webhook is paused: for blocking threads. An index that cannot be read
    /// leaves the next probe open.
    pub(super) fn read(api: &Shared, webhook: &Webhook) -> Self {
        let stands = Self::known(api, webhook);
        let due = stands.next_probe_at.and_then(|opens_at| {
            let due = api.state.store.next_due(webhook.id).ok().flatten()?;
            // Paused, it also waits for something that is due.
            Some(due.max(opens_at))
        });
        Self { next_probe_at: due, ..stands }
    }

    /// Of several; where none is paused without the index.
    pub(super) async fn read_all(api: &Api, webhooks: Vec<Arc<Webhook>>) -> Vec<Self> {
        let known: Vec<Self> = webhooks.iter().map(|webhook| Self::known(api, webhook)).collect();
        if known.iter().all(|one| one.next_probe_at.is_none()) {
            return known;
        }
        let reading = Arc::clone(api);
        let read =
            move |_: &Store| Ok(webhooks.iter().map(|one| Self::read(&reading, one)).collect());
        let blind = |_| known.into_iter().map(|one| Self { next_probe_at: None, ..one }).collect();
        api.read(read).await.unwrap_or_else(blind)
    }

    /// Of one.
    pub(super) async fn read_one(api: &Api, webhook: &Arc<Webhook>) -> Self {
        let read = Self::read_all(api, vec![Arc::clone(webhook)]).await;
        read.into_iter().next().unwrap_or_default()
    }

    /// From memory alone: the next probe is when it may be, whether something is due or not.
    fn known(api: &Shared, webhook: &Webhook) -> Self {
        let state = api.state.store.webhook_state(webhook);
        let rests_until = state.rest(clock::now());
        let WebhookState { status, reason, since, .. } = state;
        let is_paused = status == WebhookStatus::Paused;
        let opens_at = || api.state.control.probe_opens_at(webhook.id);
        Self {
            status,
            reason,
            paused_at: Some(since).filter(|since| is_paused && *since != Timestamp::default()),
            next_probe_at: is_paused.then(opens_at).flatten(),
            rests_until,
        }
    }
}
