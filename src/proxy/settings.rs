//! What the request half needs to know; the configuration builds it.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::store::OnFailure;

/// Settings of the proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The upstream's authority, `host:port` (scheme http; resolved at each connect).
    pub upstream_host: String,
    /// The upstream's port.
    pub upstream_port: u16,
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
    /// Bytes of a request head; above: 431.
    pub head_bytes_max: usize,
    /// Adds `Via: 1.1 sidehook-<instance>` to requests.
    pub via: bool,
    /// This process's pseudonym in `Via` (8 hexadecimal digits, random per start).
    pub instance: String,
    /// TCP connect to the upstream.
    pub connect_timeout: Duration,
    /// Until the upstream's response head; `None`: no limit.
    pub response_timeout: Option<Duration>,
    /// A client connection without a request.
    pub idle_timeout: Duration,
    /// From a request's first byte to the end of its head.
    pub header_timeout: Duration,
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
    /// Header names kept (lower case); `None`: all of them (`["*"]`).
    pub keep_headers: Option<Vec<String>>,
    /// Header names whose value reads `REDACTED` (lower case), the built-in ones included.
    pub redact_headers: Vec<String>,
    /// JSON pointers such as `/request/body/password`; `*` is any key or index.
    pub redact_fields: Vec<String>,
    /// Query parameters whose value reads `REDACTED` in `url`.
    pub redact_query: Vec<String>,
}
