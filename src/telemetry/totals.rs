//! The counters of all webhooks and labels together, and those of one webhook: for charts.

use super::unserved::Unserved;

/// A counter that only grows, from 0 at the start of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Total {
    Calls,
    Matched,
    Events,
    UpstreamErrors,
    AttemptsDelivered,
    AttemptsFailed,
    DeliveriesDelivered,
    DeliveriesFailed,
    UnservedAccept,
    UnservedLimit,
    UnservedClientLimit,
    UnservedUntrusted,
    UnservedProxyHeader,
    UnservedHandshake,
}

/// All of them at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals(pub(super) [u64; Total::N]);

/// The attempts of a webhook since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that were accepted.
    pub delivered: u64,
    /// Those that were not.
    pub failed: u64,
    /// What all of them took together.
    pub micros: u64,
}

impl Total {
    /// How many there are.
    pub(super) const N: usize = Self::UnservedHandshake as usize + 1;

    /// Connections that were not served, by why.
    pub const UNSERVED: [Self; Unserved::ALL.len()] = [
        Self::UnservedAccept,
        Self::UnservedLimit,
        Self::UnservedClientLimit,
        Self::UnservedUntrusted,
        Self::UnservedProxyHeader,
        Self::UnservedHandshake,
    ];
}

impl Totals {
    /// With this counter at `n`.
    #[must_use]
    pub const fn with(mut self, total: Total, n: u64) -> Self {
        self.0[total as usize] = n;
        self
    }

    /// How much each has grown.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n].saturating_sub(before.0[n])))
    }
}

impl Tally {
    pub(super) const ZERO: Self = Self { delivered: 0, failed: 0, micros: 0 };

    /// How much it has grown. A webhook that was renamed counts from zero again.
    pub(super) fn since(self, before: Self) -> Self {
        if self.delivered < before.delivered || self.failed < before.failed {
            return self;
        }
        Self {
            delivered: self.delivered - before.delivered,
            failed: self.failed - before.failed,
            micros: self.micros.saturating_sub(before.micros),
        }
    }
}
