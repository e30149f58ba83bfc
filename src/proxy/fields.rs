//! Which header fields of a call are kept: those that `keep_headers` allows, with secrets replaced.
//! Conditions see all of them, so where a rule has any, the rest goes only after they are judged.

use super::settings::CaptureSettings;
use super::wire::Head;
use crate::model::{Body, Exchange, HeaderList};
use crate::rules::redact::{self, REDACTED};

/// What tells how to read a body, and which trace the deliveries belong to: kept beside the body
/// where `keep_headers` leaves it out.
const DESCRIBING: [&str; 3] = ["content-type", "content-encoding", "traceparent"];

/// The fields of one head, and those that describe its body where they are not among them.
#[derive(Clone, Default)]
pub(super) struct Fields {
    pub(super) list: HeaderList,
    pub(super) describing: Option<Box<HeaderList>>,
}

impl Fields {
    /// All of them, or those that are kept; secrets replaced.
    pub(super) fn of(head: &Head, settings: &CaptureSettings, all: bool) -> Self {
        let (mut list, mut describing) = (Vec::new(), Vec::new());
        for (name, value) in head.fields() {
            // Names are tokens: the parser has seen to that.
            let name = std::str::from_utf8(name).unwrap_or_default();
            if all || is_kept(name, settings) {
                let is_secret = is_secret(name, settings);
                let value = if is_secret { REDACTED.as_bytes() } else { value };
                list.push((name.to_ascii_lowercase(), value.to_vec()));
            } else if describes(name, settings) {
                describing.push((name.to_ascii_lowercase(), value.to_vec()));
            }
        }
        Self { list: HeaderList(list), describing: boxed(describing) }
    }
}

/// Takes the fields away that are not kept.
pub(super) fn narrow(exchange: &mut Exchange, settings: &CaptureSettings) {
    let (request, response) = (&mut exchange.request, &mut exchange.response);
    narrow_part(&mut request.headers, &mut request.body, settings);
    narrow_part(&mut response.headers, &mut response.body, settings);
}

fn narrow_part(headers: &mut HeaderList, body: &mut Body, settings: &CaptureSettings) {
    let all = std::mem::take(&mut headers.0);
    let (kept, mut left_out): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, _)| is_kept(name, settings));
    left_out.retain(|(name, _)| describes(name, settings));
    headers.0 = kept;
    body.described_by = boxed(left_out);
}

fn boxed(fields: Vec<(String, Vec<u8>)>) -> Option<Box<HeaderList>> {
    (!fields.is_empty()).then(|| Box::new(HeaderList(fields)))
}

// Of the head as received: names in any case.

fn is_kept(name: &str, settings: &CaptureSettings) -> bool {
    settings.keep_headers.as_ref().is_none_or(|kept| is_among(name, kept))
}

fn is_secret(name: &str, settings: &CaptureSettings) -> bool {
    is_among(name, &redact::ALWAYS) || is_among(name, &settings.redact_headers)
}

fn describes(name: &str, settings: &CaptureSettings) -> bool {
    is_among(name, &DESCRIBING) && !is_secret(name, settings)
}

fn is_among(name: &str, names: &[impl AsRef<str>]) -> bool {
    names.iter().any(|one| one.as_ref().eq_ignore_ascii_case(name))
}
