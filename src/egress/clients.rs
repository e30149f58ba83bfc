//! HTTP clients: one pool of connections for all webhooks without a TLS identity of their own,
//! and one per identity, since a connection that was verified against one CA, or that presented
//! one certificate, must not serve a webhook with another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use tokio::time::Instant;

use super::Settings;
use super::connector::Connector;
use super::resolve::Resolver;
use super::tls::Tls;
use crate::model::TlsIdentity;
use crate::tls::TlsIdentityError;

/// Idle connections kept per receiver, and for how long.
const IDLE_MAX: usize = 64;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a reply's head; above: the attempt is broken.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// What an HTTP/2 receiver may send ahead of being read, per reply and per connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// An HTTP/2 connection on which nothing comes is asked for a sign of life after this time, and
/// given up after as long again: it would take all attempts with it.
const PING_AFTER: Duration = Duration::from_secs(5);

/// Clients with an identity: how many, and how long one may be unused.
const OWN_MAX: usize = 128;
const OWN_UNUSED_MAX: Duration = Duration::from_secs(300);

pub(super) type HttpClient = Client<Connector, Full<Bytes>>;

/// The connections of one TLS identity.
#[derive(Clone)]
pub(super) struct Pool {
    /// Uses connections again.
    pub(super) pooled: HttpClient,
    /// Opens a new one for every request.
    pub(super) fresh: HttpClient,
    pub(super) has_client_certificate: bool,
}

impl Pool {
    fn new(settings: &Arc<Settings>, resolver: &Resolver, tls: Tls) -> Self {
        let has_client_certificate = tls.has_client_certificate;
        let connector = Connector::new(Arc::clone(settings), resolver.clone(), tls);
        let pooled = client(connector.clone(), IDLE_MAX);
        Self { pooled, fresh: client(connector, 0), has_client_certificate }
    }
}

/// All of them.
pub(super) struct Clients {
    settings: Arc<Settings>,
    resolver: Resolver,
    roots: Arc<RootCertStore>,
    common: Pool,
    own: Mutex<Vec<Own>>,
}

struct Own {
    identity: Arc<TlsIdentity>,
    pool: Pool,
    used: Instant,
}

impl Clients {
    pub(super) fn new(
        settings: Arc<Settings>,
        resolver: Resolver,
        roots: RootCertStore,
    ) -> Result<Self, TlsIdentityError> {
        let roots = Arc::new(roots);
        let common = Pool::new(&settings, &resolver, Tls::common(&roots)?);
        Ok(Self { settings, resolver, roots, common, own: Mutex::default() })
    }

    /// The connections that a webhook of this identity may use.
    pub(super) fn of(&self, identity: Option<&Arc<TlsIdentity>>) -> Result<Pool, TlsIdentityError> {
        let Some(identity) = identity else { return Ok(self.common.clone()) };
        // Whole after every operation on it, so a panic elsewhere does not spoil it.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let found = own
            .iter()
            .position(|own| Arc::ptr_eq(&own.identity, identity))
            .or_else(|| own.iter().position(|own| is_same(&own.identity, identity)));
        if let Some(at) = found {
            own[at].used = now;
            return Ok(own[at].pool.clone());
        }
        let tls = Tls::of(identity, &self.roots)?;
        let pool = Pool::new(&self.settings, &self.resolver, tls);
        own.retain(|own| now.duration_since(own.used) < OWN_UNUSED_MAX);
        if own.len() >= OWN_MAX {
            own.sort_by_key(|own| own.used);
            own.remove(0);
        }
        own.push(Own { identity: Arc::clone(identity), pool: pool.clone(), used: now });
        Ok(pool)
    }

    pub(super) const fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    #[cfg(test)]
    pub(super) fn n_own(&self) -> usize {
        self.own.lock().expect("no test panics while it holds this").len()
    }
}

/// By content: a webhook that was changed, or another one, may have the same files.
fn is_same(a: &TlsIdentity, b: &TlsIdentity) -> bool {
    let is_same_client = match (&a.client, &b.client) {
        (None, None) => true,
        (Some((a, a_key)), Some((b, b_key))) => a == b && a_key.reveal() == b_key.reveal(),
        _ => false,
    };
    is_same_client && a.ca == b.ca
}

fn client(connector: Connector, idle_max: usize) -> HttpClient {
    let head_bytes = usize::try_from(HEAD_BYTES_MAX).unwrap_or(usize::MAX);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_max)
        .http1_max_buf_size(head_bytes)
        .http2_max_header_list_size(HEAD_BYTES_MAX)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_AFTER)
        .build(connector)
}
