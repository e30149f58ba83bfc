//! One attempt of a call on an HTTP/2 connection: a stream, up to the head of its response.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::Response;
use http_body::Frame;

use super::{Http2Download, Lease, broken};
use crate::proxy::client::Interim;
use crate::proxy::error::UpstreamError;
use crate::proxy::http2::{self, Frames, Halt, Pump};
use crate::proxy::terms::Terms;
use crate::proxy::timers::Slot;
use crate::proxy::upload::{BodyError, RequestBody};
use crate::proxy::upstream::kept::Kept;
use crate::proxy::upstream::send::{CONTINUE_WAIT, INTERIM_MAX, of_body};
use crate::proxy::upstream::{Failed, ResponseBody};
use crate::proxy::wire::{self, Framing, Head, Name};

/// A request's body on its way up.
pub(super) struct Upload {
    pump: Option<Pump>,
    source: Repeatable,
    /// The upstream is asked first whether it wants the body (RFC 9110 10.1.1).
    is_held: bool,
    /// What of the pump was seen when it was last asked whether it moves.
    moves: u64,
}

/// A body, and what was taken of it for the case that the upstream has not looked at it.
struct Repeatable {
    body: RequestBody,
    kept: Kept,
}

/// Whether the upstream says that it has not looked at a request (RFC 9113 8.7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    Maybe,
    /// It refuses the stream.
    NotAtThis,
    /// It has ended the connection before this stream.
    NotAnyMore,
}

/// A call on its stream, before its response's head.
struct Attempt<'a> {
    lease: Lease,
    response: ResponseFuture,
    upload: Upload,
    slot: Slot,
    request: &'a Head,
    terms: &'a Terms,
    interim: &'a Interim,
    n_interim: usize,
}

/// Sends the request; its response's head and what follows it.
///
/// # Errors
/// There is no response, with what decides whether to try again.
pub(in crate::proxy) async fn send(
    lease: Lease,
    request: &Head,
    body: RequestBody,
    terms: &Terms,
    interim: &Interim,
) -> Result<(Head, ResponseBody), Failed> {
    let authority = terms.settings.upstream.authority();
    let message = match http2::to_request(request, lease.scheme.clone(), &authority) {
        Ok(message) => message,
        Err(unsayable) => {
            return Err(Failed {
                error: UpstreamError::Unsayable { unsayable },
                body: None,
                is_unsent: true,
                is_stale: false,
                is_farewell: false,
            });
        }
    };
    let is_all = body.is_end();
    let sent = lease.requests().send_request(message, is_all);
    let (response, stream) = match sent {
        Ok(sent) => sent,
        Err(error) => {
            lease.retire();
            return Err(Failed {
                error: UpstreamError::Broken { source: io::Error::other(error) },
                body: Some(body),
                is_unsent: true,
                is_stale: true,
                is_farewell: lease.has_answered(),
            });
        }
    };
    let is_held = request.has(Name::Expect) && !is_all;
    let mut kept = Kept::default();
    kept.begin();
    let source = Repeatable { body, kept };
    let upload = Upload { pump: Some(Pump::new(stream, is_all)), source, is_held, moves: 0 };
    let slot = lease.slot();
    let mut attempt =
        Attempt { lease, response, upload, slot, request, terms, interim, n_interim: 0 };
    attempt.arm();
    match poll_fn(|cx| attempt.poll_head(cx)).await {
        Ok(response) => match attempt.read(&response) {
            Ok((head, framing)) => Ok(attempt.answered(head, framing, response.into_body())),
            Err(error) => Err(attempt.failed(error, Looked::Maybe)),
        },
        Err((error, looked)) => Err(attempt.failed(error, looked)),
    }
}

impl Attempt<'_> {
    fn arm(&self) {
        match self.terms.settings.response_timeout {
            _ if self.upload.is_held => self.slot.arm(CONTINUE_WAIT),
            Some(limit) => self.slot.arm(limit),
            None => self.slot.disarm(),
        }
    }

    /// The response's head; an error with whether the upstream may have looked at the request.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, (UpstreamError, Looked)>> {
        loop {
            if let Poll::Ready(Err(error)) = self.upload.poll(cx) {
                return Poll::Ready(Err((of_body(error), Looked::Maybe)));
            }
            if let Poll::Ready(Some(Ok(interim))) = self.response.poll_informational(cx) {
                if let Err(error) = self.pass_interim(&interim) {
                    return Poll::Ready(Err((error, Looked::Maybe)));
                }
                continue;
            }
            match Pin::new(&mut self.response).poll(cx) {
                Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(of_stream(error))),
                Poll::Pending => {
                    ready!(self.slot.poll_passed(cx));
                    if let Err(error) = self.late() {
                        return Poll::Ready(Err((error, Looked::Maybe)));
                    }
                }
            }
        }
    }

    fn pass_interim(&mut self, interim: &Response<()>) -> Result<(), UpstreamError> {
        self.n_interim += 1;
        if self.n_interim > INTERIM_MAX {
            let reason = format!("it has more than {INTERIM_MAX} interim heads");
            return Err(UpstreamError::BadResponse { reason });
        }
        if interim.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            // There is no such thing in HTTP/2 (RFC 9113 8.6).
            return Err(UpstreamError::UnaskedUpgrade);
        }
        let is_continue = interim.status() == http::StatusCode::CONTINUE;
        let was_held = is_continue && std::mem::take(&mut self.upload.is_held);
        if was_held {
            self.arm();
        }
        if !is_continue || was_held {
            let mut head = Head::new();
            http2::from_response(interim, &mut head);
            crate::proxy::headers::of_interim(&mut head);
            self.interim.send(&head);
        }
        Ok(())
    }

    /// The deadline has passed. A request that is still being sent, and moves, does not count
    /// against the upstream.
    fn late(&mut self) -> Result<(), UpstreamError> {
        if self.upload.is_held {
            self.upload.is_held = false;
        } else if !self.upload.is_excused() {
            self.lease.suspect();
            let limit = self.terms.settings.response_timeout.unwrap_or_default();
            return Err(UpstreamError::ResponseTimeout { limit });
        }
        self.arm();
        Ok(())
    }

    fn read(&self, response: &Response<RecvStream>) -> Result<(Head, Framing), UpstreamError> {
        let mut head = Head::new();
        http2::from_response(response, &mut head);
        let framing = wire::of_response(&head, self.request.method());
        let bad = |error: wire::FramingError| UpstreamError::BadResponse {
            reason: error.detail.to_owned(),
        };
        framing.map_err(bad).map(|framing| (head, framing))
    }

    fn answered(self, head: Head, framing: Framing, stream: RecvStream) -> (Head, ResponseBody) {
        self.lease.connection.has_answered.set(true);
        let length = match framing {
            Framing::None => return (head, ResponseBody::Empty),
            Framing::Exact(length) => Some(length),
            Framing::Chunked | Framing::UntilClose if stream.is_end_stream() => {
                return (head, ResponseBody::Empty);
            }
            Framing::Chunked | Framing::UntilClose => None,
        };
        let timeout = self.terms.settings.upstream_body_timeout;
        let Self { lease, mut upload, slot, .. } = self;
        upload.source.kept.forget();
        slot.disarm();
        let download = Http2Download {
            stream,
            upload,
            lease,
            slot,
            timeout,
            length,
            size: 0,
            last: None,
            has_ended: false,
            is_waiting: false,
            reset: None,
        };
        (head, ResponseBody::Http2(Box::new(download)))
    }

    fn failed(self, error: UpstreamError, looked: Looked) -> Failed {
        let is_refused = looked != Looked::Maybe;
        let has_answered = self.lease.has_answered();
        let is_broken = matches!(error, UpstreamError::Broken { .. });
        let is_stale = is_refused || self.lease.is_reused && is_broken && self.n_interim == 0;
        let Repeatable { body, mut kept } = self.upload.source;
        let body = if !is_stale {
            None
        } else if body.is_untouched() {
            Some(body)
        } else {
            kept.take().map(|taken| body.begun_again(taken))
        };
        let is_farewell = looked == Looked::NotAnyMore && has_answered;
        Failed { error, body, is_unsent: is_refused, is_stale, is_farewell }
    }
}

/// In our words, and whether the upstream may have looked at the request.
fn of_stream(error: h2::Error) -> (UpstreamError, Looked) {
    let looked = match error.reason() {
        // Streams that were begun in time do not end with a GOAWAY (RFC 9113 6.8).
        _ if error.is_remote() && error.is_go_away() => Looked::NotAnyMore,
        Some(Reason::REFUSED_STREAM) if error.is_remote() => Looked::NotAtThis,
        _ => Looked::Maybe,
    };
    (broken(error), looked)
}

impl Upload {
    /// Goes on; ready when nothing is left to do.
    ///
    /// # Errors
    /// The client does not send the rest.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(pump) = &mut self.pump else { return Poll::Ready(Ok(())) };
        if pump.is_done() {
            return Poll::Ready(Ok(()));
        }
        if self.is_held {
            return Poll::Pending;
        }
        match ready!(pump.poll(&mut self.source, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Halt::Peer) => {
                // The upstream wants no more of it; what it has answered may still be read.
                self.pump = None;
                Poll::Ready(Ok(()))
            }
            Err(Halt::Source(error)) => Poll::Ready(Err(error)),
        }
    }

    /// Whether it has moved since the last time this was asked, or waits for the client.
    fn is_excused(&mut self) -> bool {
        let Some(pump) = &self.pump else { return false };
        let has_moved = std::mem::replace(&mut self.moves, pump.moves()) != pump.moves();
        !pump.is_done() && (has_moved || !pump.is_blocked())
    }
}

impl Frames for Repeatable {
    type Error = BodyError;

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = self.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.kept.push(frame);
        }
        frame
    }

    fn is_end(&self) -> bool {
        self.body.is_end()
    }
}
