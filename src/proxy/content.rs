//! What a response's body is made of on its way to the client: an enum, so that nothing is boxed, and
//! exact about its end.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::gate::{Passage, Reader};
use super::upstream::{BrokenOff, Connection, ResponseBody};

/// What a response's body is made of.
pub(super) enum Content {
    Empty,
    /// All there is, known now; `exact`: its length is announced.
    Whole {
        frames: Frames,
        exact: bool,
    },
    /// The upstream's body as it comes.
    Streamed(ResponseBody),
    /// A matched call's: what came first, then what its task lets through.
    Gated {
        first: Frames,
        rest: Reader,
        remaining: Option<u64>,
        ended: bool,
    },
    /// Another protocol, from now on.
    Tunnel(Box<Connection>),
}

/// Frames in their order. Mostly there is one, which costs no memory of its own.
#[derive(Default)]
pub(super) struct Frames {
    first: Option<Frame<Bytes>>,
    more: VecDeque<Frame<Bytes>>,
}

impl Frames {
    pub(super) fn push(&mut self, frame: Frame<Bytes>) {
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(frame);
        } else {
            self.more.push_back(frame);
        }
    }

    fn pop(&mut self) -> Option<Frame<Bytes>> {
        self.first.take().or_else(|| self.more.pop_front())
    }

    pub(super) fn n_pieces(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    /// Bytes of data.
    fn length(&self) -> u64 {
        let frames = self.first.iter().chain(&self.more);
        frames.filter_map(Frame::data_ref).map(|data| data.len() as u64).sum()
    }
}

impl Content {
    pub(super) fn bytes(bytes: impl Into<Bytes>) -> Self {
        let mut frames = Frames::default();
        frames.push(Frame::data(bytes.into()));
        Self::Whole { frames, exact: true }
    }

    /// The upstream's body, passed on as it comes.
    pub(super) fn of(body: ResponseBody) -> Self {
        match body {
            ResponseBody::Empty => Self::Empty,
            ResponseBody::Tunnel(connection) => Self::Tunnel(connection),
            body => Self::Streamed(body),
        }
    }

    /// What is left, where its length is announced.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty | Self::Tunnel(_) => Some(0),
            Self::Whole { exact: false, .. } => None,
            Self::Whole { frames, .. } => Some(frames.length()),
            Self::Streamed(body) => body.length(),
            Self::Gated { remaining, .. } => *remaining,
        }
    }

    /// Whether nothing follows.
    pub(super) fn is_end(&self) -> bool {
        match self {
            Self::Empty | Self::Tunnel(_) => true,
            Self::Whole { frames, .. } => frames.is_empty(),
            Self::Streamed(body) => body.is_end(),
            Self::Gated { remaining, .. } => *remaining == Some(0),
        }
    }

    /// The next frame.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Empty | Self::Tunnel(_) => Poll::Ready(None),
            Self::Whole { frames, .. } => Poll::Ready(frames.pop().map(Ok)),
            Self::Streamed(body) => body.poll_frame(cx),
            Self::Gated { first, rest, remaining, ended } => {
                let passage = match first.pop() {
                    Some(frame) => Some(Passage::Frame(frame)),
                    None if *ended => return Poll::Ready(None),
                    None => ready!(rest.poll(cx)),
                };
                match passage {
                    Some(Passage::Frame(frame)) => {
                        if let (Some(left), Some(data)) = (remaining.as_mut(), frame.data_ref()) {
                            *left = left.saturating_sub(data.len() as u64);
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Some(Passage::End) => {
                        *ended = true;
                        Poll::Ready(None)
                    }
                    Some(Passage::Rest(body)) => {
                        *self = Self::Streamed(*body);
                        self.poll_frame(cx)
                    }
                    None => Poll::Ready(Some(Err(BrokenOff))),
                }
            }
        }
    }

    /// How the upstream broke it off, where it spoke HTTP/2.
    pub(super) fn reset_reason(&self) -> Option<h2::Reason> {
        match self {
            Self::Streamed(body) => body.reset_reason(),
            Self::Gated { rest, .. } => rest.reset_reason(),
            Self::Empty | Self::Whole { .. } | Self::Tunnel(_) => None,
        }
    }

    /// Goes on with what is left of the request, where nobody takes the response at the moment.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Self::Streamed(body) = self {
            body.poll_upload(cx);
        }
    }
}
