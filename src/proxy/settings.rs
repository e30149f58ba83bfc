//! What the request half needs to know; the configuration builds it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::upstream_tls::UpstreamTls;
use crate::store::OnFailure;
use crate::tls::ServerTls;

/// Settings of the proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Its certificate; `None`: no TLS. HTTP/2 or HTTP/1.1 by ALPN.
    pub tls: Option<ServerTls>,
    /// Without TLS, a connection that begins with HTTP/2's preface speaks HTTP/2.
    pub h2c: bool,
    /// Connections of `trusted_proxies` begin with a header of the PROXY protocol, and there are no
    /// others.
    pub proxy_protocol: bool,
    /// Where calls go.
    pub upstream: UpstreamSettings,
    /// Threads, each with its own listener, runtime and upstream pool; at least 1.
    pub workers: usize,
    /// When the end of a matching success is released.
    pub commit: CommitMode,
    /// What happens to a matching success whose event cannot be stored.
    pub on_store_failure: OnFailure,
    /// Peers whose `X-Forwarded-*` are kept and appended to.
    pub trusted_proxies: Vec<IpNet>,
    /// Client connections at a time, all workers together.
    pub connections_max: usize,
    /// Those of one address, all workers together; 0: no limit of their own.
    pub connections_per_client_max: usize,
    /// Bytes of a request head; above: 431.
    pub head_bytes_max: usize,
    /// Adds `Via: 1.1 sidehook-<instance>` to requests.
    pub via: bool,
    /// This process's pseudonym in `Via` (8 hexadecimal digits, random per start).
    pub instance: String,
    /// A connection to the upstream, all its addresses and TLS included.
    pub connect_timeout: Duration,
    /// Until the upstream's response head; `None`: no limit.
    pub response_timeout: Option<Duration>,
    /// An upstream connection without a call.
    pub upstream_idle_timeout: Duration,
    /// A client connection without a request.
    pub idle_timeout: Duration,
    /// From a request's first byte to the end of its head; a TLS handshake, a PROXY header.
    pub header_timeout: Duration,
    /// A request body that stands still, or trickles.
    pub body_timeout: Duration,
    /// A client that takes nothing of its response.
    pub send_timeout: Duration,
    /// A response body that stands still; `None`: no limit.
    pub upstream_body_timeout: Option<Duration>,
    /// An upgraded connection without traffic.
    pub tunnel_timeout: Duration,
    /// How long a matching call waits for its commit before it counts as failed.
    pub commit_timeout: Duration,
    /// In-flight calls at shutdown.
    pub shutdown_grace: Duration,
    /// How many webhooks may stand before a call that makes an event: 0: none, so no call that a
    /// receiver makes because of a webhook does.
    pub depth_max: u8,
    /// What is captured.
    pub capture: CaptureSettings,
}

/// Where the proxy listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port; 0: any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// What it speaks.
    pub protocol: UpstreamProtocol,
    /// Where it is.
    pub address: UpstreamAddress,
    /// How it is verified; there with [`UpstreamProtocol::Https`] only.
    pub tls: Option<Arc<UpstreamTls>>,
}

/// What the upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 or HTTP/1.1 over TLS, by ALPN.
    Https,
    /// HTTP/2 with prior knowledge, without TLS.
    H2c,
}

/// Where the upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A name or an address, resolved at each connect.
    Tcp {
        /// A name, or an address (IPv6 without brackets).
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// When the end of a matching success is released to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Only after its event is durable.
    BeforeResponse,
    /// At once; events wait in memory for the next commit.
    AfterResponse,
}

/// Limits and redaction of captures. Redaction happens before anything is stored.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// Captured bytes of a request body.
    pub request_body_max: u64,
    /// Captured bytes of a response body.
    pub response_body_max: u64,
    /// All captures in flight together, bytes.
    pub total_max: usize,
    /// Matched calls in flight on one worker, with a client or without; more get 503.
    pub calls_max: usize,
    /// A response that is not at its end by then becomes an event as far as it came.
    pub max_duration: Duration,
    /// Header names kept (lower case); `None`: all of them (`["*"]`).
    pub keep_headers: Option<Vec<String>>,
    /// Header names whose value reads `REDACTED` (lower case), the built-in ones included.
    pub redact_headers: Vec<String>,
    /// JSON pointers such as `/request/body/password`; `*` is any key or index.
    pub redact_fields: Vec<String>,
    /// Query parameters whose value reads `REDACTED` in `url`.
    pub redact_query: Vec<String>,
}

impl ListenAddress {
    /// The port, where it has one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    /// As the configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl UpstreamSettings {
    /// HTTP/1.1 at a TCP port.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        let address = UpstreamAddress::Tcp { host: host.into(), port };
        Self { protocol: UpstreamProtocol::Http, address, tls: None }
    }

    /// Its authority for a URI, without the default port (RFC 3986 3.2); `localhost` for a Unix
    /// socket.
    pub fn authority(&self) -> String {
        let default = if self.protocol == UpstreamProtocol::Https { 443 } else { 80 };
        match &self.address {
            UpstreamAddress::Unix(_) => "localhost".to_owned(),
            UpstreamAddress::Tcp { host, port } if *port == default => bracketed(host),
            UpstreamAddress::Tcp { host, port } => format!("{}:{port}", bracketed(host)),
        }
    }
}

impl fmt::Display for UpstreamSettings {
    /// As the configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (&self.address, self.protocol) {
            (UpstreamAddress::Unix(_), _) => "",
            (_, UpstreamProtocol::Http) => "http://",
            (_, UpstreamProtocol::Https) => "https://",
            (_, UpstreamProtocol::H2c) => "h2c://",
        };
        write!(f, "{scheme}{}", self.address)
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{}:{port}", bracketed(host)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
