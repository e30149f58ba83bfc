//! Header names that are not for operators to choose.

use http::HeaderName;

const RESERVED: [&str; 22] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "traceparent",
    "tracestate",
    "webhook-id",
    "webhook-timestamp",
    "x-webhook-id",
    "x-webhook-event",
    "x-webhook-timestamp",
    "x-webhook-attempt",
];

/// Parts of the names of headers whose values may be credentials.
const CREDENTIAL_PARTS: [&str; 13] = [
    "auth",
    "token",
    "key",
    "secret",
    "cookie",
    "pass",
    "pwd",
    "session",
    "credential",
    "signature",
    "hmac",
    "jwt",
    "csrf",
];

/// Whether a header of this name may hold a credential: its value is not to be shown.
pub fn may_hold_credential(name: &HeaderName) -> bool {
    CREDENTIAL_PARTS.iter().any(|part| name.as_str().contains(part))
}

/// Whether a header looks like a credential by its name or by its value (`Bearer ...`, `Basic ...`).
pub fn looks_like_credential(name: &HeaderName, value: &[u8]) -> bool {
    let begins = |scheme: &[u8]| {
        value.split_at_checked(scheme.len()).is_some_and(|(v, _)| v.eq_ignore_ascii_case(scheme))
    };
    may_hold_credential(name) || begins(b"bearer ") || begins(b"basic ")
}

/// Whether sidehook or HTTP itself writes this header of an attempt (contract 3.1): neither a
/// webhook's own headers nor a signature of the operator's making can have its name.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str())
}
