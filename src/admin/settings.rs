//! What the admin API needs to know.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::Secret;
use crate::tls::ServerTls;

/// Settings of the admin API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The bearer token.
    pub token: Secret,
    /// A second one that may only read.
    pub read_token: Option<Secret>,
    /// Further `Host` names it answers to.
    pub allowed_hosts: Vec<String>,
    /// Its certificate; `None`: plain HTTP.
    pub tls: Option<ServerTls>,
}

/// Limits that nobody has needed to choose: the API serves a few operators and a scraper.
impl Settings {
    /// Connections at a time; further ones wait in the system's queue.
    pub const CONNECTIONS_MAX: usize = 256;
    /// For a request's head, also the longest a connection may be idle.
    pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
    /// For a TLS handshake.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Bytes of a request head.
    pub const HEAD_BYTES_MAX: usize = 32 * 1024;
    /// Bytes of a request body.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;
    /// So much of a body that is too large is read and thrown away before it is refused.
    pub const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// At most for so long.
    pub const DISCARD_TIME: Duration = Duration::from_secs(5);
    /// From a request's head to its answer.
    pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
    /// A connection is closed after this time, so that stalled readers cannot collect.
    pub const CONNECTION_LIFE: Duration = Duration::from_secs(300);
    /// For the answer under way when a connection is told to end.
    pub const LAST_ANSWER: Duration = Duration::from_secs(10);
    /// Reads of the store at a time: further ones wait for their turn rather than taking every
    /// blocking thread.
    pub const READS_MAX: usize = 8;
    /// A read waits at most so long to show what was stored before it: a disk that hangs must not
    /// take the history away as well.
    pub const CATCH_UP_MAX: Duration = Duration::from_secs(1);
    /// Items of one page of a list.
    pub const PAGE_MAX: usize = 200;
    /// Characters of what is looked for (`q`).
    pub const Q_CHARS_MAX: usize = 200;
    /// Items of a page when the caller does not say.
    pub const PAGE_DEFAULT: usize = 50;
    /// Webhooks of one answer of `/v1/series`.
    pub const CHARTED_MAX: usize = 50;
    /// Followers of the live stream at a time; further ones get 503.
    pub const STREAMS_MAX: usize = 64;
    /// A stream says that it is alive when there was nothing else to say for so long.
    pub const STREAM_HEARTBEAT: Duration = Duration::from_secs(15);
    /// A follower that takes nothing for so long is cut off.
    pub const STREAM_STALL: Duration = Duration::from_secs(30);
    /// For the last word of a stream that ends.
    pub const STREAM_FAREWELL: Duration = Duration::from_secs(1);
    /// A stream rests so long after it has said all: what changes often meanwhile is said once.
    pub const STREAM_REST: Duration = Duration::from_millis(20);
    /// Wrong tokens of one address within a minute that still get 401.
    pub const WRONG_TOKENS_MAX: u32 = 10;
    /// Addresses remembered for wrong tokens; beyond it the oldest is forgotten.
    pub const WRONG_ADDRESSES_MAX: usize = 4096;
}
