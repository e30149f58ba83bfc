//! Which schemes a webhook may use: a secret is never both shown and used as a key.

use super::{Key, KeyError};
use crate::model::{Format, Scheme, Secret};

/// A choice of schemes that would give the key away or has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// The format shows the only key.
    #[error(
        "format `{format}` shows `secret` in every body, so it cannot sign as well: anyone who \
         sees one body could forge the next. Set `signing_secret` for the signatures, or remove \
         `signatures`"
    )]
    KeyIsShown {
        /// The format's name.
        format: &'static str,
    },
    /// Both secrets are the same.
    #[error(
        "`signing_secret` is the same as `secret`, which format `{format}` shows in every body: \
         choose a `signing_secret` of its own"
    )]
    SameSecret {
        /// The format's name.
        format: &'static str,
    },
    /// A scheme without a key.
    #[error(
        "signature `{scheme}` needs a key: set `signing_secret`, or remove it from `signatures`"
    )]
    NoKey {
        /// The scheme's name.
        scheme: &'static str,
    },
    /// A scheme twice.
    #[error("signature `{scheme}` is listed twice")]
    Twice {
        /// The scheme's name.
        scheme: &'static str,
    },
    /// The secret is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a webhook says about its secrets.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The body's format, which may show `secret`.
    pub format: &'a Format,
    /// `secret`.
    pub secret: Option<&'a Secret>,
    /// `signing_secret`.
    pub signing_secret: Option<&'a Secret>,
    /// `ed25519_key`.
    pub ed25519_key: Option<&'a Secret>,
    /// Whether `basic_auth` takes the `authorization` header.
    pub has_basic_auth: bool,
}

/// The schemes of a webhook: as listed, or the default of contract 3.3. Looks at the secrets
/// themselves: every key must be one, and no key may be the shown secret under another name.
///
/// # Errors
/// A listed scheme would give its key away, has no key, is listed twice, or a key is bad.
pub fn check_schemes(
    offer: &Offer<'_>,
    schemes: Option<&[Scheme]>,
) -> Result<Vec<Scheme>, SchemeError> {
    let Offer { format, secret, signing_secret, .. } = *offer;
    let (has_secret, has_signing_secret) = (secret.is_some(), signing_secret.is_some());
    let is_shown = !has_signing_secret && has_secret && format.shows_secret();
    let has_key = (has_signing_secret || has_secret) && !is_shown;
    let default = [Scheme::Standard, Scheme::Sha256];
    let schemes = match schemes {
        None if has_key => default.to_vec(),
        None => Vec::new(),
        Some(schemes) => schemes.to_vec(),
    };
    for (at, scheme) in schemes.iter().enumerate() {
        if schemes[..at].contains(scheme) {
            return Err(SchemeError::Twice { scheme: scheme.name() });
        }
        if is_shown {
            return Err(SchemeError::KeyIsShown { format: format.name() });
        }
        if !has_key {
            return Err(SchemeError::NoKey { scheme: scheme.name() });
        }
    }
    if schemes.is_empty() {
        return Ok(schemes);
    }
    let Some(signing) = signing_secret.or(secret) else { return Ok(schemes) };
    let key = Key::parse(signing)?;
    if let (Some(shown), Some(_)) = (secret.filter(|_| format.shows_secret()), signing_secret) {
        // The shown text may spell the same key in another way.
        if Key::parse(shown).is_ok_and(|shown| shown.is_same(&key)) {
            return Err(SchemeError::SameSecret { format: format.name() });
        }
    }
    Ok(schemes)
}
