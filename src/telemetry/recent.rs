//! The most recent commit times, for the quantiles of `/v1/status`: a ring of plain atomics,
//! so that recording costs two relaxed writes and never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many commits "recent" is.
const KEPT: usize = 1024;

/// The last [`KEPT`] durations, microseconds plus one; zero is an empty place.
#[derive(Debug)]
pub(super) struct Recent {
    places: Box<[AtomicU64]>,
    written: AtomicU64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { places: (0..KEPT).map(|_| AtomicU64::new(0)).collect(), written: AtomicU64::new(0) }
    }
}

impl Recent {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX - 1);
        let turn = self.written.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(turn % KEPT as u64).expect("below KEPT");
        self.places[place].store(micros.saturating_add(1), Ordering::Relaxed);
    }

    /// Median and 99th percentile (nearest rank); `None` before the first.
    pub(super) fn quantiles(&self) -> Option<(Duration, Duration)> {
        let mut micros: Vec<u64> = self
            .places
            .iter()
            .filter_map(|place| place.load(Ordering::Relaxed).checked_sub(1))
            .collect();
        micros.sort_unstable();
        let last = micros.len().checked_sub(1)?;
        let rank = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100);
            Duration::from_micros(micros[rank.saturating_sub(1).min(last)])
        };
        Some((rank(50), rank(99)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_latest_commits_only() {
        let recent = Recent::default();
        assert_eq!(recent.quantiles(), None);
        for _ in 0..KEPT {
            recent.record(Duration::from_secs(9));
        }
        for millis in 1..=KEPT as u64 {
            recent.record(Duration::from_millis(millis));
        }
        let (p50, p99) = recent.quantiles().expect("recorded");
        assert_eq!(p50, Duration::from_millis(512));
        assert_eq!(p99, Duration::from_millis(1014));
    }

    #[test]
    fn a_single_commit_is_both_quantiles() {
        let recent = Recent::default();
        recent.record(Duration::ZERO);
        assert_eq!(recent.quantiles(), Some((Duration::ZERO, Duration::ZERO)));
    }
}
