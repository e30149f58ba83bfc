//! What the admin API needs to know.

use std::net::SocketAddr;

use crate::model::Secret;

/// Settings of the admin API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The bearer token.
    pub token: Secret,
    /// Further `Host` names it answers to.
    pub allowed_hosts: Vec<String>,
}
