//! A captured body as JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::decode::{Decoded, decoded_bytes};
use super::media::{Charset, Kind, Media};
use crate::model::{Body, BodyState, HeaderList};

/// A body with the markers that stand beside it, `body_encoding`, `body_truncated`, `body_size`.
#[derive(Clone, Debug)]
pub struct BodyView<'a> {
    /// The body.
    pub body: BodyValue<'a>,
    /// `form`, `text`, `base64` or `omitted`; absent for plain JSON and for no body.
    pub body_encoding: Option<&'static str>,
    /// True when a part of it is all there is, else absent.
    pub body_truncated: bool,
    /// Bytes on the wire, where they are not all here.
    pub body_size: Option<u64>,
}

/// The fields of a form with their values, in the order in which the names first came.
pub type Fields<'a> = Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>;

/// The body itself.
#[derive(Clone, Debug)]
pub enum BodyValue<'a> {
    /// No body, or one that was left out.
    Null,
    /// The JSON received, byte for byte without the white space around it.
    Json(Cow<'a, RawValue>),
    /// Fields of a form, in the order received; several values of one name become a list.
    Form(Fields<'a>),
    /// Text.
    Text(Cow<'a, str>),
    /// Anything else; shown as base64 (RFC 4648 4).
    Bytes(Cow<'a, [u8]>),
}

impl BodyView<'_> {
    /// Writes the body and its markers as members of the object that they belong to. (Serde's
    /// `flatten` would lose the raw JSON.)
    pub fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("body", &self.body)?;
        if let Some(encoding) = self.body_encoding {
            map.serialize_entry("body_encoding", encoding)?;
        }
        if self.body_truncated {
            map.serialize_entry("body_truncated", &true)?;
        }
        if let Some(size) = self.body_size {
            map.serialize_entry("body_size", &size)?;
        }
        Ok(())
    }
}

impl BodyValue<'_> {
    /// The base64 that stands for bytes (RFC 4648 4); `None`: it is something else.
    pub(super) fn base64(&self) -> Option<String> {
        let Self::Bytes(bytes) = self else { return None };
        Some(STANDARD.encode(bytes))
    }

    fn into_owned(self) -> BodyValue<'static> {
        let owned = |text: Cow<'_, str>| Cow::<'static, str>::Owned(text.into_owned());
        match self {
            Self::Null => BodyValue::Null,
            Self::Json(raw) => BodyValue::Json(Cow::Owned(raw.into_owned())),
            Self::Form(fields) => BodyValue::Form(
                fields
                    .into_iter()
                    .map(|(name, values)| (owned(name), values.into_iter().map(owned).collect()))
                    .collect(),
            ),
            Self::Text(text) => BodyValue::Text(owned(text)),
            Self::Bytes(bytes) => BodyValue::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }

    const fn encoding(&self) -> Option<&'static str> {
        match self {
            Self::Null | Self::Json(_) => None,
            Self::Form(_) => Some("form"),
            Self::Text(_) => Some("text"),
            Self::Bytes(_) => Some("base64"),
        }
    }
}

impl Serialize for BodyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Json(raw) => raw.serialize(serializer),
            Self::Form(fields) => serializer.collect_map(fields.iter().map(|(name, values)| {
                let one = if let [value] = values.as_slice() { Ok(value) } else { Err(values) };
                (name, FormValue(one))
            })),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

struct FormValue<'f, 'a>(Result<&'f Cow<'a, str>, &'f Vec<Cow<'a, str>>>);

impl Serialize for FormValue<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ok(one) => one.serialize(serializer),
            Err(several) => several.serialize(serializer),
        }
    }
}

/// How a captured body is shown; `headers` are those of its message.
pub fn body_view<'a>(body: &'a Body, headers: &HeaderList) -> BodyView<'a> {
    let is_left_out = matches!(body.state, BodyState::Redacted | BodyState::OverBudget);
    if is_left_out && !body.is_none() {
        let (body_encoding, body_size) = (Some("omitted"), Some(body.size));
        return BodyView { body: BodyValue::Null, body_encoding, body_truncated: false, body_size };
    }
    if body.is_none() {
        // Nothing had come yet, or there was nothing to come.
        let is_cut = !is_left_out && body.state != BodyState::Complete;
        let (body, body_size) = (BodyValue::Null, is_cut.then_some(0));
        return BodyView { body, body_encoding: None, body_truncated: is_cut, body_size };
    }
    let decoded = decoded_bytes(body, headers);
    let is_cut = decoded.is_cut;
    let value = value(decoded, Media::of(headers, body));
    BodyView {
        body_encoding: value.encoding(),
        body: value,
        body_truncated: is_cut,
        body_size: is_cut.then_some(body.size),
    }
}

fn value(decoded: Decoded<'_>, media: Media) -> BodyValue<'_> {
    let is_whole = !decoded.is_cut;
    if decoded.is_encoded {
        return BodyValue::Bytes(decoded.bytes);
    }
    match decoded.bytes {
        Cow::Borrowed(bytes) => plain(bytes, media, is_whole),
        Cow::Owned(bytes) => plain(&bytes, media, is_whole).into_owned(),
    }
}

/// Bytes without a content coding.
fn plain(bytes: &[u8], media: Media, is_whole: bool) -> BodyValue<'_> {
    if is_whole
        && matches!(media.kind, Kind::Json | Kind::Unknown)
        && let Some(raw) = json(bytes)
    {
        return BodyValue::Json(Cow::Borrowed(raw));
    }
    if media.kind == Kind::Form
        && let Some(fields) = form(bytes)
    {
        return BodyValue::Form(fields);
    }
    let text = match media.kind {
        Kind::Multipart => None,
        _ => text(bytes, media.charset, is_whole),
    };
    text.map_or(BodyValue::Bytes(Cow::Borrowed(bytes)), BodyValue::Text)
}

/// One JSON value (RFC 8259), without the white space and the byte order mark around it: inside
/// another document neither could stand.
fn json(bytes: &[u8]) -> Option<&RawValue> {
    let text = str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text.trim_matches([' ', '\t', '\n', '\r'])).ok()
}

/// The fields of a form (WHATWG URL 5.1); `None` when they are not UTF-8, which would be lost.
fn form(bytes: &[u8]) -> Option<Fields<'_>> {
    str::from_utf8(bytes).ok()?;
    let mut fields = Fields::new();
    let mut places = std::collections::HashMap::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return None; // the decoder's mark of bytes that are no UTF-8
        }
        let place = *places.entry(name.clone()).or_insert_with(|| {
            fields.push((name, Vec::new()));
            fields.len() - 1
        });
        fields[place].1.push(value);
    }
    Some(fields)
}

/// The text of a body in its charset. The end of a cut one may be half a character: left out.
fn text(bytes: &[u8], charset: Charset, is_whole: bool) -> Option<Cow<'_, str>> {
    match charset {
        Charset::Utf8 => match str::from_utf8(bytes) {
            Ok(text) => Some(text.into()),
            Err(error) if !is_whole && error.error_len().is_none() => {
                str::from_utf8(&bytes[..error.valid_up_to()]).ok().map(Cow::from)
            }
            Err(_) => None,
        },
        Charset::Ascii => bytes.is_ascii().then(|| str::from_utf8(bytes).ok())?.map(Cow::from),
        Charset::Latin1 => Some(bytes.iter().map(|&b| char::from(b)).collect()),
        Charset::Other(encoding) => {
            // UTF-16 says its byte order in front.
            let (encoding, mark) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding, 0));
            let bytes = &bytes[mark..];
            let decode =
                |n| encoding.decode_without_bom_handling_and_without_replacement(&bytes[..n]);
            let shortest = if is_whole { bytes.len() } else { bytes.len().saturating_sub(3) };
            (shortest..=bytes.len()).rev().find_map(decode)
        }
        Charset::Unread => None,
    }
}
