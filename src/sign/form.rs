//! What a scheme signs and how it writes that: the table of contract 3.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::model::{Scheme, SignatureAlgorithm, SignatureEncoding, SignedContent};

/// An HMAC in a header.
pub(super) struct Form<'a> {
    pub(super) prefix: &'a str,
    pub(super) encoding: SignatureEncoding,
    pub(super) content: SignedContent,
    pub(super) algorithm: SignatureAlgorithm,
}

impl<'a> Form<'a> {
    /// How a scheme writes one HMAC; `None` for those that are none. (`standard` and `stripe` put
    /// several of them into one header.)
    pub(super) fn of(scheme: &'a Scheme) -> Option<Self> {
        use SignatureEncoding::{Base64, Hex};
        use SignedContent::{Body, IdTimestampBody, TimestampBody};
        let (prefix, encoding, content) = match scheme {
            Scheme::Standard => ("v1,", Base64, IdTimestampBody),
            Scheme::Sha256 | Scheme::Github => ("sha256=", Hex, Body),
            Scheme::Vikunja => ("", Hex, Body),
            Scheme::Stripe => ("v1=", Hex, TimestampBody),
            Scheme::Custom(custom) => {
                return Some(Self {
                    prefix: &custom.prefix,
                    encoding: custom.encoding,
                    content: custom.content,
                    algorithm: custom.algorithm,
                });
            }
            Scheme::StandardEd25519 | Scheme::Authorization => return None,
        };
        Some(Self { prefix, encoding, content, algorithm: SignatureAlgorithm::Sha256 })
    }

    /// The HMAC as text.
    pub(super) fn write(&self, tag: &[u8]) -> String {
        let encoded = match self.encoding {
            SignatureEncoding::Hex => hex(tag),
            SignatureEncoding::Base64 => STANDARD.encode(tag),
        };
        format!("{}{encoded}", self.prefix)
    }

    /// The HMAC in a text; `None` when it is not of this form.
    pub(super) fn read(&self, text: &str) -> Option<Vec<u8>> {
        let encoded = text.strip_prefix(self.prefix)?;
        match self.encoding {
            SignatureEncoding::Hex => from_hex(encoded),
            SignatureEncoding::Base64 => STANDARD.decode(encoded).ok(),
        }
    }
}

/// What stands before the body in the signed content.
pub(super) fn lead(content: SignedContent, id: &str, timestamp: &str) -> String {
    match content {
        SignedContent::Body => String::new(),
        SignedContent::TimestampBody => format!("{timestamp}."),
        SignedContent::IdTimestampBody => format!("{id}.{timestamp}."),
    }
}

/// The header that a scheme writes.
pub fn header_name(scheme: &Scheme) -> HeaderName {
    match scheme {
        Scheme::Standard | Scheme::StandardEd25519 => HeaderName::from_static("webhook-signature"),
        Scheme::Sha256 => HeaderName::from_static("x-webhook-signature"),
        Scheme::Vikunja => HeaderName::from_static("x-vikunja-signature"),
        Scheme::Github => HeaderName::from_static("x-hub-signature-256"),
        Scheme::Stripe => HeaderName::from_static("stripe-signature"),
        Scheme::Authorization => AUTHORIZATION,
        Scheme::Custom(custom) => custom.header.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}
