//! What a rule has seen since the start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ConditionError;
use crate::model::Timestamp;

/// A rule's mistakes are logged this often.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Counters of one rule; shared by all threads.
#[derive(Debug, Default)]
pub struct Tally {
    hits: AtomicU64,
    last_hit_ms: AtomicU64,
    condition_errors: AtomicU64,
    last_condition_error: Mutex<Option<String>>,
    condition_logged: Seldom,
    loop_logged: Seldom,
}

/// A [`Tally`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that became events.
    pub hits: u64,
    /// When the last of them was.
    pub last_hit_at: Option<Timestamp>,
    /// Expressions that failed.
    pub condition_errors: u64,
    /// The last of them, in words.
    pub last_condition_error: Option<String>,
}

impl Tally {
    /// A call became an event.
    pub fn hit(&self, now: Timestamp) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.last_hit_ms.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// An expression failed; true when it should be logged.
    pub fn condition_failed(&self, now: Timestamp, error: &ConditionError) -> bool {
        self.condition_errors.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last_condition_error.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(error.to_string());
        self.condition_logged.is_due(now)
    }

    /// A call in a loop made no event; true when it should be logged.
    pub fn loop_stopped(&self, now: Timestamp) -> bool {
        self.loop_logged.is_due(now)
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        let last_hit = self.last_hit_ms.load(Ordering::Relaxed);
        let last = self.last_condition_error.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            hits: self.hits.load(Ordering::Relaxed),
            last_hit_at: (last_hit > 0).then(|| Timestamp::from_millis(last_hit)),
            condition_errors: self.condition_errors.load(Ordering::Relaxed),
            last_condition_error: last.clone(),
        }
    }
}

/// Something that is said at most once a minute.
#[derive(Debug, Default)]
struct Seldom {
    /// Milliseconds from which on it may be said again.
    due_ms: AtomicU64,
}

impl Seldom {
    fn is_due(&self, now: Timestamp) -> bool {
        let due = self.due_ms.load(Ordering::Relaxed);
        let next = now.plus(LOGGED_EVERY).as_millis();
        // A clock that was set back must not silence it for long.
        let is_due = now.as_millis() >= due || due > next;
        // Of several threads that see the same, one says it.
        let taken = |due, next| {
            self.due_ms.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        is_due && taken(due, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::ExprError;

    #[test]
    fn mistakes_are_counted_always_and_said_once_a_minute() {
        let tally = Tally::default();
        let error = ConditionError {
            key: "when",
            expression: "1 + 'a'".to_owned(),
            source: ExprError { message: "no".to_owned(), span: Some(0..7) },
        };
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let said: Vec<bool> =
            [0, 1, 59, 60, 61].iter().map(|&s| tally.condition_failed(at(s), &error)).collect();
        assert_eq!(said, [true, false, false, true, false]);
        tally.hit(at(3));
        tally.hit(at(2));
        let counts = tally.counts();
        assert_eq!((counts.hits, counts.last_hit_at), (2, Some(at(3))));
        assert_eq!(counts.condition_errors, 5);
        let last = counts.last_condition_error.expect("kept");
        assert_eq!(last, "`when` failed at byte 1 (`1 + 'a'`) of `1 + 'a'`: no");
    }
}
