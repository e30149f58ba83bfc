//! How far an attempt has come: told by the connector to whoever watches the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Failure, FailurePhase};

tokio::task_local! {
    /// The attempt that a connection is opened for. The pool calls the connector without it.
    pub(super) static PROGRESS: Arc<Progress>;
}

/// The deadline of an attempt, and the phase it is in.
#[derive(Debug)]
pub(super) struct Progress {
    phase: AtomicU8,
    until: Instant,
    after_ms: u64,
}

impl Progress {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            phase: AtomicU8::new(FailurePhase::Response as u8),
            until: Instant::now() + deadline,
            after_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn enter(&self, phase: FailurePhase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// The failure of a deadline that passes now.
    pub(super) fn timed_out(&self) -> Failure {
        let now = self.phase.load(Ordering::Relaxed);
        let phase = FailurePhase::ALL.into_iter().find(|&phase| phase as u8 == now);
        Failure::TimedOut {
            phase: phase.unwrap_or(FailurePhase::Response),
            after_ms: self.after_ms,
        }
    }
}
