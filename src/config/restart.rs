//! What of a new configuration waits for a restart: the addresses that are listened on, the number
//! of the proxy's workers, and the store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, print};
use crate::proxy::ListenAddress;

/// What a running sidehook keeps, whatever is put in force.
#[derive(Clone, Debug)]
pub struct Fixed {
    proxy_listen: ListenAddress,
    workers: usize,
    admin_listen: SocketAddr,
    store: (PathBuf, Duration, u64),
    /// As TOML, secrets masked.
    effective: String,
}

/// Its certificates are followed wherever they are; where they are is fixed.
const TLS: Key = ("admin", "tls");

/// A key by its section and its name.
pub(super) type Key = (&'static str, &'static str);

impl Fixed {
    /// What a start with this configuration fixes.
    pub fn of(config: &Config) -> Self {
        let store = &config.store;
        Self {
            proxy_listen: config.proxy.listen.clone(),
            workers: config.proxy.workers,
            admin_listen: config.admin.listen,
            store: (store.path.clone(), store.retain, store.max_bytes),
            effective: config.effective.clone(),
        }
    }

    /// The keys of a new configuration that wait for a restart, such as `[proxy] listen`.
    pub fn needs_restart(&self, new: &Config) -> Vec<String> {
        self.differing(new).iter().map(|(section, key)| format!("[{section}] {key}")).collect()
    }

    /// What is in force under a new configuration, as TOML, secrets masked.
    pub fn effective(&self, new: &Config) -> String {
        print::with_kept(&new.effective, &self.effective, &self.differing(new))
    }

    fn differing(&self, new: &Config) -> Vec<Key> {
        let new = Self::of(new);
        let differs = [
            (("proxy", "listen"), self.proxy_listen != new.proxy_listen),
            (("proxy", "workers"), self.workers != new.workers),
            (("store", "path"), self.store.0 != new.store.0),
            (("store", "retain"), self.store.1 != new.store.1),
            (("store", "max_size"), self.store.2 != new.store.2),
            (("admin", "listen"), self.admin_listen != new.admin_listen),
            (TLS, print::line_of(&self.effective, TLS) != print::line_of(&new.effective, TLS)),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}
