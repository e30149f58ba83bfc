//! Why an attempt failed: a type, never text to be searched. The kinds are stored in the journal
//! by their names here; docs/failures.md tells operators what to do about each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The part of an attempt in which it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePhase {
    /// Name resolution.
    Resolve,
    /// TCP connection.
    Connect,
    /// Connecting to the egress proxy, or waiting for its tunnel.
    Proxy,
    /// TLS handshake.
    Tls,
    /// Sending the request or waiting for the reply's head.
    Response,
    /// Reading the reply's body.
    Body,
}

impl FailurePhase {
    /// Every phase, in the order of an attempt.
    pub const ALL: [Self; 6] =
        [Self::Resolve, Self::Connect, Self::Proxy, Self::Tls, Self::Response, Self::Body];
}

impl fmt::Display for FailurePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the name",
            Self::Connect => "connecting",
            Self::Proxy => "waiting for the egress proxy",
            Self::Tls => "in the TLS handshake",
            Self::Response => "waiting for the response",
            Self::Body => "reading the response body",
        })
    }
}

/// Why the address guard refused a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardReason {
    /// A private, loopback, link-local or otherwise special address outside `allow_networks`.
    NotPublic,
    /// In `deny_networks`.
    Denied,
    /// Plain http under `require_https`.
    NotHttps,
}

/// What went wrong in TLS, with the cure where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TlsFailure {
    /// `notAfter` has passed.
    #[error("the receiver's certificate has expired: it must be renewed there")]
    Expired,
    /// `notBefore` is to come.
    #[error("the receiver's certificate is not valid yet: compare the clocks of both machines")]
    NotYetValid,
    /// The host of the URL is not among its names.
    #[error("the receiver's certificate is for another name: use a host that it lists")]
    WrongName,
    /// Its chain ends at no trusted root.
    #[error(
        "the receiver's certificate comes from an unknown issuer: set ca_file for a private CA, \
         or let the receiver send its intermediate certificates"
    )]
    UnknownIssuer,
    /// It signs itself.
    #[error("the receiver's certificate is self-signed: set ca_file to it")]
    SelfSigned,
    /// The chain or the handshake is not signed by the key that it names.
    #[error("a signature of the receiver's certificates is wrong")]
    BadSignature,
    /// Unreadable, for another purpose, or with unknown critical parts.
    #[error("the receiver's certificate cannot be used")]
    BadCertificate,
    /// The receiver asked for a certificate and none is configured.
    #[error("the receiver wants a client certificate: set client_cert")]
    ClientCertificateRequired,
    /// The receiver did not like the configured one.
    #[error("the receiver refused the client certificate: check client_cert")]
    ClientCertificateRefused,
    /// TLS 1.1 or older, or nothing in common.
    #[error("the receiver speaks neither TLS 1.2 nor TLS 1.3 in a way that is supported here")]
    ProtocolVersion,
    /// The receiver ended the handshake with an alert.
    #[error("the receiver refused the handshake")]
    HandshakeRefused,
    /// Something else than TLS came, such as plain http.
    #[error("what listens there speaks no TLS: check the port, or use http://")]
    NotTls,
    /// The connection ended in the handshake.
    #[error("the connection was closed in the handshake")]
    Closed,
    /// Anything else.
    #[error("the handshake failed")]
    Other,
}

impl TlsFailure {
    /// Every cause.
    pub const ALL: [Self; 14] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongName,
        Self::UnknownIssuer,
        Self::SelfSigned,
        Self::BadSignature,
        Self::BadCertificate,
        Self::ClientCertificateRequired,
        Self::ClientCertificateRefused,
        Self::ProtocolVersion,
        Self::HandshakeRefused,
        Self::NotTls,
        Self::Closed,
        Self::Other,
    ];
}

/// Why an attempt failed. A type, never text to be searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The receiver answered, but not 2xx.
    #[error("{}", rejected(*status))]
    Rejected {
        /// HTTP status code.
        status: u16,
    },
    /// The deadline over the whole attempt passed.
    #[error("timed out after {after_ms} ms {phase}")]
    TimedOut {
        /// What it was doing then.
        phase: FailurePhase,
        /// The deadline, milliseconds.
        after_ms: u64,
    },
    /// The address guard refused the target before anything was sent.
    #[error("{}", refused(*reason, address.as_deref()))]
    Refused {
        /// Why.
        reason: GuardReason,
        /// The refused address.
        address: Option<String>,
    },
    /// No connection to the receiver. (Records of earlier versions have TLS here as well.)
    #[error("failed {phase}: {detail}")]
    Unreachable {
        /// In which part.
        phase: FailurePhase,
        /// The system's words.
        detail: String,
    },
    /// The receiver is there, but no TLS with it.
    #[error("TLS: {cause} ({detail})")]
    Tls {
        /// What was wrong.
        cause: TlsFailure,
        /// The TLS library's words.
        detail: String,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("broken {phase}: {detail}")]
    Broken {
        /// In which part.
        phase: FailurePhase,
        /// The HTTP library's words.
        detail: String,
    },
    /// No connection to the egress proxy: the receiver was not reached, and has no part in it.
    #[error("cannot reach the egress proxy {detail}")]
    ProxyUnreachable {
        /// Its address, and the system's words.
        detail: String,
    },
    /// The egress proxy refused a tunnel to the receiver. Not the receiver's answer.
    #[error("the egress proxy answered {status}: {detail}")]
    ProxyRefused {
        /// The proxy's HTTP status code.
        status: u16,
        /// The proxy's words, as far as it gave any.
        detail: String,
    },
    /// The egress proxy closed the connection or answered with something else than HTTP.
    #[error("broken waiting for the egress proxy: {detail}")]
    ProxyBroken {
        /// What came instead.
        detail: String,
    },
    /// `source_address` is not an address of this machine, or of the wrong family.
    #[error("cannot send from [delivery] source_address {address}: {detail}")]
    SourceAddress {
        /// As configured.
        address: String,
        /// The system's words.
        detail: String,
    },
    /// The request could not be built: our fault or the configuration's, not the receiver's.
    #[error("could not build the request: {detail}")]
    Unrenderable {
        /// What was wrong.
        detail: String,
    },
}

impl Failure {
    /// Whether it counts against the webhook (`pause_after`, `disable_after`). An egress proxy that
    /// is down or a request that cannot be built say nothing about its target. (A proxy that is
    /// silent is most often one that waits for the receiver.)
    pub const fn is_receivers(&self) -> bool {
        match self {
            Self::Rejected { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Tls { .. }
            | Self::Broken { .. }
            | Self::Refused { .. } => true,
            // What a proxy answers when it cannot reach the receiver itself.
            Self::ProxyRefused { status, .. } => matches!(status, 502..=504),
            Self::ProxyUnreachable { .. }
            | Self::ProxyBroken { .. }
            | Self::SourceAddress { .. }
            | Self::Unrenderable { .. } => false,
        }
    }
}

fn rejected(status: u16) -> String {
    let why = match status {
        301 | 302 | 303 | 307 | 308 => " (redirects are not followed)",
        _ => "",
    };
    format!("the receiver answered {status}{why}")
}

fn refused(reason: GuardReason, address: Option<&str>) -> String {
    let address = address.unwrap_or("the target");
    match reason {
        GuardReason::NotPublic => {
            format!(
                "{address} is not a public address; list its network in [delivery] allow_networks"
            )
        }
        GuardReason::Denied => format!("{address} is in [delivery] deny_networks"),
        GuardReason::NotHttps => {
            format!("{address} is plain http and [delivery] require_https is on")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_earlier_versions_are_read() {
        for text in [
            r#"{"kind":"rejected","status":500}"#,
            r#"{"kind":"timed_out","phase":"tls","after_ms":15000}"#,
            r#"{"kind":"refused","reason":"not_public","address":"10.0.0.1"}"#,
            r#"{"kind":"unreachable","phase":"tls","detail":"UnknownIssuer"}"#,
            r#"{"kind":"broken","phase":"body","detail":"reset"}"#,
            r#"{"kind":"unrenderable","detail":"no"}"#,
        ] {
            let failure: Failure = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&failure).expect("plain"), text);
        }
    }

    #[test]
    fn only_what_the_receiver_can_mend_is_its_own() {
        let proxy = |status| Failure::ProxyRefused { status, detail: String::new() };
        assert!(!proxy(407).is_receivers() && !proxy(403).is_receivers());
        assert!(proxy(502).is_receivers() && proxy(504).is_receivers());
    }
}
