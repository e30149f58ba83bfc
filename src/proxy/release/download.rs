//! A matched response on its way, step by step, and the copy that is taken of it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use crate::proxy::capture::Capture;
use crate::proxy::upstream::ResponseBody;

/// A response on its way, and the copy taken of it.
pub(in crate::proxy) struct Download {
    pub(super) body: ResponseBody,
    pub(super) capture: Capture,
    /// What the head announced.
    pub(super) length: Option<u64>,
}

/// The next piece of a response.
pub(super) enum Step {
    Frame(Frame<Bytes>),
    /// The last piece: nothing follows it.
    Last(Frame<Bytes>),
    End,
    Broken,
}

impl Download {
    pub(in crate::proxy) const fn new(body: ResponseBody, capture: Capture) -> Self {
        let length = body.length();
        Self { body, capture, length }
    }

    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let step = ready!(poll_step(&mut self.body, cx));
        let capture = &mut self.capture;
        if let Step::Frame(frame) | Step::Last(frame) = &step {
            if let Some(data) = frame.data_ref() {
                capture.response.push(data);
            } else if let Some(trailers) = frame.trailers_ref() {
                capture.trailed(trailers);
            }
        }
        if let Step::Last(_) | Step::End = &step {
            capture.response.complete();
        }
        Poll::Ready(step)
    }

    /// What is there already; the next step only if it is, too.
    pub(super) async fn step_at_once(&mut self) -> Option<Step> {
        let now = |this: &mut Self, cx: &mut Context<'_>| match this.poll_step(cx) {
            Poll::Ready(step) => Poll::Ready(Some(step)),
            Poll::Pending => Poll::Ready(None),
        };
        std::future::poll_fn(|cx| now(self, cx)).await
    }
}

/// The next piece of a body.
pub(super) fn poll_step(body: &mut ResponseBody, cx: &mut Context<'_>) -> Poll<Step> {
    if body.is_end() {
        return Poll::Ready(Step::End);
    }
    Poll::Ready(match ready!(body.poll_frame(cx)) {
        None => Step::End,
        Some(Ok(frame)) if frame.is_trailers() || body.is_end() => Step::Last(frame),
        Some(Ok(frame)) => Step::Frame(frame),
        Some(Err(_broken_off)) => Step::Broken,
    })
}
