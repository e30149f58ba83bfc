//! How the deliveries of neighbouring events stand, from the sets: a few rows tell it for a whole
//! block of events, where the rows of their deliveries cost a look each, most of them at a page
//! of sled's that holds nothing else of the list.

use super::bits::{Bits, N_BITS};
use super::rows::DeliveryRow;
use super::{Tree, get, get_raw, keys};
use crate::model::{DeliveryId, DeliveryState, WebhookId};
use crate::store::StoreError;

/// The sets of a webhook are read again so often when they changed meanwhile.
const N_TRIES: usize = 3;

/// For events that are asked for block by block.
pub(crate) struct Stands<'a> {
    tree: &'a Tree,
    block: u64,
    /// Of this block; `None`: they change too fast to be read together.
    known: Vec<(WebhookId, Option<Sets>)>,
}

/// A webhook's sets, of one block and of one moment.
#[derive(Clone, Copy)]
struct Sets {
    unfinished: Bits,
    failed: Bits,
    cancelled: Bits,
    history: Bits,
}

impl<'a> Stands<'a> {
    pub(crate) const fn new(tree: &'a Tree) -> Self {
        Self { tree, block: u64::MAX, known: Vec::new() }
    }

    /// The stored state of an event's delivery to a webhook; `None`: it is gone.
    pub(crate) fn of(
        &mut self,
        ordinal: u64,
        id: DeliveryId,
        webhook: WebhookId,
    ) -> Result<Option<DeliveryState>, StoreError> {
        if let Some(sets) = self.sets(ordinal / N_BITS, webhook)? {
            return Ok(sets.state(ordinal));
        }
        let row: Option<DeliveryRow> = get(self.tree, keys::delivery(id))?;
        Ok(row.map(|row| row.state))
    }

    fn sets(&mut self, block: u64, webhook: WebhookId) -> Result<Option<Sets>, StoreError> {
        if self.block != block {
            self.block = block;
            self.known.clear();
        }
        if let Some((_, sets)) = self.known.iter().find(|(known, _)| *known == webhook) {
            return Ok(*sets);
        }
        let sets = Sets::read(self.tree, block, webhook)?;
        self.known.push((webhook, sets));
        Ok(sets)
    }
}

impl Sets {
    /// As they all are between two batches: every batch of the journal writes the meta row. `None`:
    /// batches came faster than that.
    fn read(tree: &Tree, block: u64, webhook: WebhookId) -> Result<Option<Self>, StoreError> {
        let bits = |set: [u8; 17]| -> Result<Bits, StoreError> {
            let row = get_raw(tree, keys::of_set(&set, block))?;
            Ok(row.map(|row| Bits::read(&row)).transpose()?.unwrap_or_default())
        };
        for _ in 0..N_TRIES {
            let before = get_raw(tree, keys::META)?;
            // The history last: what retention takes away writes no meta row, and then is not in
            // it, whatever the others said.
            let sets = Self {
                unfinished: bits(keys::unfinished(webhook))?,
                failed: bits(keys::failed(webhook))?,
                cancelled: bits(keys::cancelled(webhook))?,
                history: bits(keys::webhook_history(webhook))?,
            };
            if get_raw(tree, keys::META)? == before {
                return Ok(Some(sets));
            }
        }
        Ok(None)
    }

    fn state(&self, ordinal: u64) -> Option<DeliveryState> {
        let sets = [
            (&self.unfinished, DeliveryState::Pending),
            (&self.failed, DeliveryState::Failed),
            (&self.cancelled, DeliveryState::Cancelled),
            // What is in none of those.
            (&self.history, DeliveryState::Delivered),
        ];
        let found = sets.into_iter().find(|(set, _)| set.has(ordinal));
        found.filter(|_| self.history.has(ordinal)).map(|(_, state)| state)
    }
}
