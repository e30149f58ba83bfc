//! A request as it was captured: raw HTTP/1.1, head and body (RFC 9112). Line ends may have lost
//! their CR on the way through an editor or a log.

use anyhow::{Context as _, bail, ensure};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{HeaderMap, header};

/// Largest request that is read, bytes.
pub(super) const BYTES_MAX: u64 = 64 << 20;
/// Largest head, bytes: receivers take far less.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Headers and body of a request.
#[derive(Debug)]
pub(super) struct RawRequest {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Nothing but the end of the input said where the body ends.
    pub(super) is_open_ended: bool,
}

impl RawRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// It is none, or ends too early.
    pub(super) fn parse(mut bytes: &[u8]) -> anyhow::Result<Self> {
        // RFC 9112 2.2: empty lines before a request are ignored.
        while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
            bytes = rest;
        }
        ensure!(!bytes.is_empty(), "there is no request: give head and body on standard input");
        let is_request_line = |line: &[u8]| {
            let mut words = line.split(|&b| b == b' ');
            words.next().is_some_and(|method| !method.is_empty() && !method.contains(&b':'))
                && words.next().is_some_and(|target| !target.is_empty())
                && words.next().is_some_and(|version| version.starts_with(b"HTTP/"))
        };
        let start = line(&mut bytes).filter(|line| is_request_line(line));
        ensure!(start.is_some(), "the first line is not of the form `POST /path HTTP/1.1`");
        let headers = headers(&mut bytes)?;
        let (body, is_open_ended) = body(&headers, bytes)?;
        Ok(Self { headers, body, is_open_ended })
    }
}

/// The next line without its end; `None` when the input ends before.
fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let end = window.iter().position(|&b| b == b'\n')?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn headers(bytes: &mut &[u8]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut left = HEAD_BYTES_MAX;
    loop {
        let Some(line) = line(bytes) else {
            bail!("the head does not end: an empty line must stand between head and body");
        };
        if line.is_empty() {
            return Ok(headers);
        }
        left = left.checked_sub(line.len()).context("the head is larger than 1 MiB")?;
        let shown = || super::receiver::excerpt(line, 60);
        let colon = line.iter().position(|&b| b == b':');
        let colon = colon.with_context(|| format!("`{}` is not a header", shown()))?;
        let name = header::HeaderName::from_bytes(&line[..colon])
            .with_context(|| format!("`{}` is not a header", shown()))?;
        let value = header::HeaderValue::from_bytes(line[colon + 1..].trim_ascii())
            .with_context(|| format!("`{}` has a value that no header can have", shown()))?;
        headers.try_append(name, value).context("there are too many headers")?;
    }
}

/// The body, and whether only the input's end said where it ends (RFC 9112 6.3).
fn body(headers: &HeaderMap, bytes: &[u8]) -> anyhow::Result<(Vec<u8>, bool)> {
    if let Some(coding) = headers.get(TRANSFER_ENCODING) {
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        ensure!(is_chunked, "the transfer-encoding is not `chunked`: store the body decoded");
        return Ok((chunked(bytes)?, false));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok((bytes.to_vec(), true)) };
    ensure!(lengths.all(|other| other == length), "there are different content-lengths");
    let text = length.to_str().unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    ensure!(is_number, "the content-length is not a number");
    let wanted: usize = text.parse().context("the content-length is too large")?;
    let body = bytes.get(..wanted).with_context(|| {
        format!("the body has {} bytes, its content-length is {wanted}", bytes.len())
    })?;
    Ok((body.to_vec(), false))
}

/// RFC 9112 7.1; trailers are ignored.
fn chunked(mut bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    const CUT: &str = "the chunked body ends too early";
    let mut body = Vec::new();
    loop {
        let line = line(&mut bytes).context(CUT)?;
        let size = line.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        let is_number = !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit);
        let size = str::from_utf8(size).ok().filter(|_| is_number);
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.context("the chunked body has a chunk without a size")?;
        if size == 0 {
            return Ok(body);
        }
        let (chunk, rest) = bytes.split_at_checked(size).context(CUT)?;
        body.extend_from_slice(chunk);
        bytes = rest;
        let end = self::line(&mut bytes).context(CUT)?;
        ensure!(end.is_empty(), "a chunk of the body is longer than its size");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, bool), String> {
        let request = RawRequest::parse(text.as_bytes()).map_err(|error| format!("{error:#}"))?;
        assert_eq!(request.headers.get("x-a").map(|v| v.as_bytes()), Some(b"1".as_slice()));
        Ok((String::from_utf8(request.body).expect("UTF-8"), request.is_open_ended))
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        let ok = |body: &str, open| Ok((body.to_owned(), open));
        assert_eq!(parsed("POST / HTTP/1.1\r\nX-A: 1\r\n\r\n{}\n"), ok("{}\n", true));
        assert_eq!(parsed("\n\nPOST / HTTP/1.1\nx-a:1 \n\n"), ok("", true));
        let fixed = "PUT /a?b HTTP/1.1\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}\n";
        assert_eq!(parsed(fixed), ok("{}", false), "what an editor added is not the body's");
        let chunks = "2;x=y\r\n{\"\r\n3 \r\na\":\r\n2\r\n1}\r\n0\r\nTrailer: x\r\n\r\n";
        let head = "POST / HTTP/1.1\r\nX-A: 1\r\nTransfer-Encoding: Chunked\r\n\r\n";
        assert_eq!(parsed(&format!("{head}{chunks}")), ok("{\"a\":1}", false));
        let bare = format!("{head}{chunks}").replace("\r\n", "\n");
        assert_eq!(parsed(&bare), ok("{\"a\":1}", false));
    }

    #[test]
    fn what_is_no_request_is_told() {
        let names: String = (0..40_000).map(|n| format!("a{n}: 1\n")).collect();
        let many = format!("POST / HTTP/1.1\n{names}\n");
        let long =
            format!("POST / HTTP/1.1\n{}\n", format!("a: {}\n", "b".repeat(100)).repeat(11_000));
        for (text, said) in [
            ("", "no request"),
            ("{}", "first line"),
            ("x-a: 1\n\n{}", "first line"),
            ("HTTP/1.1 200 OK\n\n", "first line"),
            ("POST / HTTP/1.1\n", "does not end"),
            ("POST / HTTP/1.1\nx-a: 1", "does not end"),
            ("POST / HTTP/1.1\nno header\n\n", "`no header`"),
            ("POST / HTTP/1.1\nx a: 1\n\n", "`x a: 1`"),
            ("POST / HTTP/1.1\na: \u{1}\n\n", "value"),
            ("POST / HTTP/1.1\ncontent-length: 3\n\n{}", "2 bytes"),
            ("POST / HTTP/1.1\ncontent-length: +2\n\n{}", "not a number"),
            ("POST / HTTP/1.1\ncontent-length: 99999999999999999999\n\n{}", "too large"),
            ("POST / HTTP/1.1\ncontent-length: 2\ncontent-length: 1\n\n{}", "different"),
            ("POST / HTTP/1.1\ntransfer-encoding: gzip, chunked\n\n{}", "not `chunked`"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\n{}", "too early"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\nx\n", "without a size"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\n+2\n{}\n", "without a size"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\nffffffffffffffff\n{}\n", "too early"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\n1\n{}\n0\n", "longer"),
            (&many, "too many"),
            (&long, "1 MiB"),
        ] {
            let parsed = RawRequest::parse(text.as_bytes()).map(|_| ());
            let error = format!("{:#}", parsed.expect_err("no request"));
            assert!(error.contains(said), "{error:?} does not say {said:?}");
        }
    }
}
