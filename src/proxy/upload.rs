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

/// What is kept of a body for sending it again; a larger one is sent once.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Its pieces: each takes some memory of its own.
const KEPT_PIECES_MAX: usize = 256;

/// A request's body.
pub(super) struct RequestBody {
    source: Source,
    framing: Framing,
    tap: Option<Rc<RefCell<Tap>>>,
    is_untouched: bool,
    /// What was taken, while it may have to be sent again.
    kept: Option<Kept>,
    /// What was taken before and comes once more.
    again: VecDeque<Frame<Bytes>>,
}

/// Pieces as they were taken; most bodies are one.
#[derive(Default)]
struct Kept {
    first: Bytes,
    more: VecDeque<Frame<Bytes>>,
    n_bytes: usize,
}

pub(super) enum Source {
    Empty,
    Http1(Http1Body),
    Http2(Box<Http2Body>),
}

impl RequestBody {
    /// `framing`: how it is announced to the upstream.
    pub(super) const fn new(source: Source, framing: Framing) -> Self {
        let again = VecDeque::new();
        Self { source, framing, tap: None, is_untouched: true, kept: None, again }
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

    /// Keeps what is taken from now on, so that it can be taken again.
    pub(super) fn keep(&mut self) {
        if self.is_untouched && !self.is_end() {
            self.kept = Some(Kept::default());
        }
    }

    /// It will not be taken again.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// From its begin, if that is still known.
    pub(super) fn rewound(mut self) -> Option<Self> {
        if self.is_untouched {
            return Some(self);
        }
        let Kept { first, more, .. } = self.kept.take()?;
        self.again = more;
        if !first.is_empty() {
            self.again.push_front(Frame::data(first));
        }
        Some(self)
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
            Source::Empty | Source::Http2(_) => false,
            Source::Http1(body) => body.is_awaiting_continue(),
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
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.is_untouched = false;
            if self.kept.as_mut().is_some_and(|kept| !kept.push(frame)) {
                self.kept = None;
            }
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

impl Kept {
    /// Adds a piece, if there is room for it.
    fn push(&mut self, frame: &Frame<Bytes>) -> bool {
        let again = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => {
                self.n_bytes += data.len();
                if self.first.is_empty() {
                    self.first = data.clone();
                    return self.n_bytes <= KEPT_BYTES_MAX;
                }
                Frame::data(data.clone())
            }
            (None, Some(trailers)) => Frame::trailers(trailers.clone()),
            (None, None) => return false,
        };
        self.more.push_back(again);
        self.n_bytes <= KEPT_BYTES_MAX && self.more.len() <= KEPT_PIECES_MAX
    }
}
