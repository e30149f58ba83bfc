//! Which schemes a webhook may use: a secret is never both shown and used as a key.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::ed25519::SigningKey;
use super::form::{Form, header_name};
use super::{Key, KeyError};
use crate::model::{Format, Scheme, Secret, is_reserved_header};

/// A choice of schemes that would give a key away, has none, or cannot be sent.
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
    /// `authorization` sends the only key.
    #[error(
        "signature `authorization` sends `secret` with every request, so `{scheme}` cannot sign \
         with it as well: anyone who sees one request could forge the next. Set `signing_secret` \
         for `{scheme}`, or keep only one of the two"
    )]
    KeyIsSent {
        /// The other scheme's name.
        scheme: &'static str,
    },
    /// Both secrets are the same.
    #[error(
        "`signing_secret` is the same as `secret`, which {shown_by} shows in every request: \
         choose a `signing_secret` of its own"
    )]
    SameSecret {
        /// What shows it: format or signature, with its name.
        shown_by: String,
    },
    /// A scheme without a key.
    #[error("signature `{scheme}` needs a key: set `{key}`, or remove it from `signatures`")]
    NoKey {
        /// The scheme's name.
        scheme: &'static str,
        /// The configuration key that it wants.
        key: &'static str,
    },
    /// A scheme twice.
    #[error("signature `{scheme}` is listed twice: list it once")]
    Twice {
        /// The scheme's name.
        scheme: &'static str,
    },
    /// Two schemes that write one header.
    #[error(
        "the header `{header}` is written by another signature too (`{first}` and `{second}`): \
         keep one of them, or give your own another header"
    )]
    SameHeader {
        /// The header.
        header: HeaderName,
        /// The name of the one listed first.
        first: &'static str,
        /// The name of the other.
        second: &'static str,
    },
    /// A scheme writes what `basic_auth` writes.
    #[error(
        "signature `{scheme}` and `basic_auth` both write the header `authorization`: keep one of \
         them"
    )]
    BasicAuth {
        /// The scheme's name.
        scheme: &'static str,
    },
    /// An own scheme with a header that it cannot have.
    #[error(
        "the header `{header}` is reserved: write the signature into another one, such as \
         `x-signature`"
    )]
    ReservedHeader {
        /// The header.
        header: HeaderName,
    },
    /// A secret is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl SchemeError {
    /// The configuration key of the webhook that is at fault.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::SameSecret { .. } => "signing_secret",
            Self::Key(KeyError::NotEd25519 | KeyError::OtherPublicKey) => "ed25519_key",
            Self::Key(KeyError::NotHeaderValue) => "secret",
            // Where there is none, it is `secret` that signs.
            Self::Key(_) => "signing_secret",
            _ => "signatures",
        }
    }

    /// What to do about it, in a few words.
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::KeyIsShown { .. } => "set signing_secret, or remove signatures",
            Self::KeyIsSent { .. } => "set signing_secret, or keep only one of the two",
            Self::SameSecret { .. } => "choose a signing_secret of its own",
            Self::NoKey { key, .. } => match key.as_bytes() {
                b"ed25519_key" => "set ed25519_key, or remove it from signatures",
                b"secret" => "set secret, or remove it from signatures",
                _ => "set signing_secret, or remove signatures",
            },
            Self::Twice { .. } => "list each scheme once",
            Self::SameHeader { .. } => "keep one of them, or choose another header",
            Self::BasicAuth { .. } => "keep either it or basic_auth",
            Self::ReservedHeader { .. } => "choose another header, such as \"X-Signature\"",
            Self::Key(error) => match error {
                KeyError::NotBase64 | KeyError::Empty => {
                    "write whsec_ and base64, or any other text"
                }
                KeyError::NotEd25519 | KeyError::NotPublic => {
                    "write whsk_ and the base64 of 32 bytes"
                }
                KeyError::OtherPublicKey => "write whsk_ and the base64 of the seed alone",
                KeyError::NotHeaderValue => "write visible ASCII characters only",
            },
        }
    }
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

impl Offer<'_> {
    /// Whether the only HMAC key is shown by the format.
    fn key_is_shown(&self) -> bool {
        self.signing_secret.is_none() && self.secret.is_some() && self.format.shows_secret()
    }

    fn has_hmac_key(&self) -> bool {
        self.signing_secret.is_some() || self.secret.is_some()
    }

    fn default_schemes(&self) -> Vec<Scheme> {
        if self.has_hmac_key() && !self.key_is_shown() {
            vec![Scheme::Standard, Scheme::Sha256]
        } else if self.ed25519_key.is_some() {
            vec![Scheme::StandardEd25519]
        } else {
            Vec::new()
        }
    }

    /// `signing_secret` and `ed25519_key` must be keys even where nothing uses them: nobody
    /// writes them for another purpose.
    fn check_keys(&self) -> Result<(), SchemeError> {
        if let Some(secret) = self.signing_secret {
            Key::parse(secret)?;
        }
        if let Some(secret) = self.ed25519_key {
            SigningKey::parse(secret)?;
        }
        Ok(())
    }

    /// Whether the scheme has its key, and one that nobody sees.
    fn check_scheme(&self, scheme: &Scheme) -> Result<(), SchemeError> {
        let no_key = |key| Err(SchemeError::NoKey { scheme: scheme.name(), key });
        match scheme {
            Scheme::StandardEd25519 if self.ed25519_key.is_none() => no_key("ed25519_key"),
            Scheme::StandardEd25519 => Ok(()),
            Scheme::Authorization => match self.secret {
                None => no_key("secret"),
                Some(secret) if is_header_value(secret) => Ok(()),
                Some(_) => Err(KeyError::NotHeaderValue.into()),
            },
            _ if self.key_is_shown() => Err(SchemeError::KeyIsShown { format: self.format.name() }),
            _ if !self.has_hmac_key() => no_key("signing_secret"),
            _ => Ok(()),
        }
    }

    /// Whether what a scheme writes can be sent.
    fn check_header(&self, scheme: &Scheme) -> Result<(), SchemeError> {
        let header = header_name(scheme);
        if self.has_basic_auth && header == AUTHORIZATION {
            return Err(SchemeError::BasicAuth { scheme: scheme.name() });
        }
        if !matches!(scheme, Scheme::Custom(_)) {
            return Ok(());
        }
        let is_of_format =
            *self.format == Format::CloudEventsBinary && header.as_str().starts_with("ce-");
        if is_of_format || is_reserved_header(&header) {
            return Err(SchemeError::ReservedHeader { header });
        }
        Ok(())
    }

    /// An HMAC key must not be the `secret` that every request shows, under its own name or
    /// spelled in another way.
    fn check_secrecy(&self, schemes: &[Scheme]) -> Result<(), SchemeError> {
        let Some(signs) = schemes.iter().find(|scheme| Form::of(scheme).is_some()) else {
            return Ok(());
        };
        let is_sent = schemes.contains(&Scheme::Authorization);
        let Some(signing) = self.signing_secret.or(self.secret) else { return Ok(()) };
        let key = Key::parse(signing)?;
        let shown_by = match self.format {
            format if format.shows_secret() => format!("format `{}`", format.name()),
            _ if is_sent => "signature `authorization`".to_owned(),
            _ => return Ok(()),
        };
        match (self.secret, self.signing_secret) {
            (Some(_), None) => Err(SchemeError::KeyIsSent { scheme: signs.name() }),
            (Some(shown), Some(_)) if Key::parse(shown).is_ok_and(|other| other.is_same(&key)) => {
                Err(SchemeError::SameSecret { shown_by })
            }
            _ => Ok(()),
        }
    }
}

/// The schemes of a webhook: as listed, or the default of contract 3.3. Looks at the secrets
/// themselves: every key must be one, and no key may be the shown secret under another name.
///
/// # Errors
/// A listed scheme would give its key away, has no key, cannot be sent beside the others, or a
/// key is bad.
pub fn check_schemes(
    offer: &Offer<'_>,
    schemes: Option<&[Scheme]>,
) -> Result<Vec<Scheme>, SchemeError> {
    offer.check_keys()?;
    let schemes = schemes.map_or_else(|| offer.default_schemes(), <[Scheme]>::to_vec);
    for (at, scheme) in schemes.iter().enumerate() {
        offer.check_scheme(scheme)?;
        offer.check_header(scheme)?;
        for earlier in &schemes[..at] {
            check_pair(earlier, scheme)?;
        }
    }
    offer.check_secrecy(&schemes)?;
    Ok(schemes)
}

fn check_pair(first: &Scheme, second: &Scheme) -> Result<(), SchemeError> {
    if first == second {
        return Err(SchemeError::Twice { scheme: first.name() });
    }
    let header = header_name(first);
    let share = |scheme: &Scheme| matches!(scheme, Scheme::Standard | Scheme::StandardEd25519);
    if header != header_name(second) || (share(first) && share(second)) {
        return Ok(());
    }
    Err(SchemeError::SameHeader { header, first: first.name(), second: second.name() })
}

/// Whether a receiver gets the text as it is: blanks at the ends would be cut on the way
/// (RFC 9110 5.5).
fn is_header_value(secret: &Secret) -> bool {
    let text = secret.reveal();
    let is_whole = !text.is_empty() && text.trim_matches([' ', '\t']) == text;
    is_whole && HeaderValue::from_str(text).is_ok()
}
