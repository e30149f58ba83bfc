//! What follows from an attempt. Pure: chance comes in as a number.

use std::time::Duration;

use crate::model::{Outcome, Timestamp, Verdict};

/// A success is the end; the n-th failure waits for the n-th entry of the schedule, and fails
/// the delivery where there is none.
///
/// `failures` counts the failed attempts before this one, `now` is this attempt's end, `jitter`
/// the fraction by which a wait varies either way, `chance` a number of 0.0..1.0.
pub(super) fn decide(
    outcome: &Outcome,
    schedule: &[Duration],
    failures: u32,
    now: Timestamp,
    jitter: f64,
    chance: f64,
) -> Verdict {
    if outcome.failure().is_none() {
        return Verdict::Delivered;
    }
    let place = usize::try_from(failures).unwrap_or(usize::MAX);
    schedule.get(place).map_or(Verdict::Failed, |&wait| Verdict::Retry {
        at: now.plus(vary(wait, jitter, chance)),
    })
}

fn vary(wait: Duration, jitter: f64, chance: f64) -> Duration {
    let factor = 1.0 + jitter.clamp(0.0, 1.0) * (2.0 * chance - 1.0);
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, Reply};

    const NOW: Timestamp = Timestamp::MAX;

    fn failed() -> Outcome {
        Outcome::Failed { failure: Failure::Rejected { status: 500 }, reply: None }
    }

    #[test]
    fn the_schedule_is_walked_to_its_end() {
        let schedule = [60, 300].map(Duration::from_secs);
        let now = Timestamp::from_millis(1_000);
        let decide = |failures| decide(&failed(), &schedule, failures, now, 0.0, 0.9);
        assert_eq!(decide(0), Verdict::Retry { at: Timestamp::from_millis(61_000) });
        assert_eq!(decide(1), Verdict::Retry { at: Timestamp::from_millis(301_000) });
        assert_eq!(decide(2), Verdict::Failed);
        assert_eq!(decide(u32::MAX), Verdict::Failed);
    }

    #[test]
    fn success_ends_it_and_an_empty_schedule_fails_at_once() {
        let accepted = Outcome::Accepted { reply: Reply { status: 204, ..Reply::default() } };
        assert_eq!(decide(&accepted, &[], 7, NOW, 0.1, 0.5), Verdict::Delivered);
        assert_eq!(decide(&failed(), &[], 0, NOW, 0.1, 0.5), Verdict::Failed);
    }

    #[test]
    fn jitter_stays_within_its_fraction() {
        let wait = Duration::from_secs(100);
        assert_eq!(vary(wait, 0.1, 0.0), Duration::from_secs(90));
        assert_eq!(vary(wait, 0.1, 0.5), Duration::from_secs(100));
        assert_eq!(vary(wait, 0.1, 1.0), Duration::from_secs(110));
        assert_eq!(vary(wait, f64::NAN, 0.3), wait);
        assert_eq!(vary(Duration::MAX, 0.5, 1.0), Duration::MAX);
    }
}
