//! Which header fields of a call are kept: those that `keep_headers` allows, with secrets replaced.
//! Conditions see all of them, so where a rule has any, the rest goes only after they are judged.

use http::HeaderMap;

use super::settings::CaptureSettings;
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
    pub(super) fn of(headers: &HeaderMap, settings: &CaptureSettings, all: bool) -> Self {
        let list = headers.iter().filter(|(name, _)| all || is_kept(name.as_str(), settings));
        let list = list.map(|(name, value)| {
            let is_secret = is_secret(name.as_str(), settings);
            let value = if is_secret { REDACTED.as_bytes() } else { value.as_bytes() };
            (name.as_str().to_owned(), value.to_vec())
        });
        let list = HeaderList(list.collect());
        let left_out = headers.iter().filter(|(name, _)| !all && !is_kept(name.as_str(), settings));
        let describing = left_out
            .filter(|(name, _)| describes(name.as_str(), settings))
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Self { list, describing: boxed(describing.collect()) }
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

fn is_kept(name: &str, settings: &CaptureSettings) -> bool {
    settings.keep_headers.as_ref().is_none_or(|kept| kept.iter().any(|k| k == name))
}

fn is_secret(name: &str, settings: &CaptureSettings) -> bool {
    redact::ALWAYS.contains(&name) || settings.redact_headers.iter().any(|r| r == name)
}

fn describes(name: &str, settings: &CaptureSettings) -> bool {
    DESCRIBING.contains(&name) && !is_secret(name, settings)
}
