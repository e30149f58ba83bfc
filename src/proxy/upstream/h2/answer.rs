//! A response's body as it comes over HTTP/2. Polling it also goes on with what is left of the
//! request.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::Frame;

use super::Lease;
use super::call::Upload;
use crate::proxy::http2::trailers;
use crate::proxy::timers::Slot;
use crate::proxy::upstream::BrokenOff;
use crate::telemetry::{Metrics, UpstreamErrorKind};

/// A body on its stream; dropped before its end, the stream is cancelled.
pub(in crate::proxy) struct Http2Download {
    pub(super) stream: RecvStream,
    pub(super) upload: Upload,
    pub(super) lease: Lease,
    pub(super) slot: Slot,
    pub(super) timeout: Option<Duration>,
    /// What the head announced.
    pub(super) length: Option<u64>,
    /// Bytes that came.
    pub(super) size: u64,
    /// The last piece of a body with a length, until the stream's end is here too.
    pub(super) last: Option<Bytes>,
    pub(super) has_ended: bool,
    pub(super) is_waiting: bool,
    pub(super) reset: Option<Reason>,
}

impl Http2Download {
    /// The length, where it is announced.
    pub(in crate::proxy) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether nothing follows.
    pub(in crate::proxy) fn is_end(&self) -> bool {
        self.has_ended || self.last.is_none() && self.stream.is_end_stream()
    }

    /// How the upstream broke it off.
    pub(in crate::proxy) const fn reset_reason(&self) -> Option<Reason> {
        self.reset
    }

    /// Goes on with what is left of the request.
    pub(in crate::proxy) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        // An error shows when the response is polled.
        let _ = self.upload.poll(cx);
    }

    /// The next frame.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(Err(_of_the_client)) = self.upload.poll(cx) {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.is_waiting = false;
                    // It fails where the stream is over, and then nothing is owed.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    if data.is_empty() {
                        continue;
                    }
                    self.size += data.len() as u64;
                    if self.length == Some(self.size) && !self.stream.is_end_stream() {
                        // It is not complete before the stream's end, and must not look so.
                        self.last = Some(data);
                        continue;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(self.broke(&error)))),
                Poll::Ready(None) => return self.poll_end(cx),
                Poll::Pending => {
                    ready!(self.poll_silent(cx));
                    tracing::debug!("the upstream sent nothing of a response for too long");
                    self.count();
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
        }
    }

    /// All data is here.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(fields) => {
                self.has_ended = true;
                if self.length.is_some() {
                    // Whoever got the announced bytes has taken them for the whole: there is no
                    // place for trailers behind them in HTTP/1.
                    return Poll::Ready(self.last.take().map(|data| Ok(Frame::data(data))));
                }
                Poll::Ready(fields.map(|fields| Ok(Frame::trailers(trailers(fields)))))
            }
            Err(error) => Poll::Ready(Some(Err(self.broke(&error)))),
        }
    }

    /// Nothing is there; ready when that has gone on for too long.
    fn poll_silent(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(timeout) = self.timeout else { return Poll::Pending };
        if !std::mem::replace(&mut self.is_waiting, true) {
            self.slot.arm(timeout);
        }
        self.slot.poll_passed(cx)
    }

    /// The upstream broke the response off.
    fn broke(&mut self, error: &h2::Error) -> BrokenOff {
        tracing::debug!(%error, "the upstream broke a response off");
        self.reset = error.reason().filter(|_| error.is_reset() && error.is_remote());
        self.count();
        BrokenOff
    }

    fn count(&self) {
        let metrics: &Metrics = &self.lease.home.metrics;
        metrics.upstream_error(UpstreamErrorKind::Broken);
    }
}
