//! The certificate of a server: verified by the TLS library's own verifier. What is added is a
//! better word for a refused self-signed certificate, and one that stands in one's own
//! `ca_file` is taken although it is marked as a CA: `openssl req -x509` makes them so, and what
//! an operator names byte for byte is trusted. Its dates and its name are checked all the same.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Refused, and its own issuer.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.words())]
pub struct SelfSigned(CertificateError);

impl SelfSigned {
    fn words(&self) -> String {
        match &self.0 {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its issuer is itself, and it is not trusted".into()
            }
            CertificateError::Other(OtherError(cause)) => {
                format!("{cause}: marked as a CA, it counts only where ca_file is itself")
            }
            other => format!("{other}: marked as a CA, it counts only where ca_file is itself"),
        }
    }
}

/// The library's verifier, and the certificates of one's own `ca_file`.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) library: Arc<WebPkiServerVerifier>,
    pub(super) named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// The library judges a certificate's dates before it looks whether it is marked as a CA; of
    /// what it would have gone on to, the name remains.
    fn is_named(&self, error: &CertificateError, certificate: &CertificateDer<'_>) -> bool {
        let CertificateError::Other(OtherError(cause)) = error else { return false };
        matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
            && self.named.iter().any(|named| named.as_ref() == certificate.as_ref())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let library = &self.library;
        let verified =
            library.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(error)) if self.is_named(&error, end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            // A CA that stands in for a server's certificate is refused as `Other`, and one that has
            // the name of a root, as Debian's "snakeoil" may be for `localhost`, as `BadSignature`.
            Err(Error::InvalidCertificate(
                error @ (CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::Other(_)),
            )) if is_self_issued(end_entity) == Some(true) => {
                let error = OtherError(Arc::new(SelfSigned(error)));
                Err(Error::InvalidCertificate(CertificateError::Other(error)))
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}

/// Whether issuer and subject are the same name (RFC 5280 4.1); `None` where that cannot be read.
fn is_self_issued(der: &[u8]) -> Option<bool> {
    let (certificate, _) = element(der)?;
    let (mut fields, _) = element(certificate)?;
    const VERSION: u8 = 0xa0;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.1;
    }
    let (_serial, fields) = element(fields)?;
    let (_algorithm, fields) = element(fields)?;
    let (issuer, fields) = element(fields)?;
    let (_validity, fields) = element(fields)?;
    let (subject, _) = element(fields)?;
    Some(issuer == subject)
}

/// The contents of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&_tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut size = usize::from(first & 0x7f);
    if first & 0x80 != 0 {
        let n = size;
        if n == 0 || n > 3 {
            return None;
        }
        size = rest.get(..n)?.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        rest = &rest[n..];
    }
    (rest.len() >= size).then(|| rest.split_at(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_its_own_issuer_or_not_and_damage_is_neither() {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("valid");
        let der = made.cert.der();
        assert_eq!(is_self_issued(der), Some(true));
        for end in 0..der.len() {
            let _ = is_self_issued(&der[..end]);
        }
        assert_eq!(is_self_issued(b""), None);
        assert_eq!(is_self_issued(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
