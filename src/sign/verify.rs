//! What a receiver does: checks a signature in constant time, and its age.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;
use http::{HeaderMap, HeaderName};

use super::signature::{SHA256_HEADER, STANDARD_HEADER, sha256_mac, standard_mac};
use super::{Key, KeyError};
use crate::model::{Scheme, Secret};

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The secret is no key.
    #[error("the secret cannot be used")]
    Key(#[from] KeyError),
    /// A header is missing.
    #[error("the header `{name}` is missing")]
    Missing {
        /// Which.
        name: HeaderName,
    },
    /// A header that cannot be read.
    #[error("the header `{name}` is not of the form that the scheme asks for")]
    Malformed {
        /// Which.
        name: HeaderName,
    },
    /// The timestamp is too far from now, in either direction.
    #[error("signed {seconds} s away from now, more than the tolerance")]
    TooFar {
        /// How far.
        seconds: u64,
    },
    /// Signed with another key, or the bytes were changed.
    #[error("the signature does not match: another key, or the body was changed")]
    Mismatch,
}

/// Verifies a request by one scheme. `tolerance` bounds the age of `standard` signatures in both
/// directions, seen from `now_secs` (Unix seconds); `sha256` signs no time.
///
/// # Errors
/// The signature does not hold, and why.
pub fn verify(
    scheme: &Scheme,
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now_secs: u64,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let key = Key::parse(secret)?;
    match scheme {
        Scheme::Standard => verify_standard(&key, headers, body, now_secs, tolerance),
        Scheme::Sha256 => {
            let text = text(headers, &SHA256_HEADER)?;
            let tag = text
                .strip_prefix("sha256=")
                .and_then(from_hex)
                .ok_or(VerifyError::Malformed { name: SHA256_HEADER })?;
            sha256_mac(&key, body).verify_slice(&tag).map_err(|_| VerifyError::Mismatch)
        }
        _ => Err(VerifyError::Mismatch),
    }
}

fn verify_standard(
    key: &Key,
    headers: &HeaderMap,
    body: &[u8],
    now_secs: u64,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    const ID: HeaderName = HeaderName::from_static("webhook-id");
    const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
    let id = text(headers, &ID)?;
    let timestamp_secs: u64 = text(headers, &TIMESTAMP)?
        .parse()
        .map_err(|_| VerifyError::Malformed { name: TIMESTAMP })?;
    let seconds = now_secs.abs_diff(timestamp_secs);
    if seconds > tolerance.as_secs() {
        return Err(VerifyError::TooFar { seconds });
    }
    // Several signatures stand side by side while a key is rotated; other versions are ignored.
    let signatures = text(headers, &STANDARD_HEADER)?;
    let holds = |encoded: &str| {
        STANDARD
            .decode(encoded)
            .is_ok_and(|tag| standard_mac(key, id, timestamp_secs, body).verify_slice(&tag).is_ok())
    };
    if signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(holds) {
        Ok(())
    } else {
        Err(VerifyError::Mismatch)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, VerifyError> {
    let value = headers.get(name).ok_or_else(|| VerifyError::Missing { name: name.clone() })?;
    value.to_str().map_err(|_| VerifyError::Malformed { name: name.clone() })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}
