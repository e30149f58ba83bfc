//! Which ordinals are events, and between which times these lie, block by block: so a list begins
//! where its time is, wherever that may be. Nothing is taken for granted about the clock: times
//! that run backwards only make the span of a block wide, and every row is looked at itself.
//!
//! Two levels: a block of ordinals, and a block of as many blocks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::bits::{Bits, N_BITS};
use super::{Tree, broken, failed, keys};
use crate::model::Timestamp;
use crate::store::StoreError;

/// From the earliest to the latest of some times, milliseconds; backwards when there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
}

/// A block row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRow {
    /// The ordinals that are events; one level up, the blocks that have some.
    pub(super) members: Bits,
    /// When the events were.
    events: Span,
    /// When their deliveries were created.
    deliveries: Span,
}

/// Whose times are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Events,
    Deliveries,
}

/// From one time on, and before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within {
    pub(crate) whose: Whose,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// What a batch changes, by key: before, and now.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<[u8; 9], (BlockRow, BlockRow)>);

impl Span {
    const NONE: Self = Self { first: u64::MAX, last: 0 };

    fn cover(&mut self, time: Timestamp) {
        self.first = self.first.min(time.as_millis());
        self.last = self.last.max(time.as_millis());
    }
}

impl Within {
    /// Whether anything of the block can be.
    pub(super) fn touches(&self, row: &BlockRow) -> bool {
        let span = if self.whose == Whose::Events { row.events } else { row.deliveries };
        span.first <= span.last
            && self.since.is_none_or(|since| span.last >= since.as_millis())
            && self.until.is_none_or(|until| span.first < until.as_millis())
    }

    /// Whether all of the block is.
    pub(super) fn covers(&self, row: &BlockRow) -> bool {
        let span = if self.whose == Whose::Events { row.events } else { row.deliveries };
        self.since.is_none_or(|since| span.first >= since.as_millis())
            && self.until.is_none_or(|until| span.last < until.as_millis())
    }

    pub(crate) fn holds(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

impl BlockRow {
    const EMPTY: Self = Self { members: Bits::NONE, events: Span::NONE, deliveries: Span::NONE };

    fn write(&self) -> Vec<u8> {
        let Self { members, events, deliveries } = self;
        let mut row = Vec::with_capacity(97);
        for number in [events.first, events.last, deliveries.first, deliveries.last] {
            row.extend_from_slice(&number.to_be_bytes());
        }
        members.write(&mut row);
        row
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let short = || broken("a block row is short");
        let (times, bits) = bytes.split_at_checked(32).ok_or_else(short)?;
        let [a, b, c, d] = times.as_chunks::<8>().0 else { return Err(short()) };
        let span = |first: &[u8; 8], last: &[u8; 8]| Span {
            first: u64::from_be_bytes(*first),
            last: u64::from_be_bytes(*last),
        };
        Ok(Self { members: Bits::read(bits)?, events: span(a, b), deliveries: span(c, d) })
    }
}

impl Changes {
    /// A new event.
    pub(super) fn add(
        &mut self,
        tree: &Tree,
        ordinal: u64,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let block = ordinal / N_BITS;
        for (key, member) in [(keys::block(block), ordinal), (above(block), block)] {
            let row = self.row(tree, key)?;
            row.members.set(member, true);
            row.events.cover(time);
        }
        Ok(())
    }

    /// A delivery of an event has this time.
    pub(super) fn cover(
        &mut self,
        tree: &Tree,
        ordinal: u64,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let block = ordinal / N_BITS;
        for key in [keys::block(block), above(block)] {
            self.row(tree, key)?.deliveries.cover(time);
        }
        Ok(())
    }

    /// An event is forgotten. The spans stay as they are until the block is empty.
    pub(super) fn remove(&mut self, tree: &Tree, ordinal: u64) -> Result<(), StoreError> {
        let block = ordinal / N_BITS;
        let row = self.row(tree, keys::block(block))?;
        row.members.set(ordinal, false);
        if row.members.is_empty() {
            self.row(tree, above(block))?.members.set(block, false);
        }
        Ok(())
    }

    /// Adds the changed rows to a batch.
    pub(super) fn write(&mut self, batch: &mut sled::Batch) {
        for (key, (before, now)) in self.0.drain() {
            if now == before {
                continue;
            }
            if now.members.is_empty() {
                batch.remove(&key[..]);
            } else {
                batch.insert(&key[..], now.write());
            }
        }
    }

    fn row(&mut self, tree: &Tree, key: [u8; 9]) -> Result<&mut BlockRow, StoreError> {
        let (_, now) = match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let row = tree.get(key).map_err(failed)?;
                let row = row.map(|value| BlockRow::read(&value)).transpose()?;
                let row = row.unwrap_or(BlockRow::EMPTY);
                new.insert((row, row))
            }
        };
        Ok(now)
    }
}

/// How many events all blocks have together.
pub(super) fn count(tree: &Tree, prefix: &[u8]) -> Result<u64, StoreError> {
    let mut n = 0;
    for value in tree.scan_prefix(prefix).values() {
        n += BlockRow::read(&value.map_err(failed)?)?.members.count();
    }
    Ok(n)
}

/// The row one level up.
fn above(block: u64) -> [u8; 9] {
    keys::blocks(block / N_BITS)
}
