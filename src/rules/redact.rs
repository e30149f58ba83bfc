//! What must not be stored: JSON fields and query parameters.
//!
//! A field is cut out of the very text received: everything else keeps its bytes, so numbers and
//! the order of keys survive. Redaction fails closed: a body that a pointer could reach but that
//! cannot be searched (cut, not JSON) is left out whole. A compressed body is stored without its
//! compression, redacted.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::model::{Body, BodyState, Exchange, HeaderList};
use crate::view::decoded_bytes;

/// What a redacted value reads.
pub const REDACTED: &str = "REDACTED";

/// Headers that are redacted whatever the settings say.
pub const ALWAYS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// A compressed body that becomes larger than this is left out: it would not fit in the queues that
/// the largest captures fit in.
const DECODED_BYTES_MAX: usize = 16 << 20;

/// Nesting beyond which a body counts as not searchable: the search recurses.
const DEPTH_MAX: usize = 128;

/// The JSON pointers of `redact_fields` (RFC 6901), sorted by the body they reach into.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    request: Vec<Pointer>,
    response: Vec<Pointer>,
}

/// The steps from a body's root to a value; `None` is `*`: any key or index.
type Pointer = Vec<Option<String>>;

/// Byte range of a value in the JSON text.
type Span = (usize, usize);

impl Fields {
    /// Reads the pointers; those that begin with neither `/request/body` nor `/response/body`
    /// reach nothing that is stored in a body.
    pub fn new(pointers: &[String]) -> Self {
        let under = |prefix: &str| -> Vec<Pointer> {
            let inside = pointers.iter().filter_map(|p| p.strip_prefix(prefix));
            inside.filter(|rest| rest.is_empty() || rest.starts_with('/')).map(steps).collect()
        };
        Self { request: under("/request/body"), response: under("/response/body") }
    }

    /// Whether there is nothing to redact.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }

    /// Redacts both bodies of an exchange.
    pub fn redact(&self, exchange: &mut Exchange) {
        let (request, response) = (&mut exchange.request, &mut exchange.response);
        redact_body(&mut request.body, &request.headers, &self.request);
        redact_body(&mut response.body, &response.headers, &self.response);
    }
}

/// Path and query with the values of the named parameters replaced; a parameter's name is compared
/// after decoding (`access%5Ftoken` is `access_token`).
pub fn redact_query(target: &str, names: &[String]) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    if names.is_empty() {
        return target.to_owned();
    }
    let pairs = query.split('&').map(|pair| {
        let Some((key, _)) = pair.split_once('=') else { return Cow::Borrowed(pair) };
        let decoded = form_urlencoded::parse(key.as_bytes()).next();
        match decoded {
            Some((name, _)) if names.iter().any(|n| **n == *name) => {
                Cow::Owned(format!("{key}={REDACTED}"))
            }
            _ => Cow::Borrowed(pair),
        }
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn steps(pointer: &str) -> Pointer {
    let unescaped = |step: &str| step.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(|s| (s != "*").then(|| unescaped(s))).collect()
}

fn redact_body(body: &mut Body, headers: &HeaderList, pointers: &[Pointer]) {
    if pointers.is_empty() || body.is_none() {
        return;
    }
    let decoded = decoded_bytes(body, headers);
    let is_too_large = decoded.bytes.len() > DECODED_BYTES_MAX.max(body.bytes.len());
    let spans = if decoded.is_cut || decoded.is_encoded || is_too_large {
        None
    } else {
        find(&decoded.bytes, pointers)
    };
    let undone = match decoded.bytes {
        Cow::Owned(bytes) => Some(bytes),
        Cow::Borrowed(_) => None,
    };
    match spans {
        Some(spans) => {
            if let Some(bytes) = undone {
                body.bytes = bytes;
                body.decoded = true;
            }
            cut_out(&mut body.bytes, &spans);
        }
        None => leave_out(body),
    }
}

fn leave_out(body: &mut Body) {
    body.bytes = Vec::new();
    body.state = BodyState::Redacted;
}

fn cut_out(bytes: &mut Vec<u8>, spans: &[Span]) {
    let mut out = Vec::with_capacity(bytes.len());
    let mut kept = 0;
    for &(start, end) in spans {
        // A span inside one that is cut out already adds nothing.
        if start >= kept {
            out.extend_from_slice(&bytes[kept..start]);
            out.extend_from_slice(b"\"REDACTED\"");
            kept = end;
        }
    }
    out.extend_from_slice(&bytes[kept..]);
    *bytes = out;
}

/// The values that the pointers reach, in order; `None` when this is not one valid JSON text or a
/// pointer means all of it.
fn find(bytes: &[u8], pointers: &[Pointer]) -> Option<Vec<Span>> {
    let text = std::str::from_utf8(bytes).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let reaching: Vec<&[Option<String>]> = pointers.iter().map(Vec::as_slice).collect();
    let mut walk = Walk { bytes, at: 0, depth: 0, spans: Vec::new() };
    walk.value(&reaching)?;
    (walk.spans.first() != Some(&(walk.first_byte(), walk.at))).then_some(walk.spans)
}

/// Walks a JSON text that is known to be valid.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    spans: Vec<Span>,
}

impl Walk<'_> {
    fn first_byte(&self) -> usize {
        self.bytes.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes one value; `pointers` are the rests of those that lead here.
    fn value(&mut self, pointers: &[&[Option<String>]]) -> Option<()> {
        self.skip_space();
        let start = self.at;
        let here = pointers.iter().any(|p| p.is_empty());
        let place = self.spans.len();
        match self.peek()? {
            b'{' => self.members(pointers, true)?,
            b'[' => self.members(pointers, false)?,
            b'"' => self.string()?,
            _ => {
                while self.peek().is_some_and(|b| !b",]} \t\r\n".contains(&b)) {
                    self.at += 1;
                }
            }
        }
        if here {
            // In order of their starts: before those found inside.
            self.spans.insert(place, (start, self.at));
        }
        Some(())
    }

    /// Passes an object or an array; `None` when it is nested too deeply.
    fn members(&mut self, pointers: &[&[Option<String>]], object: bool) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        for index in 0_usize.. {
            self.skip_space();
            match self.peek()? {
                b'}' | b']' => break,
                b',' => {
                    self.at += 1;
                    self.skip_space();
                }
                _ => {}
            }
            let key = if object { self.key()? } else { index.to_string() };
            let leads = |p: &&[Option<String>]| match p.split_first() {
                Some((step, _)) => step.as_ref().is_none_or(|s| *s == key),
                None => false,
            };
            let rests: Vec<_> = pointers.iter().copied().filter(leads).map(|p| &p[1..]).collect();
            self.value(&rests)?;
        }
        self.at += 1;
        self.depth -= 1;
        Some(())
    }

    /// Passes a key and its colon; the key decoded, so that no escape hides it.
    fn key(&mut self) -> Option<String> {
        let start = self.at;
        self.string()?;
        let key = serde_json::from_slice(&self.bytes[start..self.at]).ok()?;
        self.skip_space();
        self.at += 1;
        Some(key)
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests;
