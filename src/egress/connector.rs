//! Opens connections: resolve, judge every address, dial exactly a judged one (or the egress
//! proxy, for a tunnel to it), TLS. The guard sits here and not in the resolver, because address
//! literals never reach a resolver.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::dial::dial;
use super::error::{ConnectError, bounded, of_handshake};
use super::progress::{PROGRESS, Progress};
use super::resolve::Resolver;
use super::stream::{Socket, Stream};
use super::tls::Tls;
use super::{EgressProxy, Settings, guard, tunnel};
use crate::model::{Failure, FailurePhase, TlsFailure};

/// How long the local resolver is asked for a name that the egress proxy will resolve anyway.
const LOCAL_LOOKUP: Duration = Duration::from_secs(1);

/// A guarded connector for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    settings: Arc<Settings>,
    resolver: Resolver,
    tls: Tls,
}

impl Connector {
    pub(super) const fn new(settings: Arc<Settings>, resolver: Resolver, tls: Tls) -> Self {
        Self { settings, resolver, tls }
    }

    async fn connect(&self, target: &Uri, progress: &Progress) -> Result<Stream, Failure> {
        let host = target.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_tls = target.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = target.port_u16().unwrap_or(if is_tls { 443 } else { 80 });

        progress.enter(FailurePhase::Resolve);
        let tcp = match &self.settings.proxy {
            None => {
                let addresses = self.judged_addresses(host).await?;
                progress.enter(FailurePhase::Connect);
                dial(&addresses, port, self.settings.source_address, progress.until()).await?
            }
            Some(proxy) => {
                self.judge_for_proxy(host).await?;
                progress.enter(FailurePhase::Proxy);
                let tcp = self.dial_proxy(proxy, progress).await?;
                tunnel::open(tcp, proxy, host, port).await?
            }
        };
        let socket = Socket::new(tcp);
        if !is_tls {
            progress.enter(FailurePhase::Response);
            return Ok(Stream::plain(socket));
        }
        progress.enter(FailurePhase::Tls);
        let tls = self.handshake(host, socket).await?;
        progress.enter(FailurePhase::Response);
        Ok(Stream::tls(tls))
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
                detail: bounded(&format!("{host}: {error}")),
            })?,
        };
        self.judge_all(addresses)
    }

    /// The proxy resolves names itself and has the last word on them; its network may know names
    /// that ours does not. What can be judged here is judged here all the same: literals always,
    /// a name where it resolves, so that a proxy without rules of its own is no way around ours.
    async fn judge_for_proxy(&self, host: &str) -> Result<(), Failure> {
        if guard::is_localhost(host) || host.parse::<IpAddr>().is_ok() {
            return self.judged_addresses(host).await.map(|_| ());
        }
        match timeout(LOCAL_LOOKUP, self.resolver.resolve(host)).await {
            Ok(Ok(addresses)) => self.judge_all(addresses).map(|_| ()),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    fn judge_all(&self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
        addresses
            .into_iter()
            .map(|ip| guard::judge(ip, &self.settings).map(|()| ip.to_canonical()))
            .collect::<Result<_, _>>()
            .map_err(Failure::from)
    }

    /// The proxy's own address is the operator's word: the guard has no say in it.
    async fn dial_proxy(
        &self,
        proxy: &EgressProxy,
        progress: &Progress,
    ) -> Result<TcpStream, Failure> {
        let EgressProxy { host, port, .. } = proxy;
        let addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolver.resolve(host).await.map_err(|error| {
                Failure::ProxyUnreachable { detail: bounded(&format!("{host}:{port}: {error}")) }
            })?,
        };
        let dialled = dial(&addresses, *port, self.settings.source_address, progress.until());
        dialled.await.map_err(|failure| match failure {
            Failure::Unreachable { detail, .. } => Failure::ProxyUnreachable { detail },
            other => other,
        })
    }

    async fn handshake(&self, host: &str, socket: Socket) -> Result<TlsStream<Socket>, Failure> {
        let name = host.strip_suffix('.').unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| Failure::Tls {
            cause: TlsFailure::WrongName,
            detail: bounded(&format!("{host}: {error}")),
        })?;
        let connected = self.tls.connector.connect(name, socket).await;
        connected.map_err(|error| of_handshake(&error, self.tls.has_client_certificate))
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
