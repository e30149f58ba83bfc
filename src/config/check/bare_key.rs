//! A key that looks like one of Standard Webhooks without its `whsec_`. sidehook takes such a text as
//! it is, and the receivers' libraries decode it, with or without the prefix: no signature would fit,
//! and nothing would say why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Check;
use crate::config::problem::quoted;
use crate::model::{Scheme, Secret};
use crate::sign::Offer;

/// Bytes of a key as Standard Webhooks has them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How a key looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Base64,
    /// It can be read as base64, too. But hexadecimal keys are taken as text by most who check
    /// HMACs by hand, and that is what sidehook does.
    Hex,
    /// Words, or what no library would decode without an error.
    Text,
}

/// Warns of such a key where `standard` signs with it. A hexadecimal one is only doubtful where
/// nothing but `standard` is there to be checked: `sha256`, there by default, takes it as text.
pub(super) fn warn(c: &mut Check<'_>, name: &str, offer: &Offer<'_>, signatures: &[Scheme]) {
    let (key, secret) = match (offer.signing_secret, offer.secret) {
        (Some(secret), _) => ("signing_secret", secret),
        (None, Some(secret)) => ("secret", secret),
        (None, None) => return,
    };
    let is_alone = signatures.iter().all(|scheme| !is_hmac(scheme) || *scheme == Scheme::Standard);
    let notation = match look(secret) {
        _ if !signatures.contains(&Scheme::Standard) => return,
        Look::Base64 => "base64",
        Look::Hex if is_alone => "hexadecimal",
        Look::Hex | Look::Text => return,
    };
    c.warn(format!(
        "the webhook {}: {key} looks like {notation} and has no `whsec_` before it, so the key is its \
         text as it stands. A library for Standard Webhooks will probably decode it as base64, and \
         refuse every signature: write whsec_ before it (the key is then the decoded bytes, for every \
         scheme). Where the receiver takes the text as the key, all is well",
        quoted(name)
    ));
}

const fn is_hmac(scheme: &Scheme) -> bool {
    !matches!(scheme, Scheme::StandardEd25519 | Scheme::Authorization)
}

fn look(secret: &Secret) -> Look {
    let text = secret.reveal();
    // Strict: sound padding, nothing left over. Anything else makes libraries complain, which tells.
    if !STANDARD.decode(text).is_ok_and(|bytes| KEY_BYTES.contains(&bytes.len())) {
        return Look::Text;
    }
    let has = |is: fn(&u8) -> bool| text.bytes().any(|byte| is(&byte));
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) && !(lower && upper) {
        return Look::Hex;
    }
    // Random bytes are a mixture; words in a row are not.
    if lower && upper && has(|byte| !byte.is_ascii_alphabetic()) {
        Look::Base64
    } else {
        Look::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_in_base64_look_like_it_and_words_do_not() {
        for (text, expected) in [
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", Look::Base64), // 24 bytes
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Look::Base64),
            ("4GTu0cKTV3FTzSGgYyLyQOXQfLUYyFzy1A6XIPiG3bU=", Look::Base64), // 32 bytes
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", Look::Text),
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7o", Look::Text), // no whole number of bytes
            ("C2FVsBQIhrscChlQIMV-b5sSYspob7oD", Look::Text), // the alphabet of URLs
            ("C2FVsBQIhrscChlQIMV+b5sSYspo", Look::Text),    // 21 bytes
            ("5f2b7c9d1e3a4b6c8d0e2f4a6b8c0d1e", Look::Hex),
            ("5F2B7C9D1E3A4B6C8D0E2F4A6B8C0D1E", Look::Hex),
            ("s3cret", Look::Text),
            ("correct-horse-battery-staple-2026", Look::Text),
            ("correcthorsebatterystaplecorrect", Look::Text),
            ("CorrectHorseBatteryStapleCorrect", Look::Text),
            ("12345678901234567890123456789012", Look::Hex),
            ("aSecretOfTheBillingServiceIs2026", Look::Base64), // nobody can tell, nor can the library
            ("", Look::Text),
        ] {
            assert_eq!(look(&Secret::new(text)), expected, "{text}");
        }
    }
}
