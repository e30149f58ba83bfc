//! One request under one deadline, and the bounded part of its reply.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{InvalidHeaderValue, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout_at;
use url::Url;

use super::connector::{ConnectError, Connector, PROGRESS, Progress};
use super::resolve::Resolver;
use super::{Settings, guard, tls};
use crate::model::{Failure, FailurePhase, HeaderList, Reply, TlsIdentity};

/// Idle connections kept per receiver, and for how long.
const IDLE_MAX: usize = 64;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a reply's head; above: the attempt is broken.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes and fields of a reply's headers that are kept.
const KEPT_HEADER_BYTES_MAX: usize = 8 * 1024;
const KEPT_HEADERS_MAX: usize = 64;

/// Bytes of a reply's body read beyond what is kept, so that its connection can be used again;
/// a longer reply is cut off.
const DISCARDED_MAX: usize = 64 * 1024;

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
    Tls(#[from] rustls::Error),
}

/// The way out. Clones share its connections; a change of settings needs a new one, which
/// starts without any.
#[derive(Clone)]
pub struct Egress {
    client: Client<Connector, Full<Bytes>>,
    settings: Arc<Settings>,
    user_agent: HeaderValue,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Egress {
    /// Builds the way out; reads the system's root certificates (blocking, some milliseconds).
    ///
    /// # Errors
    /// `user_agent` is no header value, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, EgressError> {
        Self::with(settings, Resolver::system(), tls::client_config()?)
    }

    pub(super) fn with(
        settings: Settings,
        resolver: Resolver,
        tls: rustls::ClientConfig,
    ) -> Result<Self, EgressError> {
        let user_agent = HeaderValue::from_str(&settings.user_agent).map_err(|source| {
            EgressError::UserAgent { text: settings.user_agent.clone(), source }
        })?;
        let settings = Arc::new(settings);
        let connector = Connector::new(Arc::clone(&settings), resolver, tls);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Ok(Self { client, settings, user_agent })
    }

    /// Sends one request and reads its reply. `deadline` covers everything. A reply of any
    /// status is `Ok`; whether it is a success is not decided here.
    ///
    /// # Errors
    /// Why there is no whole reply, with the part of it that came.
    pub async fn send(
        &self,
        outgoing: Outgoing,
        deadline: Duration,
    ) -> Result<Reply, (Failure, Option<Reply>)> {
        let progress = Arc::new(Progress::new(deadline));
        let mut request = self.request(outgoing).map_err(|failure| (failure, None))?;
        let connection = capture_connection(&mut request);

        let head = PROGRESS.scope(Arc::clone(&progress), self.client.request(request));
        let response = match timeout_at(progress.until(), head).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err((classify(&error), None)),
            Err(_) => {
                if connection.connection_metadata().is_some() {
                    progress.enter(FailurePhase::Response);
                }
                return Err((progress.timed_out(), None));
            }
        };

        progress.enter(FailurePhase::Body);
        let (head, body) = response.into_parts();
        let mut reply = Reply {
            status: head.status.as_u16(),
            headers: kept_headers(&head.headers),
            ..Reply::default()
        };
        let read = read_body(body, self.settings.response_kept_max, &mut reply);
        match timeout_at(progress.until(), read).await {
            Ok(Ok(())) => Ok(reply),
            Ok(Err(error)) => Err((broken(FailurePhase::Body, &error), Some(reply))),
            Err(_) => Err((progress.timed_out(), Some(reply))),
        }
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
        guard::judge_url(&outgoing.url, &self.settings)?;
        let unrenderable = |error: http::Error| Failure::Unrenderable { detail: describe(&error) };
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(outgoing.url.as_str())
            .body(Full::new(outgoing.body))
            .map_err(unrenderable)?;
        *request.headers_mut() = outgoing.headers;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        Ok(request)
    }
}

/// Keeps the first bytes, reads some more, and gives up the connection of a longer reply.
async fn read_body(mut body: Incoming, kept_max: usize, reply: &mut Reply) -> hyper::Result<()> {
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let kept = data.len().min(kept_max - reply.body.len());
        reply.body.extend_from_slice(&data[..kept]);
        discarded += data.len() - kept;
        reply.body_truncated = discarded > 0;
        if discarded > DISCARDED_MAX {
            break;
        }
    }
    Ok(())
}

/// The first fields, as far as they fit; cookies are the receiver's secret.
fn kept_headers(headers: &HeaderMap) -> HeaderList {
    let mut bytes = 0;
    let kept = headers
        .iter()
        .map(|(name, value)| {
            let value = if name == SET_COOKIE { b"REDACTED".as_slice() } else { value.as_bytes() };
            (name.as_str().to_owned(), value.to_vec())
        })
        .take(KEPT_HEADERS_MAX)
        .take_while(|(name, value)| {
            bytes += name.len() + value.len();
            bytes <= KEPT_HEADER_BYTES_MAX
        });
    HeaderList(kept.collect())
}

fn classify(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ConnectError(failure)) = inner.downcast_ref() {
            return failure.clone();
        }
        cause = inner.source();
    }
    broken(FailurePhase::Response, error.source().unwrap_or(error))
}

fn broken(phase: FailurePhase, error: &(dyn Error + 'static)) -> Failure {
    Failure::Broken { phase, detail: describe(error) }
}

/// An error with its causes, each once.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
