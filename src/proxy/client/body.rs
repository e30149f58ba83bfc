//! The body of a request as it comes from an HTTP/1 client.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::link::{BodyProgress, Left, Link};
use super::pace::Pace;
use crate::proxy::upload::BodyError;
use crate::proxy::wire::{Decoded, Decoder};

/// What is read of a chunked body at a time.
const CHUNKS_READ_BYTES: u64 = 16 << 10;

/// A body, not empty at the start.
pub(in crate::proxy) struct Http1Body {
    link: Rc<RefCell<Link>>,
    left: Left,
    pace: Pace,
}

impl Http1Body {
    pub(super) fn exact(link: &Rc<RefCell<Link>>, length: u64, pace: Pace) -> Self {
        Self::new(link, Left::Exact(length), pace)
    }

    pub(super) fn chunked(link: &Rc<RefCell<Link>>, pace: Pace) -> Self {
        Self::new(link, Left::Chunked(Decoder::new()), pace)
    }

    fn new(link: &Rc<RefCell<Link>>, left: Left, pace: Pace) -> Self {
        let mut it = link.borrow_mut();
        it.body = BodyProgress::Underway(left.known());
        drop(it);
        Self { link: Rc::clone(link), left, pace }
    }

    /// Whether the client waits to be asked for it.
    pub(in crate::proxy) fn is_awaiting_continue(&self) -> bool {
        self.link.borrow().wants_continue
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
            if matches!(link.body, BodyProgress::Closed) && !matches!(self.left, Left::Nothing) {
                return Poll::Ready(Some(Err(BodyError::Broken)));
            }
            match &mut self.left {
                Left::Nothing => return Poll::Ready(None),
                Left::Exact(left) if !link.inbox.is_empty() => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(link.inbox.len());
                    *left -= n as u64;
                    let data = link.inbox.split_to(n).freeze();
                    link.body = BodyProgress::Underway(Some(*left));
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
            let wanted = self.left.known().unwrap_or(CHUNKS_READ_BYTES);
            if let Err(error) = ready!(fill(link, &mut self.pace, wanted, cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if matches!(self.left, Left::Nothing) {
            return;
        }
        let mut link = self.link.borrow_mut();
        if !matches!(link.body, BodyProgress::Closed) {
            link.body = BodyProgress::Abandoned(self.left);
        }
        link.wake_owner();
    }
}

impl Left {
    const fn known(&self) -> Option<u64> {
        match self {
            Self::Exact(left) => Some(*left),
            Self::Chunked(_) => None,
            Self::Nothing => Some(0),
        }
    }
}

impl Link {
    fn body_done(&mut self) {
        self.body = BodyProgress::Done;
        // It watches the client from now on.
        self.wake_owner();
    }
}

fn fill(
    link: &mut Link,
    pace: &mut Pace,
    wanted: u64,
    cx: &mut Context<'_>,
) -> Poll<Result<(), BodyError>> {
    if link.wants_continue {
        // Nobody upstream has said so: the body is asked for here. The connection's own task
        // writes it: a socket wakes only one task that waits to write.
        link.wants_continue = false;
        link.outbox.text.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        link.wake_owner();
    }
    match link.poll_fill(cx, wanted) {
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(BodyError::Broken)),
        Poll::Ready(Ok(n)) => {
            pace.received(n);
            Poll::Ready(Ok(()))
        }
        Poll::Pending => pace.poll_too_slow(cx).map(Err),
    }
}
