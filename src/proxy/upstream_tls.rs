//! TLS to the upstream: built once for each configuration, compared by what it was made of, so that
//! a reload that changes nothing of it keeps the upstream's connections.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::model::{TlsFailure, TlsIdentity};
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

    /// Whether there is a certificate to show to it.
    pub const fn has_client_certificate(&self) -> bool {
        self.identity.client.is_some()
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

/// What went wrong and what to do, for the operator.
pub(super) const fn words(failure: TlsFailure) -> &'static str {
    match failure {
        TlsFailure::Expired => "its certificate has expired: renew it there",
        TlsFailure::NotYetValid => {
            "its certificate is not valid yet: compare the clocks of both machines"
        }
        TlsFailure::WrongName => {
            "its certificate is for another name: set `server_name` in `[proxy] upstream_tls` to one \
             that it lists"
        }
        TlsFailure::UnknownIssuer => {
            "its certificate comes from an unknown issuer: set `ca_file` in `[proxy] upstream_tls` \
             for a private CA, or let it send its intermediate certificates"
        }
        TlsFailure::SelfSigned => {
            "its certificate is self-signed: set `ca_file` in `[proxy] upstream_tls` to it"
        }
        TlsFailure::BadSignature => "a signature of its certificates is wrong",
        TlsFailure::BadCertificate => "its certificate cannot be used",
        TlsFailure::ClientCertificateRequired => {
            "it wants a client certificate: set `client_cert` in `[proxy] upstream_tls`"
        }
        TlsFailure::ClientCertificateRefused => {
            "it refused the client certificate: check `client_cert` in `[proxy] upstream_tls`"
        }
        TlsFailure::ProtocolVersion => {
            "it speaks neither TLS 1.2 nor TLS 1.3 in a way that is supported here"
        }
        TlsFailure::HandshakeRefused => "it refused the handshake",
        TlsFailure::NotTls => {
            "what listens there speaks no TLS: check the port, or write http:// in `[proxy] upstream`"
        }
        TlsFailure::Closed => "it closed the connection in the handshake",
        TlsFailure::Other => "the handshake failed",
    }
}
