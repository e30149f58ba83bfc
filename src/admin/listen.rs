//! The listener: bounded connections, a deadline for every request head, an end to every
//! connection, and a stop that lets answers under way finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use super::auth::Access;
use super::guard::Peer;
use super::link::Link;
use super::state::{Shared, State};
use super::{Settings, charts, router};
use crate::shutdown::{Stop, Tasks};
use crate::tls::ServerTls;

/// When connections cannot be accepted (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running admin API. It ends when its tasks are stopped.
#[derive(Clone, Debug)]
pub struct Admin {
    local_addr: SocketAddr,
    /// Not kept alive: what it answers from may lead back here.
    api: Weak<Shared>,
}

/// Why the admin API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error(
        "cannot listen on {listen} for the admin API; choose another address in [admin] listen"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Admin {
    /// Opens the listener and serves on `tasks` until they are stopped.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(settings: Settings, state: State, tasks: Tasks) -> Result<Self, StartError> {
        let listen = settings.listen;
        let failed = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let api = Arc::new(Shared::new(&settings, local_addr, state));
        let weak = Arc::downgrade(&api);
        tasks.spawn(charts::keep_sampling(Arc::clone(&api), tasks.stop().clone()));
        let router = router(api);
        let has_tls = settings.tls.is_some();
        tracing::info!(address = %local_addr, tls = has_tls, "the admin API listens");
        if let Some(tls) = &settings.tls {
            tasks.spawn(tls.clone().follow(tasks.stop().clone()));
        }
        tasks.spawn(accept(listener, settings.tls, router, tasks.clone()));
        Ok(Self { local_addr, api: weak })
    }

    /// Other tokens and names, from the next request on. Where it listens and its certificate stay.
    pub fn replace(&self, settings: &Settings) {
        if let Some(api) = self.api.upgrade() {
            api.access.store(Arc::new(Access::new(settings, self.local_addr)));
        }
    }

    /// The address it is bound to.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

async fn accept(listener: TcpListener, tls: Option<ServerTls>, router: Router, tasks: Tasks) {
    let connections = Arc::new(Semaphore::new(Settings::CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let room = Arc::clone(&connections).acquire_owned().await;
            let room = room.expect("the semaphore is never closed");
            (listener.accept().await, room)
        };
        let (accepted, room) = tokio::select! {
            () = tasks.stop().stopped() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, tasks_of_answers) = (router.clone(), tasks.clone());
                let acceptor = tls.as_ref().map(ServerTls::acceptor);
                tasks.spawn(async move {
                    let (_room, tasks) = (room, tasks_of_answers);
                    match acceptor {
                        None => serve(stream, peer, router, tasks).await,
                        Some(acceptor) => {
                            let stop = tasks.stop();
                            if let Some(stream) = shake_hands(&acceptor, stream, peer, stop).await {
                                serve(stream, peer, router, tasks).await;
                            }
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin API cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    stop: &Stop,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(Settings::HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => shaken,
        () = stop.stopped() => return None,
    };
    match shaken {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
    None
}

pub(super) async fn serve<S>(stream: S, peer: SocketAddr, router: Router, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Link::new(tasks);
    let link_of_requests = link.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        request.extensions_mut().insert(link_of_requests.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Settings::HEADER_TIMEOUT)
        .max_buf_size(Settings::HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = link.was_cut() => return,
        () = link.stopping() => None,
        () = link.outlived(Settings::CONNECTION_LIFE) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // A stream says that it ends; it does not hold up the stop.
            let grace =
                if link.lasts() { Settings::STREAM_FAREWELL } else { Settings::LAST_ANSWER };
            let last_answer = tokio::time::timeout(grace, connection);
            tokio::select! {
                ended = last_answer => ended.unwrap_or(Ok(())),
                () = link.was_cut() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "an admin connection broke");
    }
}

async fn answer(router: Router, request: hyper::Request<Body>) -> hyper::Response<Body> {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
