//! How a webhook stands, and what its attempts make of it. Pure: time and chance come in.
//!
//! Failed attempts in a row pause it: then one probe at a time, an ordinary attempt of whatever
//! is due first, at growing intervals until one is accepted. Attempts that were under way when
//! the pause began just end. Deliveries that failed in a row, or a 410, disable it until somebody
//! enables it. What is our own fault (a body that cannot be rendered) is not held against the
//! receiver. After a restart a paused webhook is probed at once, where its
//! receiver has not asked for rest.

use std::time::Duration;

use tokio::time::Instant;

use super::retry::vary;
use crate::clock;
use crate::model::{Timestamp, WebhookState, WebhookStatus};

/// What an ended attempt says about its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Well: it took the delivery.
    Accepted,
    /// Not well, in words; `is_last` when the delivery has failed with it.
    Failed { reason: String, is_last: bool },
    /// It answered 410 Gone.
    Gone,
    /// Nothing: the request could not even be built.
    NotTheirs { reason: String },
}

/// A change of status, to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Paused,
    Disabled,
    Recovered,
}

/// The webhook's limits, and the intervals of probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) pause_after: u32,
    pub(super) disable_after: u32,
    pub(super) probe_first: Duration,
    pub(super) probe_max: Duration,
    pub(super) jitter: f64,
}

/// The same moment on both clocks: receivers name times of day, waits must not jump with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) steady: Instant,
}

/// A reason is cut at this length, so that the store keeps it as it is.
const REASON_CHARS_MAX: usize = 250;

/// A rest that is not longer than the one that is written down by this much is not written: a
/// receiver that asks for one with every answer would cost a record each, and a restart takes time.
const REST_KEPT_MIN: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Health {
    state: WebhookState,
    /// Failed attempts in a row.
    n_attempts: u32,
    /// Failed deliveries in a row.
    n_deliveries: u32,
    /// No attempt before this.
    opens_at: Instant,
    /// The interval after the next probe that fails.
    interval: Duration,
    is_probing: bool,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { wall: clock::now(), steady: Instant::now() }
    }
}

impl Health {
    /// As the store knows it. `n_deliveries` have failed in a row.
    pub(super) fn new(state: WebhookState, n_deliveries: u32, now: Instant) -> Self {
        let interval = Duration::ZERO;
        Self { state, n_attempts: 0, n_deliveries, opens_at: now, interval, is_probing: false }
    }

    /// How it stands.
    pub(super) const fn state(&self) -> &WebhookState {
        &self.state
    }

    /// Attempts are probes now.
    pub(super) fn is_paused(&self) -> bool {
        self.state.status == WebhookStatus::Paused
    }

    /// Whether it may go although the configuration says that it is not `active`.
    pub(super) const fn overrides_file(&self) -> bool {
        self.state.overrides_file
    }

    /// From when on attempts may begin; `None`: not before something else has happened.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        match self.state.status {
            WebhookStatus::Active => Some(self.opens_at),
            WebhookStatus::Paused if self.is_probing => None,
            WebhookStatus::Paused => Some(self.opens_at),
            WebhookStatus::Disabled => None,
        }
    }

    /// A probe is under way.
    pub(super) const fn is_probing(&self) -> bool {
        self.is_probing
    }

    /// A probe begins.
    pub(super) const fn probe(&mut self) {
        self.is_probing = true;
    }

    /// A probe has ended, however.
    pub(super) const fn probe_ended(&mut self) {
        self.is_probing = false;
    }

    /// An attempt has ended and says something. `chance` is a number of 0.0..1.0.
    pub(super) fn note(
        &mut self,
        sign: &Sign,
        was_probe: bool,
        limits: Limits,
        now: Moment,
        chance: f64,
    ) -> Option<Change> {
        let is_probe = was_probe && self.is_paused();
        match sign {
            Sign::Accepted => self.accepted(is_probe, now),
            Sign::Failed { reason, is_last } => {
                let reason = &reason.chars().take(REASON_CHARS_MAX).collect::<String>();
                self.n_deliveries = self.n_deliveries.saturating_add(u32::from(*is_last));
                self.failed(reason, is_probe, limits, now, chance)
            }
            Sign::Gone => self.disable("the receiver answered 410 Gone".to_owned(), now),
            Sign::NotTheirs { .. } => {
                if is_probe {
                    self.opens_at = now.steady + vary(limits.probe_first, limits.jitter, chance);
                }
                None
            }
        }
    }

    /// The receiver wants no attempt before this; whether that is to be written down.
    pub(super) fn rest_until(&mut self, until: Timestamp, now: Timestamp) -> bool {
        let known = self.state.rest(now).unwrap_or(now);
        let is_longer = until.since(known) >= REST_KEPT_MIN;
        if is_longer {
            self.state.rests_until = Some(until);
        }
        is_longer
    }

    /// Takes over how it stands in the store, where somebody else has changed it.
    pub(super) fn follow(&mut self, state: &WebhookState, now: Instant) -> Option<Change> {
        if state.is_but_for_rest(&self.state) {
            self.state.rests_until = state.rests_until;
            return None;
        }
        let before = self.state.status;
        // What the configuration had switched off is enabled, whatever was decided before.
        let is_enabled = state.overrides_file && !self.state.overrides_file;
        self.state = state.clone();
        if before == state.status && state.since == Timestamp::default() {
            return None; // as ever, said in fewer words
        }
        self.opens_at = now;
        self.interval = Duration::ZERO;
        if state.status == WebhookStatus::Active {
            (self.n_attempts, self.n_deliveries) = (0, 0);
        }
        (before != state.status || is_enabled).then_some(match state.status {
            WebhookStatus::Active => Change::Recovered,
            WebhookStatus::Paused => Change::Paused,
            WebhookStatus::Disabled => Change::Disabled,
        })
    }

    fn accepted(&mut self, is_probe: bool, now: Moment) -> Option<Change> {
        self.n_deliveries = 0;
        if !self.is_paused() {
            self.n_attempts = 0;
            return None;
        }
        if !is_probe {
            return None;
        }
        self.n_attempts = 0;
        let WebhookState { overrides_file, rests_until, .. } = self.state;
        let since = now.wall;
        self.state = WebhookState { since, overrides_file, rests_until, ..WebhookState::default() };
        self.opens_at = now.steady;
        Some(Change::Recovered)
    }

    fn failed(
        &mut self,
        reason: &str,
        is_probe: bool,
        limits: Limits,
        now: Moment,
        chance: f64,
    ) -> Option<Change> {
        let reached = |n: u32, limit: u32| limit > 0 && n >= limit;
        if self.state.status == WebhookStatus::Active {
            self.n_attempts = self.n_attempts.saturating_add(1);
        }
        if reached(self.n_deliveries, limits.disable_after) {
            let n = self.n_deliveries;
            let what = if n == 1 { "delivery" } else { "deliveries" };
            return self.disable(format!("{n} failed {what} in a row; the last: {reason}"), now);
        }
        if is_probe {
            self.back_off(limits, now, chance);
        }
        if self.state.status != WebhookStatus::Active
            || !reached(self.n_attempts, limits.pause_after)
        {
            return None;
        }
        let n = self.n_attempts;
        let what = if n == 1 { "attempt" } else { "attempts" };
        let reason = Some(format!("{n} failed {what} in a row; the last: {reason}"));
        self.state = WebhookState {
            status: WebhookStatus::Paused,
            reason,
            since: now.wall,
            ..self.state.clone()
        };
        self.interval = Duration::ZERO;
        self.back_off(limits, now, chance);
        Some(Change::Paused)
    }

    fn disable(&mut self, reason: String, now: Moment) -> Option<Change> {
        if self.state.status == WebhookStatus::Disabled {
            return None;
        }
        let (status, reason) = (WebhookStatus::Disabled, Some(reason));
        let since = now.wall;
        self.state = WebhookState { status, reason, since, ..WebhookState::default() };
        Some(Change::Disabled)
    }

    /// The next probe is as far away as the one before was, twice.
    fn back_off(&mut self, limits: Limits, now: Moment, chance: f64) {
        let interval = self.interval.max(limits.probe_first).min(limits.probe_max);
        self.opens_at = now.steady + vary(interval, limits.jitter, chance);
        self.interval = interval.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests;
