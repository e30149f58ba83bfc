//! The HMAC key behind a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::{Sha256, Sha512};

use crate::model::{Secret, SignatureAlgorithm};

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
    /// Not an ed25519 key.
    #[error(
        "an ed25519 key is `whsk_` and the base64 of its 32-byte seed, or of the seed and the \
         32-byte public key"
    )]
    NotEd25519,
    /// Seed and public key are of different pairs.
    #[error(
        "the public key in this ed25519 key does not belong to its seed: write the base64 of the \
         32-byte seed alone"
    )]
    OtherPublicKey,
    /// No ed25519 key to verify with.
    #[error("an ed25519 key to verify with is `whpk_` or `whsk_` and its base64")]
    NotPublic,
    /// Something that cannot stand in a header.
    #[error(
        "a secret that is sent as a header's value is visible ASCII characters, spaces and tabs \
         only (RFC 9110 5.5), none of them blank at its ends"
    )]
    NotHeaderValue,
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

    /// The HMAC of `parts`, one after the other.
    pub(super) fn tag(&self, algorithm: SignatureAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
        match algorithm {
            SignatureAlgorithm::Sha256 => {
                self.sha256(parts).finalize().into_bytes().as_slice().to_vec()
            }
            SignatureAlgorithm::Sha512 => {
                self.sha512(parts).finalize().into_bytes().as_slice().to_vec()
            }
        }
    }

    /// Whether `tag` is the HMAC of `parts`, in constant time.
    pub(super) fn holds(&self, algorithm: SignatureAlgorithm, parts: &[&[u8]], tag: &[u8]) -> bool {
        match algorithm {
            SignatureAlgorithm::Sha256 => self.sha256(parts).verify_slice(tag).is_ok(),
            SignatureAlgorithm::Sha512 => self.sha512(parts).verify_slice(tag).is_ok(),
        }
    }

    /// Whether two secrets are the same key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn sha256(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mac = Hmac::new_from_slice(&self.0).expect(ANY_LENGTH);
        updated(mac, parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> Hmac<Sha512> {
        let mac = Hmac::new_from_slice(&self.0).expect(ANY_LENGTH);
        updated(mac, parts)
    }
}

const ANY_LENGTH: &str = "HMAC takes a key of any length (RFC 2104 2)";

fn updated<M: Mac>(mut mac: M, parts: &[&[u8]]) -> M {
    for part in parts {
        mac.update(part);
    }
    mac
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}
