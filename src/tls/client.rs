//! The TLS client: the system's roots, or Mozilla's where the system has none (images from scratch),
//! or a private CA; a client certificate where one is given.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};

use super::pem::{certificates, private_key};
use super::verify::Verifier;
use super::{Protocols, alpn};
use crate::model::TlsIdentity;

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

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A client that trusts the identity's CA, or the system's roots, and shows the identity's
/// certificate.
///
/// # Errors
/// What is wrong with the identity, in words.
pub fn client_config(
    identity: &TlsIdentity,
    system: &Arc<RootCertStore>,
    protocols: Protocols,
) -> Result<ClientConfig, TlsIdentityError> {
    let (roots, named) = match &identity.ca {
        None => (Arc::clone(system), Vec::new()),
        Some(pem) => {
            let named = certificates(pem).map_err(TlsIdentityError::Ca)?;
            (Arc::new(authorities(&named).map_err(TlsIdentityError::Ca)?), named)
        }
    };
    let client = match &identity.client {
        None => None,
        Some((chain, key)) => {
            let pair = client_certificate(chain, key.reveal().as_bytes());
            Some(pair.map_err(TlsIdentityError::Client)?)
        }
    };
    let mut config = verifying(roots, named, client)
        .map_err(|error| TlsIdentityError::Client(refusal(&error)))?;
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}

/// The system's root certificates (blocking, some milliseconds).
pub fn system_roots() -> RootCertStore {
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

/// Checks that a TLS identity can be used.
///
/// # Errors
/// What is wrong, in words.
pub fn check_identity(identity: &TlsIdentity) -> Result<(), TlsIdentityError> {
    // Any valid roots will do: where the identity has none, the system's are not its matter.
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    client_config(identity, &Arc::new(roots), &[]).map(|_| ())
}

fn verifying(
    roots: Arc<RootCertStore>,
    named: Vec<CertificateDer<'static>>,
    client: Option<Pair>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let library = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let library = library.map_err(|error| rustls::Error::General(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { library, named }));
    match client {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
    }
}

fn authorities(named: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in named.iter().enumerate() {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("its certificate {} cannot be read: {error}", at + 1))?;
    }
    Ok(roots)
}

fn client_certificate(chain: &[u8], key: &[u8]) -> Result<Pair, String> {
    let chain = certificates(chain)?;
    let key = private_key(key).map_err(|reason| format!("its key: {reason}"))?;
    Ok((chain, key))
}

fn refusal(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key does not belong to it (the first certificate of the file must be its own)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
