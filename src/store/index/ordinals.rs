//! Sets of ordinals: the history of a label, of a webhook, what a webhook has not finished. 64
//! neighbouring ordinals share a row, a bit each: sled's cost is by the row, in time and memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Tree, broken, failed, keys};
use crate::store::StoreError;

/// What a batch changes, by key.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Vec<u8>, u64>);

impl Changes {
    /// Puts an ordinal into a set, or takes it out.
    pub(super) fn set(
        &mut self,
        tree: &Tree,
        set: &[u8],
        ordinal: u64,
        is_in: bool,
    ) -> Result<(), StoreError> {
        let bits = match self.0.entry(keys::of_set(set, ordinal)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let row = tree.get(new.key()).map_err(failed)?;
                let bits = row.map(|value| bits_of(&value)).transpose()?.unwrap_or_default();
                new.insert(bits)
            }
        };
        let bit = 1 << (ordinal % 64);
        *bits = if is_in { *bits | bit } else { *bits & !bit };
        Ok(())
    }

    /// Adds the changed rows to a batch.
    pub(super) fn write(self, batch: &mut sled::Batch) {
        for (key, bits) in self.0 {
            match bits {
                0 => batch.remove(key),
                bits => batch.insert(key, &bits.to_be_bytes()),
            }
        }
    }
}

/// The ordinals of a set that are before one, newest first.
pub(crate) fn newest_first(
    tree: &Tree,
    set: &[u8],
    before: u64,
) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
    let (first, last) = (keys::of_set(set, 0), keys::of_set(set, before));
    tree.range(first..=last).rev().flat_map(move |row| {
        let (start, bits) = match row.map_err(failed).and_then(|(key, value)| members(&key, &value))
        {
            Ok(found) => found,
            Err(error) => return Newest { start: 0, bits: 0, error: Some(error) },
        };
        let n_below = before.saturating_sub(start).min(64);
        let is_below = if n_below == 64 { u64::MAX } else { (1 << n_below) - 1 };
        Newest { start, bits: bits & is_below, error: None }
    })
}

/// The rows of a set from an ordinal to before another: the first ordinal that each can hold, and
/// which it does.
pub(crate) fn rows_between(
    tree: &Tree,
    set: &[u8],
    from: u64,
    to: u64,
) -> impl Iterator<Item = Result<(u64, u64), StoreError>> + use<> {
    let (first, last) = (keys::of_set(set, from), keys::of_set(set, to));
    tree.range(first..=last).map(move |row| {
        let (key, value) = row.map_err(failed)?;
        let (start, bits) = members(&key, &value)?;
        let is_from = u64::MAX.checked_shl(bits_before(start, from)).unwrap_or(0);
        let is_to = u64::MAX.checked_shl(bits_before(start, to)).unwrap_or(0);
        Ok((start, bits & is_from & !is_to))
    })
}

/// How many of the 64 ordinals from `start` on are before an ordinal.
fn bits_before(start: u64, ordinal: u64) -> u32 {
    u32::try_from(ordinal.saturating_sub(start)).unwrap_or(64).min(64)
}

/// The smallest ordinal of a set.
pub(crate) fn oldest(tree: &Tree, set: &[u8]) -> Result<Option<u64>, StoreError> {
    let Some(row) = tree.scan_prefix(set).next() else { return Ok(None) };
    let (key, value) = row.map_err(failed)?;
    let (start, bits) = members(&key, &value)?;
    Ok(Some(start + u64::from(bits.trailing_zeros())))
}

/// How many ordinals all sets under a prefix have together.
pub(super) fn count(tree: &Tree, prefix: &[u8]) -> Result<u64, StoreError> {
    let mut n = 0;
    for value in tree.scan_prefix(prefix).values() {
        n += u64::from(bits_of(&value.map_err(failed)?)?.count_ones());
    }
    Ok(n)
}

/// What is left of a row.
struct Newest {
    start: u64,
    bits: u64,
    error: Option<StoreError>,
}

impl Iterator for Newest {
    type Item = Result<u64, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let highest = self.bits.checked_ilog2()?;
        self.bits &= !(1 << highest);
        Some(Ok(self.start + u64::from(highest)))
    }
}

/// The first ordinal that a row can hold, and which it does.
fn members(key: &[u8], value: &[u8]) -> Result<(u64, u64), StoreError> {
    let number = keys::last_number(key).ok_or_else(|| broken("a key is short"))?;
    Ok((number.saturating_mul(64), bits_of(value)?))
}

fn bits_of(value: &[u8]) -> Result<u64, StoreError> {
    let bytes = value.try_into().map_err(|_| broken("a row of ordinals has another length"))?;
    Ok(u64::from_be_bytes(bytes))
}
