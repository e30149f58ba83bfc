//! One call as it was captured: what the client sent and what the upstream answered.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A captured call: request and response within the capture limits, already redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// What the client sent.
    pub request: RequestPart,
    /// What the upstream answered.
    pub response: ResponsePart,
}

/// The captured request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestPart {
    /// The method as received (case kept).
    pub method: String,
    /// Path and query as received, after `redact_query`.
    pub url: String,
    /// Named groups of the rule's URL regex that took part.
    pub params: Vec<(String, String)>,
    /// The kept headers.
    pub headers: HeaderList,
    /// The captured body.
    pub body: Body,
}

/// The captured response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponsePart {
    /// HTTP status code.
    pub status: u16,
    /// The kept headers.
    pub headers: HeaderList,
    /// The captured body.
    pub body: Body,
}

/// Header fields in the order received: lower-case names, values as bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderList(pub Vec<(String, Vec<u8>)>);

impl HeaderList {
    /// The first value of a field (`name` in lower case).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }
}

/// Written as a list of pairs of strings; each byte of a value is one character (ISO 8859-1),
/// so that every value that HTTP allows survives (RFC 9110 5.5, obs-text).
impl Serialize for HeaderList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| (name, text_of(value))))
    }
}

impl<'de> Deserialize<'de> for HeaderList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
        let byte = |c: char| u8::try_from(u32::from(c)).ok();
        let read = |(name, text): (String, String)| {
            text.chars().map(byte).collect::<Option<Vec<u8>>>().map(|value| (name, value))
        };
        pairs
            .into_iter()
            .map(read)
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("header value outside ISO 8859-1"))
    }
}

/// A captured body: raw bytes as on the wire (after de-chunking, before any decoding).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The captured bytes: all of them, a prefix, or none. Not part of the serialised metadata:
    /// the journal stores bodies beside it, raw.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// Bytes that passed on the wire, captured or not.
    pub size: u64,
    /// How the capture ended.
    pub state: BodyState,
    /// What says how to read the bytes (`content-type`, `content-encoding`) and which trace the
    /// call belongs to (`traceparent`), where the kept headers leave it out: never shown itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_by: Option<Box<HeaderList>>,
    /// The limit under which it was captured, bytes: decoding it for show is limited by eight
    /// times as many. 0: not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
    /// The bytes are the body without its content coding, whatever the headers say: redaction
    /// could not leave it encoded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decoded: bool,
}

impl Body {
    /// No body at all.
    pub const fn none() -> Self {
        Self {
            bytes: Vec::new(),
            size: 0,
            state: BodyState::Complete,
            described_by: None,
            limit: 0,
            decoded: false,
        }
    }

    /// A body captured whole.
    pub fn complete(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { size: bytes.len() as u64, bytes, ..Self::none() }
    }

    /// True when the message had no body, or an empty one.
    pub const fn is_none(&self) -> bool {
        self.size == 0
    }

    /// The fields that say how to read the bytes and were not kept with the others.
    pub fn described_by(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.described_by.iter().flat_map(|list| &list.0)
    }
}

/// How much of a body was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyState {
    /// All of it.
    Complete,
    /// A prefix of what passed whole: the capture limit of the rule was reached.
    Truncated,
    /// Nothing or a prefix was kept because all captures in flight together reached `max_total`.
    OverBudget,
    /// Left out whole because redaction could not be sure of it.
    Redacted,
    /// What came until its client hung up, or soon after; the rest was not waited for.
    ClientAborted,
    /// A request that the upstream answered without taking all of it.
    UpstreamAborted,
    /// What came until the event was made: it had not ended by `[capture] max_duration`.
    Streaming,
}

/// Each byte a character; nothing to do where all of them are ASCII.
fn text_of(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(value.iter().map(|&byte| char::from(byte)).collect()),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}
