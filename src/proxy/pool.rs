//! Connections to the upstream: opened here and nowhere else, kept for the next call, last in first
//! out so that few stay warm.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::body::{RequestBody, Upload, UploadState};
use super::error::UpstreamError;
use super::timers::Timers;
use super::{Settings, UpstreamAddress, UpstreamProtocol, UpstreamSettings};
use crate::shutdown::{Stop, Tasks};
use crate::telemetry::{Metrics, UpstreamErrorKind};

/// Idle connections of one worker; more are closed.
const IDLE_MAX: usize = 1024;

/// Shorter than the five seconds after which common servers (Node, uvicorn) close an idle
/// connection: a request must not cross with that close.
const IDLE_MS_MAX: u64 = 4000;

/// One worker's idle connections to the upstream.
pub(super) struct Pool {
    idle: Rc<RefCell<Kept>>,
    timers: Rc<Timers>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    upstream: UpstreamSettings,
}

/// A connection that carries a call; dropped, it is closed.
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) upload: Rc<Upload>,
    /// Whether it has carried a call before.
    pub(super) is_reused: bool,
    task: AbortHandle,
    home: Home,
}

/// Where a connection goes when its call is over.
#[derive(Clone)]
struct Home {
    idle: Rc<RefCell<Kept>>,
    timers: Rc<Timers>,
    metrics: Arc<Metrics>,
}

/// What is kept for the next call.
#[derive(Default)]
struct Kept {
    connections: Vec<Idle>,
    /// No further call comes here: nothing is kept.
    is_closed: bool,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    upload: Rc<Upload>,
    task: AbortHandle,
    since: u64,
}

/// An open connection, counted.
struct Open(Arc<Metrics>);

impl Pool {
    pub(super) fn new(settings: &Settings, metrics: &Arc<Metrics>, timers: &Rc<Timers>) -> Self {
        Self {
            idle: Rc::default(),
            timers: Rc::clone(timers),
            metrics: Arc::clone(metrics),
            tasks: Tasks::new(Stop::new()),
            upstream: settings.upstream.clone(),
        }
    }

    /// Whether it leads to the upstream of these settings.
    pub(super) fn leads_to(&self, settings: &Settings) -> bool {
        self.upstream == settings.upstream
    }

    /// No further call comes here: what is idle is closed, and the rest when its call is over.
    pub(super) fn close(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.is_closed = true;
        let closed = std::mem::take(&mut idle.connections);
        drop(idle);
        drop(closed);
    }

    /// An idle connection, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut kept = self.idle.borrow_mut();
        let idle = &mut kept.connections;
        // The last ones may be closed, or still be finishing the call before.
        let at = idle.iter().rposition(|connection| connection.sender.is_ready())?;
        let Idle { sender, upload, task, .. } = idle.remove(at);
        drop(kept);
        Some(Connection { sender, upload, task, is_reused: true, home: self.home() })
    }

    /// A new connection.
    ///
    /// # Errors
    /// Nobody answers there, or not within `connect_timeout`.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Connection, UpstreamError> {
        let opened = tokio::time::timeout(limit, self.open()).await;
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(UpstreamError::Connect { source }),
            Err(_elapsed) => {
                return Err(UpstreamError::ConnectTimeout { limit });
            }
        };
        let (sender, connection) = builder()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| UpstreamError::Broken { source })?;
        let open = Open::new(&self.metrics);
        let task = self.tasks.spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection broke");
            }
            drop(open);
        });
        let (upload, task) = (Rc::default(), task.abort_handle());
        Ok(Connection { sender, upload, task, is_reused: false, home: self.home() })
    }

    /// Closes connections that have been idle for too long; whether any are left.
    pub(super) fn evict(&self, now: u64) -> bool {
        let idle = &mut self.idle.borrow_mut().connections;
        idle.retain(|connection| {
            now.saturating_sub(connection.since) < IDLE_MS_MAX && !connection.sender.is_closed()
        });
        !idle.is_empty()
    }

    async fn open(&self) -> io::Result<TcpStream> {
        let UpstreamSettings { protocol, address, .. } = &self.upstream;
        let (UpstreamProtocol::Http, UpstreamAddress::Tcp { host, port }) = (protocol, address)
        else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let stream = match host.parse::<IpAddr>() {
            Ok(address) => TcpStream::connect((address, *port)).await?,
            Err(_is_a_name) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn home(&self) -> Home {
        Home {
            idle: Rc::clone(&self.idle),
            timers: Rc::clone(&self.timers),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

impl Connection {
    /// The response is complete: keeps the connection, unless the request was not sent whole. Then
    /// the rest is not sent; hyper alone would keep such a connection for ever
    /// (hyperium/hyper#4176).
    pub(super) fn finish(self) {
        if self.upload.state() != UploadState::Done {
            self.task.abort();
            return;
        }
        let since = self.home.timers.now();
        let mut kept = self.home.idle.borrow_mut();
        if !kept.is_closed && kept.connections.len() < IDLE_MAX {
            kept.connections.push(Idle {
                sender: self.sender,
                upload: self.upload,
                task: self.task,
                since,
            });
        }
    }

    /// The upstream broke the response off.
    pub(super) fn broke(self, error: &hyper::Error) {
        tracing::debug!(%error, "the upstream broke a response off");
        self.home.metrics.upstream_error(UpstreamErrorKind::Broken);
        self.task.abort();
    }

    /// Sends a request; its response's head.
    #[allow(clippy::result_large_err)] // hyper's own error, it carries the request back
    pub(super) fn send(
        &mut self,
        request: http::Request<RequestBody>,
    ) -> impl Future<
        Output = Result<
            http::Response<Incoming>,
            hyper::client::conn::TrySendError<http::Request<RequestBody>>,
        >,
    > + use<> {
        self.sender.try_send_request(request)
    }
}

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections("upstream", 1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections("upstream", -1);
    }
}

fn builder() -> http1::Builder {
    const HEAD_BYTES_MAX: usize = 128 << 10;
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        // RFC 9112 5.1 and 5.2: a proxy repairs these in responses.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    builder
}
