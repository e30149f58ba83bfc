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

/// The schemes of a webhook: as listed, or the default (`standard` and `sha256` when there is
/// a key that the format does not show, else none).
///
/// # Errors
/// A listed scheme would give its key away, has no key, or is listed twice.
pub fn check_schemes(
    format: Format,
    has_secret: bool,
    has_signing_secret: bool,
    schemes: Option<&[Scheme]>,
) -> Result<Vec<Scheme>, SchemeError> {
    let is_shown = !has_signing_secret && has_secret && format.shows_secret();
    let has_key = (has_signing_secret || has_secret) && !is_shown;
    let Some(schemes) = schemes else {
        return Ok(if has_key { Scheme::ALL.to_vec() } else { Vec::new() });
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
    Ok(schemes.to_vec())
}

/// As [`check_schemes`], and looks at the secrets themselves: the key must be one, and must not
/// be the shown secret under another name.
///
/// # Errors
/// Those of [`check_schemes`], a bad key, or one key for both.
pub fn check_secrets(
    format: Format,
    secret: Option<&Secret>,
    signing_secret: Option<&Secret>,
    schemes: Option<&[Scheme]>,
) -> Result<Vec<Scheme>, SchemeError> {
    let schemes = check_schemes(format, secret.is_some(), signing_secret.is_some(), schemes)?;
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
