//! The proxy's own answers: `application/problem+json` (RFC 9457) with `proxy-status` (RFC 9209),
//! in words that an operator understands.

mod busy;

use std::io;
use std::time::Duration;

use http::{StatusCode, header};

use self::busy::{crowded_words, place_words};
use super::content::Content;
use super::http2::Unsayable;
use super::wire::{Head, Version};
use super::{Settings, UpstreamAddress, UpstreamProtocol, upstream_tls};
use crate::model::TlsFailure;
use crate::telemetry::UpstreamErrorKind;

/// Why there is no response to pass on.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("cannot connect to the upstream")]
    Connect { source: io::Error },
    #[error("the upstream did not accept a connection in time")]
    ConnectTimeout { limit: Duration },
    #[error("the upstream did not complete the TLS handshake in time")]
    TlsTimeout { limit: Duration },
    #[error("the upstream did not begin to speak HTTP/2 in time")]
    BeginTimeout { limit: Duration },
    #[error("the upstream was too busy for the call")]
    PlaceTimeout { limit: Duration, connections: usize, takes_any: bool },
    #[error("too many calls wait for the upstream")]
    Crowded { limit: usize },
    #[error("the upstream's name is not known")]
    Unresolved { source: io::Error },
    #[error("no TLS connection to the upstream")]
    Tls { failure: TlsFailure, detail: String },
    #[error("the upstream did not answer in time")]
    ResponseTimeout { limit: Duration },
    #[error("the upstream's answer is not valid HTTP/1.1")]
    BadResponse { reason: String },
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    #[error("the upstream broke its answer off")]
    Broken { source: io::Error },
    #[error("the upstream broke its answer off before its end")]
    Incomplete,
    #[error("the request cannot be sent over HTTP/2")]
    Unsayable { unsayable: Unsayable },
    #[error("the client broke its request off")]
    BrokenByClient,
    #[error("the client was too slow with its request's body")]
    SlowClient { limit: Duration },
}

/// An answer of the proxy's own.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// The error type of RFC 9209 2.3.
    error: &'static str,
    retry_after_secs: Option<u32>,
    closes: bool,
}

impl UpstreamError {
    /// What is counted; `None` where the client is the cause.
    pub(super) const fn kind(&self) -> Option<UpstreamErrorKind> {
        match self {
            Self::Connect { .. } | Self::Unresolved { .. } | Self::Tls { .. } => {
                Some(UpstreamErrorKind::Connect)
            }
            Self::ConnectTimeout { .. } | Self::TlsTimeout { .. } | Self::BeginTimeout { .. } => {
                Some(UpstreamErrorKind::ConnectTimeout)
            }
            Self::PlaceTimeout { .. } | Self::Crowded { .. } => Some(UpstreamErrorKind::Busy),
            Self::ResponseTimeout { .. } => Some(UpstreamErrorKind::ResponseTimeout),
            Self::BadResponse { .. } | Self::UnaskedUpgrade => Some(UpstreamErrorKind::BadResponse),
            Self::Broken { .. } | Self::Incomplete => Some(UpstreamErrorKind::Broken),
            Self::BrokenByClient | Self::SlowClient { .. } | Self::Unsayable { .. } => None,
        }
    }

    /// What happened, where, and what to do.
    pub(super) fn in_words(&self, settings: &Settings) -> String {
        let upstream = &settings.upstream.address;
        match self {
            Self::Connect { source } => unreachable_words(upstream, source),
            Self::ConnectTimeout { limit } => format!(
                "The upstream {upstream} did not accept a connection within {limit:?} (`[proxy] \
                 connect_timeout`). It is overloaded, or a firewall drops the packets."
            ),
            Self::TlsTimeout { limit } => format!(
                "The upstream {upstream} accepted a connection, but did not complete the TLS \
                 handshake within {limit:?} (`[proxy] connect_timeout`). It is overloaded, or does \
                 not speak TLS: then write `http://` in `[proxy] upstream`."
            ),
            Self::BeginTimeout { limit } => format!(
                "The upstream {upstream} accepted a connection, but did not begin to speak HTTP/2 \
                 within {limit:?} (`[proxy] connect_timeout`). It is overloaded, or does not speak \
                 HTTP/2: then write `http://` in `[proxy] upstream`."
            ),
            Self::PlaceTimeout { limit, connections, takes_any } => {
                place_words(upstream, *limit, *connections, *takes_any)
            }
            Self::Crowded { limit } => crowded_words(upstream, *limit),
            Self::Unresolved { source } => format!(
                "The name of the upstream {upstream} cannot be resolved: {source}. Correct `[proxy] \
                 upstream`, or see to the name service."
            ),
            Self::Tls { failure, detail } => format!(
                "No TLS connection to the upstream {upstream}: {} ({detail}).",
                upstream_tls::words(*failure)
            ),
            Self::ResponseTimeout { limit } => format!(
                "The upstream {upstream} sent no response within {limit:?} (`[proxy] \
                 response_timeout`)."
            ),
            Self::BadResponse { reason } => {
                let expected = match settings.upstream.protocol {
                    UpstreamProtocol::Http => "HTTP/1.1",
                    UpstreamProtocol::H2c => "HTTP/2 (the upstream is `h2c://`)",
                    UpstreamProtocol::Https => "HTTP",
                };
                format!(
                    "The upstream {upstream} answered with something that is not {expected}: \
                     {reason}."
                )
            }
            Self::UnaskedUpgrade => {
                format!("The upstream {upstream} switched protocols although nobody asked it to.")
            }
            Self::Broken { source } => format!(
                "The upstream {upstream} closed the connection before its response was complete: \
                 {source}. It may have crashed; see its log."
            ),
            Self::Incomplete => format!(
                "The upstream {upstream} closed the connection before its response was complete. \
                 It may have crashed; see its log."
            ),
            Self::Unsayable { unsayable } => format!(
                "The upstream {upstream} speaks HTTP/2, and the request is not one that it can be \
                 sent: {unsayable}."
            ),
            Self::BrokenByClient => "The request's body ended early or is not framed as its head \
                                     announces."
                .into(),
            Self::SlowClient { limit } => format!(
                "The request's body stood still for {limit:?}, or trickled in at less than 1 KiB/s."
            ),
        }
    }

    /// The answer to the client.
    pub(super) fn problem(&self, settings: &Settings) -> Problem {
        let (status, error) = match self {
            Self::Connect { source } if source.kind() == io::ErrorKind::ConnectionRefused => {
                (StatusCode::BAD_GATEWAY, "connection_refused")
            }
            Self::Connect { .. } => (StatusCode::BAD_GATEWAY, "destination_unavailable"),
            Self::Unresolved { .. } => (StatusCode::BAD_GATEWAY, "dns_error"),
            Self::Tls { failure, .. } => (StatusCode::BAD_GATEWAY, tls_error(*failure)),
            Self::ConnectTimeout { .. } | Self::TlsTimeout { .. } | Self::BeginTimeout { .. } => {
                (StatusCode::GATEWAY_TIMEOUT, "connection_timeout")
            }
            Self::PlaceTimeout { .. } | Self::Crowded { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "connection_limit_reached")
            }
            Self::ResponseTimeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "http_response_timeout"),
            Self::BadResponse { .. } => (StatusCode::BAD_GATEWAY, "http_protocol_error"),
            Self::UnaskedUpgrade => (StatusCode::BAD_GATEWAY, "http_upgrade_failed"),
            Self::Broken { .. } => (StatusCode::BAD_GATEWAY, "connection_terminated"),
            Self::Incomplete => (StatusCode::BAD_GATEWAY, "http_response_incomplete"),
            Self::BrokenByClient | Self::Unsayable { .. } => {
                (StatusCode::BAD_REQUEST, "http_request_error")
            }
            Self::SlowClient { .. } => (StatusCode::REQUEST_TIMEOUT, "http_request_error"),
        };
        let closes = self.kind().is_none();
        let is_busy = self.kind() == Some(UpstreamErrorKind::Busy);
        let retry_after_secs = is_busy.then_some(RETRY_AFTER_SECS);
        let problem = Problem::new(status, error, self.in_words(settings));
        Problem { closes, retry_after_secs, ..problem }
    }
}

impl Problem {
    const fn new(status: StatusCode, error: &'static str, detail: String) -> Self {
        Self { status, detail, error, retry_after_secs: None, closes: false }
    }

    /// What the client gets.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The request is refused for what it is; the connection is closed, since whoever framed it
    /// so may mean something else by what follows.
    pub(super) fn refused(status: StatusCode, detail: impl Into<String>) -> Self {
        let error = match status {
            StatusCode::LOOP_DETECTED => "proxy_loop_detected",
            _ => "http_request_error",
        };
        Self { closes: true, ..Self::new(status, error, detail.into()) }
    }

    /// The store takes no events: nothing was forwarded.
    pub(super) fn store_refuses(reason: &str) -> Self {
        let detail = format!(
            "This call would make an event, and events cannot be stored now: {}. It was not \
             forwarded; calls that make no event go on.",
            reason.trim_end_matches('.')
        );
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error", detail);
        Self { retry_after_secs: Some(RETRY_AFTER_SECS), ..problem }
    }

    /// Too many matched calls are in flight; nothing was forwarded.
    pub(super) fn too_many_calls(limit: usize) -> Self {
        let detail = format!(
            "This call would make an event, and {limit} such calls are in flight already. It was not \
             forwarded; calls that make no event go on."
        );
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "connection_limit_reached", detail);
        Self { retry_after_secs: Some(RETRY_AFTER_SECS), ..problem }
    }

    /// The call succeeded upstream, but its event could not be stored.
    pub(super) fn not_stored(reason: &str) -> Self {
        let detail = format!(
            "The upstream carried this call out, but its event could not be stored: {}. The \
             response is withheld so that no success goes without its event.",
            reason.trim_end_matches('.')
        );
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error", detail);
        Self { retry_after_secs: Some(RETRY_AFTER_SECS), ..problem }
    }

    /// A task ended without an answer.
    pub(super) fn internal() -> Self {
        let detail = "The call was abandoned inside the proxy; see its log.".into();
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error", detail)
    }

    pub(super) fn too_many_connections(limit: usize) -> Self {
        let detail = format!("All {limit} connections (`[proxy] max_connections`) are in use.");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "connection_limit_reached", detail);
        Self { retry_after_secs: Some(RETRY_AFTER_SECS), closes: true, ..problem }
    }

    pub(super) fn too_many_connections_of_client(limit: usize) -> Self {
        let detail = format!(
            "All {limit} connections that one address may have (`[proxy] \
             max_connections_per_client`) are in use."
        );
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "connection_limit_reached", detail);
        Self { retry_after_secs: Some(RETRY_AFTER_SECS), closes: true, ..problem }
    }

    pub(super) fn tls_only() -> Self {
        let detail = "This port speaks HTTPS only (`[proxy] tls`).".to_owned();
        Self::refused(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn slow_head(limit: Duration) -> Self {
        let detail = format!("The request's head was not complete within {limit:?}.");
        Self::refused(StatusCode::REQUEST_TIMEOUT, detail)
    }

    /// The head is above a limit.
    pub(super) fn head_too_large() -> Self {
        let detail = "The request's head is larger than `[proxy] max_head`.";
        Self::refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    }

    /// Whether the client's connection ends with it.
    pub(super) const fn closes(&self) -> bool {
        self.closes
    }

    /// As a response.
    pub(super) fn answer(&self, head: &mut Head) -> Content {
        let reason = self.status.canonical_reason().unwrap_or("Error");
        head.response(self.status.as_u16(), reason.as_bytes(), Version::Http11);
        for (name, value) in self.fields() {
            if name != header::CONNECTION {
                head.push(name.as_str(), value.as_bytes());
            }
        }
        Content::bytes(self.body())
    }

    /// As bytes on the wire, for where there is no call to answer; closes the connection.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        let mut text = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in self.fields() {
            if name != header::CONNECTION {
                text += &format!("{name}: {value}\r\n");
            }
        }
        text += &format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        text.into_bytes()
    }

    fn fields(&self) -> impl Iterator<Item = (header::HeaderName, String)> {
        let proxy_status = header::HeaderName::from_static("proxy-status");
        let fields = [
            Some((header::CONTENT_TYPE, "application/problem+json".to_owned())),
            Some((proxy_status, format!("sidehook; error={}", self.error))),
            self.retry_after_secs.map(|secs| (header::RETRY_AFTER, secs.to_string())),
            (self.status == StatusCode::METHOD_NOT_ALLOWED)
                .then(|| (header::ALLOW, ALLOWED_METHODS.to_owned())),
            self.closes.then(|| (header::CONNECTION, "close".to_owned())),
        ];
        fields.into_iter().flatten()
    }

    fn body(&self) -> String {
        serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
        .to_string()
    }
}

/// RFC 9209 2.3.14 to 2.3.16.
const fn tls_error(failure: TlsFailure) -> &'static str {
    match failure {
        TlsFailure::Expired
        | TlsFailure::NotYetValid
        | TlsFailure::WrongName
        | TlsFailure::UnknownIssuer
        | TlsFailure::SelfSigned
        | TlsFailure::BadSignature
        | TlsFailure::BadCertificate => "tls_certificate_error",
        TlsFailure::ClientCertificateRequired
        | TlsFailure::ClientCertificateRefused
        | TlsFailure::HandshakeRefused => "tls_alert_received",
        TlsFailure::ProtocolVersion
        | TlsFailure::NotTls
        | TlsFailure::Closed
        | TlsFailure::Other => "tls_protocol_error",
    }
}

/// When a refused client may come again: recovery of the store is looked for every second.
const RETRY_AFTER_SECS: u32 = 1;

/// RFC 9110 15.5.6 wants a list; every method but CONNECT and TRACE is passed on.
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

fn unreachable_words(upstream: &UpstreamAddress, source: &io::Error) -> String {
    if source.kind() == io::ErrorKind::ConnectionRefused {
        format!(
            "The upstream {upstream} refused the connection: nothing listens there. Start it, or \
             correct `[proxy] upstream`."
        )
    } else if is_out_of_files(source) {
        format!(
            "The upstream {upstream} cannot be reached: {source}, on this side. Raise the limit of \
             open files (`ulimit -n`, `LimitNOFILE=`)."
        )
    } else {
        format!(
            "The upstream {upstream} cannot be reached: {source}. Check that it runs and that \
             `[proxy] upstream` is right."
        )
    }
}

/// EMFILE and ENFILE: the process or the machine has no file descriptor left.
fn is_out_of_files(error: &io::Error) -> bool {
    let of = |errno: rustix::io::Errno| error.raw_os_error() == Some(errno.raw_os_error());
    of(rustix::io::Errno::MFILE) || of(rustix::io::Errno::NFILE)
}
