//! What is counted per webhook. Its series exist from the webhook's first scrape, so that a first
//! failure is an increase, and go when the webhook does: names of the past are not kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{Histograms, OneLabel, TwoLabels, family, histograms};

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
    /// The webhooks that have series.
    names: Mutex<BTreeSet<String>>,
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
        }
    }

    pub(super) fn attempt(&self, webhook: &str, outcome: &'static str, took: Duration) {
        self.know(webhook);
        self.attempts.get_or_create(&two(webhook, "outcome", outcome)).inc();
        self.attempt_seconds.get_or_create(&one(webhook)).observe(took.as_secs_f64());
    }

    pub(super) fn lag(&self, webhook: &str, lag: Duration) {
        self.know(webhook);
        self.delivery_lag_seconds.get_or_create(&one(webhook)).observe(lag.as_secs_f64());
    }

    pub(super) fn finished(&self, webhook: &str, status: &'static str) {
        self.know(webhook);
        self.deliveries_finished.get_or_create(&two(webhook, "status", status)).inc();
    }

    /// Series for these webhooks, and for no others.
    pub(super) fn are(&self, webhooks: &[&str]) {
        for webhook in webhooks {
            self.know(webhook);
        }
        let current: BTreeSet<&str> = webhooks.iter().copied().collect();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|name| {
            let stays = current.contains(name.as_str());
            if !stays {
                self.forget(name);
            }
            stays
        });
    }

    /// Makes every series of a webhook when it is met for the first time.
    fn know(&self, webhook: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(webhook) {
            return;
        }
        if names.len() >= NAMES_MAX {
            for name in std::mem::take(&mut *names) {
                self.forget(&name);
            }
        }
        names.insert(webhook.to_owned());
        for outcome in OUTCOMES {
            drop(self.attempts.get_or_create(&two(webhook, "outcome", outcome)));
        }
        for status in ENDS {
            drop(self.deliveries_finished.get_or_create(&two(webhook, "status", status)));
        }
        drop(self.attempt_seconds.get_or_create(&one(webhook)));
        drop(self.delivery_lag_seconds.get_or_create(&one(webhook)));
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
