//! A response's body as it comes from the upstream, on the connection that it comes on. Polling it
//! also goes on with what is left of the request.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;

use super::connection::Connection;
use super::h2::Http2Download;
use super::sending::Sending;
use crate::proxy::spare::BUFFER_BYTES;
use crate::proxy::wire::{Decoded, Decoder, Framing, Head, Name, Version};
use crate::telemetry::UpstreamErrorKind;

/// A read of so much says that there is more.
const FAST_BYTES: usize = BUFFER_BYTES / 2;

/// The message was broken off: the connection that carries it must not end it properly.
#[derive(Debug, thiserror::Error)]
#[error("the message was broken off")]
pub(in crate::proxy) struct BrokenOff;

/// What follows a response's head.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for every call")]
pub(in crate::proxy) enum ResponseBody {
    Empty,
    Http1(Download),
    Http2(Box<Http2Download>),
    /// Another protocol.
    Tunnel(Box<Connection>),
}

/// A body on its connection.
pub(in crate::proxy) struct Download {
    /// Gone when the body has ended.
    connection: Option<Box<Connection>>,
    sending: Sending,
    left: Left,
    length: Option<u64>,
    /// The connection may carry another call.
    keeps: bool,
    timeout: Option<Duration>,
    is_waiting: bool,
    /// Much comes at a time.
    is_fast: bool,
}

enum Left {
    Exact(u64),
    Chunked(Decoder),
    UntilClose,
    Nothing,
}

impl ResponseBody {
    pub(super) fn new(mut download: Download) -> Self {
        if download.is_end() {
            download.finish();
            return Self::Empty;
        }
        Self::Http1(download)
    }

    /// The length, where it is announced.
    pub(in crate::proxy) const fn length(&self) -> Option<u64> {
        match self {
            Self::Http1(download) => download.length,
            Self::Http2(download) => download.length(),
            Self::Empty | Self::Tunnel(_) => Some(0),
        }
    }

    /// Whether nothing follows.
    pub(in crate::proxy) fn is_end(&self) -> bool {
        match self {
            Self::Http1(download) => download.is_end(),
            Self::Http2(download) => download.is_end(),
            Self::Empty | Self::Tunnel(_) => true,
        }
    }

    /// The next frame.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Http1(download) => download.poll_frame(cx),
            Self::Http2(download) => download.poll_frame(cx),
            Self::Empty | Self::Tunnel(_) => Poll::Ready(None),
        }
    }

    /// Nobody wants the rest: the upstream is told by a reset.
    pub(in crate::proxy) fn cancel(mut self) {
        if let Self::Http1(download) = &mut self {
            // Half a request: its connection is reset.
            download.connection = None;
        }
    }

    /// Goes on with what is left of the request, where nobody takes the response at the moment.
    pub(in crate::proxy) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        match self {
            // An error shows when the response is polled.
            Self::Http1(download) => drop(download.poll_upload(cx)),
            Self::Http2(download) => download.poll_upload(cx),
            Self::Empty | Self::Tunnel(_) => {}
        }
    }

    /// How the upstream broke it off, where it spoke HTTP/2.
    pub(in crate::proxy) fn reset_reason(&self) -> Option<h2::Reason> {
        match self {
            Self::Http2(download) => download.reset_reason(),
            _ => None,
        }
    }
}

impl Download {
    pub(super) fn new(
        mut connection: Box<Connection>,
        sending: Sending,
        head: &Head,
        framing: Framing,
        timeout: Option<Duration>,
    ) -> Self {
        // RFC 9112 9.3: `close` counts whatever else there is.
        let mut keeps = framing != Framing::UntilClose
            && !head.lists(Name::Connection, b"close")
            && (head.version() != Version::Http10 || head.lists(Name::Connection, b"keep-alive"));
        if keeps && head.has(Name::KeepAlive) {
            keeps = connection.heed_keep_alive(head);
        }
        connection.slot.disarm();
        let is_fast = connection.inbox.len() >= FAST_BYTES;
        let (left, length) = match framing {
            Framing::None => (Left::Nothing, Some(0)),
            Framing::Exact(length) => (Left::Exact(length), Some(length)),
            Framing::Chunked => (Left::Chunked(Decoder::new()), None),
            Framing::UntilClose => (Left::UntilClose, None),
        };
        let connection = Some(connection);
        Self { connection, sending, left, length, keeps, timeout, is_waiting: false, is_fast }
    }

    const fn is_end(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), BrokenOff> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match self.sending.poll(connection, cx) {
            Poll::Ready(Err(_of_the_client)) => return Err(BrokenOff),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.sending.is_broken {
            self.sending.body.abandon();
        }
        Ok(())
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if !self.sending.is_done() && self.poll_upload(cx).is_err() {
            // Half a request is on it.
            self.connection = None;
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        loop {
            let Some(connection) = &mut self.connection else {
                // However often it is asked: what was broken off does not end.
                return Poll::Ready((!self.is_end()).then_some(Err(BrokenOff)));
            };
            let inbox = &mut connection.inbox;
            let wanted = match &mut self.left {
                Left::Nothing => return Poll::Ready(None),
                Left::Exact(left) if !inbox.is_empty() => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                    *left -= n as u64;
                    let is_last = *left == 0;
                    let data = inbox.split_to(n).freeze();
                    if is_last {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Left::Exact(left) => *left,
                Left::UntilClose if !inbox.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(inbox.split().freeze()))));
                }
                Left::UntilClose => u64::MAX,
                Left::Chunked(decoder) => match decoder.decode(inbox) {
                    Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Decoded::End(trailers)) => {
                        self.finish();
                        return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
                    }
                    Ok(Decoded::More) => u64::MAX,
                    Err(error) => return Poll::Ready(Some(Err(self.broke(&error.to_string())))),
                },
            };
            let wanted = if self.is_fast { wanted } else { 0 };
            match connection.poll_fill(cx, wanted) {
                Poll::Ready(Ok(0)) if matches!(self.left, Left::UntilClose) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Some(Err(self.broke("it closed the connection"))));
                }
                Poll::Ready(Ok(n)) => {
                    self.is_waiting = false;
                    self.is_fast = n >= FAST_BYTES;
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(Err(self.broke(&error.to_string()))));
                }
                Poll::Pending => {
                    ready!(self.poll_silent(cx));
                    return Poll::Ready(Some(Err(self.broke("it sent nothing for too long"))));
                }
            }
        }
    }

    /// Nothing is there; ready when that has gone on for too long.
    fn poll_silent(&mut self, cx: &Context<'_>) -> Poll<()> {
        let (Some(connection), Some(timeout)) = (&self.connection, self.timeout) else {
            return Poll::Pending;
        };
        if !std::mem::replace(&mut self.is_waiting, true) {
            connection.slot.arm(timeout);
        }
        connection.slot.poll_passed(cx)
    }

    /// The body is complete: keeps the connection, unless something is left on it.
    fn finish(&mut self) {
        self.left = Left::Nothing;
        let Some(connection) = self.connection.take() else { return };
        let is_clean = connection.inbox.is_empty() && self.sending.is_done();
        if self.keeps && is_clean {
            let home = std::rc::Rc::clone(&connection.home);
            home.keep(connection);
        } else if !self.sending.is_done() {
            // The client may want to send it all before it reads a word.
            self.sending.body.abandon();
        }
    }

    /// The upstream broke the response off.
    fn broke(&mut self, reason: &str) -> BrokenOff {
        tracing::debug!(reason, "the upstream broke a response off");
        if let Some(connection) = self.connection.take() {
            connection.home.metrics.upstream_error(UpstreamErrorKind::Broken);
        }
        BrokenOff
    }
}
