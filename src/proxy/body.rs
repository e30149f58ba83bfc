//! The bodies that pass through: enums, so that nothing is boxed, and exact about their end.
//!
//! hyper drops a body right after its last frame without asking for another, and never asks one
//! that has ended at the start: so every end is found with `is_end_stream` as well.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::capture::Tap;
use super::client::Call;
use super::gate::{Passage, Reader};
use super::pool::Connection;

/// The message was broken off: the connection that carries it must not end it properly.
#[derive(Debug, thiserror::Error)]
#[error("the message was broken off")]
pub(super) struct BrokenOff;

/// What a request's body and its call know of each other. Belongs to the upstream connection,
/// which carries one call at a time.
#[derive(Default)]
pub(super) struct Upload {
    state: Cell<UploadState>,
    /// A frame passed since somebody last asked.
    progressed: Cell<bool>,
    /// The client, not the upstream, is being waited for.
    starved: Cell<bool>,
}

/// How far the request's body has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UploadState {
    #[default]
    Underway,
    /// All of it has been handed to the connection.
    Done,
    /// The client broke off, or its framing is wrong.
    BrokenByClient,
}

/// A request's body on its way to the upstream.
pub(super) struct RequestBody {
    inner: Incoming,
    upload: Option<Rc<Upload>>,
    tap: Option<Rc<RefCell<Tap>>>,
}

/// A response's body on its way to the client.
pub(super) struct ClientBody {
    content: Content,
    call: Call,
}

/// What a response's body is made of.
pub(super) enum Content {
    /// All there is, known now; `exact`: its length is announced.
    Whole { frames: VecDeque<Frame<Bytes>>, exact: bool },
    /// The upstream's body as it comes, with the connection it comes on.
    Streamed { incoming: Incoming, connection: Option<Connection> },
    /// A matched call's: what came first, then what its task lets through.
    Gated { first: VecDeque<Frame<Bytes>>, rest: Reader, remaining: Option<u64>, ended: bool },
}

impl Upload {
    pub(super) fn state(&self) -> UploadState {
        self.state.get()
    }

    /// A new call begins.
    pub(super) fn begin(&self, body: &RequestBody) {
        let ended = body.inner.is_end_stream();
        self.state.set(if ended { UploadState::Done } else { UploadState::Underway });
        self.progressed.set(false);
        self.starved.set(false);
    }

    /// Whether a frame has passed since the last time this was asked.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed.replace(false)
    }

    /// Whether the client is slow to send the rest.
    pub(super) fn waits_for_client(&self) -> bool {
        self.state.get() == UploadState::Underway && self.starved.get()
    }
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, tap: Option<Rc<RefCell<Tap>>>) -> Self {
        let body = Self { inner, upload: None, tap };
        if body.inner.is_end_stream() {
            // Nobody will ask it for anything.
            body.set_state(UploadState::Done);
        }
        body
    }

    /// Ties the body to the connection it will be sent on.
    pub(super) fn goes_to(&mut self, upload: &Rc<Upload>) {
        upload.begin(self);
        self.upload = Some(Rc::clone(upload));
    }

    fn set_state(&self, state: UploadState) {
        if let Some(upload) = &self.upload {
            upload.state.set(state);
        }
        if state == UploadState::Done
            && let Some(tap) = &self.tap
        {
            tap.borrow_mut().complete();
        }
    }

    fn passed(&self, frame: &Frame<Bytes>) {
        if let Some(upload) = &self.upload {
            upload.progressed.set(true);
            upload.starved.set(false);
        }
        match frame.data_ref() {
            Some(data) => {
                if let Some(tap) = &self.tap {
                    tap.borrow_mut().push(data);
                }
                if self.inner.is_end_stream() {
                    self.set_state(UploadState::Done);
                }
            }
            None => self.set_state(UploadState::Done),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => {
                if let Some(upload) = &self.upload {
                    upload.starved.set(true);
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.passed(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a request's body broke off");
                self.set_state(UploadState::BrokenByClient);
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Poll::Ready(None) => {
                self.set_state(UploadState::Done);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl ClientBody {
    pub(super) const fn new(content: Content, call: Call) -> Self {
        Self { content, call }
    }

    /// The client's response ends here, incomplete.
    fn broken_off(&self, is_framed: bool) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if !is_framed {
            self.call.must_reset();
        }
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

impl Content {
    pub(super) fn empty() -> Self {
        Self::Whole { frames: VecDeque::new(), exact: true }
    }

    pub(super) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Whole { frames: VecDeque::from([Frame::data(bytes.into())]), exact: true }
    }

    /// The upstream's body, passed on as it comes.
    pub(super) fn streamed(incoming: Incoming, connection: Connection) -> Self {
        if incoming.is_end_stream() {
            connection.finish();
            return Self::empty();
        }
        Self::Streamed { incoming, connection: Some(connection) }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        match &mut this.content {
            Content::Whole { frames, .. } => Poll::Ready(frames.pop_front().map(Ok)),
            Content::Streamed { incoming, connection } => {
                match std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if (incoming.is_end_stream() || frame.is_trailers())
                            && let Some(connection) = connection.take()
                        {
                            connection.finish();
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => {
                        if let Some(connection) = connection.take() {
                            connection.finish();
                        }
                        Poll::Ready(None)
                    }
                    Some(Err(error)) => {
                        if let Some(connection) = connection.take() {
                            connection.broke(&error);
                        }
                        let is_framed = incoming.size_hint().exact().is_some();
                        this.broken_off(is_framed)
                    }
                }
            }
            Content::Gated { first, rest, remaining, ended } => {
                let passage = match first.pop_front() {
                    Some(frame) => Some(Passage::Frame(frame)),
                    None if *ended => return Poll::Ready(None),
                    None => std::task::ready!(rest.poll(cx)),
                };
                match passage {
                    Some(Passage::Frame(frame)) => {
                        this.call.hold_end(remaining.is_none() && !frame.is_trailers());
                        if let (Some(left), Some(data)) = (remaining.as_mut(), frame.data_ref()) {
                            *left = left.saturating_sub(data.len() as u64);
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Some(Passage::End) => {
                        *ended = true;
                        this.call.hold_end(false);
                        Poll::Ready(None)
                    }
                    None => {
                        let is_framed = remaining.is_some();
                        this.broken_off(is_framed)
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole { frames, .. } => frames.is_empty(),
            Content::Streamed { incoming, .. } => incoming.is_end_stream(),
            Content::Gated { remaining, .. } => *remaining == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.content {
            Content::Whole { exact: false, .. } => None,
            Content::Whole { frames, .. } => {
                Some(frames.iter().filter_map(Frame::data_ref).map(|d| d.len() as u64).sum())
            }
            Content::Streamed { incoming, .. } => return incoming.size_hint(),
            Content::Gated { remaining, .. } => *remaining,
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
