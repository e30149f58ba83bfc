//! What went wrong with TLS, from the library's errors to types and words.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error, PeerIncompatible};

use super::SelfSigned;
use crate::model::TlsFailure;

/// TLS's own error, where an error of a connection is one.
pub fn tls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// The failure of a client's handshake, with the library's words; what the peer put into those is
/// the peer's.
pub fn handshake_failure(error: &io::Error, has_client_certificate: bool) -> (TlsFailure, String) {
    match tls_error(error) {
        None => (TlsFailure::Closed, error.to_string()),
        Some(tls) => {
            let detail = match tls {
                // The library has only its debugging form for what is not its own.
                Error::InvalidCertificate(Certificate::Other(other)) => other.0.to_string(),
                Error::AlertReceived(alert) => format!("received alert {alert:?}"),
                _ => error.to_string(),
            };
            (failure(tls, has_client_certificate), detail)
        }
    }
}

fn failure(error: &Error, has_client_certificate: bool) -> TlsFailure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert, has_client_certificate),
        Error::InvalidMessage(_) => TlsFailure::NotTls,
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => TlsFailure::ProtocolVersion,
        Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        _ => TlsFailure::Other,
    }
}

fn of_certificate(error: &Certificate) -> TlsFailure {
    match error {
        Certificate::Expired | Certificate::ExpiredContext { .. } => TlsFailure::Expired,
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            TlsFailure::WrongName
        }
        Certificate::UnknownIssuer => TlsFailure::UnknownIssuer,
        Certificate::BadSignature => TlsFailure::BadSignature,
        Certificate::Other(other) if other.0.is::<SelfSigned>() => TlsFailure::SelfSigned,
        _ => TlsFailure::BadCertificate,
    }
}

fn of_alert(alert: Alert, has_client_certificate: bool) -> TlsFailure {
    match alert {
        Alert::CertificateRequired => TlsFailure::ClientCertificateRequired,
        // Only a server that asked for a certificate complains of one.
        Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => {
            if has_client_certificate {
                TlsFailure::ClientCertificateRefused
            } else {
                TlsFailure::ClientCertificateRequired
            }
        }
        Alert::ProtocolVersion => TlsFailure::ProtocolVersion,
        _ => TlsFailure::HandshakeRefused,
    }
}
