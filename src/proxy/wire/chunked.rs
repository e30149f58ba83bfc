//! The chunked transfer coding (RFC 9112 7.1): a strict decoder, and what an encoder writes.

use std::io::Write as _;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Bytes of all chunk extensions of a body: they are dropped, not forwarded (RFC 9112 7.1.1).
const EXTENSION_BYTES_MAX: usize = 16 << 10;
/// Bytes of the trailer section.
const TRAILER_BYTES_MAX: usize = 16 << 10;
/// Fields of the trailer section.
const TRAILERS_MAX: usize = 100;
/// Hexadecimal digits of a size: 64 bits.
const SIZE_DIGITS_MAX: usize = 16;

/// The coding is broken: where the body ends is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its chunks are malformed")]
pub(in crate::proxy) struct ChunkError;

/// What came of the bytes so far.
#[derive(Debug)]
pub(in crate::proxy) enum Decoded {
    /// A piece of the body, not empty.
    Data(Bytes),
    /// The body has ended, with the trailers if it has any.
    End(Option<HeaderMap>),
    /// More bytes are needed.
    More,
}

/// Decodes one body.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Decoder {
    state: State,
    extension_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size,
    /// Bytes left of a chunk.
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

impl Decoder {
    pub(in crate::proxy) const fn new() -> Self {
        Self { state: State::Size, extension_bytes: 0 }
    }

    /// Goes on with what has arrived.
    ///
    /// # Errors
    /// The bytes are not the chunked coding; nothing after them can be understood.
    pub(in crate::proxy) fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, ChunkError> {
        loop {
            match self.state {
                State::Size => {
                    let Some(size) = self.size(buf)? else { return Ok(Decoded::More) };
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let data = buf.split_to(n).freeze();
                    let left = left - n as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Decoded::Data(data));
                }
                State::DataEnd => match **buf {
                    [b'\r', b'\n', ..] => {
                        buf.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::More),
                    _ => return Err(ChunkError),
                },
                State::Trailers => {
                    let Some(trailers) = trailers(buf)? else { return Ok(Decoded::More) };
                    self.state = State::Ended;
                    return Ok(Decoded::End(trailers));
                }
                State::Ended => return Ok(Decoded::End(None)),
            }
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`.
    fn size(&mut self, buf: &mut BytesMut) -> Result<Option<u64>, ChunkError> {
        let Some(end) = memchr::memchr(b'\n', buf) else {
            // The line is not complete: what there is of it must be bounded and may be wrong.
            let line = buf.strip_suffix(b"\r").unwrap_or(buf);
            let n_digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let extension = &line[n_digits..];
            let is_long = self.extension_bytes + extension.len() > EXTENSION_BYTES_MAX;
            let starts_well = n_digits > 0 || buf.is_empty();
            let is_space = |b: &u8| matches!(b, b' ' | b'\t');
            // Spaces, of which is not known yet what they lead to.
            let is_open = line.len() == buf.len() && extension.iter().all(is_space);
            let is_sound =
                n_digits <= SIZE_DIGITS_MAX && starts_well && (is_open || is_extension(extension));
            return if is_sound && !is_long { Ok(None) } else { Err(ChunkError) };
        };
        let line = buf[..end].strip_suffix(b"\r").ok_or(ChunkError)?;
        let n_digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(n_digits);
        if digits.is_empty() || n_digits > SIZE_DIGITS_MAX || !is_extension(extension) {
            return Err(ChunkError);
        }
        self.extension_bytes += extension.len();
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(ChunkError);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| ChunkError)?;
        let size = u64::from_str_radix(digits, 16).map_err(|_| ChunkError)?;
        buf.advance(end + 1);
        Ok(Some(size))
    }
}

/// Empty, or `;` and visible characters, after optional space.
fn is_extension(text: &[u8]) -> bool {
    let rest = text.trim_ascii_start();
    let is_sound = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    text.is_empty() || rest.first() == Some(&b';') && text.iter().all(is_sound)
}

/// The trailer section and the blank line after it, if all is here.
fn trailers(buf: &mut BytesMut) -> Result<Option<Option<HeaderMap>>, ChunkError> {
    match **buf {
        [b'\r', b'\n', ..] => {
            buf.advance(2);
            return Ok(Some(None));
        }
        [] | [b'\r'] => return Ok(None),
        [b'\r' | b'\n', ..] => return Err(ChunkError),
        _ => {}
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let (n, fields) = match httparse::parse_headers(buf, &mut fields) {
        Ok(httparse::Status::Complete(complete)) => complete,
        Ok(httparse::Status::Partial) if buf.len() <= TRAILER_BYTES_MAX => return Ok(None),
        _ => return Err(ChunkError),
    };
    let section = &buf[..n];
    let is_bare = |at: usize| at == 0 || section[at - 1] != b'\r';
    if n > TRAILER_BYTES_MAX || memchr::memchr_iter(b'\n', section).any(is_bare) {
        return Err(ChunkError);
    }
    let mut all = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| ChunkError)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| ChunkError)?;
        all.append(name, value);
    }
    buf.advance(n);
    Ok(Some(Some(all)))
}

/// Begins a chunk of so many bytes; CR LF follows its data.
pub(in crate::proxy) fn write_chunk_size(out: &mut Vec<u8>, size: usize) {
    write!(out, "{size:x}\r\n").expect("a Vec takes everything");
}

/// Ends a body.
pub(in crate::proxy) fn write_last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
