//! Walking over a segment's records, also over damage: what cannot be read is measured exactly,
//! and reading goes on at the next sound record.

use super::frame::{self, Frame, HEAD_BYTES, Kind, Origin};

/// Records that should be there and are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// First damaged byte in the file.
    pub(crate) from: u64,
    /// The byte behind the damage.
    pub(crate) to: u64,
    /// First missing record.
    pub(crate) first_seq: u64,
    /// The record behind the last missing one.
    pub(crate) next_seq: u64,
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The byte behind the last sound record.
    pub(crate) end: u64,
    /// The number of the next record.
    pub(crate) next_seq: u64,
    /// Damage between sound records.
    pub(crate) holes: Vec<Hole>,
    /// Bytes behind the last sound record, in which no sound one follows.
    pub(crate) tail_bytes: u64,
}

/// Visits every sound record of `bytes`, which stand at `offset` of their file.
///
/// `next_seq` is the number expected first; records from `fence` on belong to a later segment
/// and are left-overs here.
pub(crate) fn walk<E>(
    bytes: &[u8],
    offset: u64,
    origin: Origin,
    next_seq: u64,
    fence: Option<u64>,
    mut visit: impl FnMut(&Frame<'_>) -> Result<(), E>,
) -> Result<Walked, E> {
    let mut walked = Walked { end: offset, next_seq, holes: Vec::new(), tail_bytes: 0 };
    let mut at = 0;
    while at < bytes.len() && fence != Some(walked.next_seq) {
        let here = offset + at as u64;
        let wanted = Wanted { origin, next_seq: walked.next_seq, fence };
        let Some(frame) = wanted.next(bytes, at, offset) else {
            walked.tail_bytes = (bytes.len() - at) as u64;
            break;
        };
        if frame.seq != walked.next_seq || frame.location.offset != here {
            walked.holes.push(Hole {
                from: here,
                to: frame.location.offset,
                first_seq: walked.next_seq,
                next_seq: frame.seq,
            });
        }
        visit(&frame)?;
        walked.next_seq = frame.seq + 1;
        walked.end = frame.location.offset + u64::from(frame.location.len);
        at = usize::try_from(walked.end - offset).expect("within a slice");
    }
    Ok(walked)
}

/// Where the next sound record begins in `bytes`, which stand at `offset` of their file.
/// `next_seq` 0: any number will do.
pub(crate) fn next_sound(bytes: &[u8], offset: u64, origin: Origin, next_seq: u64) -> Option<u64> {
    (0..bytes.len().saturating_sub(HEAD_BYTES - 1)).find_map(|at| {
        let here = &bytes[at..];
        Kind::from_byte(here[8])?;
        frame::seq_at(here).filter(|&seq| seq >= next_seq)?;
        frame::parse(here, offset + at as u64, origin).map(|frame| frame.location.offset)
    })
}

/// What a sound record looks like from here.
struct Wanted {
    origin: Origin,
    next_seq: u64,
    fence: Option<u64>,
}

impl Wanted {
    /// The next sound record at `at` or behind it.
    fn next<'a>(&self, bytes: &'a [u8], at: usize, offset: u64) -> Option<Frame<'a>> {
        let n_left = bytes.len().saturating_sub(at);
        // Each lost record took at least a head's room, so the numbers cannot run far ahead.
        let highest = self.next_seq.saturating_add((n_left / HEAD_BYTES) as u64);
        (at..bytes.len().saturating_sub(HEAD_BYTES - 1)).find_map(|at| {
            let bytes = &bytes[at..];
            let seq = frame::seq_at(bytes)?;
            // Cheap tests first: this runs for every byte of a damaged range.
            if Kind::from_byte(bytes[8]).is_none() || seq < self.next_seq || seq > highest {
                return None;
            }
            if self.fence.is_some_and(|fence| seq >= fence) {
                return None;
            }
            frame::parse(bytes, offset + at as u64, self.origin)
        })
    }
}
