//! HTTP/1.1 on the wire (RFC 9112): heads, their framing, chunks. Pure: bytes in, bytes out.

mod chunked;
mod framing;
mod head;
mod name;
mod parse;

pub(super) use chunked::{Decoded, Decoder, write_chunk_size, write_last_chunk};
pub(super) use framing::{Framing, FramingError, of_request, of_response};
pub(super) use head::{Head, Version};
pub(super) use name::{Name, Names};
pub(super) use parse::{FIELDS_MAX, ParseError, parse_request, parse_response};
