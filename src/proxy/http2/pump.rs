//! Sends a body over a stream of HTTP/2, no faster than the other side's windows allow: what has no
//! room there stays where it comes from.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Frame;

use super::trailers;

/// Where a body comes from.
pub(in crate::proxy) trait Frames {
    /// Why it does not come whole.
    type Error;

    /// The next frame.
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>>;

    /// Whether nothing follows.
    fn is_end(&self) -> bool;
}

/// Why a body was not sent whole.
#[derive(Debug)]
pub(in crate::proxy) enum Halt<E> {
    /// The other side wants no more of it, or is gone.
    Peer,
    /// It does not come whole.
    Source(E),
}

/// One body on its way.
pub(in crate::proxy) struct Pump {
    stream: SendStream<Bytes>,
    /// Waits for room.
    piece: Bytes,
    /// Trailers included.
    has_ended: bool,
    /// How often something has left.
    moves: u64,
}

impl Pump {
    /// `has_ended`: the head was all.
    pub(in crate::proxy) const fn new(stream: SendStream<Bytes>, has_ended: bool) -> Self {
        Self { stream, piece: Bytes::new(), has_ended, moves: 0 }
    }

    /// Whether the other side, not the body's source, is being waited for.
    pub(in crate::proxy) const fn is_blocked(&self) -> bool {
        !self.piece.is_empty()
    }

    /// Grows when something leaves.
    pub(in crate::proxy) const fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether all has left.
    pub(in crate::proxy) const fn is_done(&self) -> bool {
        self.has_ended
    }

    /// Breaks the body off.
    pub(in crate::proxy) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Goes on; ready when the body has ended.
    ///
    /// # Errors
    /// It does not end well.
    pub(in crate::proxy) fn poll<S: Frames>(
        &mut self,
        source: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        loop {
            if !self.piece.is_empty() {
                ready!(self.poll_piece(cx, source)).map_err(|()| Halt::Peer)?;
            }
            if self.has_ended {
                return Poll::Ready(Ok(()));
            }
            match source.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.take(frame, source)?,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Halt::Source(error))),
                Poll::Ready(None) => self.end::<S>()?,
                Poll::Pending => {
                    return match self.stream.poll_reset(cx) {
                        Poll::Ready(_reset_or_gone) => Poll::Ready(Err(Halt::Peer)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    fn take<S: Frames>(&mut self, frame: Frame<Bytes>, source: &S) -> Result<(), Halt<S::Error>> {
        match frame.into_data() {
            Ok(data) if data.is_empty() && source.is_end() => self.end::<S>(),
            Ok(data) => {
                self.piece = data;
                Ok(())
            }
            Err(frame) => {
                let fields = trailers(frame.into_trailers().unwrap_or_default());
                self.has_ended = true;
                self.moves += 1;
                self.stream.send_trailers(fields).map_err(|_| Halt::Peer)
            }
        }
    }

    fn end<S: Frames>(&mut self) -> Result<(), Halt<S::Error>> {
        self.has_ended = true;
        self.moves += 1;
        self.stream.send_data(Bytes::new(), true).map_err(|_| Halt::Peer)
    }

    /// Sends as much of the piece as there is room for; ready when all of it has left.
    fn poll_piece<S: Frames>(&mut self, cx: &mut Context<'_>, source: &S) -> Poll<Result<(), ()>> {
        while !self.piece.is_empty() {
            self.stream.reserve_capacity(self.piece.len());
            let mut room = self.stream.capacity();
            while room == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => room = self.stream.capacity(),
                    Some(Err(_)) | None => return Poll::Ready(Err(())),
                }
            }
            let part = self.piece.split_to(room.min(self.piece.len()));
            self.has_ended = self.piece.is_empty() && source.is_end();
            self.moves += 1;
            if self.stream.send_data(part, self.has_ended).is_err() {
                return Poll::Ready(Err(()));
            }
        }
        // Gives its memory back.
        self.piece = Bytes::new();
        Poll::Ready(Ok(()))
    }
}
