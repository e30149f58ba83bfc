//! A block of neighbouring ordinals, a bit each, and how it is written: only the words that are
//! not zero, so that a block with few of them is a short row.

use super::broken;
use crate::store::StoreError;

const N_WORDS: usize = 8;

/// How many ordinals a block has.
pub(crate) const N_BITS: u64 = 64 * N_WORDS as u64;

/// Which of a block's ordinals are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits([u64; N_WORDS]);

impl Bits {
    pub(crate) const ALL: Self = Self([u64::MAX; N_WORDS]);
    pub(crate) const NONE: Self = Self([0; N_WORDS]);

    pub(crate) fn set(&mut self, number: u64, is_in: bool) {
        let (word, bit) = place(number % N_BITS);
        self.0[word] = if is_in { self.0[word] | bit } else { self.0[word] & !bit };
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        let (word, bit) = place(number % N_BITS);
        self.0[word] & bit != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    pub(crate) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(crate) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    /// The first `n` of the block.
    pub(crate) fn below(mut self, n: u64) -> Self {
        for (start, word) in (0..).step_by(64).zip(&mut self.0) {
            let n_kept = n.saturating_sub(start).min(64);
            *word &= if n_kept == 64 { u64::MAX } else { (1 << n_kept) - 1 };
        }
        self
    }

    /// The places that are in, highest first.
    pub(crate) fn newest_first(mut self) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || {
            let highest = self.newest()?;
            self.set(highest, false);
            Some(highest)
        })
    }

    pub(crate) fn newest(&self) -> Option<u64> {
        let found = (0..N_BITS).step_by(64).zip(self.0).filter(|(_, word)| *word != 0).last();
        found.map(|(start, word)| start + u64::from(word.ilog2()))
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        let mut words = (0..N_BITS).step_by(64).zip(self.0);
        let found = words.find(|(_, word)| *word != 0);
        found.map(|(start, word)| start + u64::from(word.trailing_zeros()))
    }

    /// Adds a byte that says which words are not zero, and those.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.push(0);
        for (i, word) in self.0.iter().enumerate().filter(|(_, word)| **word != 0) {
            out[at] |= 1 << i;
            out.extend_from_slice(&word.to_be_bytes());
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let short = || broken("a row of ordinals has another length");
        let (mask, bytes) = bytes.split_first().ok_or_else(short)?;
        let (words, rest) = bytes.as_chunks::<8>();
        let mut words = words.iter();
        let mut bits = Self::default();
        for (_, word) in bits.0.iter_mut().enumerate().filter(|(i, _)| mask & (1 << i) != 0) {
            *word = u64::from_be_bytes(*words.next().ok_or_else(short)?);
        }
        if words.next().is_some() || !rest.is_empty() {
            return Err(short());
        }
        Ok(bits)
    }
}

/// The word in which a place is, and its bit there.
fn place(number: u64) -> (usize, u64) {
    let word = usize::try_from(number / 64).expect("there are few words");
    (word, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(places: &[u64]) -> Bits {
        let mut bits = Bits::default();
        places.iter().for_each(|&place| bits.set(place, true));
        bits
    }

    fn places(bits: Bits) -> Vec<u64> {
        bits.newest_first().collect()
    }

    #[test]
    fn bits_come_newest_first_and_are_cut_where_asked() {
        let some = bits(&[0, 5, 63, 64, 200, 511]);
        assert_eq!(places(some), [511, 200, 64, 63, 5, 0]);
        assert_eq!((some.newest(), some.oldest(), some.count()), (Some(511), Some(0), 6));
        assert_eq!(places(some.below(64)), [63, 5, 0]);
        assert_eq!(places(some.below(65)), [64, 63, 5, 0]);
        assert_eq!(some.below(512), some);
        assert!(some.below(0).is_empty());
        assert_eq!(Bits::ALL.below(130).count(), 130);
    }

    #[test]
    fn bits_survive_being_bytes() {
        for some in [bits(&[]), bits(&[70]), bits(&[0, 63, 130, 511]), Bits::ALL] {
            let mut bytes = Vec::new();
            some.write(&mut bytes);
            assert_eq!(Bits::read(&bytes).expect("whole"), some);
            assert!(Bits::read(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            assert!(Bits::read(&bytes).is_err());
        }
    }
}
