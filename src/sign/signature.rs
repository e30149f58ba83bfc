//! Makes the signature headers of one attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue};
use sha2::Sha256;

use super::{Key, KeyError};
use crate::model::{PreviousSecret, Scheme, Secret, Timestamp, Webhook};

/// `webhook-signature`: the `standard` scheme.
pub(super) const STANDARD_HEADER: HeaderName = HeaderName::from_static("webhook-signature");
/// `x-webhook-signature`: the `sha256` scheme.
pub(super) const SHA256_HEADER: HeaderName = HeaderName::from_static("x-webhook-signature");

/// The keys of one webhook at one time.
#[derive(Clone, Debug, Default)]
pub struct Keys<'a> {
    /// `signing_secret`, or `secret` when there is none.
    pub hmac: Option<&'a Secret>,
    /// Replaced keys whose overlap lasts: `standard` and `stripe` sign with them as well.
    pub previous: Vec<&'a Secret>,
    /// `ed25519_key`.
    pub ed25519: Option<&'a Secret>,
    /// `secret`, for scheme `authorization`.
    pub secret: Option<&'a Secret>,
}

impl<'a> Keys<'a> {
    /// The keys of a webhook at a time.
    pub fn of(webhook: &'a Webhook, now: Timestamp) -> Self {
        let live = |previous: &&PreviousSecret| now < previous.until;
        Self {
            hmac: webhook.hmac_key(),
            previous: webhook.previous_secrets.iter().filter(live).map(|p| &p.secret).collect(),
            ed25519: webhook.ed25519_key.as_ref(),
            secret: webhook.secret.as_ref(),
        }
    }
}

/// The headers that `schemes` add to an attempt, in their order.
///
/// `id` is the value of `webhook-id`, `timestamp_secs` that of `webhook-timestamp` (Unix
/// seconds), `body` exactly the bytes that are sent.
///
/// # Errors
/// The secret is no key.
pub fn headers(
    schemes: &[Scheme],
    keys: &Keys<'_>,
    id: &str,
    timestamp_secs: u64,
    body: &[u8],
) -> Result<Vec<(HeaderName, HeaderValue)>, KeyError> {
    let Some(secret) = keys.hmac else { return Err(KeyError::Empty) };
    let key = Key::parse(secret)?;
    Ok(schemes.iter().map(|scheme| header(scheme, &key, id, timestamp_secs, body)).collect())
}

fn header(
    scheme: &Scheme,
    key: &Key,
    id: &str,
    timestamp_secs: u64,
    body: &[u8],
) -> (HeaderName, HeaderValue) {
    let (name, text) = match scheme {
        Scheme::Standard => {
            let tag = standard_mac(key, id, timestamp_secs, body).finalize().into_bytes();
            (STANDARD_HEADER, format!("v1,{}", STANDARD.encode(tag)))
        }
        Scheme::Sha256 => {
            let tag = sha256_mac(key, body).finalize().into_bytes();
            (SHA256_HEADER, format!("sha256={}", hex(&tag)))
        }
        _ => (SHA256_HEADER, String::new()),
    };
    (name, HeaderValue::from_str(&text).expect("base64 and hexadecimal are visible ASCII"))
}

/// HMAC-SHA256 of `{id}.{timestamp}.{body}`.
pub(super) fn standard_mac(key: &Key, id: &str, timestamp_secs: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.mac();
    mac.update(format!("{id}.{timestamp_secs}.").as_bytes());
    mac.update(body);
    mac
}

/// HMAC-SHA256 of the body.
pub(super) fn sha256_mac(key: &Key, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.mac();
    mac.update(body);
    mac
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
