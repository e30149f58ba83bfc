//! A client's socket and what was read from it ahead: shared by the connection, which reads heads
//! and writes responses, and the body of the present request, which may be read by another task.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;

use crate::proxy::outbox::Outbox;
use crate::proxy::spare::BUFFER_BYTES;
use crate::proxy::stream::Stream;
use crate::proxy::wire::Head;
use crate::proxy::worker::Worker;

/// What is read ahead of the present request at most: requests that a client sends without waiting.
const AHEAD_BYTES_MAX: usize = BUFFER_BYTES;

/// A client's socket.
pub(in crate::proxy) struct Link {
    pub(super) stream: Stream,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyProgress {
    Underway,
    Done,
    /// Nobody wants the rest; so many bytes of it, where that is known.
    Abandoned(Option<u64>),
}

/// Where interim responses go (RFC 9110 15.2).
#[derive(Clone, Default)]
pub(in crate::proxy) struct Interim(Option<Rc<RefCell<Link>>>);

impl Link {
    pub(super) fn new(stream: Stream, inbox: BytesMut, worker: Rc<Worker>) -> Self {
        Self {
            stream,
            inbox,
            outbox: Outbox::default(),
            is_read_closed: false,
            body: BodyProgress::Done,
            wants_continue: false,
            owner: None,
            worker,
        }
    }

    /// Reads what is there; 0: the client will send nothing more.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_read_closed {
            return Poll::Ready(Ok(0));
        }
        if self.inbox.capacity() == 0 {
            // An idle connection has no buffer.
            ready!(self.stream.poll_readable(cx))?;
            self.inbox = self.worker.spare.buffer();
        }
        if self.inbox.capacity() - self.inbox.len() < BUFFER_BYTES / 2 {
            self.inbox.reserve(BUFFER_BYTES);
        }
        let n = ready!(self.stream.poll_read_buf(cx, &mut self.inbox))?;
        self.is_read_closed = n == 0;
        Poll::Ready(Ok(n))
    }

    /// While a response is awaited: ready when the client has gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.body != BodyProgress::Done {
            // Who reads the body notices.
            return Poll::Pending;
        }
        while self.inbox.len() < AHEAD_BYTES_MAX {
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Writes what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_write(cx, &mut self.stream, |_| {})
    }

    /// Whether the client still sends a body.
    pub(super) fn body_is_unread(&self) -> bool {
        self.body != BodyProgress::Done
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

impl Interim {
    pub(super) fn to(link: &Rc<RefCell<Link>>) -> Self {
        Self(Some(Rc::clone(link)))
    }

    /// Passes an interim response on. One that finds much unread already is left out, as RFC 9110
    /// 15.2 allows.
    pub(in crate::proxy) fn send(&self, head: &Head) {
        let Some(link) = &self.0 else { return };
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
