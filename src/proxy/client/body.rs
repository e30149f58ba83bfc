//! The body of a request as it comes from an HTTP/1 client.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::link::{BodyProgress, Link};
use super::pace::Pace;
use crate::proxy::upload::BodyError;
use crate::proxy::wire::{Decoded, Decoder};

/// A body, not empty at the start.
pub(in crate::proxy) struct Http1Body {
    link: Rc<RefCell<Link>>,
    left: Left,
    pace: Pace,
}

enum Left {
    Exact(u64),
    Chunked(Decoder),
    Nothing,
}

impl Http1Body {
    pub(super) fn exact(link: &Rc<RefCell<Link>>, length: u64, pace: Pace) -> Self {
        Self::new(link, Left::Exact(length), pace)
    }

    pub(super) fn chunked(link: &Rc<RefCell<Link>>, pace: Pace) -> Self {
        Self::new(link, Left::Chunked(Decoder::new()), pace)
    }

    fn new(link: &Rc<RefCell<Link>>, left: Left, pace: Pace) -> Self {
        link.borrow_mut().body = BodyProgress::Underway;
        Self { link: Rc::clone(link), left, pace }
    }

    /// Whether nothing follows.
    pub(in crate::proxy) const fn is_end(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// The next frame.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let link = &mut *self.link.borrow_mut();
            match &mut self.left {
                Left::Nothing => return Poll::Ready(None),
                Left::Exact(left) if !link.inbox.is_empty() => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(link.inbox.len());
                    *left -= n as u64;
                    let data = link.inbox.split_to(n).freeze();
                    if *left == 0 {
                        self.left = Left::Nothing;
                        link.body_done();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Left::Exact(_) => {}
                Left::Chunked(decoder) => match decoder.decode(&mut link.inbox) {
                    Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Decoded::End(trailers)) => {
                        self.left = Left::Nothing;
                        link.body_done();
                        return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
                    }
                    Ok(Decoded::More) => {}
                    Err(_malformed) => return Poll::Ready(Some(Err(BodyError::Broken))),
                },
            }
            if let Err(error) = ready!(fill(link, &mut self.pace, cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        let left = match self.left {
            Left::Nothing => return,
            Left::Exact(left) => Some(left),
            Left::Chunked(_) => None,
        };
        let mut link = self.link.borrow_mut();
        link.body = BodyProgress::Abandoned(left);
        link.wake_owner();
    }
}

impl Link {
    fn body_done(&mut self) {
        self.body = BodyProgress::Done;
        // It watches the client from now on.
        self.wake_owner();
    }
}

fn fill(link: &mut Link, pace: &mut Pace, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
    if link.wants_continue {
        // Nobody upstream has said so: the body is asked for here.
        link.wants_continue = false;
        link.outbox.text.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    if !link.outbox.is_empty() {
        // Otherwise a response is underway already, or the client is slow to read it.
        let _ = link.poll_flush(cx);
    }
    match link.poll_fill(cx) {
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(BodyError::Broken)),
        Poll::Ready(Ok(n)) => {
            pace.received(n);
            Poll::Ready(Ok(()))
        }
        Poll::Pending => pace.poll_too_slow(cx).map(Err),
    }
}
