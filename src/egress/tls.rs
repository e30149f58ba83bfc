//! The TLS client of webhooks, common to all or one's own.

use std::sync::Arc;

use rustls::RootCertStore;
use tokio_rustls::TlsConnector;

use crate::model::TlsIdentity;
use crate::tls::{HTTP1, HTTP2_OR_1, TlsIdentityError, client_config, system_roots};

/// A TLS client with what errors are judged by.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) has_client_certificate: bool,
}

impl Tls {
    /// For webhooks without an identity of their own.
    ///
    /// # Errors
    /// The TLS library refuses its own defaults: a build without the needed algorithms.
    pub(super) fn common(roots: &Arc<RootCertStore>) -> Result<Self, TlsIdentityError> {
        Self::of(&TlsIdentity { ca: None, client: None }, roots)
    }

    /// For a webhook with its own CA or client certificate.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn of(
        identity: &TlsIdentity,
        system: &Arc<RootCertStore>,
    ) -> Result<Self, TlsIdentityError> {
        let config = client_config(identity, system, HTTP2_OR_1)?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { connector, has_client_certificate: identity.client.is_some() })
    }
}

/// TLS for HTTP/1.1 to sidehook itself: what the command line speaks to an `https` admin address.
/// `ca`: certificates of a private authority, in place of the system's (PEM).
///
/// # Errors
/// What is wrong with the certificates, in words.
pub fn plain_client(ca: Option<Vec<u8>>) -> Result<TlsConnector, TlsIdentityError> {
    let system = Arc::new(system_roots());
    let config = client_config(&TlsIdentity { ca, client: None }, &system, HTTP1)?;
    Ok(TlsConnector::from(Arc::new(config)))
}
