//! A client's socket and what was read from it ahead: shared by the connection, which reads heads
//! and writes responses, and the body of the present request, which may be read by another task.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, BytesMut};

use super::h2::Answering;
use crate::proxy::outbox::Outbox;
use crate::proxy::spare::BUFFER_BYTES;
use crate::proxy::stream::Stream;
use crate::proxy::wire::{Decoded, Decoder, Head};
use crate::proxy::worker::Worker;

/// What is read ahead of the present request at most: requests that a client sends without waiting.
const AHEAD_BYTES_MAX: usize = BUFFER_BYTES;
/// What one read takes at most.
const READ_BYTES_MAX: u64 = 64 << 10;
/// What is read of a body that nobody wants, so that another request can follow it.
const REST_BYTES_MAX: u64 = 64 << 10;

/// A client's socket.
pub(in crate::proxy) struct Link {
    /// Gone when the connection has ended.
    stream: Option<Stream>,
    pub(super) inbox: BytesMut,
    pub(super) outbox: Outbox,
    /// The client will send nothing more.
    is_read_closed: bool,
    /// The body of the present request has been read, or there is none.
    pub(super) body: BodyProgress,
    /// The client waits for 100 before it sends its body.
    pub(super) wants_continue: bool,
    /// The connection's own task.
    owner: Option<Waker>,
    worker: Rc<Worker>,
}

/// How far the present request's body has been read.
#[derive(Clone, Copy, Debug)]
pub(super) enum BodyProgress {
    /// So many bytes are left, where that is known.
    Underway(Option<u64>),
    Done,
    /// Nobody wants the rest.
    Abandoned(Left),
    /// Nobody may read it any more: the connection is being closed.
    Closed,
}

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    Exact(u64),
    Chunked(Decoder),
    Nothing,
}

/// Where interim responses go (RFC 9110 15.2).
#[derive(Clone, Default)]
pub(in crate::proxy) struct Interim(Way);

#[derive(Clone, Default)]
enum Way {
    #[default]
    None,
    Http1(Rc<RefCell<Link>>),
    Http2(Rc<Answering>),
}

impl Link {
    pub(super) fn new(stream: Stream, inbox: BytesMut, worker: Rc<Worker>) -> Self {
        Self {
            stream: Some(stream),
            inbox,
            outbox: Outbox::default(),
            is_read_closed: false,
            body: BodyProgress::Done,
            wants_continue: false,
            owner: None,
            worker,
        }
    }

    /// The socket, unless the connection has ended.
    pub(super) fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Closes the socket, whoever else still holds the link.
    pub(super) fn end(&mut self) {
        self.body = BodyProgress::Closed;
        self.stream = None;
    }

    /// Whether the end of the connection is a reset from now on.
    pub(super) fn reset_on_close(&self, is_reset: bool) {
        if let Some(stream) = &self.stream {
            stream.reset_on_close(is_reset);
        }
    }

    /// Reads what is there, of which so much is wanted; 0: the client will send nothing more.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.is_read_closed) else {
            return Poll::Ready(Ok(0));
        };
        if self.inbox.capacity() == 0 {
            // An idle connection has no buffer.
            ready!(stream.poll_readable(cx))?;
            self.inbox = self.worker.spare.buffer();
        }
        let wanted = usize::try_from(wanted.min(READ_BYTES_MAX)).unwrap_or_default();
        let wanted = wanted.max(BUFFER_BYTES / 2);
        if self.inbox.capacity() - self.inbox.len() < wanted {
            self.inbox.reserve(wanted.max(BUFFER_BYTES));
        }
        let Poll::Ready(n) = stream.poll_read_buf(cx, &mut self.inbox)? else {
            // It was readable no more: who waits needs no buffer.
            self.worker.spare.keep_buffer(&mut self.inbox);
            return Poll::Pending;
        };
        self.is_read_closed = n == 0;
        Poll::Ready(Ok(n))
    }

    /// While a response is awaited: ready when the client has gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.body {
            BodyProgress::Done => {}
            BodyProgress::Abandoned(_) => {
                let may_follow = ready!(self.poll_rest(cx));
                if !may_follow {
                    return Poll::Ready(());
                }
            }
            // Who reads the body notices.
            BodyProgress::Underway(_) | BodyProgress::Closed => return Poll::Pending,
        }
        while self.inbox.len() < AHEAD_BYTES_MAX {
            match ready!(self.poll_fill(cx, 0)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Reads on in a body that nobody wants: many clients read no response before they have sent
    /// theirs. Ready at its end, with whether something may follow it.
    pub(super) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            let left = match &mut self.body {
                BodyProgress::Done => return Poll::Ready(true),
                BodyProgress::Underway(_) | BodyProgress::Closed => return Poll::Ready(false),
                BodyProgress::Abandoned(left) => left,
            };
            if !left.discard(&mut self.inbox) {
                self.body = BodyProgress::Closed;
            } else if matches!(left, Left::Nothing) {
                self.body = BodyProgress::Done;
            } else if !ready!(self.poll_fill(cx, READ_BYTES_MAX)).is_ok_and(|n| n > 0) {
                return Poll::Ready(false);
            }
        }
    }

    /// Writes what waits; `on_progress` is called when something was written.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        on_progress: impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        self.outbox.poll_write(cx, stream, on_progress)
    }

    /// Whether no other request can follow the present one, as far as is known when its response
    /// begins; `is_at_once`: nobody waits for more of the request before it ends.
    pub(super) fn ends_here(&self, is_at_once: bool) -> bool {
        let rest = match self.body {
            BodyProgress::Done => return false,
            // Nobody knows whether the client sends it now.
            _ if self.wants_continue => return true,
            _ if !is_at_once => return false,
            BodyProgress::Underway(Some(left)) | BodyProgress::Abandoned(Left::Exact(left)) => left,
            _ => return true,
        };
        rest > REST_BYTES_MAX + self.inbox.len() as u64
    }

    /// Between calls: gives back what is not needed.
    pub(super) fn rest(&mut self) {
        self.worker.spare.keep_buffer(&mut self.inbox);
        self.worker.spare.keep_text(&mut self.outbox.text);
    }

    /// The connection's own task is to be woken for what others do with the link.
    pub(super) fn owned_by(&mut self, cx: &Context<'_>) {
        if !self.owner.as_ref().is_some_and(|owner| owner.will_wake(cx.waker())) {
            self.owner = Some(cx.waker().clone());
        }
    }

    pub(super) fn wake_owner(&self) {
        if let Some(owner) = &self.owner {
            owner.wake_by_ref();
        }
    }
}

impl Left {
    /// Takes away what has arrived of it; false: it is broken.
    fn discard(&mut self, inbox: &mut BytesMut) -> bool {
        match self {
            Self::Nothing => {}
            Self::Exact(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                inbox.advance(n);
                *left -= n as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
            }
            Self::Chunked(decoder) => loop {
                match decoder.decode(inbox) {
                    Ok(Decoded::Data(_)) => {}
                    Ok(Decoded::More) => break,
                    Ok(Decoded::End(_)) => {
                        *self = Self::Nothing;
                        break;
                    }
                    Err(_malformed) => return false,
                }
            },
        }
        true
    }
}

impl Interim {
    pub(super) fn to(link: &Rc<RefCell<Link>>) -> Self {
        Self(Way::Http1(Rc::clone(link)))
    }

    pub(super) fn to_http2(answering: &Rc<Answering>) -> Self {
        Self(Way::Http2(Rc::clone(answering)))
    }

    /// Passes an interim response on. One that finds much unread already is left out, as RFC 9110
    /// 15.2 allows.
    pub(in crate::proxy) fn send(&self, head: &Head) {
        let link = match &self.0 {
            Way::None => return,
            Way::Http1(link) => link,
            Way::Http2(answering) => return answering.interim(head),
        };
        let mut link = link.borrow_mut();
        if !link.outbox.has_room() {
            return;
        }
        if head.status() == 100 {
            link.wants_continue = false;
        }
        head.write_response(&mut link.outbox.text, false);
        link.outbox.text.extend_from_slice(b"\r\n");
        link.wake_owner();
    }
}
