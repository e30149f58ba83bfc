//! What a body says it is: media type, charset, content coding (RFC 9110 8.3, 8.4).

use crate::model::{Body, HeaderList};

/// What the headers say about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) kind: Kind,
    pub(super) charset: Charset,
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
    /// `multipart/form-data`: parts of any kind, never text as a whole.
    Multipart,
    /// Anything else.
    Other,
}

/// The charsets that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// Also where none is given.
    Utf8,
    Ascii,
    /// ISO 8859-1 by the letter: each byte is the character of its number.
    Latin1,
    /// Any other of the WHATWG's.
    Other(&'static encoding_rs::Encoding),
    /// An unknown one: not guessed at.
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
        Self { kind, charset }
    }
}

/// The names of a body's content codings in the order in which they were applied, without
/// `identity`.
pub(super) fn codings<'a>(
    headers: &'a HeaderList,
    body: &'a Body,
) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.0.iter().chain(body.described_by());
    fields
        .filter(|(name, _)| name == "content-encoding")
        .flat_map(|(_, value)| value.split(|&b| b == b',').map(<[u8]>::trim_ascii))
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn content_type(value: &[u8]) -> (Kind, Charset) {
    let mut parts = value.split(|&b| b == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let kind = match essence.as_slice() {
        b"application/json" => Kind::Json,
        b"application/x-www-form-urlencoded" => Kind::Form,
        b"multipart/form-data" => Kind::Multipart,
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
        label => match encoding_rs::Encoding::for_label_no_replacement(label) {
            Some(encoding) if encoding == encoding_rs::UTF_8 => Charset::Utf8,
            Some(encoding) => Charset::Other(encoding),
            None => Charset::Unread,
        },
    })
}
