//! What a receiver does: checks a signature in constant time, and its age.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq as _;

use super::ed25519::PublicKey;
use super::form::{Form, header_name, lead};
use super::{Key, KeyError};
use crate::model::{Scheme, Secret, SignedContent};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The secret is no key.
    #[error("the secret cannot be used")]
    Key(#[from] KeyError),
    /// A header is missing.
    #[error("the header `{name}` is missing")]
    Missing {
        /// Which.
        name: HeaderName,
    },
    /// A header that cannot be read.
    #[error("the header `{name}` is not of the form that the scheme asks for")]
    Malformed {
        /// Which.
        name: HeaderName,
    },
    /// The timestamp is too far from now, in either direction.
    #[error("signed {seconds} s away from now, more than the tolerance")]
    TooFar {
        /// How far.
        seconds: u64,
    },
    /// Signed with another key, or the bytes were changed.
    #[error("the signature does not match: another key, or the body was changed")]
    Mismatch,
    /// The secret is not what the header says.
    #[error("the header `authorization` is not the secret")]
    OtherSecret,
}

/// A received request.
struct Request<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    now_secs: u64,
    tolerance: Duration,
}

/// Verifies a request by one scheme. `secret` is what the scheme asks for: the HMAC key; for
/// `standard-ed25519` the public key (`whpk_`) or the private one (`whsk_`); for `authorization`
/// the text itself. Where the scheme signs a time, `tolerance` bounds its distance from
/// `now_secs` (Unix seconds) in both directions.
///
/// # Errors
/// The signature does not hold, and why.
pub fn verify(
    scheme: &Scheme,
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now_secs: u64,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let request = Request { headers, body, now_secs, tolerance };
    match scheme {
        Scheme::Standard => request.standard(&Key::parse(secret)?),
        Scheme::StandardEd25519 => request.ed25519(&PublicKey::parse(secret)?),
        Scheme::Stripe => request.stripe(&Key::parse(secret)?),
        Scheme::Authorization => request.authorization(secret),
        Scheme::Sha256 | Scheme::Vikunja | Scheme::Github | Scheme::Custom(_) => {
            request.hmac(scheme, &Key::parse(secret)?)
        }
    }
}

/// Whether `secret` is what the scheme verifies with.
///
/// # Errors
/// It is not, and why.
pub fn check_key(scheme: &Scheme, secret: &Secret) -> Result<(), KeyError> {
    match scheme {
        Scheme::StandardEd25519 => PublicKey::parse(secret).map(|_| ()),
        Scheme::Authorization if secret.reveal().is_empty() => Err(KeyError::Empty),
        Scheme::Authorization => Ok(()),
        _ => Key::parse(secret).map(|_| ()),
    }
}

impl<'a> Request<'a> {
    /// The schemes that write one HMAC into a header of its own.
    fn hmac(&self, scheme: &Scheme, key: &Key) -> Result<(), VerifyError> {
        let form = Form::of(scheme).ok_or(VerifyError::Mismatch)?;
        let name = header_name(scheme);
        let tag = form.read(self.text(&name)?).ok_or(VerifyError::Malformed { name })?;
        let lead = self.lead(form.content)?;
        if self.holds(&form, key, &lead, &tag) { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    /// Several signatures stand side by side while a key is rotated; other versions are ignored.
    fn standard(&self, key: &Key) -> Result<(), VerifyError> {
        let form = Form::of(&Scheme::Standard).ok_or(VerifyError::Mismatch)?;
        let lead = self.lead(form.content)?;
        let mut tags = self.standard_header()?.filter_map(|one| form.read(one));
        let any = tags.any(|tag| self.holds(&form, key, &lead, &tag));
        if any { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    fn ed25519(&self, key: &PublicKey) -> Result<(), VerifyError> {
        let lead = self.lead(SignedContent::IdTimestampBody)?;
        let content = [lead.as_bytes(), self.body].concat();
        let read = |one: &str| STANDARD.decode(one.strip_prefix("v1a,")?).ok();
        let any = self.standard_header()?.filter_map(read).any(|one| key.holds(&content, &one));
        if any { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    fn standard_header(&self) -> Result<impl Iterator<Item = &'a str>, VerifyError> {
        Ok(self.text(&header_name(&Scheme::Standard))?.split(' '))
    }

    /// `t=<seconds>,v1=<hex>,v1=<hex>`; other parts are ignored.
    fn stripe(&self, key: &Key) -> Result<(), VerifyError> {
        let form = Form::of(&Scheme::Stripe).ok_or(VerifyError::Mismatch)?;
        let name = header_name(&Scheme::Stripe);
        let parts = || self.text(&name).map(|text| text.split(',').map(str::trim_ascii));
        let timestamp = parts()?
            .find_map(|part| part.strip_prefix("t="))
            .ok_or_else(|| VerifyError::Malformed { name: name.clone() })?;
        self.check_age(timestamp, &name)?;
        let lead = lead(form.content, "", timestamp);
        let mut tags = parts()?.filter_map(|part| form.read(part));
        let any = tags.any(|tag| self.holds(&form, key, &lead, &tag));
        if any { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    fn authorization(&self, secret: &Secret) -> Result<(), VerifyError> {
        let name = header_name(&Scheme::Authorization);
        let value = self.headers.get(&name).ok_or(VerifyError::Missing { name })?;
        let is_same: bool = value.as_bytes().ct_eq(secret.reveal().as_bytes()).into();
        if is_same { Ok(()) } else { Err(VerifyError::OtherSecret) }
    }

    fn holds(&self, form: &Form<'_>, key: &Key, lead: &str, tag: &[u8]) -> bool {
        key.holds(form.algorithm, &[lead.as_bytes(), self.body], tag)
    }

    /// What stands before the body in the signed content, once the time in it was judged.
    fn lead(&self, content: SignedContent) -> Result<String, VerifyError> {
        let id = match content {
            SignedContent::IdTimestampBody => self.text(&ID)?,
            SignedContent::Body | SignedContent::TimestampBody => "",
        };
        let timestamp = match content {
            SignedContent::Body => "",
            SignedContent::TimestampBody | SignedContent::IdTimestampBody => {
                let text = self.text(&TIMESTAMP)?;
                self.check_age(text, &TIMESTAMP)?;
                text
            }
        };
        Ok(lead(content, id, timestamp))
    }

    fn check_age(&self, timestamp: &str, name: &HeaderName) -> Result<(), VerifyError> {
        let malformed = || VerifyError::Malformed { name: name.clone() };
        if !timestamp.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let timestamp_secs: u64 = timestamp.parse().map_err(|_| malformed())?;
        let seconds = self.now_secs.abs_diff(timestamp_secs);
        if seconds > self.tolerance.as_secs() {
            return Err(VerifyError::TooFar { seconds });
        }
        Ok(())
    }

    fn text(&self, name: &HeaderName) -> Result<&'a str, VerifyError> {
        let value = self.headers.get(name);
        let value = value.ok_or_else(|| VerifyError::Missing { name: name.clone() })?;
        value.to_str().map_err(|_| VerifyError::Malformed { name: name.clone() })
    }
}
