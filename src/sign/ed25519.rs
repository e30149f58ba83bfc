//! Ed25519 keys as Standard Webhooks write them: `whsk_` (private), `whpk_` (public) and base64.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;
use crate::model::Secret;

pub(super) const PRIVATE: &str = "whsk_";
pub(super) const PUBLIC: &str = "whpk_";
/// Length of a seed, and of a public key, bytes (RFC 8032 5.1.5).
const KEY_BYTES: usize = 32;

/// A key that signs.
pub(super) struct SigningKey(Ed25519KeyPair);

/// A key that verifies.
pub(super) struct PublicKey([u8; KEY_BYTES]);

impl SigningKey {
    /// Reads `whsk_` and the base64 of the seed, or of seed and public key.
    pub(super) fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = decoded(secret.reveal(), PRIVATE).ok_or(KeyError::NotEd25519)?;
        let (seed, public) = bytes.split_at_checked(KEY_BYTES).ok_or(KeyError::NotEd25519)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotEd25519)?;
        match public.len() {
            0 => Ok(Self(pair)),
            KEY_BYTES if public == pair.public_key().as_ref() => Ok(Self(pair)),
            KEY_BYTES => Err(KeyError::OtherPublicKey),
            _ => Err(KeyError::NotEd25519),
        }
    }

    pub(super) fn sign(&self, content: &[u8]) -> Vec<u8> {
        self.0.sign(content).as_ref().to_vec()
    }
}

impl PublicKey {
    /// Reads `whpk_` and base64; of a private key (`whsk_`) takes the public half.
    pub(super) fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret.reveal();
        if text.starts_with(PRIVATE) {
            let pair = SigningKey::parse(secret)?.0;
            return Self::of(pair.public_key().as_ref());
        }
        Self::of(&decoded(text, PUBLIC).ok_or(KeyError::NotPublic)?)
    }

    fn of(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::NotPublic)
    }

    pub(super) fn holds(&self, content: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(content, signature).is_ok()
    }
}

/// The public half of an ed25519 key as receivers want it: `whpk_` and base64.
///
/// # Errors
/// `key` is neither `whsk_` nor `whpk_` with its base64.
pub fn public_key(key: &Secret) -> Result<String, KeyError> {
    PublicKey::parse(key).map(|key| format!("{PUBLIC}{}", STANDARD.encode(key.0)))
}

fn decoded(text: &str, prefix: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix(prefix)?).ok()
}
