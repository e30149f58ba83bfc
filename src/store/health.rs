//! Whether events are taken now. `check` is asked before every matching call, so the answer
//! "well" costs one atomic load; the words are kept behind a lock for when it is not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::types::Unhealthy;
use super::{StoreError, locked};

/// What can be wrong; each is set and cleared by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The journal could not be written or synced.
    Journal = 0,
    /// sled failed and is not back yet.
    Index = 1,
    /// The disk's free space is under the low-water mark.
    DiskLow = 2,
    /// The store has reached its size with nothing to evict.
    SizeFull = 3,
    /// The disk does not answer.
    Stalled = 4,
    /// Closed.
    Closed = 5,
}

const N_TROUBLES: usize = Trouble::ALL.len();

#[derive(Debug, Default)]
pub(crate) struct Health {
    bits: AtomicU32,
    reasons: Mutex<[Option<String>; N_TROUBLES]>,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Journal, Self::Index, Self::DiskLow, Self::SizeFull, Self::Stalled, Self::Closed];
}

impl Health {
    /// All that is wrong, each in words.
    pub(crate) fn all(&self) -> Vec<(Trouble, String)> {
        let reasons = locked(&self.reasons);
        let each = Trouble::ALL.into_iter().zip(reasons.iter());
        each.filter_map(|(trouble, reason)| Some((trouble, reason.clone()?))).collect()
    }

    pub(crate) fn check(&self) -> Result<(), Unhealthy> {
        if self.bits.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let reasons = locked(&self.reasons);
        let words: Vec<&str> = reasons.iter().flatten().map(String::as_str).collect();
        if words.is_empty() { Ok(()) } else { Err(Unhealthy { reason: words.join("; ") }) }
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.bits.load(Ordering::Relaxed) & (1 << trouble as u32) != 0
    }

    /// True when it was well in this respect before.
    pub(crate) fn set(&self, trouble: Trouble, reason: String) -> bool {
        let mut reasons = locked(&self.reasons);
        let was_well = reasons[trouble as usize].replace(reason).is_none();
        self.bits.fetch_or(1 << trouble as u32, Ordering::Relaxed);
        was_well
    }

    /// True when it was in trouble before.
    pub(crate) fn clear(&self, trouble: Trouble) -> bool {
        if !self.has(trouble) {
            return false;
        }
        let mut reasons = locked(&self.reasons);
        self.bits.fetch_and(!(1 << trouble as u32), Ordering::Relaxed);
        reasons[trouble as usize].take().is_some()
    }

    /// The error for an event that is not taken now, if something forbids to write at all.
    pub(crate) fn refusal(&self) -> StoreError {
        match self.check() {
            Err(unhealthy) => StoreError::Refused { reason: unhealthy.reason },
            Ok(()) => StoreError::Refused { reason: "the last write failed".to_owned() },
        }
    }
}
