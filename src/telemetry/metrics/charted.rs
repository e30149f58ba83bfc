//! The counters as numbers, for charts and for what is told of the state.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;

use super::{LOST_REASONS, Metrics};
use crate::telemetry::spread::Counted;
use crate::telemetry::totals::{Tally, Total, Totals};

impl Metrics {
    /// What charts are made of; for one reader, which makes the series.
    pub fn totals(&self) -> Totals {
        let errors = self.upstream_errors.iter().map(Counter::get).sum();
        let (matched, unmatched) = (self.calls_matched.get(), self.calls_unmatched.get());
        let unserved = Total::UNSERVED.into_iter().zip(&self.connections_unserved);
        let totals = unserved.fold(Totals::default(), |all, (why, n)| all.with(why, n.get()));
        let totals = totals
            .with(Total::Calls, matched + unmatched)
            .with(Total::Matched, matched)
            .with(Total::Events, self.events_all.load(Ordering::Relaxed))
            .with(Total::UpstreamErrors, errors);
        self.of_webhooks.add_to(totals)
    }

    /// The commits since the last time that this was asked; for the same reader.
    pub fn take_commits(&self) -> Counted {
        self.commits_spread.take()
    }

    /// The attempts of the webhook of this name.
    pub fn tally(&self, webhook: &str) -> Tally {
        self.of_webhooks.tally(webhook)
    }

    /// How many events of successful calls could not be stored, by why; those that are none are left
    /// out.
    pub fn lost(&self) -> Vec<(&'static str, u64)> {
        let count =
            |reason| self.events_lost.get_or_create(&[("reason", Cow::Borrowed(reason))]).get();
        LOST_REASONS
            .map(|reason| (reason, count(reason)))
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}
