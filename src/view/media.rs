//! What a body says it is: media type, charset, content coding (RFC 9110 8.3, 8.4).

use crate::model::{Body, HeaderList};

/// What the headers say about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) kind: Kind,
    pub(super) charset: Charset,
    /// A content coding other than `identity`: the bytes are not the representation.
    pub(super) is_encoded: bool,
}

/// The kinds that are shown in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No content type.
    Unknown,
    /// `application/json` or `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else.
    Other,
}

/// The charsets that are read; others are not guessed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// Also where none is given.
    Utf8,
    Ascii,
    Latin1,
    Unread,
}

impl Media {
    /// What the message's headers say, and where they were not kept, what stands with its body.
    pub(super) fn of(headers: &HeaderList, body: &Body) -> Self {
        let (kind, charset) = headers
            .get("content-type")
            .or_else(|| body.described_by.as_ref()?.get("content-type"))
            .filter(|value| !value.trim_ascii().is_empty())
            .map_or((Kind::Unknown, Charset::Utf8), content_type);
        let is_encoded = headers.0.iter().chain(body.described_by()).any(|(name, value)| {
            name == "content-encoding"
                && value.split(|&b| b == b',').any(|coding| {
                    let coding = coding.trim_ascii();
                    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
                })
        });
        Self { kind, charset, is_encoded }
    }
}

fn content_type(value: &[u8]) -> (Kind, Charset) {
    let mut parts = value.split(|&b| b == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let kind = match essence.as_slice() {
        b"application/json" => Kind::Json,
        b"application/x-www-form-urlencoded" => Kind::Form,
        other if other.ends_with(b"+json") => Kind::Json,
        _ => Kind::Other,
    };
    let charset = parts.find_map(charset_parameter).unwrap_or(Charset::Utf8);
    (kind, charset)
}

fn charset_parameter(parameter: &[u8]) -> Option<Charset> {
    let at = parameter.iter().position(|&b| b == b'=')?;
    let (name, value) = parameter.split_at(at);
    if !name.trim_ascii().eq_ignore_ascii_case(b"charset") {
        return None;
    }
    let value = value[1..].trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    Some(match value.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" => Charset::Utf8,
        b"us-ascii" | b"ascii" => Charset::Ascii,
        b"iso-8859-1" | b"iso8859-1" | b"latin1" | b"latin-1" => Charset::Latin1,
        _ => Charset::Unread,
    })
}
