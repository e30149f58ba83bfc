//! From the libraries' errors to failures, and to words of bounded length: what a peer put into
//! them is the peer's.

use std::error::Error;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError as Certificate, PeerIncompatible};

use crate::model::{Failure, FailurePhase, TlsFailure};
use crate::tls::SelfSigned;

/// Characters of a detail.
const DETAIL_MAX: usize = 300;

/// Why there is no connection, carried through the pool as a type.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
pub(super) struct ConnectError(#[source] pub(super) Failure);

/// The failure of a request for which no reply's head came.
pub(super) fn of_request(
    error: &hyper_util::client::legacy::Error,
    has_client_certificate: bool,
) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ConnectError(failure)) = inner.downcast_ref() {
            return failure.clone();
        }
        // With TLS 1.3 the handshake is over for us before the receiver has judged it.
        if let Some(rustls::Error::AlertReceived(alert)) = tls_inside(inner) {
            let cause = of_alert(*alert, has_client_certificate);
            return Failure::Tls { cause, detail: format!("received alert {alert:?}") };
        }
        cause = inner.source();
    }
    broken(FailurePhase::Response, error.source().unwrap_or(error))
}

/// The failure of a handshake.
pub(super) fn of_handshake(error: &io::Error, has_client_certificate: bool) -> Failure {
    let cause = match tls_inside(error) {
        Some(error) => of_tls(error, has_client_certificate),
        None => TlsFailure::Closed,
    };
    let detail = match tls_inside(error) {
        // The library has only its debugging form for what is not its own.
        Some(rustls::Error::InvalidCertificate(Certificate::Other(other))) => other.0.to_string(),
        _ => error.to_string(),
    };
    Failure::Tls { cause, detail: bounded(&detail) }
}

/// The failure of a connection that broke.
pub(super) fn broken(phase: FailurePhase, error: &(dyn Error + 'static)) -> Failure {
    let known = error.downcast_ref::<hyper::Error>().and_then(|error| {
        if error.is_parse_too_large() {
            Some("the reply's head is too large")
        } else if error.is_incomplete_message() {
            Some("the connection was closed before the reply was whole")
        } else if error.is_parse() {
            Some("what came is not HTTP")
        } else {
            None
        }
    });
    let detail = match known {
        Some(words) => format!("{words} ({})", describe(error)),
        None => describe(error),
    };
    Failure::Broken { phase, detail: bounded(&detail) }
}

/// An error with its causes, each once.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// One line of bounded length.
pub(super) fn bounded(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = text.chars().take(DETAIL_MAX).map(plain).collect();
    if kept.len() < text.len() {
        kept.push_str("...");
    }
    kept
}

fn tls_inside<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

fn of_tls(error: &rustls::Error, has_client_certificate: bool) -> TlsFailure {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => of_certificate(error),
        Tls::AlertReceived(alert) => of_alert(*alert, has_client_certificate),
        Tls::InvalidMessage(_) => TlsFailure::NotTls,
        Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => TlsFailure::ProtocolVersion,
        Tls::NoCertificatesPresented => TlsFailure::BadCertificate,
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
        // Only a receiver that asked for a certificate complains of one.
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
