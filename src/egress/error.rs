//! From the libraries' errors to failures, and to words of bounded length: what a peer put into
//! them is the peer's.

use std::error::Error;
use std::io;

use crate::model::{Failure, FailurePhase};
use crate::tls::{handshake_failure, tls_error};

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
        if let Some(rustls::Error::AlertReceived(_)) = tls_error(inner)
            && let Some(error) = inner.downcast_ref()
        {
            return of_handshake(error, has_client_certificate);
        }
        cause = inner.source();
    }
    broken(FailurePhase::Response, error.source().unwrap_or(error))
}

/// The failure of a handshake.
pub(super) fn of_handshake(error: &io::Error, has_client_certificate: bool) -> Failure {
    let (cause, detail) = handshake_failure(error, has_client_certificate);
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
