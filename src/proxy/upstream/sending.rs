//! The way up: a request's head and body, written as the upstream takes them. Polled together with
//! the way down, since an upstream may answer before it has read everything.

use std::task::{Context, Poll, ready};

use http_body::Frame;

use super::connection::Connection;
use crate::proxy::upload::{BodyError, RequestBody};
use crate::proxy::wire::Framing;

/// A request on its way.
pub(super) struct Sending {
    pub(super) body: RequestBody,
    /// All of the body is in the outbox, or written.
    has_ended: bool,
    /// Everything is written.
    is_done: bool,
    is_chunked: bool,
    /// The upstream is asked first whether it wants the body (RFC 9110 10.1.1).
    pub(super) is_held: bool,
    /// The upstream takes nothing more; what it has answered may still be read.
    pub(super) is_broken: bool,
    /// Bytes were written since somebody last asked.
    has_progressed: bool,
    /// Any byte was written.
    pub(super) has_begun: bool,
    /// The upstream may get it twice: what is sent is kept for that.
    pub(super) may_repeat: bool,
    /// The client, not the upstream, is being waited for.
    is_starved: bool,
}

impl Sending {
    pub(super) fn new(body: RequestBody, is_held: bool) -> Self {
        let is_chunked = body.framing() == Framing::Chunked;
        // A chunked one that is empty, and sent again, still has its last chunk.
        let has_ended = body.is_end() && !is_chunked;
        Self {
            is_chunked,
            has_ended,
            is_done: false,
            is_held: is_held && !has_ended,
            is_broken: false,
            has_progressed: false,
            has_begun: false,
            may_repeat: false,
            is_starved: false,
            body,
        }
    }

    /// Whether the whole request was written.
    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether it is not complete and has moved since the last time this was asked, or waits for
    /// the client.
    pub(super) fn is_excused(&mut self) -> bool {
        let is_moving = std::mem::take(&mut self.has_progressed) || self.is_starved;
        is_moving && !self.is_done && !self.is_broken
    }

    /// Goes on; ready when nothing is left to do.
    ///
    /// # Errors
    /// The client does not send the rest.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        if self.is_done || self.is_broken {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut waits = self.is_held;
            while !self.has_ended && !waits && connection.outbox.has_room() {
                match self.body.poll_frame(cx) {
                    Poll::Ready(Some(frame)) => self.push(connection, frame?),
                    Poll::Ready(None) => self.end(connection, None),
                    Poll::Pending => waits = true,
                }
            }
            self.is_starved = waits && !self.is_held;
            // Of what TLS was given, some may have left even where it tells an error.
            self.has_begun |= connection.stream.is_tls() && !connection.outbox.is_empty();
            let (has_progressed, has_begun) = (&mut self.has_progressed, &mut self.has_begun);
            let written = connection.outbox.poll_write(cx, &mut connection.stream, |_| {
                (*has_progressed, *has_begun) = (true, true);
            });
            if self.has_begun && !self.may_repeat {
                connection.kept.forget();
            }
            if let Err(error) = ready!(written) {
                tracing::debug!(%error, "the upstream takes no more of a request");
                self.is_broken = true;
                connection.outbox.discard();
                return Poll::Ready(Ok(()));
            }
            if self.has_ended {
                self.is_done = true;
                connection.is_midway = false;
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    fn push(&mut self, connection: &mut Connection, frame: Frame<bytes::Bytes>) {
        connection.kept.push(&frame);
        match frame.into_data() {
            Ok(data) => {
                connection.outbox.push(data, self.is_chunked);
                if self.body.is_end() {
                    self.end(connection, None);
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().ok();
                self.end(connection, trailers.as_ref());
            }
        }
    }

    fn end(&mut self, connection: &mut Connection, trailers: Option<&http::HeaderMap>) {
        if !std::mem::replace(&mut self.has_ended, true) && self.is_chunked {
            connection.outbox.push_last_chunk(trailers);
        }
    }
}
