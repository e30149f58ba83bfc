//! What was taken of a request's body on a connection that may turn out to be stale: references to
//! the pieces, so that it can be sent once more on another.

use std::collections::VecDeque;

use bytes::Bytes;
use http_body::Frame;

/// A larger body is sent once.
const BYTES_MAX: usize = 64 << 10;
/// Pieces: each takes some memory of its own.
const PIECES_MAX: usize = 256;

/// The pieces of a body from its begin; most bodies are one.
#[derive(Default)]
pub(super) struct Kept {
    /// Nothing is missing.
    is_whole: bool,
    first: Bytes,
    more: VecDeque<Frame<Bytes>>,
    n_bytes: usize,
}

impl Kept {
    /// A body begins.
    pub(super) fn begin(&mut self) {
        self.is_whole = true;
    }

    /// It will not be sent again.
    pub(super) fn forget(&mut self) {
        if self.is_whole {
            *self = Self::default();
        }
    }

    /// A piece was taken.
    pub(super) fn push(&mut self, frame: &Frame<Bytes>) {
        if !self.is_whole {
            return;
        }
        let again = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => {
                self.n_bytes += data.len();
                if self.first.is_empty() {
                    self.first = data.clone();
                    None
                } else {
                    Some(Frame::data(data.clone()))
                }
            }
            (None, Some(trailers)) => Some(Frame::trailers(trailers.clone())),
            (None, None) => return self.forget(),
        };
        self.more.extend(again);
        if self.n_bytes > BYTES_MAX || self.more.len() > PIECES_MAX {
            self.forget();
        }
    }

    /// All that was taken, if that is still known.
    pub(super) fn take(&mut self) -> Option<VecDeque<Frame<Bytes>>> {
        let Self { is_whole, first, mut more, .. } = std::mem::take(self);
        if !first.is_empty() {
            more.push_front(Frame::data(first));
        }
        is_whole.then_some(more)
    }
}
