//! The bounded part of a reply that is read and kept. Never decompressed.

use bytes::Buf as _;
use http::HeaderMap;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::model::{HeaderList, Reply};

/// Bytes and fields of a reply's headers that are kept.
const KEPT_HEADER_BYTES_MAX: usize = 8 * 1024;
const KEPT_HEADERS_MAX: usize = 64;

/// Bytes of `retry-after`, which is kept beyond these bounds: the schedule reads it.
const RETRY_AFTER_BYTES_MAX: usize = 64;

/// Bytes of a reply's body read beyond what is kept, so that its connection can be used again;
/// a longer reply is cut off.
const DISCARDED_MAX: usize = 64 * 1024;

/// A reply of which only the head is known.
pub(super) fn begin(head: &http::response::Parts) -> Reply {
    Reply { status: head.status.as_u16(), headers: kept_headers(&head.headers), ..Reply::default() }
}

/// Keeps the first bytes, reads some more, and gives up the connection of a longer reply.
/// Whether the body was read to its end.
pub(super) async fn read_body(
    mut body: Incoming,
    kept_max: usize,
    reply: &mut Reply,
) -> hyper::Result<bool> {
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let kept = data.remaining().min(kept_max - reply.body.len());
        reply.body.extend_from_slice(&data[..kept]);
        discarded += data.len() - kept;
        reply.body_truncated = discarded > 0;
        if discarded > DISCARDED_MAX {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `retry-after` and the first fields, as far as they fit; cookies are the receiver's secret.
fn kept_headers(headers: &HeaderMap) -> HeaderList {
    let retry_after = headers.get(RETRY_AFTER).filter(|v| v.len() <= RETRY_AFTER_BYTES_MAX);
    let first = retry_after.map(|value| (RETRY_AFTER.to_string(), value.as_bytes().to_vec()));
    let mut bytes = 0;
    let kept = headers
        .iter()
        .filter(|(name, _)| *name != RETRY_AFTER)
        .map(|(name, value)| {
            let value = if name == SET_COOKIE { b"REDACTED".as_slice() } else { value.as_bytes() };
            (name.as_str().to_owned(), value.to_vec())
        })
        .take(KEPT_HEADERS_MAX)
        .take_while(|(name, value)| {
            bytes += name.len() + value.len();
            bytes <= KEPT_HEADER_BYTES_MAX
        });
    HeaderList(first.into_iter().chain(kept).collect())
}
