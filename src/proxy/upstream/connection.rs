//! One HTTP/1 connection to the upstream.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::pool::Home;
use crate::proxy::outbox::Outbox;
use crate::proxy::spare::{BUFFER_BYTES, Spare};
use crate::proxy::stream::Stream;
use crate::proxy::timers::Slot;
use crate::telemetry::Metrics;

/// What one read takes at most.
const READ_BYTES_MAX: usize = 64 << 10;

/// A connection; dropped, it is closed.
pub(in crate::proxy) struct Connection {
    pub(in crate::proxy) stream: Stream,
    pub(in crate::proxy) inbox: BytesMut,
    pub(super) outbox: Outbox,
    pub(super) slot: Slot,
    /// Whether it has carried a call before.
    pub(super) is_reused: bool,
    /// When the last call ended, in the timers' milliseconds.
    pub(super) idle_since: u64,
    /// How long it may be idle, milliseconds: what the upstream said of it, if that is less.
    pub(super) idle_ms_max: u64,
    pub(super) home: Rc<Home>,
    _open: Open,
}

/// An open connection, counted.
struct Open(Arc<Metrics>);

impl Connection {
    pub(super) fn new(stream: Stream, home: Rc<Home>, metrics: &Arc<Metrics>) -> Box<Self> {
        Box::new(Self {
            stream,
            inbox: BytesMut::new(),
            outbox: Outbox::default(),
            slot: home.timers.slot(),
            is_reused: false,
            idle_since: 0,
            idle_ms_max: home.idle_ms_max,
            _open: Open::new(metrics),
            home,
        })
    }

    pub(super) fn spare(&self) -> &Spare {
        &self.home.spare
    }

    /// Reads what is there, of which so much is wanted; 0: the upstream has closed.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
    ) -> Poll<io::Result<usize>> {
        if self.inbox.capacity() == 0 {
            ready!(self.stream.poll_readable(cx))?;
            self.inbox = self.spare().buffer();
        }
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let wanted = wanted.clamp(BUFFER_BYTES / 2, READ_BYTES_MAX);
        if self.inbox.capacity() - self.inbox.len() < wanted {
            self.inbox.reserve(wanted);
        }
        self.stream.poll_read_buf(cx, &mut self.inbox)
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn rest(&mut self) {
        let home = Rc::clone(&self.home);
        home.spare.keep_buffer(&mut self.inbox);
        home.spare.keep_text(&mut self.outbox.text);
    }
}

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections("upstream", 1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections("upstream", -1);
    }
}
