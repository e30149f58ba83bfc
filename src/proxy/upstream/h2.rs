//! HTTP/2 connections to the upstream: few, shared by all calls of a worker, opened one at a time so
//! that a burst does not open as many as it has calls.

mod answer;
mod call;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use http::uri::Scheme;
use tokio::sync::Notify;

pub(in crate::proxy) use answer::Http2Download;
pub(in crate::proxy) use call::send;

use super::connection::Open;
use crate::proxy::error::UpstreamError;
use crate::proxy::http2::{Meter, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES, Socket};
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Slot, Timers};
use crate::telemetry::Metrics;

/// Calls at a time on one connection, if the upstream allows as many.
const CALLS_MAX: u32 = 100;
/// Room for all of them: a client that does not read holds up its own call and no other's.
const WINDOW_BYTES: u32 = CALLS_MAX * STREAM_WINDOW_BYTES;
/// Connections of one worker; above, calls wait.
const CONNECTIONS_MAX: usize = 256;
/// Bytes of a response's head.
const HEAD_BYTES_MAX: u32 = 128 << 10;
/// With calls under way and nothing heard for this long, the upstream is asked whether it is there.
/// Not more often: servers of gRPC take that for an attack.
const SILENCE_MAX: Duration = Duration::from_secs(330);
/// How long it may take to say so.
const PONG_WAIT: Duration = Duration::from_secs(30);

/// One worker's connections.
pub(super) struct Connections {
    open: RefCell<Vec<Rc<Multiplexed>>>,
    is_opening: Cell<bool>,
    /// A place has become free, or a connection has come or gone, or failed to.
    changed: Notify,
    timers: Rc<Timers>,
    metrics: Arc<Metrics>,
    idle_ms_max: u64,
}

/// A connection.
struct Multiplexed {
    requests: SendRequest<Bytes>,
    calls: Cell<usize>,
    /// It takes no further call.
    is_over: Cell<bool>,
    /// When its last call ended.
    idle_since: Cell<u64>,
    has_served: Cell<bool>,
    meter: Rc<Meter>,
}

/// A place for one call on a connection.
pub(in crate::proxy) struct Lease {
    connection: Rc<Multiplexed>,
    home: Rc<Connections>,
    pub(super) scheme: Scheme,
    /// The connection carried other calls before.
    pub(super) is_reused: bool,
    /// When the call began, in the timers' milliseconds.
    since: u64,
}

/// The right to open the next connection.
pub(super) struct Opening(Rc<Connections>);

impl Connections {
    pub(super) fn new(timers: &Rc<Timers>, metrics: &Arc<Metrics>, idle_ms_max: u64) -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            is_opening: Cell::new(false),
            changed: Notify::new(),
            timers: Rc::clone(timers),
            metrics: Arc::clone(metrics),
            idle_ms_max,
        })
    }

    /// A place for a call, if there is one.
    pub(super) fn place(self: &Rc<Self>, scheme: &Scheme) -> Option<Lease> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| connection.is_usable());
        // The fullest that has room: the others become idle and go.
        let free = open.iter().filter(|connection| connection.has_room());
        let connection = free.max_by_key(|connection| connection.calls.get())?;
        Some(Lease::new(connection, self, scheme.clone()))
    }

    /// The right to open another connection, if nobody has it and there are not too many.
    pub(super) fn opening(self: &Rc<Self>) -> Option<Opening> {
        if self.is_opening.get() || self.open.borrow().len() >= CONNECTIONS_MAX {
            return None;
        }
        self.is_opening.set(true);
        Some(Opening(Rc::clone(self)))
    }

    /// Ready when a place has become free, or a connection has come or gone, or failed to.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Speaks HTTP/2 on a connection.
    ///
    /// # Errors
    /// The upstream does not take our first bytes.
    pub(super) async fn add(
        self: &Rc<Self>,
        stream: Stream,
        scheme: Scheme,
    ) -> Result<Lease, UpstreamError> {
        let (socket, meter) = Socket::new(stream, BytesMut::new(), &self.timers);
        let (requests, connection) = builder()
            .handshake(socket)
            .await
            .map_err(|error| UpstreamError::Broken { source: std::io::Error::other(error) })?;
        let driver = Driver::drive(connection, Rc::clone(&meter), &self.timers);
        let multiplexed = Rc::new(Multiplexed {
            requests,
            calls: Cell::new(0),
            is_over: Cell::new(false),
            idle_since: Cell::new(self.timers.now()),
            has_served: Cell::new(false),
            meter,
        });
        let counted = Open::new(&self.metrics);
        let (weak, home) = (Rc::downgrade(&multiplexed), Rc::clone(self));
        tokio::task::spawn_local(async move {
            driver.await;
            drop(counted);
            if let Some(multiplexed) = weak.upgrade() {
                multiplexed.is_over.set(true);
            }
            home.changed.notify_waiters();
        });
        self.open.borrow_mut().push(Rc::clone(&multiplexed));
        Ok(Lease::new(&multiplexed, self, scheme))
    }

    /// Closes connections that have been idle for too long; whether any are left.
    pub(super) fn evict(&self, now: u64) -> bool {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| {
            let is_idle = connection.calls.get() == 0
                && now.saturating_sub(connection.idle_since.get()) >= self.idle_ms_max;
            !is_idle && connection.is_usable()
        });
        !open.is_empty()
    }

    /// No further call comes here.
    pub(super) fn close(&self) {
        self.open.borrow_mut().clear();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.is_opening.set(false);
        self.0.changed.notify_waiters();
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    builder
}

impl Multiplexed {
    /// Whether it takes calls at all.
    fn is_usable(&self) -> bool {
        // A connection that has said goodbye tells so here.
        let mut cx = Context::from_waker(Waker::noop());
        !self.is_over.get()
            && !matches!(self.requests.clone().poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        self.calls.get() < self.requests.current_max_send_streams().min(CALLS_MAX as usize)
    }
}

impl Lease {
    fn new(connection: &Rc<Multiplexed>, home: &Rc<Connections>, scheme: Scheme) -> Self {
        connection.calls.set(connection.calls.get() + 1);
        let is_reused = connection.has_served.replace(true);
        let since = home.timers.now();
        let (connection, home) = (Rc::clone(connection), Rc::clone(home));
        Self { connection, home, scheme, is_reused, since }
    }

    fn requests(&self) -> SendRequest<Bytes> {
        self.connection.requests.clone()
    }

    fn slot(&self) -> Slot {
        self.home.timers.slot()
    }

    /// The upstream did not answer: if it has said nothing else either, its connection may be dead.
    fn suspect(&self) {
        if self.connection.meter.last_read() <= self.since {
            self.connection.is_over.set(true);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.calls.set(connection.calls.get() - 1);
        connection.idle_since.set(self.home.timers.now());
        self.home.changed.notify_waiters();
    }
}

/// What keeps a connection going.
struct Driver {
    connection: h2::client::Connection<Socket, Bytes>,
    pings: Option<PingPong>,
    pinged: Option<u64>,
    meter: Rc<Meter>,
    timers: Rc<Timers>,
    slot: Slot,
}

impl Driver {
    /// Works until the connection ends.
    fn drive(
        mut connection: h2::client::Connection<Socket, Bytes>,
        meter: Rc<Meter>,
        timers: &Rc<Timers>,
    ) -> impl Future<Output = ()> + use<> {
        let pings = connection.ping_pong();
        let (timers, slot) = (Rc::clone(timers), timers.slot());
        let mut driver = Self { connection, pings, pinged: None, meter, timers, slot };
        async move { poll_fn(|cx| driver.poll(cx)).await }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP/2 connection to the upstream ended");
                }
                return Poll::Ready(());
            }
            let Some(pings) = &mut self.pings else { return Poll::Pending };
            if self.pinged.is_some() && pings.poll_pong(cx).is_ready() {
                self.pinged = None;
            }
            let wait = if self.pinged.is_some() { PONG_WAIT } else { SILENCE_MAX };
            let since = self.meter.last_read().max(self.pinged.unwrap_or_default());
            let due = since + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2);
            let now = self.timers.now();
            if now < due {
                self.slot.arm(Duration::from_millis(due - now));
                std::task::ready!(self.slot.poll_passed(cx));
            } else if self.pinged.is_some() {
                tracing::debug!("the upstream does not answer on an HTTP/2 connection");
                self.meter.reset_on_close();
                return Poll::Ready(());
            } else {
                self.pinged = Some(now);
                if let Err(error) = pings.send_ping(Ping::opaque()) {
                    tracing::debug!(%error, "the upstream cannot be pinged");
                }
            }
        }
    }
}
