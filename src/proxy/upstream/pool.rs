//! Connections to the upstream: opened here and nowhere else, kept for the next call, last in first
//! out so that few stay warm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Connection;
use super::h2::Connections;
use crate::proxy::spare::Spare;
use crate::proxy::timers::Timers;
use crate::proxy::{Settings, UpstreamSettings};
use crate::telemetry::Metrics;

/// Idle connections of one worker; more are closed.
const IDLE_MAX: usize = 1024;

/// Who closes idle connections does not do so before this; a connection that has been idle for as
/// long is worth a system call.
const RESTED_MS: u64 = 100;

/// One worker's idle connections to the upstream.
pub(in crate::proxy) struct Pool {
    pub(super) home: Rc<Home>,
    pub(super) http2: Rc<Connections>,
}

/// Where a connection goes when its call is over.
pub(super) struct Home {
    pub(super) upstream: UpstreamSettings,
    #[expect(clippy::vec_box, reason = "connections go to calls and come back without a copy")]
    idle: RefCell<Vec<Box<Connection>>>,
    /// No further call comes here: nothing is kept.
    is_closed: Cell<bool>,
    pub(super) timers: Rc<Timers>,
    pub(super) spare: Rc<Spare>,
    pub(super) idle_ms_max: u64,
    pub(super) metrics: Arc<Metrics>,
}

impl Pool {
    pub(in crate::proxy) fn new(
        settings: &Settings,
        metrics: &Arc<Metrics>,
        timers: &Rc<Timers>,
        spare: &Rc<Spare>,
    ) -> Self {
        let idle_ms_max = u64::try_from(settings.upstream_idle_timeout.as_millis());
        let home = Home {
            upstream: settings.upstream.clone(),
            idle: RefCell::default(),
            is_closed: Cell::new(false),
            timers: Rc::clone(timers),
            spare: Rc::clone(spare),
            idle_ms_max: idle_ms_max.unwrap_or(u64::MAX),
            metrics: Arc::clone(metrics),
        };
        let http2 = Connections::new(&home.upstream, timers, metrics, home.idle_ms_max);
        Self { home: Rc::new(home), http2 }
    }

    /// Whether it leads to the upstream of these settings.
    pub(in crate::proxy) fn leads_to(&self, settings: &Settings) -> bool {
        self.home.upstream == settings.upstream
    }

    /// No further call comes here: what is idle is closed, and the rest when its call is over.
    pub(in crate::proxy) fn close(&self) {
        self.home.is_closed.set(true);
        let closed = self.home.idle.take();
        drop(closed);
        self.http2.close();
    }

    /// An idle connection, if there is one.
    pub(in crate::proxy) fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.home.idle.borrow_mut().pop()?;
            let now = self.home.timers.now();
            if connection.is_late(now) || connection.stream.is_stale() {
                continue;
            }
            // The runtime tells of a close up to one round of its work late; the busier it is, the
            // more calls would go out on connections that are closed already.
            let is_rested = now.saturating_sub(connection.idle_since) >= RESTED_MS;
            if is_rested && connection.stream.is_stale_by_now() {
                continue;
            }
            connection.is_reused = true;
            return Some(connection);
        }
    }

    /// Closes connections that have been idle for too long; whether any are left.
    pub(in crate::proxy) fn evict(&self, now: u64) -> bool {
        let mut idle = self.home.idle.borrow_mut();
        idle.retain_mut(|connection| !connection.is_late(now) && !connection.stream.is_stale());
        let is_any_http2 = self.http2.evict(now);
        !idle.is_empty() || is_any_http2
    }
}

impl Home {
    /// The connection's call is over; it can carry another.
    pub(super) fn keep(&self, mut connection: Box<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if self.is_closed.get() || idle.len() >= IDLE_MAX {
            return;
        }
        connection.rest();
        connection.idle_since = self.timers.now();
        idle.push(connection);
    }
}
