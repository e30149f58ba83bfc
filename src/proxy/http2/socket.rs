//! A socket under HTTP/2, which tells when it last moved: the frames' library does not.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::stream::{Stream, give};
use crate::proxy::timers::{Slot, Timers};

/// How long the other side gets to close too. A socket that closes with something unread, be it a
/// window's growth, is reset, and takes along what the other side has not read yet.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// The same for one that was told goodbye and may still read its last answers: for as long as it says
/// something now and then, and no longer than this (RFC 9112 9.6 has the reasons).
const FAREWELL_SILENCE_MAX: Duration = Duration::from_secs(5);
const FAREWELL_LINGER_MAX: Duration = Duration::from_secs(30);

/// A socket.
pub(in crate::proxy) struct Socket {
    stream: Stream,
    /// Was read already.
    buffered: BytesMut,
    meter: Rc<Meter>,
    /// Since nothing more is sent.
    linger: Option<Linger>,
}

/// The wait for the other side's end.
struct Linger {
    slot: Slot,
    /// In the timers' milliseconds.
    until: u64,
}

/// When a socket last moved, in the timers' milliseconds.
pub(in crate::proxy) struct Meter {
    timers: Rc<Timers>,
    last_read: Cell<u64>,
    /// It has taken nothing since; `None`: it takes what there is.
    stuck_since: Cell<Option<u64>>,
    must_reset: Cell<bool>,
    is_farewell: Cell<bool>,
}

impl Socket {
    pub(in crate::proxy) fn new(
        stream: Stream,
        buffered: BytesMut,
        timers: &Rc<Timers>,
    ) -> (Self, Rc<Meter>) {
        let meter = Rc::new(Meter {
            timers: Rc::clone(timers),
            last_read: Cell::new(timers.now()),
            stuck_since: Cell::new(None),
            must_reset: Cell::new(false),
            is_farewell: Cell::new(false),
        });
        (Self { stream, buffered, meter: Rc::clone(&meter), linger: None }, meter)
    }

    fn moved<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let since = match (&result, self.meter.stuck_since.get()) {
            (Poll::Ready(_), _) => None,
            (Poll::Pending, None) => Some(self.meter.timers.now()),
            (Poll::Pending, since) => since,
        };
        self.meter.stuck_since.set(since);
        result
    }
}

impl Meter {
    /// When something was last read.
    pub(in crate::proxy) const fn last_read(&self) -> u64 {
        self.last_read.get()
    }

    /// Since when the other side has taken nothing of what waits for it.
    pub(in crate::proxy) const fn stuck_since(&self) -> Option<u64> {
        self.stuck_since.get()
    }

    /// The other side has been told that the connection ends: it gets the time to read what was
    /// written.
    pub(in crate::proxy) fn farewell(&self) {
        self.is_farewell.set(true);
    }

    /// Whoever closes the socket closes it with a reset: nothing that waits for it goes out.
    pub(in crate::proxy) fn reset_on_close(&self) {
        self.must_reset.set(true);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.meter.must_reset.get() {
            self.stream.reset_on_close(true);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.buffered.is_empty() {
            give(&mut this.buffered, buf);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            this.meter.last_read.set(this.meter.timers.now());
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.moved(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.moved(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // What TLS has taken waits in it.
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.moved(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let meter = &this.meter;
        let linger = this.linger.get_or_insert_with(|| Linger::new(meter));
        let mut unread = [0; 4096];
        loop {
            if linger.is_over(meter, cx) {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            linger.heard(meter);
        }
    }
}

impl Linger {
    fn new(meter: &Meter) -> Self {
        let wait = if meter.is_farewell.get() { FAREWELL_LINGER_MAX } else { LINGER_MAX };
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let until = meter.timers.now().saturating_add(wait);
        let linger = Self { slot: meter.timers.slot(), until };
        linger.heard(meter);
        linger
    }

    fn is_over(&self, meter: &Meter, cx: &Context<'_>) -> bool {
        meter.timers.now() >= self.until || self.slot.poll_passed(cx).is_ready()
    }

    /// The other side is there.
    fn heard(&self, meter: &Meter) {
        let left = Duration::from_millis(self.until.saturating_sub(meter.timers.now()));
        self.slot.arm(left.min(FAREWELL_SILENCE_MAX));
    }
}
