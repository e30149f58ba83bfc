//! A copy of one body, bounded, and the memory that all copies in flight share.
//!
//! Bytes are copied, not shared: a share of a read buffer would keep all of it alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{Body, BodyState};
use crate::proxy::worker::Worker;
use crate::telemetry::CutSide;

/// What is set aside for an announced length at most, before its bytes come: a client may announce
/// much and send nothing.
const AHEAD_BYTES_MAX: u64 = 16 << 10;

/// Bytes that all captures in flight hold together.
pub(in crate::proxy) struct Budget {
    used: AtomicUsize,
    max: AtomicUsize,
}

/// A copy of one body, bounded.
pub(in crate::proxy) struct Tap {
    bytes: Vec<u8>,
    /// Of the budget.
    taken: usize,
    limit: u64,
    /// The length that was announced, if one was.
    expected: u64,
    /// Bytes that passed, copied or not.
    size: u64,
    is_complete: bool,
    is_over_budget: bool,
    /// What a body is called whose end has not passed.
    unfinished: BodyState,
    budget: Arc<Budget>,
    pub(super) side: CutSide,
}

impl Budget {
    pub(in crate::proxy) const fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max: AtomicUsize::new(max) }
    }

    /// Another limit from now on; what is held stays.
    pub(in crate::proxy) fn limit(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    fn try_take(&self, n: usize) -> bool {
        let before = self.used.fetch_add(n, Ordering::Relaxed);
        let fits = before.saturating_add(n) <= self.max.load(Ordering::Relaxed);
        if !fits {
            self.give_back(n);
        }
        fits
    }

    fn give_back(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::Relaxed);
    }
}

impl Tap {
    pub(super) fn new(limit: u64, side: CutSide, worker: &Worker) -> Self {
        let budget = Arc::clone(worker.shared.in_force.budget());
        Self {
            bytes: Vec::new(),
            taken: 0,
            limit,
            expected: 0,
            size: 0,
            is_complete: false,
            is_over_budget: false,
            unfinished: BodyState::UpstreamAborted,
            budget,
            side,
        }
    }

    /// The length that is announced, where one is.
    pub(in crate::proxy) fn expect(&mut self, length: Option<u64>) {
        self.expected = length.unwrap_or(0);
    }

    /// A piece of the body passes.
    pub(in crate::proxy) fn push(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        let room = self.limit.saturating_sub(self.bytes.len() as u64);
        let wanted = usize::try_from(room).unwrap_or(usize::MAX).min(piece.len());
        if wanted == 0 || self.is_over_budget {
            return;
        }
        if self.budget.try_take(wanted) {
            self.taken += wanted;
            if self.bytes.capacity() == 0 {
                let ahead = self.expected.min(self.limit).min(AHEAD_BYTES_MAX);
                self.bytes.reserve_exact(usize::try_from(ahead).unwrap_or(0).max(wanted));
            }
            self.bytes.extend_from_slice(&piece[..wanted]);
        } else {
            self.is_over_budget = true;
        }
    }

    /// The body has passed whole.
    pub(in crate::proxy) const fn complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Its end is not waited for: it stays what it is now, unless it is complete.
    pub(super) const fn cut(&mut self, unfinished: BodyState) {
        self.unfinished = unfinished;
    }

    /// Copies nothing any more, and holds nothing.
    pub(super) fn close(&mut self) {
        self.limit = 0;
        self.bytes = Vec::new();
        self.budget.give_back(std::mem::take(&mut self.taken));
    }

    /// Bytes that passed.
    pub(in crate::proxy) const fn size(&self) -> u64 {
        self.size
    }

    /// The copy, cut at `limit`; `is_last`: nobody will ask again.
    pub(super) fn body(&mut self, limit: u64, is_last: bool) -> Body {
        let kept = usize::try_from(limit).unwrap_or(usize::MAX).min(self.bytes.len());
        let state = if self.is_over_budget && (kept == self.bytes.len()) {
            BodyState::OverBudget
        } else if !self.is_complete {
            self.unfinished
        } else if self.size == kept as u64 {
            BodyState::Complete
        } else {
            BodyState::Truncated
        };
        let bytes = if is_last {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(kept);
            bytes
        } else {
            self.bytes[..kept].to_vec()
        };
        Body { bytes, size: self.size, state, ..Body::none() }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}
