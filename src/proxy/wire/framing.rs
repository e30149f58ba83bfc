//! Where a message's body ends (RFC 9112 6): decided once, strictly, from its head alone.

use http::StatusCode;

use super::head::{Head, Version};
use super::name::Name;

/// Transfer codings with a name (RFC 9112 7), as `Content-Encoding` has them too.
const CODINGS: [&[u8]; 7] =
    [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"br", b"zstd"];

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// There is no body.
    None,
    /// So many bytes, more than 0.
    Exact(u64),
    /// Chunks.
    Chunked,
    /// The connection's end is the body's.
    UntilClose,
}

/// A head that does not say where its body ends, or says it in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct FramingError {
    /// What a client gets that sent it.
    pub(in crate::proxy) status: StatusCode,
    pub(in crate::proxy) detail: &'static str,
}

/// Of a request.
///
/// # Errors
/// Two ways to tell the length, a length that is no number, or a transfer coding other than
/// `chunked`.
pub(in crate::proxy) fn of_request(head: &Head) -> Result<Framing, FramingError> {
    if head.has(Name::TransferEncoding) {
        return of_coded_request(head);
    }
    let mut lengths = head.all(Name::ContentLength);
    let Some(first) = lengths.next() else { return Ok(Framing::None) };
    let length = number(first)
        .ok_or_else(|| bad("The Content-Length field is not a number, or a far too large one."))?;
    if lengths.any(|other| number(other) != Some(length)) {
        return Err(bad("The request has more than one Content-Length."));
    }
    Ok(exact(length))
}

fn of_coded_request(head: &Head) -> Result<Framing, FramingError> {
    if head.version() == Version::Http10 {
        // RFC 9112 6.1: its framing is faulty.
        return Err(bad("An HTTP/1.0 request cannot have a Transfer-Encoding."));
    }
    let mut codings = head.all(Name::TransferEncoding);
    let coding = codings.next().unwrap_or_default();
    if codings.next().is_some() {
        return Err(bad("The request has more than one Transfer-Encoding field."));
    }
    if !coding.eq_ignore_ascii_case(b"chunked") {
        let tokens = || coding.split(|&b| b == b',').map(<[u8]>::trim_ascii);
        let is_chunked = |token: &&[u8]| token.eq_ignore_ascii_case(b"chunked");
        let ends_well = tokens().next_back().is_some_and(|last| is_chunked(&last))
            // Known, though not here.
            || tokens().all(|token| CODINGS.iter().any(|known| known.eq_ignore_ascii_case(token)));
        if !ends_well || !tokens().all(is_token) || tokens().filter(is_chunked).count() > 1 {
            return Err(bad("The Transfer-Encoding field does not end in one `chunked`."));
        }
        return Err(FramingError {
            status: StatusCode::NOT_IMPLEMENTED,
            detail: "Only the transfer coding `chunked` is known here.",
        });
    }
    if head.has(Name::ContentLength) {
        return Err(bad("The request has both Transfer-Encoding and Content-Length."));
    }
    Ok(Framing::Chunked)
}

/// Of a response to a request with this method.
///
/// # Errors
/// As for requests; the status in the error is of no meaning.
pub(in crate::proxy) fn of_response(head: &Head, method: &[u8]) -> Result<Framing, FramingError> {
    let status = head.status();
    if method == b"HEAD" || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    if head.has(Name::TransferEncoding) {
        let mut codings = head.all(Name::TransferEncoding);
        let is_chunked = codings.next().is_some_and(|c| c.eq_ignore_ascii_case(b"chunked"));
        if !is_chunked || codings.next().is_some() || head.version() == Version::Http10 {
            return Err(bad("a transfer coding other than `chunked`, which nobody asked for"));
        }
        // It overrides a Content-Length (RFC 9112 6.3).
        return Ok(Framing::Chunked);
    }
    let mut length = None;
    for line in head.all(Name::ContentLength) {
        for member in line.split(|&b| b == b',') {
            let this = number(member.trim_ascii()).ok_or_else(|| bad("a length that is none"))?;
            if length.is_some_and(|length| length != this) {
                return Err(bad("two lengths"));
            }
            length = Some(this);
        }
    }
    Ok(length.map_or(Framing::UntilClose, exact))
}

const fn exact(length: u64) -> Framing {
    if length == 0 { Framing::None } else { Framing::Exact(length) }
}

/// Digits only (RFC 9110 8.6), and no more than fits into 63 bits: above, implementations overflow.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number <= i64::MAX.unsigned_abs()).then_some(number)
}

/// RFC 9110 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !text.is_empty() && text.iter().all(is_tchar)
}

const fn bad(detail: &'static str) -> FramingError {
    FramingError { status: StatusCode::BAD_REQUEST, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::wire::{parse_request, parse_response};

    fn request(version: &str, lines: &str) -> Result<Framing, u16> {
        let mut head = Head::new();
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        parse_request(text.as_bytes(), &mut head).expect("a head").expect("whole");
        of_request(&head).map_err(|e| e.status.as_u16())
    }

    fn response(method: &str, status: &str, lines: &str) -> Result<Framing, ()> {
        let mut head = Head::new();
        let text = format!("HTTP/1.1 {status}\r\n{lines}\r\n");
        parse_response(text.as_bytes(), &mut head).expect("a head").expect("whole");
        of_response(&head, method.as_bytes()).map_err(|_| ())
    }

    #[test]
    fn f1_f3_to_f5_a_request_says_once_where_it_ends() {
        use Framing::{Chunked, Exact, None};
        for (lines, framing) in [
            ("", Ok(None)),
            ("Content-Length: 0\r\n", Ok(None)),
            ("Content-Length: 5\r\ncontent-length: 05\r\n", Ok(Exact(5))),
            ("Content-Length: 9223372036854775807\r\n", Ok(Exact(i64::MAX.unsigned_abs()))),
            ("Content-Length: 9223372036854775808\r\n", Err(400)),
            ("Content-Length: 18446744073709551615\r\n", Err(400)),
            ("Content-Length: 18446744073709551621\r\n", Err(400)),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: 5, 5\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
            ("Transfer-Encoding: ChUnKeD\r\n", Ok(Chunked)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(400)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
            ("Transfer-Encoding: ,chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked;a=1\r\n", Err(400)),
            ("Transfer-Encoding:\r\n", Err(400)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: gzip\r\n", Err(501)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
            ("Transfer-Encoding: xchunked\r\n", Err(400)),
        ] {
            assert_eq!(request("1.1", lines), framing, "{lines}");
        }
        assert_eq!(request("1.0", "Transfer-Encoding: chunked\r\n"), Err(400));
    }

    #[test]
    fn f2_f11_a_responses_end_depends_on_what_it_answers() {
        use Framing::{Chunked, Exact, None, UntilClose};
        for (method, status, lines, framing) in [
            ("GET", "200 OK", "", Ok(UntilClose)),
            ("GET", "200 OK", "Content-Length: 5, 5\r\nContent-Length: 5\r\n", Ok(Exact(5))),
            ("GET", "200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n", Err(())),
            ("GET", "200 OK", "Content-Length: 5,\r\n", Err(())),
            ("GET", "200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Ok(Chunked)),
            ("GET", "200 OK", "Transfer-Encoding: gzip, chunked\r\n", Err(())),
            ("HEAD", "200 OK", "Content-Length: 5\r\n", Ok(None)),
            ("head", "200 OK", "Content-Length: 5\r\n", Ok(Exact(5))),
            ("GET", "204 No Content", "Content-Length: 5\r\n", Ok(None)),
            ("GET", "304 Not Modified", "Transfer-Encoding: chunked\r\n", Ok(None)),
            ("GET", "103 Early Hints", "Content-Length: 5\r\n", Ok(None)),
        ] {
            assert_eq!(response(method, status, lines), framing, "{method} {status} {lines}");
        }
    }
}
