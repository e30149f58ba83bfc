//! Opens connections: resolve, judge every address, dial exactly a judged one, TLS. The guard
//! sits here and not in the resolver, because address literals never reach a resolver.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::resolve::Resolver;
use super::{Settings, guard};
use crate::model::{Failure, FailurePhase};

tokio::task_local! {
    /// The attempt that a connection is opened for. The pool calls the connector without it.
    pub(super) static PROGRESS: Arc<Progress>;
}

/// How far an attempt has come, told by the connector to whoever watches the deadline.
#[derive(Debug)]
pub(super) struct Progress {
    phase: AtomicU8,
    until: Instant,
    after_ms: u64,
}

impl Progress {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            phase: AtomicU8::new(FailurePhase::Response as u8),
            until: Instant::now() + deadline,
            after_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn enter(&self, phase: FailurePhase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// The failure of a deadline that passes now.
    pub(super) fn timed_out(&self) -> Failure {
        const PHASES: [FailurePhase; 5] = [
            FailurePhase::Resolve,
            FailurePhase::Connect,
            FailurePhase::Tls,
            FailurePhase::Response,
            FailurePhase::Body,
        ];
        let now = self.phase.load(Ordering::Relaxed);
        let phase = PHASES.into_iter().find(|&phase| phase as u8 == now);
        Failure::TimedOut {
            phase: phase.unwrap_or(FailurePhase::Response),
            after_ms: self.after_ms,
        }
    }
}

/// Why there is no connection, carried through the pool as a type.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
pub(super) struct ConnectError(#[source] pub(super) Failure);

/// A guarded connector for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    settings: Arc<Settings>,
    resolver: Resolver,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(
        settings: Arc<Settings>,
        resolver: Resolver,
        tls: rustls::ClientConfig,
    ) -> Self {
        Self { settings, resolver, tls: TlsConnector::from(Arc::new(tls)) }
    }

    async fn connect(&self, target: &Uri, progress: &Progress) -> Result<Stream, Failure> {
        let host = target.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_tls = target.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = target.port_u16().unwrap_or(if is_tls { 443 } else { 80 });

        progress.enter(FailurePhase::Resolve);
        let addresses = self.judged_addresses(host).await?;
        progress.enter(FailurePhase::Connect);
        let tcp = dial(&addresses, port, progress.until()).await?;
        if !is_tls {
            progress.enter(FailurePhase::Response);
            return Ok(Stream::Plain(tcp));
        }
        progress.enter(FailurePhase::Tls);
        let tls = self.handshake(host, tcp).await.map_err(|error| Failure::Unreachable {
            phase: FailurePhase::Tls,
            detail: error.to_string(),
        })?;
        progress.enter(FailurePhase::Response);
        Ok(Stream::Tls(Box::new(tls)))
    }

    /// Every address of the answer must pass: a name that mixes good and bad ones is refused,
    /// since an honest one has no reason to.
    async fn judged_addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if guard::is_localhost(host) {
            return guard::local_addresses(host, &self.settings).map_err(Failure::from);
        }
        let addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| Failure::Unreachable {
                phase: FailurePhase::Resolve,
                detail: format!("{host}: {error}"),
            })?,
        };
        addresses
            .into_iter()
            .map(|ip| guard::judge(ip, &self.settings).map(|()| ip.to_canonical()))
            .collect::<Result<_, _>>()
            .map_err(Failure::from)
    }

    async fn handshake(&self, host: &str, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = host.strip_suffix('.').unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        self.tls.connect(name, tcp).await
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    /// The pool may finish this in the background, without the attempt that began it: so the
    /// deadline holds here as well.
    fn call(&mut self, target: Uri) -> Self::Future {
        let connector = self.clone();
        let progress = PROGRESS
            .try_with(Arc::clone)
            .unwrap_or_else(|_| Arc::new(Progress::new(Duration::from_secs(15))));
        Box::pin(async move {
            match timeout_at(progress.until(), connector.connect(&target, &progress)).await {
                Ok(Ok(stream)) => Ok(TokioIo::new(stream)),
                Ok(Err(failure)) => Err(ConnectError(failure)),
                Err(_) => Err(ConnectError(progress.timed_out())),
            }
        })
    }
}

/// Tries one address after the other, each with its share of the time that is left, so that a
/// dead first address does not eat the whole attempt.
async fn dial(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, Failure> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut tried = None;
    for (at, &ip) in addresses.iter().enumerate() {
        let address = SocketAddr::new(ip, port);
        let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = if left == 1 { until } else { now + (until - now) / left };
        tried = Some(address);
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return confirmed(stream, address),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    let detail = tried.map_or_else(|| last.to_string(), |address| format!("{address}: {last}"));
    Err(Failure::Unreachable { phase: FailurePhase::Connect, detail })
}

/// The peer must be the address that was judged: anything else between us and it is not trusted.
fn confirmed(stream: TcpStream, address: SocketAddr) -> Result<TcpStream, Failure> {
    let failed = |detail: String| Failure::Unreachable { phase: FailurePhase::Connect, detail };
    let peer = stream.peer_addr().map_err(|error| failed(format!("{address}: {error}")))?;
    if (peer.ip(), peer.port()) != (address.ip(), address.port()) {
        return Err(failed(format!("{address}: connected to {peer} instead")));
    }
    stream.set_nodelay(true).map_err(|error| failed(format!("{address}: {error}")))?;
    Ok(stream)
}

/// A connection to a receiver.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
