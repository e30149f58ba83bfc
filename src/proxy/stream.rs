//! A socket, whatever kind it is of, with TLS over it or without.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connected socket. What is written over TLS may wait inside until it is flushed.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Of a client or to the upstream.
    Tls(Box<TlsStream<Socket>>),
}

/// What TLS runs over: a socket of which some bytes may have been read already.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Plain,
    ahead: BytesMut,
}

#[derive(Debug)]
enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls a method of the stream inside, pinned.
macro_rules! inner {
    ($of:ident, $this:expr, $stream:ident => $call:expr) => {
        match $this {
            $of::Tcp($stream) => $call,
            $of::Unix($stream) => $call,
        }
    };
    ($this:expr, $stream:ident => $call:expr) => {
        match $this {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
            Stream::Tls($stream) => $call,
        }
    };
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
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_ref();
                // It wants nothing from the socket while it has something to give.
                if session.wants_read() { socket.poll_readable(cx) } else { Poll::Ready(Ok(())) }
            }
        }
    }

    /// Whether an idle connection has something to say, or its end: neither belongs to a call.
    pub(super) fn is_stale(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if self.poll_readable(&mut cx).is_pending() {
            return false;
        }
        // Over TLS there may be only a session ticket.
        let mut byte = [0];
        Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// The same, asked of the system, which knows it before the runtime tells. Over TLS anything
    /// counts: tickets have come long ago, most likely it is a close_notify.
    pub(super) fn is_stale_by_now(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut byte),
            Self::Tls(stream) => match &stream.get_ref().0.stream {
                Plain::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
                Plain::Unix(stream) => SockRef::from(stream).peek(&mut byte),
            },
        };
        peeked.map_or_else(|error| error.kind() != io::ErrorKind::WouldBlock, |_| true)
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
    /// whose end is the connection's is not complete (RFC 9112 8), whatever closes it. Unix sockets
    /// know no resets; over TLS the other side can tell by the missing close_notify, too.
    pub(super) fn reset_on_close(&self, is_reset: bool) {
        let linger = is_reset.then_some(Duration::ZERO);
        let tcp = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => match &stream.get_ref().0.stream {
                Plain::Tcp(stream) => stream,
                Plain::Unix(_) => return,
            },
            Self::Unix(_) => return,
        };
        if let Err(error) = SockRef::from(tcp).set_linger(linger) {
            tracing::debug!(%error, "cannot set how a connection closes");
        }
    }

    /// Whether what is written may wait inside.
    pub(super) const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The protocol that was agreed on by ALPN.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// What TLS runs over; `ahead`: what was read from it already.
    pub(super) fn into_socket(self, ahead: BytesMut) -> io::Result<Socket> {
        let stream = match self {
            Self::Tcp(stream) => Plain::Tcp(stream),
            Self::Unix(stream) => Plain::Unix(stream),
            Self::Tls(_) => return Err(io::Error::other("TLS over TLS")),
        };
        Ok(Socket { stream, ahead })
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(()));
        }
        inner!(Plain, &self.stream, stream => stream.poll_read_ready(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        inner!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return inner!(Plain, &mut this.stream, stream => Pin::new(stream).poll_read(cx, buf));
        }
        give(&mut this.ahead, buf);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        inner!(Plain, &mut self.get_mut().stream, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &mut self.get_mut().stream;
        inner!(Plain, stream, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        inner!(Plain, &self.stream, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(Plain, &mut self.get_mut().stream, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(Plain, &mut self.get_mut().stream, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// Hands on what was read ahead; its memory goes with the last of it.
pub(super) fn give(ahead: &mut BytesMut, buf: &mut ReadBuf<'_>) {
    let n = ahead.len().min(buf.remaining());
    buf.put_slice(&ahead[..n]);
    ahead.advance(n);
    if ahead.is_empty() {
        *ahead = BytesMut::new();
    }
}
