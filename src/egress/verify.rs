//! The receiver's certificate: verified by the TLS library's own verifier, with no way around
//! it. What is added is only a better word for one refusal: a self-signed certificate.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Refused, and its own issuer.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.words())]
pub(super) struct SelfSigned(CertificateError);

impl SelfSigned {
    fn words(&self) -> String {
        match &self.0 {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its issuer is itself, and it is not trusted".into()
            }
            other => format!("{other:?}: marked as a CA it cannot be a server's certificate"),
        }
    }
}

/// The library's verifier, and the word.
#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
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
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
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
    fn one_with_the_name_of_a_root_is_self_signed_and_no_forgery() {
        // Both have the same subject.
        let made = || rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("valid");
        let (root, own) = (made(), made());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let name = ServerName::try_from("a.example").expect("a name");
        let verified = Verifier(inner.expect("a root is there")).verify_server_cert(
            own.cert.der(),
            &[],
            &name,
            &[],
            UnixTime::now(),
        );
        match verified.expect_err("not trusted") {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                assert!(other.0.is::<SelfSigned>(), "{other:?}");
            }
            other => panic!("{other:?}"),
        }
    }

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
