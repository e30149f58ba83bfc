//! How fast a client must send its request's body: not standing still, and not trickling.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::proxy::timers::{Slot, Timers};
use crate::proxy::upload::BodyError;

/// So many bytes are expected in a second, on average over [`WINDOW`].
const BYTES_PER_SEC_MIN: u64 = 1 << 10;
/// Only time in which the client is waited for counts.
const WINDOW: Duration = Duration::from_secs(30);

/// The pace of one body.
pub(in crate::proxy) struct Pace {
    timers: Rc<Timers>,
    /// Without a byte.
    limit: Duration,
    /// Taken when the client is waited for the first time.
    slot: Option<Slot>,
    /// When the client began to be waited for, in milliseconds; `None`: it is not.
    since: Option<u64>,
    waited_ms: u64,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(timers: &Rc<Timers>, limit: Duration) -> Self {
        Self { timers: Rc::clone(timers), limit, slot: None, since: None, waited_ms: 0, bytes: 0 }
    }

    /// Bytes came in.
    pub(super) fn received(&mut self, n: usize) {
        self.bytes += n as u64;
        if let Some(since) = self.since.take() {
            // Longer, and nobody has looked meanwhile.
            let limit_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
            self.waited_ms += self.timers.now().saturating_sub(since).min(limit_ms);
        }
    }

    /// Nothing is there; ready when that has gone on for too long.
    pub(super) fn poll_too_slow(&mut self, cx: &Context<'_>) -> Poll<BodyError> {
        let slot = self.slot.get_or_insert_with(|| self.timers.slot());
        if self.since.is_none() {
            self.since = Some(self.timers.now());
            slot.arm(self.limit);
        }
        let window_ms = u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX);
        if self.waited_ms >= window_ms {
            if self.bytes < BYTES_PER_SEC_MIN * WINDOW.as_secs() {
                return Poll::Ready(BodyError::TooSlow { limit: WINDOW });
            }
            (self.waited_ms, self.bytes) = (0, 0);
        }
        ready!(slot.poll_passed(cx));
        Poll::Ready(BodyError::TooSlow { limit: self.limit })
    }
}
