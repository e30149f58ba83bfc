//! What the way out needs to know.

use ipnet::IpNet;

/// Settings of the way out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Special networks that targets may be in; public addresses always may.
    pub allow_networks: Vec<IpNet>,
    /// Networks that no target may be in, public or not.
    pub deny_networks: Vec<IpNet>,
    /// Refuses plain http.
    pub require_https: bool,
    /// `user-agent` of every attempt.
    pub user_agent: String,
    /// Kept bytes of a reply's body.
    pub response_kept_max: usize,
}
