//! A client's socket as its connection sees it: tells the connection's state what passes, so that
//! timeouts need no timers of their own, and forwards vectored writes.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::Client;
use super::error::Problem;
use super::stream::Stream;

/// A client's socket.
pub(super) struct ClientIo {
    stream: Stream,
    /// What was read already.
    ahead: BytesMut,
    client: Rc<Client>,
    /// Our own words in place of the parser's bare answer, and how much of them is written.
    answer: Option<(Vec<u8>, usize)>,
    /// The socket is set so that it closes with a reset.
    is_armed: bool,
}

impl ClientIo {
    pub(super) fn new(stream: Stream, ahead: BytesMut, client: Rc<Client>) -> Self {
        Self { stream, ahead, client, answer: None, is_armed: false }
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Closes with a reset: the only way to tell a client that a response without a length and
    /// without chunks is not complete (RFC 9112 8).
    pub(super) fn reset(self) {
        self.stream.reset_on_close(true);
    }

    /// While the end of a response is held back that only the connection's end tells, the socket
    /// is set so that whatever ends it early (a panic, the end of the grace, a kill) is a reset.
    fn follow_end(&mut self) {
        let is_held = self.client.end_is_held();
        if self.is_armed != is_held {
            self.stream.reset_on_close(is_held);
            self.is_armed = is_held;
        }
    }

    /// Tells the connection's state what became of a write.
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.client.stalled(),
            Poll::Ready(_) => self.client.sent(),
        }
        written
    }

    /// hyper answers a head that it cannot parse with a bare status. Where that is what is being
    /// written, our own words go out instead; `None` otherwise.
    fn poll_own_answer(
        &mut self,
        cx: &mut Context<'_>,
        theirs: &[u8],
    ) -> Poll<Option<io::Result<usize>>> {
        if self.answer.is_none() && self.client.is_in_head() {
            self.answer = Problem::of_unreadable_head(theirs).map(|p| (p.to_bytes(), 0));
        }
        let Some((ours, written)) = &mut self.answer else { return Poll::Ready(None) };
        while *written < ours.len() {
            let write = Pin::new(&mut self.stream).poll_write(cx, &ours[*written..]);
            match ready!(write) {
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Ok(n) => *written += n,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(Some(Ok(theirs.len())))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..n]);
            self.ahead.advance(n);
        }
        let received = &buf.filled()[before..];
        if !received.is_empty() {
            self.client.received(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(result) = ready!(self.poll_own_answer(cx, buf)) {
            return Poll::Ready(result);
        }
        self.follow_end();
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The parser's answer is a head without a body: one buffer.
        if let [buf] = bufs
            && let Some(result) = ready!(self.poll_own_answer(cx, buf))
        {
            return Poll::Ready(result);
        }
        self.follow_end();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.follow_end();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
