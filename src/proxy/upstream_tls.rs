//! TLS to the upstream: built once for each configuration, compared by what it was made of, so that
//! a reload that changes nothing of it keeps the upstream's connections.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::model::TlsIdentity;
use crate::tls::{HTTP1, HTTP2_OR_1, TlsIdentityError, client_config};

/// How the upstream is verified, and what is shown to it.
pub struct UpstreamTls {
    identity: TlsIdentity,
    server_name: ServerName<'static>,
    both: TlsConnector,
    http1: TlsConnector,
}

impl UpstreamTls {
    /// With its own CA and client certificate, where it has them; `system` otherwise.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn new(
        identity: TlsIdentity,
        server_name: ServerName<'static>,
        system: &Arc<RootCertStore>,
    ) -> Result<Self, TlsIdentityError> {
        let connector = |protocols| {
            let config = client_config(&identity, system, protocols)?;
            Ok(TlsConnector::from(Arc::new(config)))
        };
        let (both, http1) = (connector(HTTP2_OR_1)?, connector(HTTP1)?);
        Ok(Self { identity, server_name, both, http1 })
    }

    /// The name that its certificate must have.
    pub const fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    /// Offers HTTP/2 and HTTP/1.1.
    pub const fn connector(&self) -> &TlsConnector {
        &self.both
    }

    /// Offers HTTP/1.1 alone, for what HTTP/2 cannot carry.
    pub const fn http1_connector(&self) -> &TlsConnector {
        &self.http1
    }
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        let client = |tls: &Self| {
            let (chain, key) = tls.identity.client.as_ref()?;
            Some((chain.clone(), key.reveal().to_owned()))
        };
        self.server_name == other.server_name
            && self.identity.ca == other.identity.ca
            && client(self) == client(other)
    }
}

/// Without the client's key.
impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
