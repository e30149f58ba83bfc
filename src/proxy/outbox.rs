//! What is about to be written to a socket: text that was put together here, then at most one piece
//! of a body that is written from where it lies. Bounded, so that who does not read holds up who
//! writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite as _;

use super::stream::Stream;
use super::wire::{write_chunk_size, write_last_chunk};

/// Pieces up to this are copied behind the text, so that they leave in one write.
const COPIED_BYTES_MAX: usize = 8 << 10;
/// Text that waits; above, nothing more is taken.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Memory for text that is kept when nothing waits.
const KEPT_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// Bytes on their way out.
#[derive(Default)]
pub(super) struct Outbox {
    /// Heads, chunk sizes, small pieces.
    pub(super) text: Vec<u8>,
    text_at: usize,
    /// Goes out after the text.
    piece: Bytes,
    /// What is left of what follows the piece: a line break, or the end of the body.
    tail: &'static [u8],
    /// TLS may still hold some of what was written.
    is_unflushed: bool,
}

impl Outbox {
    /// Whether nothing waits, neither here nor in TLS.
    pub(super) fn is_empty(&self) -> bool {
        self.is_taken() && !self.is_unflushed
    }

    fn is_taken(&self) -> bool {
        self.text.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Whether it takes another piece.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.text.len() < TEXT_BYTES_MAX
    }

    /// Adds a piece of a body.
    pub(super) fn push(&mut self, data: Bytes, is_chunked: bool) {
        if data.is_empty() {
            return;
        }
        if is_chunked {
            write_chunk_size(&mut self.text, data.len());
        }
        if data.len() <= COPIED_BYTES_MAX {
            self.text.extend_from_slice(&data);
            if is_chunked {
                self.text.extend_from_slice(b"\r\n");
            }
        } else {
            self.piece = data;
            self.tail = if is_chunked { b"\r\n" } else { b"" };
        }
    }

    /// Ends a chunked body; there must be room, or the piece that waits was its last.
    pub(super) fn push_last_chunk(&mut self, trailers: Option<&HeaderMap>) {
        if trailers.is_none() && !self.piece.is_empty() {
            // Behind the piece: text goes out before it.
            self.tail = b"\r\n0\r\n\r\n";
            return;
        }
        write_last_chunk(&mut self.text, trailers);
    }

    /// Forgets what was not written.
    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    /// Writes as much as the socket takes; ready when nothing waits. `on_progress` is called when
    /// something was written.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        mut on_progress: impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        while !self.is_taken() {
            self.is_unflushed = true;
            let text = &self.text[self.text_at..];
            let n_text = text.len();
            let n = ready!(stream.poll_write_parts(cx, [text, &self.piece, self.tail]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            on_progress(n);
            self.text_at += n.min(n_text);
            if self.text_at == self.text.len() {
                self.text.clear();
                self.text_at = 0;
                if self.text.capacity() > KEPT_BYTES_MAX {
                    // A large head; the connection may be quiet for long from now on.
                    self.text = Vec::new();
                }
            }
            let n = n.saturating_sub(n_text);
            let n_piece = n.min(self.piece.len());
            self.piece.advance(n_piece);
            self.tail = &self.tail[n - n_piece..];
            if self.piece.is_empty() {
                // Gives its memory back.
                self.piece = Bytes::new();
            }
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }
}
