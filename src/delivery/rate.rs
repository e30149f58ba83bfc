//! A webhook's `rate_limit` as a token bucket. Pure: the time comes in.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::RateLimit;

/// The bucket, told by when it is full again: a token is the time that it takes to come back.
/// Holds one second's worth of tokens, at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whole tokens in it now.
    pub(super) fn tokens(&self, limit: RateLimit, now: Instant) -> usize {
        let missing = self.full_at.saturating_duration_since(now);
        let there = capacity(limit).saturating_sub(missing);
        usize::try_from(there.as_nanos() / token(limit).as_nanos()).unwrap_or(usize::MAX)
    }

    /// When there is one whole token in it.
    pub(super) fn next_at(&self, limit: RateLimit) -> Instant {
        let full_before = capacity(limit).saturating_sub(token(limit));
        self.full_at.checked_sub(full_before).unwrap_or(self.full_at)
    }

    /// The limit is another one now: what is missing under the one before, at most an empty bucket
    /// under this one.
    pub(super) fn owe_at_most(&mut self, limit: RateLimit, now: Instant) {
        self.full_at = self.full_at.min(now + capacity(limit));
    }

    /// Takes `n` tokens that are there.
    pub(super) fn take(&mut self, limit: RateLimit, n: usize, now: Instant) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.full_at = self.full_at.max(now) + token(limit).saturating_mul(n);
    }
}

/// The time in which one token comes back.
fn token(limit: RateLimit) -> Duration {
    (limit.per / limit.n.max(1)).max(Duration::from_nanos(1))
}

/// The time in which an empty bucket becomes full.
fn capacity(limit: RateLimit) -> Duration {
    token(limit).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn per(n: u32, per: Duration) -> RateLimit {
        RateLimit { n, per }
    }

    /// How many go within `time` when one goes as soon as it may.
    fn go(limit: RateLimit, time: Duration) -> usize {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let (mut now, mut n) = (start, 0);
        while now < start + time {
            if bucket.tokens(limit, now) == 0 {
                let next = bucket.next_at(limit);
                assert!(next > now, "no token, so there is a time to wait for");
                now = next;
                continue;
            }
            bucket.take(limit, 1, now);
            n += 1;
        }
        n
    }

    #[test]
    fn one_seconds_worth_goes_at_once_and_the_rest_at_the_rate() {
        assert_eq!(go(per(10, SECOND), SECOND / 20), 10);
        assert_eq!(go(per(10, SECOND), SECOND * 10), 10 + 99);
        assert_eq!(go(per(1, SECOND), SECOND * 5), 5);
        assert_eq!(go(per(90, SECOND * 60), SECOND * 60), 91, "1.5 at the start, 1.5 a second");
        assert_eq!(go(per(1, SECOND * 3600), SECOND * 3600), 1);
        assert_eq!(go(per(6, SECOND * 60), SECOND * 60), 6);
    }

    #[test]
    fn it_fills_again_but_not_over() {
        let limit = per(10, SECOND);
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert_eq!(bucket.tokens(limit, start), 10);
        bucket.take(limit, 10, start);
        assert_eq!(bucket.tokens(limit, start), 0);
        assert_eq!(bucket.next_at(limit), start + SECOND / 10);
        assert_eq!(bucket.tokens(limit, start + SECOND / 2), 5);
        assert_eq!(bucket.tokens(limit, start + SECOND * 3600), 10);
    }

    #[test]
    fn any_limit_can_be_counted_with() {
        let now = Instant::now();
        for limit in [per(u32::MAX, SECOND), per(0, SECOND), per(1, Duration::ZERO)] {
            let mut bucket = Bucket::full(now);
            assert!(bucket.tokens(limit, now) > 0, "{limit:?}");
            bucket.take(limit, usize::MAX, now);
            let _ = bucket.next_at(limit);
        }
    }
}
