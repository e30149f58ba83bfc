//! After 101: bytes pass both ways as they come, until both sides have said their last, or nothing
//! has passed for a long time. Bytes that were read ahead are not lost.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite as _;

use super::Client;
use super::link::Link;
use crate::proxy::spare::Spare;
use crate::proxy::stream::Stream;
use crate::proxy::timers::Slot;
use crate::proxy::upstream::Connection;

/// What one direction holds at most.
const BUFFER_BYTES: usize = 16 << 10;

/// One direction.
struct Pipe {
    buffer: BytesMut,
    is_read_closed: bool,
    is_write_closed: bool,
}

/// Carries both directions to their ends.
pub(super) async fn carry(
    client: &Client,
    link: &RefCell<Link>,
    mut upstream: Box<Connection>,
    slot: &Slot,
) {
    let mut up = Pipe::new(std::mem::take(&mut link.borrow_mut().inbox));
    let mut down = Pipe::new(std::mem::take(&mut upstream.inbox));
    let limit = client.worker.terms().settings.tunnel_timeout;
    let spare = &*client.worker.spare;
    slot.arm(limit);
    let ended = poll_fn(|cx| {
        let mut has_moved = false;
        let mut link = link.borrow_mut();
        let near = link.stream()?;
        let there = up.poll(cx, spare, near, &mut upstream.stream, &mut has_moved)?;
        let back = down.poll(cx, spare, &mut upstream.stream, near, &mut has_moved)?;
        if has_moved {
            slot.arm(limit);
        }
        if there.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(()));
        }
        slot.poll_passed(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    })
    .await;
    if let Err(error) = ended {
        let error: io::Error = error;
        tracing::debug!(%error, peer = %client.address, "an upgraded connection broke");
        link.borrow().reset_on_close(true);
        upstream.stream.reset_on_close(true);
    }
}

impl Pipe {
    const fn new(buffer: BytesMut) -> Self {
        Self { buffer, is_read_closed: false, is_write_closed: false }
    }

    /// Ready when the direction has ended and its end was passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        spare: &Spare,
        from: &mut Stream,
        to: &mut Stream,
        has_moved: &mut bool,
    ) -> io::Result<Poll<()>> {
        loop {
            if !self.buffer.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, &self.buffer)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(n) => {
                        self.buffer.advance(n);
                        *has_moved = true;
                        continue;
                    }
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
            let is_flushed = Pin::new(&mut *to).poll_flush(cx)?.is_ready();
            if self.is_read_closed {
                if !self.is_write_closed && Pin::new(&mut *to).poll_shutdown(cx)?.is_ready() {
                    self.is_write_closed = true;
                }
                let is_over = self.is_write_closed && is_flushed;
                return Ok(if is_over { Poll::Ready(()) } else { Poll::Pending });
            }
            if self.buffer.capacity() == 0 {
                // A connection that says nothing has no buffer.
                if from.poll_readable(cx)?.is_pending() {
                    return Ok(Poll::Pending);
                }
                self.buffer = spare.buffer();
            }
            self.buffer.reserve(BUFFER_BYTES);
            match from.poll_read_buf(cx, &mut self.buffer)? {
                Poll::Ready(0) => self.is_read_closed = true,
                Poll::Ready(_) => *has_moved = true,
                Poll::Pending => {
                    spare.keep_buffer(&mut self.buffer);
                    return Ok(Poll::Pending);
                }
            }
        }
    }
}
