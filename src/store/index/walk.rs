//! Sets of ordinals put together: what is in all of some, in any, in one but not in others; newest
//! first, a block at a time, and no further than somebody looks. So the newest few of a
//! million are found without looking at the rest.
//!
//! One question is asked of every set: which is its newest block at or before this one. An answer
//! may be a block of which nothing is left; then there is nothing from there up to where was asked.

use super::bits::{Bits, N_BITS};
use super::blocks::{BlockRow, Within};
use super::{Tree, failed, get_raw, keys, ordinals};
use crate::store::StoreError;

/// Steps from row to row before it is cheaper to look where to go.
const N_STEPS_MAX: usize = 4;

/// Some of a block's ordinals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    number: u64,
    bits: Bits,
}

/// A set, as far as it has been looked at.
pub(crate) enum Walk<'a> {
    /// A set that is kept.
    Kept(Box<Rows<'a>>),
    /// The events, or those in blocks that may hold some of a time.
    Events(Events<'a>),
    /// Just these, newest first.
    These(Vec<u64>),
    /// What is in one of them.
    Any(Vec<Walk<'a>>),
    /// What is in all of them.
    All(Vec<Walk<'a>>),
    /// What is in the first and in none of the others.
    Except(Box<Walk<'a>>, Vec<Walk<'a>>),
}

/// The rows of a set, from the newest on.
pub(crate) struct Rows<'a> {
    tree: &'a Tree,
    set: Vec<u8>,
    rows: Option<std::iter::Rev<sled::Iter>>,
    at: Option<Block>,
    is_over: bool,
}

/// The block rows.
pub(crate) struct Events<'a> {
    tree: &'a Tree,
    within: Option<Within>,
    /// The row above the last block that was looked at.
    above: Option<(u64, BlockRow)>,
}

impl Block {
    /// The ordinals that are before one, newest first.
    pub(crate) fn newest_first(self, before: u64) -> impl Iterator<Item = u64> {
        let start = self.start();
        let bits = self.bits.below(before.saturating_sub(start));
        bits.newest_first().map(move |place| start + place)
    }

    /// How many are before an ordinal.
    pub(crate) fn count(self, before: u64) -> u64 {
        self.bits.below(before.saturating_sub(self.start())).count()
    }

    /// The row of its times.
    pub(super) fn row(self, tree: &Tree) -> Result<Option<BlockRow>, StoreError> {
        let row = get_raw(tree, keys::block(self.number))?;
        row.map(|row| BlockRow::read(&row)).transpose()
    }

    /// The first ordinal that it can hold.
    pub(crate) const fn start(self) -> u64 {
        self.number.saturating_mul(N_BITS)
    }

    const fn empty(number: u64) -> Self {
        Self { number, bits: Bits::NONE }
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn kept(tree: &'a Tree, set: impl Into<Vec<u8>>) -> Self {
        let set = set.into();
        Self::Kept(Box::new(Rows { tree, set, rows: None, at: None, is_over: false }))
    }

    pub(crate) const fn events(tree: &'a Tree, within: Option<Within>) -> Self {
        Self::Events(Events { tree, within, above: None })
    }

    /// How many sets it is made of: what a step costs.
    pub(crate) fn n_sets(&self) -> usize {
        match self {
            Self::Kept(_) | Self::Events(_) | Self::These(_) => 1,
            Self::Any(sets) | Self::All(sets) => sets.iter().map(Self::n_sets).sum(),
            Self::Except(set, sets) => set.n_sets() + sets.iter().map(Self::n_sets).sum::<usize>(),
        }
    }

    /// The newest block that holds ordinals before this one.
    pub(crate) fn block_before(&mut self, before: u64) -> Result<Option<Block>, StoreError> {
        match before.checked_sub(1) {
            Some(last) => self.at_or_before(last / N_BITS),
            None => Ok(None),
        }
    }

    /// Asked for ever older blocks.
    fn at_or_before(&mut self, number: u64) -> Result<Option<Block>, StoreError> {
        match self {
            Self::Kept(rows) => rows.at_or_before(number),
            Self::Events(events) => events.at_or_before(number),
            Self::These(ordinals) => Ok(block_of(ordinals, number)),
            Self::Any(sets) => any(sets, number),
            Self::All(sets) => all(sets, number),
            Self::Except(set, others) => {
                let Some(mut block) = set.at_or_before(number)? else { return Ok(None) };
                for other in others {
                    if let Some(out) = other.at_or_before(block.number)?
                        && out.number == block.number
                    {
                        block.bits = block.bits.without(&out.bits);
                    }
                }
                Ok(Some(block))
            }
        }
    }
}

impl Rows<'_> {
    fn at_or_before(&mut self, number: u64) -> Result<Option<Block>, StoreError> {
        let mut n_steps = 0;
        loop {
            if let Some(block) = self.at.filter(|block| block.number <= number) {
                return Ok(Some(block));
            }
            if self.is_over {
                return Ok(None);
            }
            if self.rows.is_none() || n_steps == N_STEPS_MAX {
                let (first, last) = (keys::of_set(&self.set, 0), keys::of_set(&self.set, number));
                self.rows = Some(self.tree.range(first..=last).rev());
            }
            n_steps += 1;
            let Some(row) = self.rows.as_mut().and_then(Iterator::next) else {
                (self.at, self.is_over) = (None, true);
                return Ok(None);
            };
            let (key, value) = row.map_err(failed)?;
            let (number, bits) = ordinals::members(&key, &value)?;
            self.at = Some(Block { number, bits });
        }
    }
}

impl Events<'_> {
    /// Looks no further than to the end of one row of the level above.
    fn at_or_before(&mut self, number: u64) -> Result<Option<Block>, StoreError> {
        let Some((start, blocks)) = self.above(number / N_BITS)? else { return Ok(None) };
        if !self.touches(&blocks) {
            return Ok(Some(Block::empty(start)));
        }
        let n_below = (number - start).saturating_add(1);
        for place in blocks.members.below(n_below).newest_first() {
            let number = start + place;
            let Some(row) = get_raw(self.tree, keys::block(number))? else { continue };
            let row = BlockRow::read(&row)?;
            if self.touches(&row) {
                return Ok(Some(Block { number, bits: row.members }));
            }
        }
        Ok(Some(Block::empty(start)))
    }

    fn touches(&self, row: &BlockRow) -> bool {
        self.within.is_none_or(|within| within.touches(row))
    }

    /// The newest row above, at or before a number; and the first block it stands for.
    fn above(&mut self, number: u64) -> Result<Option<(u64, BlockRow)>, StoreError> {
        if self.above.is_none_or(|(known, _)| known > number) {
            let row = self.tree.range(keys::blocks(0)..=keys::blocks(number)).next_back();
            let Some(row) = row else { return Ok(None) };
            let (key, value) = row.map_err(failed)?;
            let number = keys::last_number(&key).unwrap_or_default();
            self.above = Some((number, BlockRow::read(&value)?));
        }
        Ok(self.above.map(|(number, row)| (number.saturating_mul(N_BITS), row)))
    }
}

fn any(sets: &mut [Walk<'_>], number: u64) -> Result<Option<Block>, StoreError> {
    let mut newest: Option<Block> = None;
    for set in sets {
        let Some(block) = set.at_or_before(number)? else { continue };
        newest = Some(match newest {
            Some(known) if known.number > block.number => known,
            Some(known) if known.number == block.number => {
                Block { number: known.number, bits: known.bits.or(&block.bits) }
            }
            _ => block,
        });
    }
    Ok(newest)
}

/// Does not go on until it finds something: whoever asks may have no time for it.
fn all(sets: &mut [Walk<'_>], number: u64) -> Result<Option<Block>, StoreError> {
    let mut bits = Bits::ALL;
    for set in sets {
        let Some(block) = set.at_or_before(number)? else { return Ok(None) };
        if block.number < number {
            // The others begin again where this one goes on.
            return Ok(Some(Block::empty(block.number + 1)));
        }
        bits = bits.and(&block.bits);
        if bits.is_empty() {
            break;
        }
    }
    Ok(Some(Block { number, bits }))
}

fn block_of(ordinals: &[u64], number: u64) -> Option<Block> {
    let newer = ordinals.partition_point(|ordinal| ordinal / N_BITS > number);
    let number = ordinals.get(newer)? / N_BITS;
    let mut bits = Bits::NONE;
    let members = ordinals[newer..].iter().take_while(|&ordinal| ordinal / N_BITS == number);
    members.for_each(|&ordinal| bits.set(ordinal, true));
    Some(Block { number, bits })
}

#[cfg(test)]
mod tests;
