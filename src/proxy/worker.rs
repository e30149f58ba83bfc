//! What one worker thread knows; everything on the thread shares it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http::HeaderValue;

use super::Settings;
use super::capture::Budget;
use super::forward::UpstreamHealth;
use super::pool::Pool;
use super::timers::Timers;
use crate::rules::RuleSet;
use crate::rules::redact::Fields;
use crate::shutdown::{Stop, Tasks};
use crate::store::Store;
use crate::telemetry::Metrics;

/// What all workers share, and what each needs to begin.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) rules: RuleSet,
    pub(super) store: Store,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: UpstreamHealth,
    pub(super) budget: Arc<Budget>,
    /// Open client connections of all workers.
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) fields: Arc<Fields>,
}

/// One worker.
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) timers: Rc<Timers>,
    pub(super) pool: Pool,
    /// Client connections and matched calls: what a drain waits for.
    pub(super) tasks: Tasks,
    /// Our `Via` on a request received as HTTP/1.1, and as HTTP/1.0.
    pub(super) via: [HeaderValue; 2],
    /// Finish what is in flight and take nothing new.
    pub(super) draining: Cell<bool>,
    /// Calls whose client has not got the whole response yet.
    pub(super) calls: Cell<usize>,
    /// Matched calls whose events are not stored yet.
    pub(super) matched: Cell<usize>,
}

/// Counts one thing for as long as it lives.
pub(super) struct Counted<'a>(&'a Cell<usize>);

impl Worker {
    pub(super) fn new(shared: Shared) -> Self {
        let timers = Rc::new(Timers::new());
        let via = |version: &str| {
            let text = format!("{version} sidehook-{}", shared.settings.instance);
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("1.1 sidehook"))
        };
        let via = [via("1.1"), via("1.0")];
        let pool = Pool::new(&shared, Rc::clone(&timers));
        let tasks = Tasks::new(Stop::new());
        Self {
            shared,
            timers,
            pool,
            tasks,
            via,
            draining: Cell::new(false),
            calls: Cell::new(0),
            matched: Cell::new(0),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

impl<'a> Counted<'a> {
    pub(super) fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
