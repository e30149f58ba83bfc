//! HTTP/2 connections to the upstream: few, shared by all calls of a worker, opened one at a time so
//! that a burst does not open as many as it has calls.

mod answer;
mod call;
mod driver;
mod queue;
mod wait;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::uri::Scheme;

pub(in crate::proxy) use answer::Http2Download;
pub(in crate::proxy) use call::send;
pub(super) use wait::Way;

use self::driver::Driver;
use self::queue::Queue;
use super::connect::Protocol;
use crate::proxy::error::UpstreamError;
use crate::proxy::http2::{Meter, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES, Socket};
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Slot, Timers, within};
use crate::proxy::{UpstreamProtocol, UpstreamSettings};
use crate::telemetry::Metrics;

/// Calls at a time on one connection, if the upstream allows as many.
const CALLS_MAX: u32 = 100;
/// Room for all of them: a client that does not read holds up its own call and no other's.
const WINDOW_BYTES: u32 = CALLS_MAX * STREAM_WINDOW_BYTES;
/// Connections of one worker; above, calls wait.
const CONNECTIONS_MAX: usize = 256;
/// Bytes of a response's head.
const HEAD_BYTES_MAX: u32 = 128 << 10;
/// What the frames' library takes for the number of calls that the upstream allows until the upstream
/// has said it. A number that no upstream says: there are 32 bits for it, or there is no limit.
const NOT_SAID: usize = usize::MAX - 1;

/// One worker's connections.
pub(super) struct Connections {
    upstream: UpstreamSettings,
    open: RefCell<Vec<Rc<Multiplexed>>>,
    /// Calls for which there is no place. While any wait, nobody is served before them.
    waiting: Queue<Result<Way, UpstreamError>>,
    is_opening: Cell<bool>,
    /// Who is about to open the next one, while that waits for a better time.
    pausing: Cell<Option<Waker>>,
    /// How long an opening may take.
    connect_timeout: Cell<Duration>,
    /// When the last connection went, in the timers' milliseconds.
    down_since: Cell<u64>,
    /// What the upstream chose when it was last asked.
    chosen: Cell<Option<Protocol>>,
    timers: Rc<Timers>,
    metrics: Arc<Metrics>,
    idle_ms_max: u64,
}

/// A connection.
struct Multiplexed {
    requests: RefCell<SendRequest<Bytes>>,
    calls: Cell<usize>,
    /// How many of them the upstream allows; `None`: it has not said yet.
    allowed: Cell<Option<usize>>,
    /// It takes no further call.
    is_over: Cell<bool>,
    /// Why it ended, for who opened it.
    ended: Cell<Option<h2::Error>>,
    /// Who opened it, until it has begun.
    opener: Cell<Option<Waker>>,
    /// When its last call ended.
    idle_since: Cell<u64>,
    has_served: Cell<bool>,
    /// A response has begun on it.
    has_answered: Cell<bool>,
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
    /// The call's number in the line.
    number: u64,
}

impl Connections {
    pub(super) fn new(
        upstream: &UpstreamSettings,
        timers: &Rc<Timers>,
        metrics: &Arc<Metrics>,
        idle_ms_max: u64,
    ) -> Rc<Self> {
        Rc::new(Self {
            upstream: upstream.clone(),
            open: RefCell::default(),
            waiting: Queue::new(),
            is_opening: Cell::new(false),
            pausing: Cell::new(None),
            connect_timeout: Cell::default(),
            down_since: Cell::new(0),
            chosen: Cell::new(None),
            timers: Rc::clone(timers),
            metrics: Arc::clone(metrics),
            idle_ms_max,
        })
    }

    /// Whether the upstream was last seen to choose HTTP/1.1.
    pub(super) fn is_http1(&self) -> bool {
        self.chosen.get() == Some(Protocol::Http1)
    }

    /// The upstream was asked what it speaks.
    pub(super) fn saw(&self, protocol: Protocol) {
        self.chosen.set(Some(protocol));
    }

    /// A place for a call, if there is one and nobody waits for it.
    pub(super) fn free_place(self: &Rc<Self>) -> Option<Lease> {
        if !self.waiting.is_empty() {
            return None;
        }
        let mut lease = self.place()?;
        lease.number = self.waiting.number();
        Some(lease)
    }

    fn place(self: &Rc<Self>) -> Option<Lease> {
        let open = self.open.borrow();
        // The fullest that has room: the others become idle and go.
        let free = open.iter().filter(|connection| connection.has_room());
        let connection = free.max_by_key(|connection| connection.calls.get())?;
        Some(Lease::new(connection, self))
    }

    /// Speaks HTTP/2 on a connection, which takes calls from when the upstream has said how many.
    ///
    /// # Errors
    /// The upstream does not speak HTTP/2, or not within `limit` from `start`, or says goodbye at once.
    pub(super) async fn begin(
        self: &Rc<Self>,
        stream: Stream,
        start: Instant,
        limit: Duration,
    ) -> Result<(), UpstreamError> {
        let (socket, meter) = Socket::new(stream, BytesMut::new(), &self.timers);
        let late = || UpstreamError::BeginTimeout { limit };
        let left = Some(limit.saturating_sub(start.elapsed()));
        let begun = within(&self.timers, left, builder().handshake(socket)).await;
        let (requests, connection) = begun.ok_or_else(late)?.map_err(broken)?;
        let multiplexed = Rc::new(Multiplexed {
            requests: RefCell::new(requests),
            calls: Cell::new(0),
            allowed: Cell::new(None),
            is_over: Cell::new(false),
            ended: Cell::new(None),
            opener: Cell::new(None),
            idle_since: Cell::new(0),
            has_served: Cell::new(false),
            has_answered: Cell::new(false),
            meter,
        });
        Driver::start(connection, &multiplexed, self);
        let begun = poll_fn(|cx| multiplexed.poll_begun(cx));
        within(&self.timers, left, begun).await.unwrap_or_else(|| Err(late()))?;
        multiplexed.idle_since.set(self.timers.now());
        self.open.borrow_mut().push(multiplexed);
        self.serve();
        Ok(())
    }

    /// Closes connections that have been idle for too long; whether any are left.
    pub(super) fn evict(self: &Rc<Self>, now: u64) -> bool {
        self.keep_only(|connection| {
            let is_idle = connection.calls.get() == 0
                && now.saturating_sub(connection.idle_since.get()) >= self.idle_ms_max;
            !is_idle
        });
        self.serve();
        !self.open.borrow().is_empty()
    }

    /// No further call comes here; those that wait go on.
    pub(super) fn close(self: &Rc<Self>) {
        self.keep_only(|_| false);
        self.serve();
    }

    /// Lets go of connections that take no further call, and of those that are not wanted.
    fn keep_only(&self, is_wanted: impl Fn(&Multiplexed) -> bool) {
        let mut open = self.open.borrow_mut();
        let was_up = !open.is_empty();
        open.retain(|connection| !connection.is_over.get() && is_wanted(connection));
        if was_up && open.is_empty() {
            self.down_since.set(self.timers.now());
        }
    }

    fn scheme(&self) -> Scheme {
        match self.upstream.protocol {
            UpstreamProtocol::Https => Scheme::HTTPS,
            UpstreamProtocol::Http | UpstreamProtocol::H2c => Scheme::HTTP,
        }
    }
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(NOT_SAID)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    builder
}

fn broken(error: h2::Error) -> UpstreamError {
    if error.is_library() {
        return UpstreamError::BadResponse { reason: error.to_string() };
    }
    UpstreamError::Broken { source: io::Error::other(error) }
}

impl Multiplexed {
    fn has_room(&self) -> bool {
        let allowed = self.allowed.get().unwrap_or(0).min(CALLS_MAX as usize);
        !self.is_over.get() && self.calls.get() < allowed
    }

    /// Takes note of what the upstream has said; whether that is news.
    fn learn(&self, allowed: usize) -> bool {
        let before = (self.allowed.get(), self.is_over.get());
        if allowed != NOT_SAID {
            self.allowed.set(Some(allowed));
        }
        // A connection that has said goodbye tells so here.
        let mut cx = Context::from_waker(Waker::noop());
        match self.requests.borrow_mut().poll_ready(&mut cx) {
            Poll::Ready(Err(error)) if !self.is_over.get() => self.end(Some(error)),
            _ => {}
        }
        let is_news = before != (self.allowed.get(), self.is_over.get());
        if is_news {
            self.wake_opener();
        }
        is_news
    }

    /// It takes no further call.
    fn end(&self, why: Option<h2::Error>) {
        if !self.is_over.replace(true) {
            self.ended.set(why);
        }
        self.wake_opener();
    }

    fn wake_opener(&self) {
        if let Some(opener) = self.opener.take() {
            opener.wake();
        }
    }

    /// Ready when the upstream has said how many calls it takes; an error when it takes none any more.
    fn poll_begun(&self, cx: &Context<'_>) -> Poll<Result<(), UpstreamError>> {
        if self.is_over.get() {
            let closed = || UpstreamError::Broken { source: io::ErrorKind::UnexpectedEof.into() };
            return Poll::Ready(Err(self.ended.take().map_or_else(closed, broken)));
        }
        if self.allowed.get().is_some() {
            return Poll::Ready(Ok(()));
        }
        self.opener.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Lease {
    fn new(connection: &Rc<Multiplexed>, home: &Rc<Connections>) -> Self {
        connection.calls.set(connection.calls.get() + 1);
        let is_reused = connection.has_served.replace(true);
        let since = home.timers.now();
        let scheme = home.scheme();
        let (connection, home) = (Rc::clone(connection), Rc::clone(home));
        Self { connection, home, scheme, is_reused, since, number: 0 }
    }

    /// Whether the place is still there: the upstream may have said goodbye since it was given, or
    /// that it takes fewer calls.
    fn is_good(&self) -> bool {
        let connection = &self.connection;
        !connection.is_over.get()
            && connection.allowed.get().is_some_and(|allowed| connection.calls.get() <= allowed)
    }

    /// The call's number among those that came: with it, it may come back.
    pub(in crate::proxy) const fn number(&self) -> u64 {
        self.number
    }

    fn requests(&self) -> SendRequest<Bytes> {
        self.connection.requests.borrow().clone()
    }

    fn slot(&self) -> Slot {
        self.home.timers.slot()
    }

    /// Whether the upstream has answered any call on this connection.
    fn has_answered(&self) -> bool {
        self.connection.has_answered.get()
    }

    /// The connection takes no further call.
    fn retire(&self) {
        self.connection.is_over.set(true);
    }

    /// The upstream did not answer: if it has said nothing else either, its connection may be dead.
    fn suspect(&self) {
        if self.connection.meter.last_read() <= self.since {
            self.retire();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.calls.set(connection.calls.get() - 1);
        connection.idle_since.set(self.home.timers.now());
        self.home.serve();
    }
}
