//! What one worker thread knows; everything on the thread shares it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use super::crowd::Crowd;
use super::spare::Spare;
use super::terms::{InForce, Terms};
use super::timers::Timers;
use super::upstream::Pool;
use super::wire::{Head, Name};
use crate::clock;
use crate::shutdown::{Stop, Tasks};
use crate::store::Store;
use crate::telemetry::Metrics;

/// What all workers share, and what each needs to begin.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) in_force: InForce,
    pub(super) store: Store,
    pub(super) metrics: Arc<Metrics>,
    /// Open client connections of all workers.
    pub(super) crowd: Arc<Crowd>,
    /// The system gives no sockets at the moment, and that has been told.
    pub(super) is_starved: Arc<AtomicBool>,
}

/// One worker.
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) timers: Rc<Timers>,
    terms: RefCell<Rc<Terms>>,
    /// Which of all that were in force `terms` are.
    number: Cell<u64>,
    /// Client connections and matched calls: what a drain waits for.
    pub(super) tasks: Tasks,
    /// Our `Via` on a request received as HTTP/1.1, and as HTTP/1.0.
    pub(super) via: [Box<[u8]>; 2],
    pub(super) spare: Rc<Spare>,
    /// The present second as `Date` shows it.
    date: RefCell<(u64, String)>,
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
        let number = shared.in_force.number();
        let given = shared.in_force.given();
        let via = |version: &str| {
            format!("{version} sidehook-{}", given.settings.instance).into_bytes().into()
        };
        let via = [via("1.1"), via("1.0")];
        let spare = Rc::<Spare>::default();
        let pool = Rc::new(Pool::new(&given.settings, &shared.metrics, &timers, &spare));
        let tasks = Tasks::new(Stop::new());
        Self {
            shared,
            timers,
            terms: RefCell::new(Rc::new(Terms::new(&given, pool))),
            number: Cell::new(number),
            tasks,
            via,
            spare,
            date: RefCell::default(),
            draining: Cell::new(false),
            calls: Cell::new(0),
            matched: Cell::new(0),
        }
    }

    /// What is in force now.
    pub(super) fn terms(&self) -> Rc<Terms> {
        let number = self.shared.in_force.number();
        if number != self.number.get() {
            self.renew(number);
        }
        Rc::clone(&self.terms.borrow())
    }

    /// What is done at every tick; whether anything waits for the next.
    pub(super) fn tick(&self, now: u64) -> bool {
        self.terms().pool.evict(now)
    }

    /// The upstream's connections stay where it stays.
    #[cold]
    fn renew(&self, number: u64) {
        let given = self.shared.in_force.given();
        let before = Rc::clone(&self.terms.borrow());
        let pool = if before.pool.leads_to(&given.settings) {
            Rc::clone(&before.pool)
        } else {
            before.pool.close();
            Rc::new(Pool::new(&given.settings, &self.shared.metrics, &self.timers, &self.spare))
        };
        *self.terms.borrow_mut() = Rc::new(Terms::new(&given, pool));
        self.number.set(number);
    }

    /// Adds `Date` where there is none (RFC 9110 6.6.1).
    pub(super) fn date(&self, head: &mut Head) {
        if head.has(Name::Date) {
            return;
        }
        let now = clock::now();
        let secs = now.as_millis() / 1000;
        let (of, text) = &mut *self.date.borrow_mut();
        if *of != secs || text.is_empty() {
            *of = secs;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(secs));
        }
        head.push("date", text.as_bytes());
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
