//! The way to the client of a matched call, who may be gone: then what comes is read all the same,
//! within limits.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::proxy::gate::{Passage, Writer};
use crate::proxy::timers::{Slot, Timers};
use crate::proxy::upstream::ResponseBody;

/// For a client that is gone: how much of the response is still read, and for how long.
const DRAIN_BYTES_MAX: u64 = 64 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);

/// The way to the client.
pub(super) struct Way {
    timers: Rc<Timers>,
    /// `None`: the client is gone.
    writer: Option<Writer>,
    drained: Option<Slot>,
    drained_bytes: u64,
}

impl Way {
    pub(super) fn new(writer: Writer, timers: &Rc<Timers>) -> Self {
        Self { timers: Rc::clone(timers), writer: Some(writer), drained: None, drained_bytes: 0 }
    }

    /// Ready when something can be put on it: the client takes it, or is gone.
    pub(super) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Some(writer) = &self.writer
            && ready!(writer.poll_ready(cx)).is_err()
        {
            self.writer = None;
        }
        Poll::Ready(())
    }

    /// Ready when the client is gone.
    pub(super) fn poll_gone(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Some(writer) = &self.writer {
            ready!(writer.poll_gone(cx));
            self.writer = None;
        }
        Poll::Ready(())
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.writer.is_none()
    }

    /// Ready when the client has been gone for too long, or too much has come since.
    pub(super) fn poll_given_up(&mut self, cx: &Context<'_>) -> Poll<()> {
        let drained = self.drained.get_or_insert_with(|| {
            let slot = self.timers.slot();
            slot.arm(DRAIN_TIME_MAX);
            slot
        });
        if self.drained_bytes > DRAIN_BYTES_MAX {
            return Poll::Ready(());
        }
        drained.poll_passed(cx)
    }

    /// Puts something on it; it must be ready.
    pub(super) fn put(&mut self, passage: Passage) {
        match (&self.writer, passage) {
            (Some(writer), passage) => writer.put(passage),
            (None, Passage::Frame(frame)) => {
                self.drained_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            (None, Passage::Rest(_) | Passage::End) => {}
        }
    }

    /// Waits until it is ready, and puts something on it.
    pub(super) async fn send(&mut self, passage: Passage) {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await;
        self.put(passage);
    }

    /// The upstream broke the response off.
    pub(super) fn break_off(self, body: &ResponseBody) {
        if let Some(writer) = self.writer {
            writer.break_off(body.reset_reason());
        }
    }

    /// Leaves what is left of the response to the client; nobody else reads it.
    pub(super) async fn hand_over(mut self, mut body: ResponseBody) {
        std::future::poll_fn(|cx| {
            let is_ready = self.poll_ready(cx);
            if is_ready.is_pending() {
                body.poll_upload(cx);
            }
            is_ready
        })
        .await;
        if self.is_gone() {
            body.cancel();
        } else {
            self.put(Passage::Rest(Box::new(body)));
        }
    }
}
