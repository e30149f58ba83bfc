//! Ordered deliveries: of each chain only the first unfinished one stands in the lane. What a
//! batch of records changes is gathered per chain, and the place in the lane is settled once, when
//! the batch is written; so that each record costs a step or two, however many wait.

use std::collections::{BTreeMap, HashMap};

use super::keys::{self, Chain};
use super::{Tree, failed};
use crate::model::{DeliveryId, WebhookId};
use crate::store::StoreError;

/// The first of a chain: the ordinal of its event, and the delivery.
pub(super) type Head = (u64, DeliveryId);

/// What a batch so far has changed in chains.
#[derive(Debug, Default)]
pub(super) struct Chains(HashMap<(WebhookId, Chain), Changes>);

/// By ordinal: came (`Some`) or went.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<u64, Option<DeliveryId>>);

impl Chains {
    /// A delivery is unfinished now, or no longer.
    pub(super) fn set(
        &mut self,
        webhook: WebhookId,
        chain: Chain,
        ordinal: u64,
        id: Option<DeliveryId>,
    ) {
        self.0.entry((webhook, chain)).or_default().0.insert(ordinal, id);
    }

    /// Hands out all that has changed.
    pub(super) fn take(&mut self) -> impl Iterator<Item = ((WebhookId, Chain), Changes)> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }
}

impl Changes {
    /// Who was the first of the chain before the batch, and who is now. Looks at no more rows
    /// than the batch has changed, and one.
    pub(super) fn heads(
        &self,
        tree: &Tree,
        webhook: WebhookId,
        chain: Chain,
    ) -> Result<(Option<Head>, Option<Head>), StoreError> {
        let first = keys::ordered(webhook, chain, 0);
        let (mut before, mut unchanged) = (None, None);
        for row in tree.scan_prefix(keys::chain_prefix(&first)) {
            let (key, value) = row.map_err(failed)?;
            let head = keys::last_number(&key).zip(keys::delivery_of(&value));
            before = before.or(head);
            unchanged = head.filter(|(ordinal, _)| !self.0.contains_key(ordinal));
            if unchanged.is_some() {
                break;
            }
        }
        let came = self.0.iter().find_map(|(&ordinal, id)| id.map(|id| (ordinal, id)));
        let now = match (unchanged, came) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Ok((before, now))
    }

    pub(super) fn has(&self, ordinal: u64) -> bool {
        self.0.contains_key(&ordinal)
    }
}
