//! An HTTP/2 client's connection (RFC 9113): many calls at the same time, each in a task of its own.
//!
//! What a client can make us do or keep is bounded here: calls at a time, bytes of heads and bodies,
//! how long nothing moves, and how often it may ask for something and at once not want it any more.

mod body;
mod call;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;

pub(in crate::proxy) use body::Http2Body;
pub(super) use call::Answering;
use call::Asked;

use super::Client;
use crate::proxy::http2::{Meter, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES, Socket};
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Slot, Timers};

/// Calls at a time on one connection.
const CALLS_MAX: usize = 128;
/// Calls of one connection that run, those included that go on without their client.
const RUNNING_MAX: usize = 2 * CALLS_MAX;
/// Well above one stream's, so that a few bodies that nobody reads do not hold up the others.
const WINDOW_BYTES: u32 = 16 * STREAM_WINDOW_BYTES;
/// Calls that a client may take back before their answer; more are an attack, if they are also
/// more than half of all its calls.
const TAKEN_BACK_MAX: u64 = 500;
/// Streams that end wrongly through the client's fault, before the connection does.
const FAULTS_MAX: usize = 256;
/// Streams that the client opens and resets before we have seen them.
const RESET_AT_ONCE_MAX: usize = 32;
/// With calls under way and nothing heard for this long, the client is asked whether it is there.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// After a farewell, without calls: how long the client gets to answer it. What it sends later is
/// not served, and it is told so.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The calls of one connection.
pub(super) struct Calls {
    timers: Rc<Timers>,
    /// Whose response is not complete.
    open: Cell<usize>,
    /// Those too that go on without their client.
    running: Cell<usize>,
    /// What the heads of those take.
    head_bytes: Cell<usize>,
    begun: Cell<u64>,
    taken_back: Cell<u64>,
    /// When the last one ended.
    idle_since: Cell<u64>,
    connection: RefCell<Option<Waker>>,
}

/// One connection.
struct Connection {
    client: Rc<Client>,
    h2: h2::server::Connection<Socket, Bytes>,
    pings: Option<PingPong>,
    /// When the client was asked whether it is there.
    pinged: Option<u64>,
    meter: Rc<Meter>,
    calls: Rc<Calls>,
    slot: Slot,
    /// When it was told that the connection ends.
    farewell: Option<u64>,
    /// The last word has been said: what waits for the socket goes out, nothing new comes in.
    is_over: bool,
    is_thrown_out: bool,
}

/// What is to be done when a time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It takes nothing of what it asked for.
    Stuck,
    /// It does not answer.
    Dead,
    Ping,
    Idle,
    /// It has not answered the farewell.
    Last,
}

/// Serves the connection until it ends.
pub(super) async fn serve(client: &Rc<Client>, stream: Stream, buffered: BytesMut) {
    let timers = &client.worker.timers;
    let (socket, meter) = Socket::new(stream, buffered, timers);
    let slot = timers.slot();
    let settings = client.worker.terms();
    let settings = &settings.settings;
    slot.arm(settings.header_timeout);
    let mut handshake = std::pin::pin!(builder(settings.head_bytes_max).handshake(socket));
    let mut is_hurried = false;
    let h2 = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(h2) => Poll::Ready(h2.ok()),
        Poll::Pending => {
            if client.worker.draining.get() && !is_hurried {
                is_hurried = true;
                slot.arm(FAREWELL_MAX.min(settings.header_timeout));
            }
            slot.poll_passed(cx).map(|()| None)
        }
    });
    let Some(mut h2) = h2.await else {
        tracing::debug!(peer = %client.address, "a client did not begin to speak HTTP/2");
        return;
    };
    let pings = h2.ping_pong();
    let calls = Rc::new(Calls::new(timers));
    let mut connection = Connection {
        client: Rc::clone(client),
        h2,
        pings,
        pinged: None,
        meter,
        calls,
        slot,
        farewell: None,
        is_over: false,
        is_thrown_out: false,
    };
    poll_fn(|cx| connection.poll(cx)).await;
}

fn builder(head_bytes_max: usize) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(u32::try_from(CALLS_MAX).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESET_AT_ONCE_MAX)
        .max_local_error_reset_streams(Some(FAULTS_MAX));
    builder
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.calls.woken_with(cx);
        loop {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.begin(request, respond);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, peer = %self.client.address, "an HTTP/2 client is gone");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if self.is_changed(cx) {
                continue;
            }
            let (due, at) = self.due();
            let now = self.client.worker.timers.now();
            if at > now {
                self.slot.arm(Duration::from_millis(at - now));
                ready!(self.slot.poll_passed(cx));
                continue;
            }
            if self.act(due) {
                return Poll::Ready(());
            }
        }
    }

    /// Sees whether something has happened that the client must be told.
    fn is_changed(&mut self, cx: &mut Context<'_>) -> bool {
        if self.pinged.is_some()
            && self.pings.as_mut().is_some_and(|pings| pings.poll_pong(cx).is_ready())
        {
            self.pinged = None;
        }
        if self.calls.are_an_attack() && !self.is_thrown_out {
            tracing::warn!(
                peer = %self.client.address,
                "a client asks and takes it back, again and again: its connection is closed"
            );
            self.is_thrown_out = true;
            self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            return true;
        }
        if self.client.worker.draining.get() && self.farewell.is_none() {
            self.farewell();
            return true;
        }
        false
    }

    /// GOAWAY, and again when the client has seen it: what it sent meanwhile is still served.
    fn farewell(&mut self) {
        self.farewell = Some(self.client.worker.timers.now());
        self.meter.farewell();
        self.h2.graceful_shutdown();
    }

    /// What is to be done next if nothing happens, and when.
    fn due(&self) -> (Due, u64) {
        let terms = self.client.worker.terms();
        let settings = &terms.settings;
        let after = |at: u64, wait: Duration| {
            at.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        };
        let next = if self.calls.open.get() > 0 {
            match self.pinged {
                None => (Due::Ping, after(self.meter.last_read(), SILENCE_MAX)),
                Some(at) => (Due::Dead, after(at.max(self.meter.last_read()), SILENCE_MAX)),
            }
        } else {
            let since = self.calls.idle_since.get();
            match self.farewell {
                None => (Due::Idle, after(since, settings.idle_timeout)),
                // The calls have ended for us; their last bytes still wait for room in a window.
                Some(at) if self.h2.has_streams() => {
                    (Due::Stuck, after(since.max(at), settings.send_timeout))
                }
                // The connection's end takes as long as the client takes to read.
                Some(_) if self.is_over => (Due::Stuck, u64::MAX),
                Some(at) => (Due::Last, after(since.max(at), FAREWELL_MAX)),
            }
        };
        match self.meter.stuck_since() {
            Some(since) => {
                let stuck = (Due::Stuck, after(since, settings.send_timeout));
                // A client that is slow to take its last answers is no silent one.
                let is_last = self.calls.open.get() == 0 && self.farewell.is_some();
                if is_last || stuck.1 < next.1 { stuck } else { next }
            }
            None => next,
        }
    }

    /// Whether the connection is over.
    fn act(&mut self, due: Due) -> bool {
        match due {
            Due::Stuck | Due::Dead => {
                tracing::debug!(peer = %self.client.address, ?due, "an HTTP/2 client is given up");
                self.meter.reset_on_close();
                return true;
            }
            // Dropping the connection would leave the client to guess what was served.
            Due::Last => {
                self.is_over = true;
                self.h2.abrupt_shutdown(Reason::NO_ERROR);
            }
            Due::Idle => self.farewell(),
            Due::Ping => {
                self.pinged = Some(self.client.worker.timers.now());
                if let Some(pings) = &mut self.pings
                    && let Err(error) = pings.send_ping(Ping::opaque())
                {
                    tracing::debug!(%error, "an HTTP/2 client cannot be pinged");
                }
            }
        }
        false
    }

    fn begin(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        if self.calls.running.get() >= RUNNING_MAX {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        self.calls.begun.set(self.calls.begun.get() + 1);
        let answering = Answering::new(respond, &self.calls);
        let Some(asked) = Asked::read(&self.client, &answering, request) else { return };
        let call = call::serve(Rc::clone(&self.client), Rc::clone(&self.calls), asked, answering);
        self.client.worker.tasks.spawn_local(call);
    }
}

impl Calls {
    fn new(timers: &Rc<Timers>) -> Self {
        Self {
            timers: Rc::clone(timers),
            open: Cell::new(0),
            running: Cell::new(0),
            head_bytes: Cell::new(0),
            begun: Cell::new(0),
            taken_back: Cell::new(0),
            idle_since: Cell::new(timers.now()),
            connection: RefCell::default(),
        }
    }

    /// A call that its client no longer wants, before it was answered.
    fn take_back(&self) {
        self.taken_back.set(self.taken_back.get() + 1);
        self.wake();
    }

    const fn are_an_attack(&self) -> bool {
        let taken_back = self.taken_back.get();
        taken_back > TAKEN_BACK_MAX && taken_back * 2 > self.begun.get()
    }

    fn woken_with(&self, cx: &Context<'_>) {
        let mut connection = self.connection.borrow_mut();
        if !connection.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(connection) = &*self.connection.borrow() {
            connection.wake_by_ref();
        }
    }

    fn ended(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.idle_since.set(self.timers.now());
            self.wake();
        }
    }
}
