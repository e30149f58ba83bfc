//! Sets of ordinals: the history of a label, of a webhook, what a webhook has not finished. A block
//! of neighbouring ordinals shares a row, a bit each: sled's cost is by the row, in time and memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::bits::{Bits, N_BITS};
use super::{Tree, broken, failed, keys};
use crate::store::StoreError;

/// What a batch changes, by key: before, and now.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Vec<u8>, (Bits, Bits)>);

impl Changes {
    /// Puts an ordinal into a set, or takes it out.
    pub(super) fn set(
        &mut self,
        tree: &Tree,
        set: &[u8],
        ordinal: u64,
        is_in: bool,
    ) -> Result<(), StoreError> {
        let (_, now) = match self.0.entry(keys::of_set(set, ordinal / N_BITS)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let row = tree.get(new.key()).map_err(failed)?;
                let bits = row.map(|value| Bits::read(&value)).transpose()?.unwrap_or_default();
                new.insert((bits, bits))
            }
        };
        now.set(ordinal, is_in);
        Ok(())
    }

    /// Adds the changed rows to a batch.
    pub(super) fn write(&mut self, batch: &mut sled::Batch) {
        for (key, (before, now)) in self.0.drain() {
            if now == before {
                continue;
            }
            if now.is_empty() {
                batch.remove(key);
            } else {
                let mut row = Vec::with_capacity(65);
                now.write(&mut row);
                batch.insert(key, row);
            }
        }
    }
}

/// The smallest ordinal of a set.
pub(crate) fn oldest(tree: &Tree, set: &[u8]) -> Result<Option<u64>, StoreError> {
    let Some(row) = tree.scan_prefix(set).next() else { return Ok(None) };
    let (key, value) = row.map_err(failed)?;
    let (block, bits) = members(&key, &value)?;
    Ok(bits.oldest().map(|place| block.saturating_mul(N_BITS) + place))
}

/// How many ordinals all sets under a prefix have together.
pub(super) fn count(tree: &Tree, prefix: &[u8]) -> Result<u64, StoreError> {
    let mut n = 0;
    for value in tree.scan_prefix(prefix).values() {
        n += Bits::read(&value.map_err(failed)?)?.count();
    }
    Ok(n)
}

/// The block of a row, and which of its ordinals are in the set.
pub(super) fn members(key: &[u8], value: &[u8]) -> Result<(u64, Bits), StoreError> {
    let block = keys::last_number(key).ok_or_else(|| broken("a key is short"))?;
    Ok((block, Bits::read(value)?))
}
