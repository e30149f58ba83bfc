//! Connections to the upstream: opened here and nowhere else, kept for the next call, last in first
//! out so that few stay warm.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::connect::{Connected, Protocol, connect};
use super::connection::Connection;
use crate::proxy::error::UpstreamError;
use crate::proxy::spare::Spare;
use crate::proxy::timers::Timers;
use crate::proxy::{Settings, UpstreamSettings};
use crate::telemetry::Metrics;

/// Idle connections of one worker; more are closed.
const IDLE_MAX: usize = 1024;

/// One worker's idle connections to the upstream.
pub(in crate::proxy) struct Pool {
    home: Rc<Home>,
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
        Self { home: Rc::new(home) }
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
    }

    /// An idle connection, if there is one.
    pub(in crate::proxy) fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.home.idle.borrow_mut().pop()?;
            if !connection.is_late(self.home.timers.now()) && !connection.stream.is_stale() {
                connection.is_reused = true;
                return Some(connection);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Nobody answers there, or not within `connect_timeout`.
    pub(in crate::proxy) async fn connect(
        &self,
        limit: Duration,
    ) -> Result<Box<Connection>, UpstreamError> {
        let Connected { stream, protocol } = connect(&self.home.upstream, false, limit).await?;
        match protocol {
            Protocol::Http1 => Ok(Connection::new(stream, Rc::clone(&self.home))),
            Protocol::Http2 => {
                Err(UpstreamError::Connect { source: io::ErrorKind::Unsupported.into() })
            }
        }
    }

    /// Closes connections that have been idle for too long; whether any are left.
    pub(in crate::proxy) fn evict(&self, now: u64) -> bool {
        let mut idle = self.home.idle.borrow_mut();
        idle.retain_mut(|connection| !connection.is_late(now) && !connection.stream.is_stale());
        !idle.is_empty()
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
