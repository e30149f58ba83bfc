//! Makes the signature headers of one attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use super::ed25519::SigningKey;
use super::form::{Form, header_name, lead};
use super::{Key, KeyError};
use crate::model::{PreviousSecret, Scheme, Secret, SignedContent, Timestamp, Webhook};

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

/// What is signed.
struct Message<'a> {
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
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

    fn current(&self) -> Result<Key, KeyError> {
        Key::parse(self.hmac.ok_or(KeyError::Empty)?)
    }

    /// The current key, then the replaced ones that are still live.
    fn live(&self) -> Result<Vec<Key>, KeyError> {
        let current = self.current();
        [current].into_iter().chain(self.previous.iter().map(|secret| Key::parse(secret))).collect()
    }
}

impl Message<'_> {
    fn tag(&self, form: &Form<'_>, key: &Key) -> String {
        let lead = lead(form.content, self.id, self.timestamp);
        form.write(&key.tag(form.algorithm, &[lead.as_bytes(), self.body]))
    }

    /// One signature by each key.
    fn tags(&self, form: &Form<'_>, keys: &[Key]) -> Vec<String> {
        keys.iter().map(|key| self.tag(form, key)).collect()
    }

    fn ed25519(&self, key: &SigningKey) -> String {
        let lead = lead(SignedContent::IdTimestampBody, self.id, self.timestamp);
        let signature = key.sign(&[lead.as_bytes(), self.body].concat());
        format!("v1a,{}", STANDARD.encode(signature))
    }
}

/// The headers that `schemes` add to an attempt, in their order; the two standard schemes share
/// one.
///
/// `id` is the value of `webhook-id`, `timestamp_secs` that of `webhook-timestamp` (Unix
/// seconds), `body` exactly the bytes that are sent.
///
/// # Errors
/// The key of a scheme is missing or is none.
pub fn headers(
    schemes: &[Scheme],
    keys: &Keys<'_>,
    id: &str,
    timestamp_secs: u64,
    body: &[u8],
) -> Result<Vec<(HeaderName, HeaderValue)>, KeyError> {
    let timestamp = timestamp_secs.to_string();
    let message = Message { id, timestamp: &timestamp, body };
    let mut texts: Vec<(HeaderName, String)> = Vec::with_capacity(schemes.len());
    for scheme in schemes {
        let name = header_name(scheme);
        let text = signature(scheme, keys, &message)?;
        match texts.iter_mut().find(|(other, _)| *other == name) {
            // Standard Webhooks: several signatures are separated by spaces.
            Some((_, others)) => {
                others.push(' ');
                others.push_str(&text);
            }
            None => texts.push((name, text)),
        }
    }
    texts.into_iter().map(|(name, text)| Ok((name, header_value(&text)?))).collect()
}

fn signature(scheme: &Scheme, keys: &Keys<'_>, message: &Message<'_>) -> Result<String, KeyError> {
    if let Some(form) = Form::of(scheme) {
        return Ok(match scheme {
            Scheme::Standard => message.tags(&form, &keys.live()?).join(" "),
            Scheme::Stripe => {
                let tags = message.tags(&form, &keys.live()?).join(",");
                format!("t={},{tags}", message.timestamp)
            }
            _ => message.tag(&form, &keys.current()?),
        });
    }
    match scheme {
        Scheme::StandardEd25519 => {
            let key = SigningKey::parse(keys.ed25519.ok_or(KeyError::Empty)?)?;
            Ok(message.ed25519(&key))
        }
        // `authorization`: the secret, verbatim.
        _ => Ok(keys.secret.ok_or(KeyError::Empty)?.reveal().to_owned()),
    }
}

/// Some of them are secrets: none is to be logged.
fn header_value(text: &str) -> Result<HeaderValue, KeyError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| KeyError::NotHeaderValue)?;
    value.set_sensitive(true);
    Ok(value)
}
