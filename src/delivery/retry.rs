//! What follows from an attempt. Pure: chance comes in as a number.

use std::time::Duration;

use crate::model::{Failure, Outcome, Timestamp, Verdict};

/// What the verdict on a failed attempt rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule<'a> {
    /// The waits after the first, second, ... failed attempt.
    pub(super) waits: &'a [Duration],
    /// Failed attempts before this one.
    pub(super) failures: u32,
    /// Before when the receiver wants no further attempt.
    pub(super) not_before: Option<Timestamp>,
    /// The fraction by which a wait varies either way.
    pub(super) jitter: f64,
}

/// A success is the end; the n-th failure waits for the n-th entry of the schedule, longer where
/// the receiver asks for it, and fails the delivery where there is none. `now` is the attempt's
/// end, `chance` a number of 0.0..1.0.
pub(super) fn decide(
    outcome: &Outcome,
    schedule: Schedule<'_>,
    now: Timestamp,
    chance: f64,
) -> Verdict {
    let Some(failure) = outcome.failure() else { return Verdict::Delivered };
    if is_gone(failure) {
        return Verdict::Failed;
    }
    let place = usize::try_from(schedule.failures).unwrap_or(usize::MAX);
    schedule.waits.get(place).map_or(Verdict::Failed, |&wait| {
        let at = now.plus(vary(wait, schedule.jitter, chance));
        Verdict::Retry { at: schedule.not_before.map_or(at, |not_before| at.max(not_before)) }
    })
}

/// 410 Gone: the receiver wants none of it, now or later (RFC 9110 15.5.11).
pub(super) const fn is_gone(failure: &Failure) -> bool {
    matches!(failure, Failure::Rejected { status: 410 })
}

/// A wait, longer or shorter by at most the fraction `jitter`.
pub(super) fn vary(wait: Duration, jitter: f64, chance: f64) -> Duration {
    let factor = 1.0 + jitter.clamp(0.0, 1.0) * (2.0 * chance - 1.0);
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reply;

    const NOW: Timestamp = Timestamp::MAX;

    fn rejected(status: u16) -> Outcome {
        Outcome::Failed { failure: Failure::Rejected { status }, reply: None }
    }

    fn schedule(waits: &[Duration], failures: u32) -> Schedule<'_> {
        Schedule { waits, failures, not_before: None, jitter: 0.0 }
    }

    #[test]
    fn the_schedule_is_walked_to_its_end() {
        let waits = [60, 300].map(Duration::from_secs);
        let now = Timestamp::from_millis(1_000);
        let decide = |failures| decide(&rejected(500), schedule(&waits, failures), now, 0.9);
        assert_eq!(decide(0), Verdict::Retry { at: Timestamp::from_millis(61_000) });
        assert_eq!(decide(1), Verdict::Retry { at: Timestamp::from_millis(301_000) });
        assert_eq!(decide(2), Verdict::Failed);
        assert_eq!(decide(u32::MAX), Verdict::Failed);
    }

    #[test]
    fn success_ends_it_and_an_empty_schedule_fails_at_once() {
        let accepted = Outcome::Accepted { reply: Reply { status: 204, ..Reply::default() } };
        assert_eq!(decide(&accepted, schedule(&[], 7), NOW, 0.5), Verdict::Delivered);
        assert_eq!(decide(&rejected(500), schedule(&[], 0), NOW, 0.5), Verdict::Failed);
    }

    #[test]
    fn the_receiver_can_ask_for_a_longer_wait_but_not_for_a_shorter_one() {
        let waits = [Duration::from_secs(60)];
        let now = Timestamp::from_millis(0);
        let asked = |secs: u64| Schedule {
            not_before: Some(Timestamp::from_millis(secs * 1000)),
            ..schedule(&waits, 0)
        };
        let at = |secs: u64| Verdict::Retry { at: Timestamp::from_millis(secs * 1000) };
        assert_eq!(decide(&rejected(503), asked(59), now, 0.5), at(60));
        assert_eq!(decide(&rejected(503), asked(3600), now, 0.5), at(3600));
        let exhausted = Schedule { failures: 1, ..asked(3600) };
        assert_eq!(decide(&rejected(503), exhausted, now, 0.5), Verdict::Failed);
    }

    #[test]
    fn gone_is_not_asked_again() {
        let waits = [Duration::from_secs(60)];
        assert_eq!(decide(&rejected(410), schedule(&waits, 0), NOW, 0.5), Verdict::Failed);
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
