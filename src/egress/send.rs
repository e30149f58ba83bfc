//! One request under one deadline, and the bounded part of its reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, InvalidHeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::sync::Notify;
use tokio::time::timeout_at;
use url::Url;

use super::clients::{Clients, HttpClient};
use super::progress::{PROGRESS, Progress};
use super::resolve::Resolver;
use super::stream::Life;
use super::{Settings, error, guard, reply};
use crate::model::{Failure, FailurePhase, Reply, TlsIdentity};
use crate::tls::{TlsIdentityError, system_roots};

/// Interim (1xx) replies before the reply.
const INTERIM_MAX: u32 = 100;

/// A request on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// POST, PUT or PATCH.
    pub method: Method,
    /// The target.
    pub url: Url,
    /// All headers but `host`, `content-length` and `user-agent`.
    pub headers: HeaderMap,
    /// The webhook's own CA and client certificate.
    pub tls: Option<Arc<TlsIdentity>>,
    /// The body.
    pub body: Bytes,
}

/// Why the way out cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// `user_agent` is no header value.
    #[error("[delivery] user_agent `{text}` is not a valid header value")]
    UserAgent {
        /// As configured.
        text: String,
        /// What is wrong.
        #[source]
        source: InvalidHeaderValue,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for webhooks")]
    Tls(#[from] TlsIdentityError),
}

/// The way out. Clones share its connections; a change of settings needs a new one, which
/// starts without any.
#[derive(Clone)]
pub struct Egress {
    pub(super) clients: Arc<Clients>,
    settings: Arc<Settings>,
    user_agent: HeaderValue,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How a try ended that brought no reply's head.
struct Miss {
    failure: Failure,
    /// It broke on a connection that had served before, and nothing came back: most likely the
    /// receiver had closed it while the request was on its way.
    was_stale: bool,
}

impl Egress {
    /// Builds the way out; reads the system's root certificates (blocking, some milliseconds).
    ///
    /// # Errors
    /// `user_agent` is no header value, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, EgressError> {
        Self::with(settings, Resolver::system(), system_roots())
    }

    /// The way out under other settings; itself where they are the same. The requests under way
    /// end as they began. Blocking like [`Egress::new`].
    ///
    /// # Errors
    /// As for [`Egress::new`].
    pub fn under(&self, settings: Settings) -> Result<Self, EgressError> {
        if settings == *self.settings {
            return Ok(self.clone());
        }
        // The look-ups under way count on.
        Self::with(settings, self.clients.resolver().clone(), system_roots())
    }

    /// What requests without one of their own say they are.
    pub const fn user_agent(&self) -> &HeaderValue {
        &self.user_agent
    }

    pub(super) fn with(
        settings: Settings,
        resolver: Resolver,
        roots: rustls::RootCertStore,
    ) -> Result<Self, EgressError> {
        let user_agent = HeaderValue::from_str(&settings.user_agent).map_err(|source| {
            EgressError::UserAgent { text: settings.user_agent.clone(), source }
        })?;
        let settings = Arc::new(settings);
        let clients = Arc::new(Clients::new(Arc::clone(&settings), resolver, roots)?);
        Ok(Self { clients, settings, user_agent })
    }

    /// Sends one request and reads its reply. `deadline` covers everything. A reply of any
    /// status is `Ok`; whether it is a success is not decided here.
    ///
    /// A request that breaks on a connection kept from earlier, before a byte of a reply, is sent
    /// once more on a new one: a receiver may close an idle connection at any time, and that is
    /// no failure of it. (Deliveries are at least once, so the request may be repeated.)
    ///
    /// # Errors
    /// Why there is no whole reply, with the part of it that came.
    pub async fn send(
        &self,
        outgoing: Outgoing,
        deadline: Duration,
    ) -> Result<Reply, (Failure, Option<Reply>)> {
        let progress = Arc::new(Progress::new(deadline));
        self.judge(&outgoing).map_err(|failure| (failure, None))?;
        let pool = self.clients.of(outgoing.tls.as_ref()).map_err(|error| {
            let detail = error::bounded(&error.to_string());
            (Failure::Unrenderable { detail }, None)
        })?;
        let has_client_certificate = pool.has_client_certificate;
        let again = outgoing.clone();
        let first = self.head(&pool.pooled, outgoing, &progress, has_client_certificate).await;
        let head = match first {
            Err(miss) if miss.was_stale => {
                self.head(&pool.fresh, again, &progress, has_client_certificate).await
            }
            other => other,
        };
        let (response, connection) = head.map_err(|miss| (miss.failure, None))?;
        self.read(response, &connection, &progress).await
    }

    fn judge(&self, outgoing: &Outgoing) -> Result<(), Failure> {
        guard::judge_url(&outgoing.url, &self.settings).map_err(Failure::from)
    }

    /// Sends the request, and waits for the head of its reply.
    async fn head(
        &self,
        client: &HttpClient,
        outgoing: Outgoing,
        progress: &Arc<Progress>,
        has_client_certificate: bool,
    ) -> Result<(Response<Incoming>, CaptureConnection), Miss> {
        let fresh = |failure| Miss { failure, was_stale: false };
        let mut request = self.request(outgoing).map_err(fresh)?;
        let connection = capture_connection(&mut request);
        let flood = watch_interim(&mut request);
        let sent = PROGRESS.scope(Arc::clone(progress), client.request(request));
        let sent = async {
            tokio::select! {
                sent = timeout_at(progress.until(), sent) => Some(sent),
                () = flood.notified() => None,
            }
        };
        match sent.await {
            Some(Ok(Ok(response))) => Ok((response, connection)),
            Some(Ok(Err(error))) => {
                let failure = error::of_request(&error, has_client_certificate);
                let is_broken = matches!(failure, Failure::Broken { .. });
                Err(Miss { failure, was_stale: is_broken && is_stale(&connection, &error) })
            }
            Some(Err(_)) => {
                if let Some(connected) = connection.connection_metadata().as_ref() {
                    progress.enter(FailurePhase::Response);
                    // An HTTP/2 connection outlives this request: it may be dead.
                    connected.poison();
                }
                Err(fresh(progress.timed_out()))
            }
            None => Err(fresh(Failure::Broken {
                phase: FailurePhase::Response,
                detail: format!("more than {INTERIM_MAX} interim (1xx) replies"),
            })),
        }
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        connection: &CaptureConnection,
        progress: &Progress,
    ) -> Result<Reply, (Failure, Option<Reply>)> {
        progress.enter(FailurePhase::Body);
        let (head, body) = response.into_parts();
        let mut reply = reply::begin(&head);
        let read = reply::read_body(body, self.settings.response_kept_max, &mut reply);
        match timeout_at(progress.until(), read).await {
            Ok(Ok(is_whole)) => {
                if let Some(life) = life(connection).filter(|_| is_whole) {
                    life.settle();
                }
                Ok(reply)
            }
            Ok(Err(error)) => Err((error::broken(FailurePhase::Body, &error), Some(reply))),
            Err(_) => Err((progress.timed_out(), Some(reply))),
        }
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
        let unrenderable =
            |error: http::Error| Failure::Unrenderable { detail: error::describe(&error) };
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(outgoing.url.as_str())
            .body(Full::new(outgoing.body))
            .map_err(unrenderable)?;
        *request.headers_mut() = outgoing.headers;
        request.headers_mut().remove(HOST);
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        Ok(request)
    }
}

/// Told when a receiver sends interim replies without end (HTTP/1; the HTTP/2 library keeps none
/// of them, and the deadline ends it).
fn watch_interim(request: &mut Request<Full<Bytes>>) -> Arc<Notify> {
    let flood = Arc::new(Notify::new());
    let (told, count) = (Arc::clone(&flood), AtomicU32::new(0));
    hyper::ext::on_informational(request, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == INTERIM_MAX {
            told.notify_one();
        }
    });
    flood
}

fn life(connection: &CaptureConnection) -> Option<Life> {
    let mut extensions = http::Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
    extensions.remove()
}

/// Whether a request may be sent once more: its connection had served before and brought nothing
/// since, or there was none (the pool gave up a connection that this request was waiting for).
fn is_stale(connection: &CaptureConnection, error: &hyper_util::client::legacy::Error) -> bool {
    let metadata = connection.connection_metadata();
    let is_h2 = metadata.as_ref().is_some_and(|connected| connected.is_negotiated_h2());
    drop(metadata);
    match life(connection) {
        Some(life) => life.is_reused() && (is_h2 || life.is_silent()),
        None => error.is_connect(),
    }
}
