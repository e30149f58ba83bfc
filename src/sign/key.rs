//! The HMAC key behind a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

use crate::model::Secret;

const PREFIX: &str = "whsec_";

/// The bytes of a key. `Debug` never shows them.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// A secret that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// `whsec_` with something after it that is not base64.
    #[error("a secret that begins with `whsec_` must go on with base64 (RFC 4648 4, padded)")]
    NotBase64,
    /// Nothing.
    #[error("a signing key must not be empty")]
    Empty,
}

impl Key {
    /// Reads a secret: `whsec_` and base64 is decoded to its bytes, anything else is used as
    /// its UTF-8 bytes.
    ///
    /// # Errors
    /// Bad base64 after `whsec_`, or an empty key.
    pub fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret.reveal();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err(KeyError::Empty) } else { Ok(Self(bytes)) }
    }

    /// An HMAC-SHA256 that has seen nothing yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes a key of any length (RFC 2104 2)")
    }

    /// Whether two secrets are the same key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}
