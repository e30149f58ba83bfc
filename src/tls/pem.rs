//! Certificates and keys in PEM form, and what is wrong with them in words; never what is in a key.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// At least one certificate.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("not valid PEM: {error}"))?;
    if all.is_empty() {
        return Err("no certificate in it (expected PEM: `-----BEGIN CERTIFICATE-----`)".to_owned());
    }
    Ok(all)
}

/// The first private key.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        let cure = "`openssl pkey -in encrypted.pem -out key.pem` decrypts it";
        return Err(format!("it is encrypted, and there is no place for a passphrase: {cure}"));
    }
    match PrivateKeyDer::pem_slice_iter(pem).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(_)) => Err("not valid PEM".to_owned()),
        None => {
            Err("no private key in it (expected PEM: `-----BEGIN PRIVATE KEY-----`)".to_owned())
        }
    }
}
