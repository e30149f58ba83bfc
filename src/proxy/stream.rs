//! A socket, whatever kind it is of.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connected socket.
pub(super) enum Stream {
    Tcp(TcpStream),
}

impl Stream {
    /// Reads what is there behind what the buffer holds; 0: the other side has closed.
    pub(super) fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(self), cx, buf)
    }

    /// Ready when a read would find something; may be too early, never too late.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Whether an idle connection has something to say, or its end: neither belongs to a call.
    pub(super) fn is_stale(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if self.poll_readable(&mut cx).is_pending() {
            return false;
        }
        let mut byte = [0];
        Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Writes from these, in this order.
    pub(super) fn poll_write_parts(
        &mut self,
        cx: &mut Context<'_>,
        parts: [&[u8]; 3],
    ) -> Poll<io::Result<usize>> {
        let mut left = parts.iter().filter(|part| !part.is_empty());
        let first = left.next().copied().unwrap_or_default();
        if left.next().is_some() && self.is_write_vectored() {
            return Pin::new(self).poll_write_vectored(cx, &parts.map(IoSlice::new));
        }
        Pin::new(self).poll_write(cx, first)
    }

    /// Whether a close is a reset from now on: the only way to tell the other side that a message
    /// whose end is the connection's is not complete (RFC 9112 8), whatever closes it.
    pub(super) fn reset_on_close(&self, is_reset: bool) {
        let linger = is_reset.then_some(Duration::ZERO);
        let set = match self {
            Self::Tcp(stream) => socket2::SockRef::from(stream).set_linger(linger),
        };
        if let Err(error) = set {
            tracing::debug!(%error, "cannot set how a connection closes");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
