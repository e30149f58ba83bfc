//! The TLS client: rustls with aws-lc, TLS 1.2 and up; the system's roots, or Mozilla's where the
//! system has none (images from scratch), or a webhook's own. There is no switch that turns
//! verification off.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use tokio_rustls::TlsConnector;

use super::verify::Verifier;
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
    pub(super) fn common(roots: Arc<RootCertStore>) -> Result<Self, rustls::Error> {
        Self::new(roots, Vec::new(), None)
    }

    /// For a webhook with its own CA or client certificate.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn of(
        identity: &TlsIdentity,
        system: &Arc<RootCertStore>,
    ) -> Result<Self, TlsIdentityError> {
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
        Self::new(roots, named, client).map_err(|error| TlsIdentityError::Client(refusal(&error)))
    }

    fn new(
        roots: Arc<RootCertStore>,
        named: Vec<CertificateDer<'static>>,
        client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, rustls::Error> {
        let provider = provider();
        let library =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let library = library.map_err(|error| rustls::Error::General(error.to_string()))?;
        let has_client_certificate = client.is_some();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { library, named }));
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { connector, has_client_certificate })
    }
}

/// TLS for HTTP/1.1 to sidehook itself: what the command line speaks to an `https` admin address.
/// `ca`: certificates of a private authority, in place of the system's (PEM).
///
/// # Errors
/// What is wrong with the certificates, in words.
pub fn plain_client(ca: Option<Vec<u8>>) -> Result<TlsConnector, TlsIdentityError> {
    let system = Arc::new(system_roots());
    let tls = Tls::of(&TlsIdentity { ca, client: None }, &system)?;
    let mut config = ClientConfig::clone(tls.connector.config());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The system's root certificates (blocking, some milliseconds).
pub(super) fn system_roots() -> RootCertStore {
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

/// Checks that a webhook's TLS identity can be used.
///
/// # Errors
/// What is wrong, in words.
pub fn check_identity(identity: &TlsIdentity) -> Result<(), TlsIdentityError> {
    // Any valid roots will do: where the identity has none, the system's are not its matter.
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Tls::of(identity, &Arc::new(roots)).map(|_| ())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
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

fn client_certificate(
    chain: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = certificates(chain)?;
    let text = String::from_utf8_lossy(key);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        let cure = "`openssl pkey -in encrypted.pem -out key.pem` decrypts it";
        return Err(format!(
            "its key is encrypted, and there is no place for a passphrase: {cure}"
        ));
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(key);
    match keys.next() {
        Some(Ok(key)) => Ok((chain, key)),
        Some(Err(error)) => Err(format!("its key is not valid PEM: {error}")),
        None => Err("no private key in the key's file (expected PEM: `-----BEGIN PRIVATE \
                     KEY-----`)"
            .to_owned()),
    }
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("not valid PEM: {error}"))?;
    if all.is_empty() {
        return Err("no certificate in it (expected PEM: `-----BEGIN CERTIFICATE-----`)".to_owned());
    }
    Ok(all)
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
