//! What the way out needs to know.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::Secret;

/// Settings of the way out. The default reaches public addresses only and keeps nothing of replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Special networks that targets may be in; public addresses always may.
    pub allow_networks: Vec<IpNet>,
    /// Networks that no target may be in, public or not.
    pub deny_networks: Vec<IpNet>,
    /// An HTTP CONNECT proxy for every attempt.
    pub proxy: Option<EgressProxy>,
    /// The local address that connections leave from.
    pub source_address: Option<IpAddr>,
    /// Refuses plain http.
    pub require_https: bool,
    /// `user-agent` of every attempt.
    pub user_agent: String,
    /// Kept bytes of a reply's body.
    pub response_kept_max: usize,
}

/// `egress_proxy`: an HTTP proxy that is asked to CONNECT (RFC 9110 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressProxy {
    /// Host name or address (IPv6 without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name and password for `proxy-authorization: Basic`.
    pub credentials: Option<(String, Secret)>,
}
