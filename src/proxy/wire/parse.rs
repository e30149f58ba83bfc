//! Reads heads: `httparse` for the syntax, and what it is too lenient about for a proxy, since the
//! upstream may understand such a thing otherwise than we do (RFC 9112 11.2).

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::head::{Head, Version};

/// Fields of a head.
pub(in crate::proxy) const FIELDS_MAX: usize = 128;

/// Blank lines before a request that are skipped (RFC 9112 2.2).
const BLANK_LINES_MAX: usize = 8;

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum ParseError {
    #[error("it is not valid HTTP/1.1")]
    Malformed,
    #[error("its version of HTTP is not known here")]
    Version,
    #[error("it has more than {FIELDS_MAX} fields")]
    TooManyFields,
    #[error("a line of it does not end in CR and LF")]
    BareLineFeed,
    #[error("its target has a character that a URI cannot have")]
    Target,
}

/// Reads a request's head; how many bytes it takes, `None` while it is not complete.
///
/// # Errors
/// It is not a request that all understand alike.
pub(in crate::proxy) fn parse_request(
    buf: &[u8],
    head: &mut Head,
) -> Result<Option<usize>, ParseError> {
    let Some(n_blank) = blank_lines(buf)? else { return Ok(None) };
    let text = &buf[n_blank..];
    if text.is_empty() {
        return Ok(None);
    }
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let n = match request.parse_with_uninit_headers(text, &mut fields) {
        Ok(Status::Complete(n)) => n,
        Ok(Status::Partial) => return partial(text),
        Err(error) => return Err(error.into()),
    };
    let text = &text[..n];
    if has_bare_line_feed(text) {
        return Err(ParseError::BareLineFeed);
    }
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    if !is_target(target.as_bytes()) {
        return Err(ParseError::Target);
    }
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    head.take_over(text, version);
    head.note_request(method.as_bytes(), target.as_bytes(), text);
    for field in request.headers {
        head.note_field(field.name.as_bytes(), field.value, text);
    }
    Ok(Some(n_blank + n))
}

/// Reads a response's head; how many bytes it takes, `None` while it is not complete.
///
/// # Errors
/// It is not HTTP/1.
pub(in crate::proxy) fn parse_response(
    text: &[u8],
    head: &mut Head,
) -> Result<Option<usize>, ParseError> {
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = lenient().parse_response_with_uninit_headers(&mut response, text, &mut fields);
    let n = match parsed {
        Ok(Status::Complete(n)) => n,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = &text[..n];
    let version = if response.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let status = response.code.filter(|code| (100..1000).contains(code));
    head.take_over(text, version);
    head.note_response(status.ok_or(ParseError::Malformed)?, reason(text), text);
    let mut is_folded = false;
    for field in response.headers {
        is_folded |= memchr::memchr(b'\n', field.value).is_some();
        head.note_field(field.name.as_bytes(), field.value, text);
    }
    if is_folded {
        head.unfold();
    }
    Ok(Some(n))
}

impl From<httparse::Error> for ParseError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::Version => Self::Version,
            _ => Self::Malformed,
        }
    }
}

/// RFC 9112 5.1 and 5.2: a proxy repairs these in responses.
fn lenient() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    config
}

/// The bytes of the blank lines at the begin; `None`: a line break is not complete yet.
fn blank_lines(buf: &[u8]) -> Result<Option<usize>, ParseError> {
    let mut at = 0;
    while let Some(b'\r' | b'\n') = buf.get(at) {
        if at >= 2 * BLANK_LINES_MAX {
            return Err(ParseError::Malformed);
        }
        match buf[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [b'\r'] => return Ok(None),
            _ => return Err(ParseError::BareLineFeed),
        }
    }
    Ok(Some(at))
}

/// What is not complete may be wrong already; the answer then need not wait for the rest.
fn partial(text: &[u8]) -> Result<Option<usize>, ParseError> {
    if has_bare_line_feed(text) { Err(ParseError::BareLineFeed) } else { Ok(None) }
}

/// Whether a line ends in LF alone: parsers disagree about where such a line ends.
fn has_bare_line_feed(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', text).any(|at| at == 0 || text[at - 1] != b'\r')
}

/// Whether a target is one that all understand alike. Bytes that RFC 3986 does not allow are
/// passed on where programs send them (`|`, `[`, `"`, UTF-8, in queries the backtick, as
/// browsers do), but not those that delimit a URI in text, nor a fragment, which ends at the client.
fn is_target(target: &[u8]) -> bool {
    let query = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(query);
    let is_bad = |b: &u8| matches!(b, b'<' | b'>' | b'#');
    !path.iter().any(|b| is_bad(b) || *b == b'`') && !query.iter().any(is_bad)
}

/// The reason phrase with all its bytes: httparse leaves one out that is not ASCII.
fn reason(text: &[u8]) -> &[u8] {
    let line = text.trim_ascii_start();
    let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
    let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
    line.get("HTTP/1.1 200 ".len()..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
