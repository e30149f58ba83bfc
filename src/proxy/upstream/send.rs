//! One attempt of a call: writes the request and waits for the head of the response.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf as _;

use super::answer::{Download, ResponseBody};
use super::connection::Connection;
use super::sending::Sending;
use crate::proxy::client::Interim;
use crate::proxy::error::UpstreamError;
use crate::proxy::terms::Terms;
use crate::proxy::upload::{BodyError, RequestBody};
use crate::proxy::wire::{self, Framing, Head, Name, Version};
use crate::tls::{handshake_failure, tls_error};

/// Bytes of a response's head.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// How a TLS server answers what is no TLS (RFC 8446 5.1).
const TLS_ALERT: &[u8] = &[21, 3];
/// Interim responses of one call; more are a flood.
pub(super) const INTERIM_MAX: usize = 1000;
/// How long an upstream is waited for that was asked whether it wants a body: many never answer.
pub(super) const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// There is no response.
pub(in crate::proxy) struct Failed {
    pub(in crate::proxy) error: UpstreamError,
    /// The body from its begin, where that is still known.
    pub(in crate::proxy) body: Option<RequestBody>,
    /// Nothing of the request was written, or the upstream says that it has not looked at it.
    pub(in crate::proxy) is_unsent: bool,
    /// Another connection may do better: this one, not new, was found closed before a byte of the
    /// response, or the upstream refuses the request on it.
    pub(in crate::proxy) is_stale: bool,
    /// The upstream, which has answered others on this connection, takes nothing on it any more, and
    /// has not looked at the request (RFC 9113 6.8).
    pub(in crate::proxy) is_farewell: bool,
}

/// A call on its connection, before its response's head.
struct Attempt<'a> {
    connection: Box<Connection>,
    sending: Sending,
    request: &'a Head,
    terms: &'a Terms,
    interim: &'a Interim,
    n_interim: usize,
    /// So much must be there before what is not complete is looked at again.
    parse_at: usize,
}

/// Sends the request; its response's head and what follows it.
///
/// # Errors
/// There is no response, with what decides whether to try again.
pub(in crate::proxy) async fn send(
    connection: Box<Connection>,
    request: &Head,
    body: RequestBody,
    terms: &Terms,
    interim: &Interim,
) -> Result<(Head, ResponseBody), Failed> {
    // A client that does not wait is not made to.
    let is_held = request.has(Name::Expect) && body.is_awaiting_continue();
    let sending = Sending::new(body, is_held);
    let mut attempt =
        Attempt { connection, sending, request, terms, interim, n_interim: 0, parse_at: 1 };
    attempt.begin();
    let mut head = attempt.connection.spare().head();
    let received = poll_fn(|cx| attempt.poll_head(&mut head, cx)).await;
    match received.and_then(|()| attempt.framing(&head)) {
        Ok(framing) => Ok(attempt.answered(head, framing)),
        Err(error) => Err(attempt.failed(error)),
    }
}

impl Attempt<'_> {
    fn begin(&mut self) {
        let connection = &mut *self.connection;
        connection.is_midway = true;
        if connection.is_reused && !self.sending.body.is_end() {
            connection.kept.begin();
            self.sending.may_repeat = is_repeatable(self.request);
        }
        if connection.outbox.text.capacity() == 0 {
            connection.outbox.text = connection.home.spare.text();
        }
        self.request.write_request(&mut connection.outbox.text);
        connection.outbox.text.extend_from_slice(b"\r\n");
        self.arm();
    }

    fn arm(&self) {
        let slot = &self.connection.slot;
        match self.terms.settings.response_timeout {
            _ if self.sending.is_held => slot.arm(CONTINUE_WAIT),
            Some(limit) => slot.arm(limit),
            None => slot.disarm(),
        }
    }

    fn poll_head(
        &mut self,
        head: &mut Head,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UpstreamError>> {
        loop {
            if !self.sending.is_done() {
                if let Poll::Ready(Err(error)) = self.sending.poll(&mut self.connection, cx) {
                    return Poll::Ready(Err(of_body(error)));
                }
                if self.sending.is_done() {
                    // Only now is it the upstream's turn.
                    self.arm();
                }
            }
            match self.connection.poll_fill(cx, 0) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(UpstreamError::Broken {
                        source: io::ErrorKind::UnexpectedEof.into(),
                    }));
                }
                Poll::Ready(Ok(n)) => {
                    if self.may_be_complete(n) && self.parse(head)? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(source)) => {
                    return Poll::Ready(Err(UpstreamError::Broken { source }));
                }
                Poll::Pending => {
                    ready!(self.connection.slot.poll_passed(cx));
                    if let Err(error) = self.late() {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// The deadline has passed. A request that is still being sent, and moves, does not count
    /// against the upstream.
    fn late(&mut self) -> Result<(), UpstreamError> {
        if self.sending.is_held {
            self.sending.is_held = false;
        } else if !self.sending.is_excused() {
            let limit = self.terms.settings.response_timeout.unwrap_or_default();
            return Err(UpstreamError::ResponseTimeout { limit });
        }
        self.arm();
        Ok(())
    }

    /// Whether it is worth a look, when so much was added: a head that trickles is not read anew
    /// at every byte.
    fn may_be_complete(&self, n: usize) -> bool {
        let inbox = &self.connection.inbox;
        inbox.len() >= self.parse_at || has_blank_line(inbox, inbox.len() - n)
    }

    /// Whether the final head is here; interim ones go on to the client.
    fn parse(&mut self, head: &mut Head) -> Result<bool, UpstreamError> {
        loop {
            let inbox = &mut self.connection.inbox;
            let is_tls = inbox.starts_with(TLS_ALERT);
            let parsed = wire::parse_response(inbox, head);
            let bad = |reason: String| UpstreamError::BadResponse { reason };
            let words = |error: wire::ParseError| match is_tls {
                true => "it speaks TLS: write `https://`".to_owned(),
                false => error.to_string(),
            };
            let Some(n) = parsed.map_err(|error| bad(words(error)))? else {
                let is_large = inbox.len() > HEAD_BYTES_MAX;
                self.parse_at = (inbox.len() * 2).min(HEAD_BYTES_MAX + 1);
                return if is_large {
                    Err(bad("its head is larger than 128 KiB".into()))
                } else {
                    Ok(false)
                };
            };
            inbox.advance(n);
            self.parse_at = 1;
            if !(100..200).contains(&head.status()) || head.status() == 101 {
                return Ok(true);
            }
            self.n_interim += 1;
            if self.n_interim > INTERIM_MAX {
                return Err(bad(format!("it has more than {INTERIM_MAX} interim heads")));
            }
            let was_held = head.status() == 100 && std::mem::take(&mut self.sending.is_held);
            if was_held {
                self.arm();
            }
            if head.status() != 100 || was_held {
                crate::proxy::headers::of_interim(head);
                self.interim.send(head);
            }
            if self.connection.inbox.is_empty() {
                return Ok(false);
            }
        }
    }

    fn framing(&self, head: &Head) -> Result<Framing, UpstreamError> {
        let is_switch = head.status() == 101;
        if is_switch && (head.version() == Version::Http10 || !is_asked(self.request, head)) {
            return Err(UpstreamError::UnaskedUpgrade);
        }
        wire::of_response(head, self.request.method())
            .map_err(|error| UpstreamError::BadResponse { reason: error.detail.to_owned() })
    }

    fn answered(mut self, head: Head, framing: Framing) -> (Head, ResponseBody) {
        self.connection.kept.forget();
        if head.status() == 101 {
            self.connection.slot.disarm();
            return (head, ResponseBody::Tunnel(self.connection));
        }
        let timeout = self.terms.settings.upstream_body_timeout;
        let download = Download::new(self.connection, self.sending, &head, framing, timeout);
        (head, ResponseBody::new(download))
    }

    fn failed(mut self, error: UpstreamError) -> Failed {
        let is_unsent = !self.sending.has_begun;
        let is_broken = matches!(error, UpstreamError::Broken { .. });
        let is_stale = self.connection.is_reused
            && is_broken
            && self.connection.inbox.is_empty()
            && self.n_interim == 0;
        let error = self.of_tls(error);
        let body = self.sending.body;
        let body = if body.is_untouched() {
            Some(body)
        } else {
            self.connection.kept.take().map(|taken| body.begun_again(taken))
        };
        Failed { error, body, is_unsent, is_stale, is_farewell: false }
    }

    /// With TLS 1.3 the handshake is over for us before the upstream has judged our certificate.
    fn of_tls(&self, error: UpstreamError) -> UpstreamError {
        let (UpstreamError::Broken { source }, Some(tls)) =
            (&error, &self.connection.home.upstream.tls)
        else {
            return error;
        };
        match tls_error(source) {
            Some(rustls::Error::AlertReceived(_)) if !self.connection.is_reused => {
                let (failure, detail) = handshake_failure(source, tls.has_client_certificate());
                UpstreamError::Tls { failure, detail }
            }
            _ => error,
        }
    }
}

pub(super) fn of_body(error: BodyError) -> UpstreamError {
    match error {
        BodyError::Broken => UpstreamError::BrokenByClient,
        BodyError::TooSlow { limit } => UpstreamError::SlowClient { limit },
    }
}

/// Whether the upstream may get it twice: what it asks for is then done once (RFC 9110 9.2.2), or the
/// client has given it a key by which the upstream knows it again.
pub(in crate::proxy) fn is_repeatable(request: &Head) -> bool {
    [&b"GET"[..], b"HEAD", b"OPTIONS", b"PUT", b"DELETE"].contains(&request.method())
        || request.all_named("idempotency-key").next().is_some()
}

/// Whether a line that was added ends a head, however strictly.
fn has_blank_line(inbox: &[u8], before: usize) -> bool {
    let from = before.saturating_sub(3);
    memchr::memchr_iter(b'\n', &inbox[from..])
        .any(|at| matches!(inbox[..from + at], [.., b'\n'] | [.., b'\n', b'\r']))
}

/// Whether the request asked for the protocol that the upstream switches to.
fn is_asked(request: &Head, response: &Head) -> bool {
    let mut protocols = response.members(Name::Upgrade).peekable();
    protocols.peek().is_some() && protocols.all(|protocol| request.lists(Name::Upgrade, protocol))
}
