//! How durations spread: counted by size, a sixteenth of an octave to a place, so that any quantile is
//! known within 3 % and counting is one relaxed addition.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Places to an octave; below so many microseconds each has a place of its own.
const PER_OCTAVE: u64 = 16;
/// Up to 2^32 microseconds, more than an hour; what takes longer counts as that.
const N_PLACES: usize = 464;

/// Counts durations; emptied by whoever reads it.
#[derive(Debug)]
pub(super) struct Spread(Box<[AtomicU32]>);

/// What was counted in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted(Vec<u32>);

impl Default for Spread {
    fn default() -> Self {
        Self((0..N_PLACES).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Spread {
    pub(super) fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0[place(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Counted {
        Counted(self.0.iter().map(|place| place.swap(0, Ordering::Relaxed)).collect())
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self(vec![0; N_PLACES])
    }
}

impl Counted {
    pub(super) fn add(&mut self, more: &Self) {
        for (sum, n) in self.0.iter_mut().zip(&more.0) {
            *sum = sum.saturating_add(*n);
        }
    }

    /// The duration that so many of a hundred do not exceed (nearest rank), milliseconds; `None`:
    /// nothing was counted.
    pub(super) fn quantile_ms(&self, percent: u64) -> Option<f32> {
        let n: u64 = self.0.iter().map(|&n| u64::from(n)).sum();
        let rank = (n * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let place = self.0.iter().position(|&n| {
            seen += u64::from(n);
            seen >= rank
        })?;
        Some(middle_ms(place))
    }
}

fn place(micros: u64) -> usize {
    let octave = micros.max(1).ilog2();
    let place = match octave.checked_sub(PER_OCTAVE.ilog2()) {
        None => micros,
        Some(above) => (u64::from(above) + 1) * PER_OCTAVE + ((micros >> above) & (PER_OCTAVE - 1)),
    };
    usize::try_from(place).map_or(N_PLACES - 1, |place| place.min(N_PLACES - 1))
}

/// The middle of what a place counts.
fn middle_ms(place: usize) -> f32 {
    let place = place as u64;
    let above = (place / PER_OCTAVE).saturating_sub(1);
    let lowest =
        if place < PER_OCTAVE { place } else { (PER_OCTAVE + place % PER_OCTAVE) << above };
    let width = (1_u64 << above) as f32;
    (lowest as f32 + width / 2.0) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_three_percent() {
        let spread = Spread::default();
        for micros in 1..=10_000 {
            spread.count(Duration::from_micros(micros));
        }
        let counted = spread.take();
        for (percent, ms) in [(1, 0.1), (50, 5.0), (99, 9.9), (100, 10.0)] {
            let found = counted.quantile_ms(percent).expect("counted");
            assert!((found / ms - 1.0).abs() < 0.033, "{percent}: {found} for {ms}");
        }
        assert_eq!(spread.take().quantile_ms(50), None, "it was emptied");
    }

    #[test]
    fn every_duration_has_a_place() {
        let places: Vec<usize> = (0..40).map(|bit| place(1 << bit)).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!([place(0), place(15), place(16), place(31), place(32)], [0, 15, 16, 31, 32]);
        assert_eq!(place(u64::MAX), N_PLACES - 1);
        assert_eq!(place((1 << 32) - 1), N_PLACES - 1, "no place is left over");
    }
}
