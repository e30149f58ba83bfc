//! Undoes the content codings of a body (RFC 9110 8.4.1), within a limit: a few hundred bytes can
//! be told to become gigabytes.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::media::codings;
use crate::model::{Body, BodyState, HeaderList};

/// Decoded bytes for each byte that may be captured (contract 3.2).
const RATIO_MAX: u64 = 8;

/// The limit of a body that does not say under which it was captured.
const LIMIT_USUAL: u64 = 256 << 10;

/// Codings of one body; more are not meant well.
const CODINGS_MAX: usize = 4;

/// The window that a receiver of `zstd` must be ready for, and no more (RFC 9659 3).
const ZSTD_WINDOW_MAX: u64 = 8 << 20;

/// The buffer between a body and brotli.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// A body without its content codings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The bytes; none for a body that was left out.
    pub bytes: Cow<'a, [u8]>,
    /// They are a prefix: the capture's limit cut the body, or the decoder's what came out of it.
    pub is_cut: bool,
    /// They are still encoded: in a coding that is not known, or badly.
    pub is_encoded: bool,
    /// Bytes of the body on the wire.
    pub wire_size: u64,
}

/// A body without its content codings; `headers` are those of its message. A body that was cut
/// decodes to what its part holds; one that is whole and ends in the middle of its coding, or is
/// damaged, stays as it is.
pub fn decoded_bytes<'a>(body: &'a Body, headers: &HeaderList) -> Decoded<'a> {
    let is_whole = body.state == BodyState::Complete;
    let as_is = |is_encoded| Decoded {
        bytes: Cow::Borrowed(body.bytes.as_slice()),
        is_cut: !is_whole && !body.is_none(),
        is_encoded,
        wire_size: body.size,
    };
    if matches!(body.state, BodyState::Redacted | BodyState::OverBudget) {
        return Decoded { bytes: Cow::Borrowed(&[]), ..as_is(false) };
    }
    if body.decoded || body.bytes.is_empty() {
        return as_is(false);
    }
    let Some(codings) = Coding::all(headers, body) else { return as_is(true) };
    if codings.is_empty() {
        return as_is(false);
    }
    let limit = if body.limit == 0 { LIMIT_USUAL } else { body.limit };
    match undo(&codings, &body.bytes, limit.saturating_mul(RATIO_MAX), is_whole) {
        Some(out) => {
            let is_cut = !is_whole || out.is_cut;
            Decoded { bytes: Cow::Owned(out.bytes), is_cut, ..as_is(false) }
        }
        None => as_is(true),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// What came out of a decoder.
struct Output {
    bytes: Vec<u8>,
    /// There may be more.
    is_cut: bool,
}

impl Coding {
    /// The codings in the order in which they were applied; `None`: one of them is not known.
    fn all(headers: &HeaderList, body: &Body) -> Option<Vec<Self>> {
        let known = |name: &[u8]| {
            Some(match name.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => Self::Gzip,
                b"deflate" => Self::Deflate,
                b"br" => Self::Brotli,
                b"zstd" => Self::Zstd,
                _ => return None,
            })
        };
        let all: Vec<Self> = codings(headers, body).map(known).collect::<Option<_>>()?;
        (all.len() <= CODINGS_MAX).then_some(all)
    }

    fn undo(self, bytes: &[u8], bytes_max: u64, is_whole: bool) -> Option<Output> {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(bytes), bytes_max, is_whole),
            Self::Deflate => {
                // It means zlib (RFC 9110 8.4.1.2); some send the bare stream.
                let zlib = read(ZlibDecoder::new(bytes), bytes_max, is_whole);
                zlib.or_else(|| read(DeflateDecoder::new(bytes), bytes_max, is_whole))
            }
            Self::Brotli => {
                let decoder = brotli_decompressor::Decompressor::new(bytes, BROTLI_BUFFER_BYTES);
                read(decoder, bytes_max, is_whole)
            }
            Self::Zstd => read(ZstdFrames { rest: bytes, frame: None }, bytes_max, is_whole),
        }
    }
}

/// Undoes the codings, the last first.
fn undo(codings: &[Coding], bytes: &[u8], bytes_max: u64, is_whole: bool) -> Option<Output> {
    let (last, others) = codings.split_last()?;
    let mut out = last.undo(bytes, bytes_max, is_whole)?;
    for coding in others.iter().rev() {
        let is_cut = out.is_cut;
        out = coding.undo(&out.bytes, bytes_max, is_whole && !is_cut)?;
        out.is_cut |= is_cut;
    }
    Some(out)
}

/// Reads a decoder to its end or the limit. `None`: what it reads is damaged; of a part
/// (`is_whole` false) nothing else can be expected than that it ends badly.
fn read(mut decoder: impl Read, bytes_max: u64, is_whole: bool) -> Option<Output> {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Some(Output { bytes, is_cut: !is_whole }),
            Ok(n) => {
                let room = bytes_max - bytes.len();
                bytes.extend_from_slice(&piece[..n.min(room)]);
                if n > room {
                    return Some(Output { bytes, is_cut: true });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) if is_whole || bytes.is_empty() => return None,
            Err(_) => return Some(Output { bytes, is_cut: true }),
        }
    }
}

/// The frames of a zstd body, one after the other (RFC 8878 3).
struct ZstdFrames<'b> {
    rest: &'b [u8],
    frame: Option<Box<ZstdFrame<'b>>>,
}

type ZstdFrame<'b> = StreamingDecoder<&'b [u8], ruzstd::decoding::FrameDecoder>;

impl Read for ZstdFrames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let n = frame.read(buffer)?;
                if n > 0 {
                    return Ok(n);
                }
                self.rest = frame.get_ref();
                self.frame = None;
            }
            if let Some(rest) = without_skippable_frame(self.rest) {
                self.rest = rest;
                continue;
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new_with_max_window_size(self.rest, ZSTD_WINDOW_MAX);
            self.frame = Some(Box::new(frame.map_err(std::io::Error::other)?));
        }
    }
}

/// What follows a skippable frame (RFC 8878 3.1.2), if one is next.
fn without_skippable_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let [kind, 0x2a, 0x4d, 0x18, length @ ..] = *head else { return None };
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    (kind & 0xf0 == 0x50).then(|| rest.get(length..)).flatten()
}

#[cfg(test)]
mod tests;
