//! A request's body on its way to the upstream, from whatever kind of client.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;

use super::capture::Tap;
use super::client::{Http1Body, Http2Body};
use super::headers::clean_request_trailers;
use super::wire::Framing;

/// The body does not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the client broke its request off, or framed it wrongly")]
    Broken,
    #[error("the client is too slow with its request's body")]
    TooSlow { limit: Duration },
}

/// A request's body.
pub(super) struct RequestBody {
    source: Source,
    framing: Framing,
    tap: Option<Rc<RefCell<Tap>>>,
    is_untouched: bool,
    /// What was taken before and comes once more, if anything.
    again: VecDeque<Frame<Bytes>>,
}

pub(super) enum Source {
    Empty,
    Http1(Http1Body),
    Http2(Box<Http2Body>),
}

impl RequestBody {
    /// `framing`: how it is announced to the upstream.
    pub(super) const fn new(source: Source, framing: Framing) -> Self {
        Self { source, framing, tap: None, is_untouched: true, again: VecDeque::new() }
    }

    /// Copies what passes.
    pub(super) fn tapped(mut self, tap: Rc<RefCell<Tap>>) -> Self {
        if self.is_end() {
            // Nobody will ask it for anything.
            tap.borrow_mut().complete();
        } else if let Framing::Exact(length) = self.framing {
            tap.borrow_mut().expect(Some(length));
        }
        self.tap = Some(tap);
        self
    }

    pub(super) const fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether nothing has been taken from it yet.
    pub(super) const fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    /// Begins with these pieces, which were taken from it before.
    pub(super) fn begun_again(mut self, taken: VecDeque<Frame<Bytes>>) -> Self {
        self.again = taken;
        self
    }

    /// Nobody upstream wants the rest.
    pub(super) fn abandon(&mut self) {
        self.source = Source::Empty;
        // What was copied stays incomplete.
        self.tap = None;
    }

    /// Whether the client waits to be asked for it.
    pub(super) fn is_awaiting_continue(&self) -> bool {
        match &self.source {
            Source::Empty => false,
            Source::Http1(body) => body.is_awaiting_continue(),
            Source::Http2(body) => body.is_awaiting_continue(),
        }
    }

    /// Whether nothing follows.
    pub(super) fn is_end(&self) -> bool {
        self.again.is_empty()
            && match &self.source {
                Source::Empty => true,
                Source::Http1(body) => body.is_end(),
                Source::Http2(body) => body.is_end(),
            }
    }

    /// The next frame.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.again.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let mut frame = match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Http1(body) => body.poll_frame(cx),
            Source::Http2(body) => body.poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean_request_trailers(trailers);
        }
        if let Poll::Ready(Some(Ok(_))) = &frame {
            self.is_untouched = false;
        }
        if let (Some(tap), Poll::Ready(frame)) = (&self.tap, &frame) {
            let mut tap = tap.borrow_mut();
            match frame {
                Some(Ok(frame)) => match frame.data_ref() {
                    Some(data) => tap.push(data),
                    None => tap.complete(),
                },
                Some(Err(_)) => {}
                None => tap.complete(),
            }
            if self.is_end() {
                tap.complete();
            }
        }
        frame
    }
}
