//! `signatures`: which schemes, under the rule that a secret is never both shown and used as a key.

use std::sync::Arc;

use http::HeaderName;

use super::Check;
use super::headers::signature_header;
use crate::config::node::{Node, Place, Table, Value};
use crate::config::problem::quoted;
use crate::model::{
    CustomScheme, Format, Scheme, SignatureAlgorithm, SignatureEncoding, SignedContent,
};
use crate::sign::{self, Key, Offer, SchemeError};

/// Longest prefix of a signature, bytes.
const PREFIX_BYTES_MAX: usize = 128;
/// Most schemes at a time.
const SCHEMES_MAX: usize = 16;

/// The schemes as written or by default; `headers` are the webhook's own.
pub(super) fn signatures(
    c: &mut Check<'_>,
    table: &Table,
    place: &Place,
    offer: &Offer<'_>,
    headers: &[HeaderName],
) -> Vec<Scheme> {
    let written = table.get("signatures").map(|node| listed(c, node));
    if !keys_are_good(c, table, offer) {
        return Vec::new();
    }
    let schemes: Option<Vec<Scheme>> =
        written.as_ref().map(|listed| listed.iter().map(|(scheme, _)| scheme.clone()).collect());
    let chosen = match sign::check_schemes(offer, schemes.as_deref()) {
        Ok(chosen) => chosen,
        Err(error) => {
            let listed = written.unwrap_or_default();
            refused(c, table, place, offer, &listed, &error);
            return Vec::new();
        }
    };
    collisions(c, &written.unwrap_or_default(), headers);
    chosen
}

/// A bad key is a mistake even where nothing signs yet.
fn keys_are_good(c: &mut Check<'_>, table: &Table, offer: &Offer<'_>) -> bool {
    let signing = offer.signing_secret.and_then(|secret| Key::parse(secret).err());
    if let (Some(error), Some(node)) = (signing, table.get("signing_secret")) {
        let cure = "write whsec_ and base64, or any other text";
        c.problem(&node.place, error.to_string(), cure);
        return false;
    }
    let alone = Offer {
        format: &Format::Standard,
        secret: None,
        signing_secret: None,
        ed25519_key: offer.ed25519_key,
        has_basic_auth: false,
    };
    let ed25519 = offer
        .ed25519_key
        .and_then(|_| sign::check_schemes(&alone, Some(&[Scheme::StandardEd25519])).err());
    if let (Some(SchemeError::Key(error)), Some(node)) = (ed25519, table.get("ed25519_key")) {
        let cure = "write whsk_ and the base64 of the 32-byte seed, or of seed and public key";
        c.problem(&node.place, error.to_string(), cure);
        return false;
    }
    true
}

/// Reports a refused choice at the scheme that is the first not to work.
fn refused(
    c: &mut Check<'_>,
    table: &Table,
    place: &Place,
    offer: &Offer<'_>,
    listed: &[(Scheme, Place)],
    error: &SchemeError,
) {
    let schemes: Vec<Scheme> = listed.iter().map(|(scheme, _)| scheme.clone()).collect();
    let first = (1..=schemes.len())
        .find(|&n| sign::check_schemes(offer, Some(&schemes[..n])).is_err())
        .map(|n| &listed[n - 1]);
    let (key, cure) = match (error, first.map(|(scheme, _)| scheme)) {
        (SchemeError::Twice { .. }, _) => ("signatures", "list each scheme once"),
        (SchemeError::SameSecret { .. }, _) => {
            ("signing_secret", "choose a signing_secret of its own")
        }
        (SchemeError::Key(_), _) => ("secret", "write whsec_ and base64, or any other text"),
        (
            SchemeError::SameHeader { .. }
            | SchemeError::KeyIsSent { .. }
            | SchemeError::ReservedHeader { .. },
            _,
        ) => (error.key(), error.cure()),
        (_, Some(Scheme::StandardEd25519)) => {
            ("signatures", "set ed25519_key, or take it out of signatures")
        }
        (_, Some(Scheme::Authorization)) if offer.has_basic_auth => {
            ("signatures", "keep either basic_auth or this signature: both are `authorization`")
        }
        (_, Some(Scheme::Authorization)) => {
            ("signatures", "set secret, which is what it sends, or take it out of signatures")
        }
        _ => ("signatures", "set signing_secret, or take it out of signatures"),
    };
    let at = match first {
        Some((_, item)) if key == "signatures" => item,
        _ => table.get(key).or_else(|| table.get("secret")).map_or(place, |node| &node.place),
    };
    c.problem(at, error.to_string(), cure);
}

/// Two schemes, or a scheme and a header of the webhook's own, that write the same header.
fn collisions(c: &mut Check<'_>, listed: &[(Scheme, Place)], headers: &[HeaderName]) {
    for (at, (scheme, place)) in listed.iter().enumerate() {
        let header = header_of(scheme);
        let is_standard =
            |scheme: &Scheme| matches!(scheme, Scheme::Standard | Scheme::StandardEd25519);
        let other = listed[..at]
            .iter()
            .find(|(other, _)| header_of(other) == header)
            .filter(|(other, _)| !(is_standard(scheme) && is_standard(other)));
        let taken = if other.is_some() {
            "another signature"
        } else if headers.iter().any(|own| own.as_str() == header) {
            "the webhook's own `headers`"
        } else {
            continue;
        };
        let message = format!("the header {} is written by {taken} too", quoted(header));
        c.problem(place, message, "give each its own header, or take one out");
    }
}

/// The header that a scheme adds (contract 3.3).
fn header_of(scheme: &Scheme) -> &str {
    match scheme {
        Scheme::Standard | Scheme::StandardEd25519 => "webhook-signature",
        Scheme::Sha256 => "x-webhook-signature",
        Scheme::Vikunja => "x-vikunja-signature",
        Scheme::Github => "x-hub-signature-256",
        Scheme::Stripe => "stripe-signature",
        Scheme::Authorization => "authorization",
        Scheme::Custom(custom) => custom.header.as_str(),
    }
}

fn listed(c: &mut Check<'_>, node: &Node) -> Vec<(Scheme, Place)> {
    let items = c.list(node, "signature schemes, such as [\"standard\", \"sha256\"]");
    if items.len() > SCHEMES_MAX {
        let message = format!("{} schemes are too many", items.len());
        c.problem(&node.place, message, format!("write at most {SCHEMES_MAX}"));
        return Vec::new();
    }
    let scheme = |item: &Node| {
        let scheme = match &item.value {
            Value::Table(_) => custom(c, item)?,
            _ => named(c, item)?,
        };
        Some((scheme, item.place.clone()))
    };
    items.iter().filter_map(scheme).collect()
}

fn named(c: &mut Check<'_>, item: &Node) -> Option<Scheme> {
    let names: Vec<(&str, usize)> =
        Scheme::NAMED.iter().enumerate().map(|(at, scheme)| (scheme.name(), at)).collect();
    let chosen = c.choice(item, &names);
    let is_name = |text: &String| names.iter().any(|(name, _)| name == text);
    matches!(&item.value, Value::Text(text) if is_name(text)).then(|| Scheme::NAMED[chosen].clone())
}

/// `{ header = "X-Sig", prefix = "", encoding = "hex", content = "body", algorithm = "sha256" }`.
fn custom(c: &mut Check<'_>, node: &Node) -> Option<Scheme> {
    const KEYS: [&str; 5] = ["header", "prefix", "encoding", "content", "algorithm"];
    let form = "{ header = \"X-Sig\", prefix = \"\", encoding = \"hex\", content = \"body\", \
                algorithm = \"sha256\" }";
    let table = c.inline_table(node, &KEYS, "a signature", form)?;
    let encodings = [("hex", SignatureEncoding::Hex), ("base64", SignatureEncoding::Base64)];
    let contents = [
        ("body", SignedContent::Body),
        ("timestamp.body", SignedContent::TimestampBody),
        ("id.timestamp.body", SignedContent::IdTimestampBody),
    ];
    let algorithms =
        [("sha256", SignatureAlgorithm::Sha256), ("sha512", SignatureAlgorithm::Sha512)];
    let prefix = table.get("prefix").map_or_else(String::new, |node| prefix(c, node));
    let encoding = table.get("encoding").map_or(encodings[0].1, |node| c.choice(node, &encodings));
    let content = table.get("content").map_or(contents[0].1, |node| c.choice(node, &contents));
    let algorithm =
        table.get("algorithm").map_or(algorithms[0].1, |node| c.choice(node, &algorithms));
    let header = c.required(table, &node.place, "header", form)?;
    let header = signature_header(c, header)?;
    let custom = CustomScheme { header, prefix, encoding, content, algorithm };
    Some(Scheme::Custom(Arc::new(custom)))
}

/// What stands before the encoded HMAC.
fn prefix(c: &mut Check<'_>, node: &Node) -> String {
    let form = "a text, such as \"sha256=\"";
    let Some(text) = c.text(node, form) else { return String::new() };
    let fits = text.len() <= PREFIX_BYTES_MAX
        && !text.starts_with(' ')
        && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if !fits {
        let cure = "write at most 128 bytes of visible ASCII, such as \"sha256=\"";
        c.problem(&node.place, "this cannot begin a header's value", cure);
    }
    text.to_owned()
}
