//! The way of a matched response's body from the task that reads it to the client's connection:
//! one frame at a time, both ends on one thread. Its end is explicit: a writer that vanishes leaves
//! a broken body, never one that looks complete.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use http_body::Frame;

use super::upstream::ResponseBody;

/// What passes.
pub(super) enum Passage {
    Frame(Frame<Bytes>),
    /// The rest is the client's own affair: nothing more comes through the gate.
    Rest(Box<ResponseBody>),
    /// The body is complete.
    End,
}

/// The reading task's end.
pub(super) struct Writer(Rc<RefCell<Shared>>);

/// The client's end.
pub(super) struct Reader(Rc<RefCell<Shared>>);

/// The client's end is gone.
#[derive(Debug)]
pub(super) struct Gone;

#[derive(Default)]
struct Shared {
    passage: Option<Passage>,
    writer_gone: bool,
    /// How the upstream broke the body off, where it said so.
    reset: Option<Reason>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A gate, closed.
pub(super) fn gate() -> (Writer, Reader) {
    let shared = Rc::<RefCell<Shared>>::default();
    (Writer(Rc::clone(&shared)), Reader(shared))
}

impl Shared {
    fn wake_writer_by(&mut self, cx: &Context<'_>) {
        if !self.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            self.writer = Some(cx.waker().clone());
        }
    }
}

impl Writer {
    /// Ready when the gate can take something; fails when the client is gone.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        let mut shared = self.0.borrow_mut();
        if shared.reader_gone {
            return Poll::Ready(Err(Gone));
        }
        if shared.passage.is_none() {
            return Poll::Ready(Ok(()));
        }
        shared.wake_writer_by(cx);
        Poll::Pending
    }

    /// Ready when the client is gone.
    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let mut shared = self.0.borrow_mut();
        if shared.reader_gone {
            return Poll::Ready(());
        }
        shared.wake_writer_by(cx);
        Poll::Pending
    }

    /// The upstream broke the body off, and said how: known to the client when it has taken what is
    /// still in the gate.
    pub(super) fn break_off(self, reset: Option<Reason>) {
        self.0.borrow_mut().reset = reset;
    }

    /// Puts something in; the gate must be ready.
    pub(super) fn put(&self, passage: Passage) {
        let mut shared = self.0.borrow_mut();
        shared.passage = Some(passage);
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.writer_gone = true;
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Reader {
    /// The next thing; `None` when the writer vanished without an end.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Passage>> {
        let mut shared = self.0.borrow_mut();
        if let Some(passage) = shared.passage.take() {
            let writer = shared.writer.take();
            drop(shared);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(passage));
        }
        if shared.writer_gone {
            return Poll::Ready(None);
        }
        shared.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// How the upstream broke the body off, where it said so.
    pub(super) fn reset_reason(&self) -> Option<Reason> {
        self.0.borrow().reset
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.reader_gone = true;
        let writer = shared.writer.take();
        drop(shared);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}
