//! A connection as the HTTP library sees it: plain or TLS, with what is known of its life.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::client::TlsStream;

/// How long a peer may take nothing of what is sent: a connection can be busy with that beyond
/// its attempt, when the reply came before the request was read.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A connection to a receiver.
#[derive(Debug)]
pub(super) struct Stream {
    transport: Transport,
    life: Life,
}

#[derive(Debug)]
enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// What has come on a connection, seen from the attempts that use it.
#[derive(Clone, Debug, Default)]
pub(super) struct Life(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    settled: AtomicU64,
    replies: AtomicU64,
}

impl Life {
    /// A whole reply was read.
    pub(super) fn settle(&self) {
        self.0.settled.store(self.0.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.replies.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it has carried a reply before.
    pub(super) fn is_reused(&self) -> bool {
        self.0.replies.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing came since the last reply (HTTP/1 only: HTTP/2 has frames of its own).
    pub(super) fn is_silent(&self) -> bool {
        self.0.read.load(Ordering::Relaxed) == self.0.settled.load(Ordering::Relaxed)
    }
}

/// A TCP connection that goes on reading after its peer stopped reading: a receiver that answers
/// 413 and closes has answered, even when our request breaks on the way.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    lost: Option<io::ErrorKind>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) const fn new(tcp: TcpStream) -> Self {
        Self { tcp, lost: None, stalled: None }
    }
}

impl Stream {
    pub(super) fn plain(socket: Socket) -> Self {
        Self { transport: Transport::Plain(socket), life: Life::default() }
    }

    pub(super) fn tls(stream: TlsStream<Socket>) -> Self {
        Self { transport: Transport::Tls(Box::new(stream)), life: Life::default() }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.life.clone());
        let is_h2 = match &self.transport {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        };
        if is_h2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        let n = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        self.life.0.read.fetch_add(n, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        // The end of a connection that broke while we wrote is told as that.
        match self.lost {
            Some(kind) if buffer.filled().len() == before => Poll::Ready(Err(kind.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        if self.lost.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        match Pin::new(&mut self.tcp).poll_write(cx, bytes) {
            Poll::Ready(Err(error)) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                self.lost = Some(error.kind());
                Poll::Ready(Ok(bytes.len()))
            }
            Poll::Ready(written) => {
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lost.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
