//! The body of a request as it comes from an HTTP/2 client.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;

use super::Answering;
use crate::proxy::client::pace::Pace;
use crate::proxy::http2::trailers;
use crate::proxy::upload::BodyError;

/// A body. The client's window grows by what is taken from it, and by nothing else.
pub(in crate::proxy) struct Http2Body {
    stream: RecvStream,
    pace: Pace,
    has_ended: bool,
    /// The client is told to send it when it is first asked for.
    answering: Rc<Answering>,
}

impl Http2Body {
    pub(super) const fn new(stream: RecvStream, pace: Pace, answering: Rc<Answering>) -> Self {
        Self { stream, pace, has_ended: false, answering }
    }

    /// Whether nothing follows.
    pub(in crate::proxy) fn is_end(&self) -> bool {
        self.has_ended || self.stream.is_end_stream()
    }

    /// Whether the client waits to be asked for it.
    pub(in crate::proxy) fn is_awaiting_continue(&self) -> bool {
        self.answering.wants_continue()
    }

    /// The next frame.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.answering.wants_body();
        loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    // It fails where the stream is over, and then nothing is owed.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.pace.received(data.len());
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Poll::Ready(Some(Err(_reset_or_gone))) => {
                    return Poll::Ready(Some(Err(BodyError::Broken)));
                }
                Poll::Ready(None) => return self.poll_trailers(cx),
                Poll::Pending => return self.pace.poll_too_slow(cx).map(|slow| Some(Err(slow))),
            }
        }
    }

    fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.stream.poll_trailers(cx) {
            Poll::Ready(Ok(fields)) => {
                self.has_ended = true;
                Poll::Ready(fields.map(|fields| Ok(Frame::trailers(trailers(fields)))))
            }
            Poll::Ready(Err(_reset_or_gone)) => Poll::Ready(Some(Err(BodyError::Broken))),
            Poll::Pending => self.pace.poll_too_slow(cx).map(|slow| Some(Err(slow))),
        }
    }
}
