//! One HTTP/1 connection to the upstream.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::kept::Kept;
use super::pool::Home;
use crate::proxy::outbox::Outbox;
use crate::proxy::spare::{BUFFER_BYTES, Spare};
use crate::proxy::stream::Stream;
use crate::proxy::timers::Slot;
use crate::proxy::wire::{Head, Name};
use crate::telemetry::Metrics;

/// What one read takes at most.
const READ_BYTES_MAX: usize = 64 << 10;

/// A connection; dropped, it is closed.
pub(in crate::proxy) struct Connection {
    pub(in crate::proxy) stream: Stream,
    pub(in crate::proxy) inbox: BytesMut,
    pub(super) outbox: Outbox,
    pub(super) slot: Slot,
    /// Of the present request's body, while it may have to be sent again.
    pub(super) kept: Kept,
    /// A request was begun and is not complete: half of one must not look like a whole one
    /// (RFC 9112 8).
    pub(super) is_midway: bool,
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
pub(super) struct Open(Arc<Metrics>);

impl Connection {
    pub(super) fn new(stream: Stream, home: Rc<Home>) -> Box<Self> {
        Box::new(Self {
            stream,
            inbox: BytesMut::new(),
            outbox: Outbox::default(),
            kept: Kept::default(),
            slot: home.timers.slot(),
            is_midway: false,
            is_reused: false,
            idle_since: 0,
            idle_ms_max: home.idle_ms_max,
            _open: Open::new(&home.metrics),
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
        // Never as much as is left exactly: a buffer without any room would not be used again.
        let is_much = wanted > BUFFER_BYTES as u64;
        let room = if is_much { READ_BYTES_MAX } else { BUFFER_BYTES / 2 };
        if self.inbox.capacity() - self.inbox.len() < room && !self.inbox.try_reclaim(room) {
            // Nothing is held for what may never come.
            ready!(self.stream.poll_readable(cx))?;
            if self.inbox.capacity() == 0 && !is_much {
                self.inbox = self.spare().buffer();
            }
            self.inbox.reserve(room);
        }
        self.stream.poll_read_buf(cx, &mut self.inbox)
    }

    /// Heeds how long the upstream says it waits for another call, less what the way there may
    /// take (RFC 2068 19.7.1.1); whether there may be one at all.
    pub(super) fn heed_keep_alive(&mut self, head: &Head) -> bool {
        for member in head.members(Name::KeepAlive) {
            let Some(at) = memchr::memchr(b'=', member) else { continue };
            let (name, value) = (member[..at].trim_ascii(), member[at + 1..].trim_ascii());
            let value =
                value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            match number {
                Some(0) => return false,
                Some(secs) if name.eq_ignore_ascii_case(b"timeout") => {
                    let promised = secs.saturating_mul(1000);
                    let sure = if secs > 1 { promised.saturating_sub(1000) } else { promised / 2 };
                    self.idle_ms_max = sure.min(self.home.idle_ms_max);
                }
                _ => {}
            }
        }
        true
    }

    /// Whether it has been idle for too long.
    pub(super) fn is_late(&self, now: u64) -> bool {
        now.saturating_sub(self.idle_since) >= self.idle_ms_max
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn rest(&mut self) {
        let home = Rc::clone(&self.home);
        home.spare.keep_buffer(&mut self.inbox);
        home.spare.keep_text(&mut self.outbox.text);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_midway {
            self.stream.reset_on_close(true);
        }
    }
}

impl Open {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections("upstream", 1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections("upstream", -1);
    }
}
