//! What is counted per webhook. Its series exist from the webhook's first scrape, so that a first
//! failure is an increase, and go when the webhook does: names of the past are not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{Histograms, OneLabel, TwoLabels, family, histograms};
use super::totals::{Tally, Total, Totals};

/// Upper bounds in seconds: an attempt is one HTTP request, a millisecond to its deadline.
const ATTEMPT_BOUNDS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Upper bounds in seconds: milliseconds when all is well, hours behind a dead receiver.
const LAG_BOUNDS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 21_600.0];

/// What can come of an attempt: the values of `outcome`.
pub const OUTCOMES: [&str; 9] = [
    "delivered",
    "rejected",
    "timeout",
    "refused",
    "unreachable",
    "tls",
    "broken",
    "proxy",
    "error",
];

/// How a delivery ends: the values of `status`.
const ENDS: [&str; 3] = ["delivered", "failed", "cancelled"];

/// Names between two scrapes, far above the webhooks of anybody: beyond it all of them are
/// forgotten, which a scraper takes for a restart. It matters where nobody scrapes.
const NAMES_MAX: usize = 65_536;

pub(super) struct OfWebhooks {
    attempts: Family<TwoLabels, Counter>,
    attempt_seconds: Histograms,
    delivery_lag_seconds: Histograms,
    deliveries_finished: Family<TwoLabels, Counter>,
    /// The webhooks that have series, and what is counted for charts.
    names: Mutex<BTreeMap<String, Tally>>,
    attempts_delivered: AtomicU64,
    attempts_failed: AtomicU64,
    finished_delivered: AtomicU64,
    finished_failed: AtomicU64,
}

impl OfWebhooks {
    pub(super) fn new(to: &mut Registry) -> Self {
        Self {
            attempts: family(to, "attempts", "Attempts of deliveries, by outcome"),
            attempt_seconds: histograms(to, "attempt_seconds", "Duration of attempts", || {
                Histogram::new(ATTEMPT_BOUNDS)
            }),
            delivery_lag_seconds: histograms(
                to,
                "delivery_lag_seconds",
                "Time from a call's end to the first attempt of its delivery",
                || Histogram::new(LAG_BOUNDS),
            ),
            deliveries_finished: family(
                to,
                "deliveries_finished",
                "Deliveries that reached their end, by how",
            ),
            names: Mutex::default(),
            attempts_delivered: AtomicU64::new(0),
            attempts_failed: AtomicU64::new(0),
            finished_delivered: AtomicU64::new(0),
            finished_failed: AtomicU64::new(0),
        }
    }

    pub(super) fn attempt(&self, webhook: &str, outcome: &'static str, took: Duration) {
        let is_delivered = outcome == OUTCOMES[0];
        if let Some(tally) = self.know(webhook).get_mut(webhook) {
            let n = if is_delivered { &mut tally.delivered } else { &mut tally.failed };
            *n += 1;
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            tally.micros = tally.micros.saturating_add(micros);
        }
        let all = if is_delivered { &self.attempts_delivered } else { &self.attempts_failed };
        all.fetch_add(1, Ordering::Relaxed);
        self.attempts.get_or_create(&two(webhook, "outcome", outcome)).inc();
        self.attempt_seconds.get_or_create(&one(webhook)).observe(took.as_secs_f64());
    }

    pub(super) fn lag(&self, webhook: &str, lag: Duration) {
        drop(self.know(webhook));
        self.delivery_lag_seconds.get_or_create(&one(webhook)).observe(lag.as_secs_f64());
    }

    pub(super) fn finished(&self, webhook: &str, status: &'static str) {
        drop(self.know(webhook));
        match status {
            "delivered" => self.finished_delivered.fetch_add(1, Ordering::Relaxed),
            "failed" => self.finished_failed.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        self.deliveries_finished.get_or_create(&two(webhook, "status", status)).inc();
    }

    /// Series for these webhooks, and for no others.
    pub(super) fn are(&self, webhooks: &[&str]) {
        for webhook in webhooks {
            drop(self.know(webhook));
        }
        let current: BTreeSet<&str> = webhooks.iter().copied().collect();
        self.names().retain(|name, _| {
            let stays = current.contains(name.as_str());
            if !stays {
                self.forget(name);
            }
            stays
        });
    }

    /// Makes every series of a webhook when it is met for the first time.
    fn know(&self, webhook: &str) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        let mut names = self.names();
        if names.contains_key(webhook) {
            return names;
        }
        if names.len() >= NAMES_MAX {
            for name in std::mem::take(&mut *names).into_keys() {
                self.forget(&name);
            }
        }
        names.insert(webhook.to_owned(), Tally::ZERO);
        for outcome in OUTCOMES {
            drop(self.attempts.get_or_create(&two(webhook, "outcome", outcome)));
        }
        for status in ENDS {
            drop(self.deliveries_finished.get_or_create(&two(webhook, "status", status)));
        }
        drop(self.attempt_seconds.get_or_create(&one(webhook)));
        drop(self.delivery_lag_seconds.get_or_create(&one(webhook)));
        names
    }

    /// What was counted for a webhook of this name.
    pub(super) fn tally(&self, webhook: &str) -> Tally {
        self.names().get(webhook).copied().unwrap_or_default()
    }

    /// What was counted for all of them, those that are gone included.
    pub(super) fn add_to(&self, totals: Totals) -> Totals {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        totals
            .with(Total::AttemptsDelivered, read(&self.attempts_delivered))
            .with(Total::AttemptsFailed, read(&self.attempts_failed))
            .with(Total::DeliveriesDelivered, read(&self.finished_delivered))
            .with(Total::DeliveriesFailed, read(&self.finished_failed))
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, webhook: &str) {
        for outcome in OUTCOMES {
            self.attempts.remove(&two(webhook, "outcome", outcome));
        }
        for status in ENDS {
            self.deliveries_finished.remove(&two(webhook, "status", status));
        }
        self.attempt_seconds.remove(&one(webhook));
        self.delivery_lag_seconds.remove(&one(webhook));
    }
}

fn one(webhook: &str) -> OneLabel {
    [("webhook", webhook.to_owned().into())]
}

fn two(webhook: &str, name: &'static str, value: &'static str) -> TwoLabels {
    [("webhook", webhook.to_owned().into()), (name, value.into())]
}
