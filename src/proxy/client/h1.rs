//! An HTTP/1 client's connection (RFC 9112): one call after the other, from reading a request's head
//! to the last byte of its response.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

use super::body::Http1Body;
use super::link::{BodyProgress, Interim, Link};
use super::pace::Pace;
use super::respond::{Sent, respond};
use super::{Client, tunnel};
use crate::proxy::error::Problem;
use crate::proxy::exchange::{Reply, exchange};
use crate::proxy::stream::Stream;
use crate::proxy::timers::Slot;
use crate::proxy::upload::{RequestBody, Source};
use crate::proxy::wire::{self, Framing, Head, Name, ParseError, Version};

/// Heads up to this size are parsed again at the end of each line, so that mistakes show at once.
const OFTEN_PARSED_BYTES: usize = 2 << 10;

/// What comes of waiting for a request.
enum Next {
    Request(Head),
    /// The connection is over, and nobody waits for an answer.
    Ended,
    Refused(Problem),
}

/// What comes of a call.
enum After {
    NextCall,
    /// Nothing more is said or understood here.
    Close,
    /// The connection is gone or has been handed on.
    Gone,
    /// The response is not complete, and only a reset may tell so.
    Reset,
}

/// Serves the connection until it ends.
pub(super) async fn serve(client: &Rc<Client>, stream: Stream, buffered: BytesMut) {
    let worker = &client.worker;
    let link = Rc::new(RefCell::new(Link::new(stream, buffered, Rc::clone(worker))));
    let slot = worker.timers.slot();
    let mut is_first = true;
    loop {
        let after = match next_request(client, &link, &slot, is_first).await {
            Next::Request(head) => call(client, &link, &slot, head).await,
            Next::Ended => After::Gone,
            Next::Refused(problem) => {
                link.borrow_mut().outbox.text.extend_from_slice(&problem.to_bytes());
                After::Close
            }
        };
        is_first = false;
        match after {
            After::NextCall => {
                link.borrow_mut().rest();
                continue;
            }
            After::Close => close(&link).await,
            After::Gone => {}
            After::Reset => link.borrow().reset_on_close(true),
        }
        // A matched call may go on and still hold the link.
        return link.borrow_mut().end();
    }
}

/// Waits for a request's head.
async fn next_request(client: &Client, link: &RefCell<Link>, slot: &Slot, is_first: bool) -> Next {
    let terms = client.worker.terms();
    let settings = &terms.settings;
    let mut reading = Reading::new(settings.head_bytes_max, &link.borrow().inbox);
    // What says nothing at all is not worth a place for long; after that it has earned some patience.
    let patience = if is_first {
        settings.header_timeout.min(settings.idle_timeout)
    } else {
        settings.idle_timeout
    };
    slot.arm(if reading.has_begun { settings.header_timeout } else { patience });
    // A request may be in the socket already when a drain begins: the runtime looks once more.
    let mut last_look = std::pin::pin!(tokio::task::yield_now());
    poll_fn(|cx| {
        let link = &mut *link.borrow_mut();
        loop {
            if let Some(next) = reading.parse(client, &mut link.inbox) {
                return Poll::Ready(next);
            }
            let before = link.inbox.len();
            match link.poll_fill(cx, 0) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Ended),
                Poll::Ready(Ok(_)) => {
                    let had_begun = reading.has_begun;
                    reading.received(&link.inbox, before);
                    if reading.has_begun && !had_begun {
                        slot.arm(settings.header_timeout);
                    }
                }
                Poll::Pending if client.worker.draining.get() && !reading.has_begun => {
                    return last_look.as_mut().poll(cx).map(|()| Next::Ended);
                }
                Poll::Pending => {
                    std::task::ready!(slot.poll_passed(cx));
                    return Poll::Ready(if reading.has_begun {
                        Next::Refused(Problem::slow_head(settings.header_timeout))
                    } else {
                        Next::Ended
                    });
                }
            }
        }
    })
    .await
}

/// A head that is coming in.
struct Reading {
    head_bytes_max: usize,
    /// More than blank lines have come, which some clients send behind a body.
    has_begun: bool,
    /// Parsed again when there is so much: not at every byte anew.
    parse_at: usize,
}

impl Reading {
    fn new(head_bytes_max: usize, inbox: &[u8]) -> Self {
        Self { head_bytes_max, has_begun: has_begun(inbox), parse_at: 1 }
    }

    fn received(&mut self, inbox: &[u8], before: usize) {
        self.has_begun = self.has_begun || has_begun(inbox);
        let line_ends = memchr::memchr(b'\n', &inbox[before..]).is_some();
        if (line_ends || has_bare_return(inbox, before))
            && (inbox.len() <= OFTEN_PARSED_BYTES || has_end(inbox, before))
        {
            self.parse_at = 0;
        }
    }

    fn parse(&mut self, client: &Client, inbox: &mut BytesMut) -> Option<Next> {
        if inbox.len() < self.parse_at {
            return None;
        }
        let mut head = client.worker.spare.head();
        let next = match wire::parse_request(inbox, &mut head) {
            Ok(Some(n)) if n <= self.head_bytes_max => {
                inbox.advance(n);
                return Some(Next::Request(head));
            }
            Ok(None) if inbox.len() <= self.head_bytes_max => {
                self.parse_at = (inbox.len() * 2).min(self.head_bytes_max + 1);
                None
            }
            Ok(_) => Some(Next::Refused(Problem::head_too_large())),
            Err(error) => Some(Next::Refused(unreadable(error))),
        };
        client.worker.spare.keep_head(head);
        next
    }
}

/// Whether there is more than blank lines.
fn has_begun(inbox: &[u8]) -> bool {
    inbox.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
}

/// Whether a CR that no LF follows shows among the bytes that were added: no line ends so.
fn has_bare_return(inbox: &[u8], before: usize) -> bool {
    let from = before.saturating_sub(1);
    let mut returns = memchr::memchr_iter(b'\r', &inbox[from..]);
    returns.any(|at| inbox.get(from + at + 1).is_some_and(|&next| next != b'\n'))
}

/// Whether a blank line, however it is written, ends among the bytes that were added.
fn has_end(inbox: &[u8], before: usize) -> bool {
    memchr::memchr_iter(b'\n', &inbox[before..]).any(|at| {
        let line = &inbox[..before + at];
        line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\n")
    })
}

fn unreadable(error: ParseError) -> Problem {
    let status = match error {
        ParseError::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::refused(status, format!("The request's head cannot be read: {error}."))
}

/// One call.
async fn call(client: &Rc<Client>, link: &Rc<RefCell<Link>>, slot: &Slot, head: Head) -> After {
    let is_old = head.version() == Version::Http10;
    // RFC 9110 15.2: a client of HTTP/1.0 knows no interim responses.
    let interim = if is_old { Interim::default() } else { Interim::to(link) };
    let call = client.call(interim);
    let wants_more = !head.lists(Name::Connection, b"close")
        && (!is_old || head.lists(Name::Connection, b"keep-alive"));
    let is_head = head.method() == b"HEAD";
    let body = body(client, link, &head);
    let reply = match body {
        Ok(body) => {
            let mut exchange = std::pin::pin!(exchange(&call, head, body));
            let reply = poll_fn(|cx| {
                link.borrow_mut().owned_by(cx);
                let reply = exchange.as_mut().poll(cx);
                let link = &mut *link.borrow_mut();
                if !link.outbox.is_empty() && reply.is_pending() {
                    // An interim response; whether it went out shows at the next write.
                    let _ = link.poll_write(cx, |_| {});
                }
                match reply {
                    Poll::Ready(reply) => Poll::Ready(Some(reply)),
                    Poll::Pending => link.poll_gone(cx).map(|()| None),
                }
            });
            let Some(reply) = reply.await else {
                tracing::debug!(peer = %client.address, "a client left before it was answered");
                return After::Gone;
            };
            reply
        }
        Err(problem) => {
            client.worker.metrics().call(false);
            Reply::of_problem(&problem, &client.worker)
        }
    };
    let keeps = wants_more && !reply.closes && !client.worker.draining.get();
    match respond(client, link, slot, reply, super::respond::Request { is_head, is_old, keeps })
        .await
    {
        Sent::Whole { keeps: true } if rest_of_body(link, slot).await => After::NextCall,
        Sent::Whole { .. } => After::Close,
        Sent::Upgraded(connection) => {
            tunnel::carry(client, link, connection, slot).await;
            After::Gone
        }
        Sent::Broken { must_reset: true } => After::Reset,
        Sent::Broken { must_reset: false } => After::Gone,
    }
}

fn body(client: &Client, link: &Rc<RefCell<Link>>, head: &Head) -> Result<RequestBody, Problem> {
    link.borrow_mut().body = BodyProgress::Done;
    let framing = wire::of_request(head).map_err(|e| Problem::refused(e.status, e.detail))?;
    let pace = || Pace::new(&client.worker.timers, client.worker.terms().settings.body_timeout);
    let source = match framing {
        Framing::None | Framing::UntilClose => Source::Empty,
        Framing::Exact(length) => Source::Http1(Http1Body::exact(link, length, pace())),
        Framing::Chunked => Source::Http1(Http1Body::chunked(link, pace())),
    };
    let link = &mut *link.borrow_mut();
    link.wants_continue = framing != Framing::None
        && head.version() != Version::Http10
        && head.has(Name::Expect)
        // It does not wait.
        && link.inbox.is_empty();
    Ok(RequestBody::new(source, framing))
}

/// Reads what is left of a request that was answered before its end; whether another can follow.
async fn rest_of_body(link: &RefCell<Link>, slot: &Slot) -> bool {
    const REST_TIME_MAX: Duration = Duration::from_secs(5);
    if matches!(link.borrow().body, BodyProgress::Done) {
        return true;
    }
    slot.arm(REST_TIME_MAX);
    poll_fn(|cx| match link.borrow_mut().poll_rest(cx) {
        Poll::Ready(is_over) => Poll::Ready(is_over),
        Poll::Pending => slot.poll_passed(cx).map(|()| false),
    })
    .await
}

/// Says that nothing follows, and reads for a while what the client still sends: a close over unread
/// bytes is a reset that takes the answer with it (RFC 9112 9.6).
async fn close(link: &RefCell<Link>) {
    const LINGER_MAX: Duration = Duration::from_secs(30);
    const SILENCE_MAX: Duration = Duration::from_secs(5);
    let closed = async {
        poll_fn(|cx| {
            let link = &mut *link.borrow_mut();
            // Whoever may still hold a part of the request gets no more of it.
            link.body = BodyProgress::Closed;
            std::task::ready!(link.poll_write(cx, |_| {}))?;
            Pin::new(link.stream()?).poll_shutdown(cx)
        })
        .await?;
        loop {
            let read = poll_fn(|cx| poll_discard(&mut link.borrow_mut(), cx));
            match tokio::time::timeout(SILENCE_MAX, read).await {
                Ok(Ok(0)) | Err(_) => return Ok(()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(LINGER_MAX, closed).await {
        Ok(Ok::<(), std::io::Error>(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client left before its connection was closed"),
        Err(_) => tracing::debug!("a client goes on sending to a connection that is closed"),
    }
}

fn poll_discard(link: &mut Link, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
    link.inbox.clear();
    link.poll_fill(cx, 64 << 10)
}

/// Answers a connection that is not served, and closes it.
pub(in crate::proxy) async fn turn_away(mut stream: Stream, problem: &Problem) {
    const LINGER_MAX: Duration = Duration::from_secs(1);
    const READ_BYTES_MAX: u64 = 64 << 10;
    let answered = async {
        stream.write_all(&problem.to_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(READ_BYTES_MAX), &mut tokio::io::sink()).await
    };
    match tokio::time::timeout(LINGER_MAX, answered).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client left before it was answered"),
        Err(_) => tracing::debug!("a client that was turned away does not leave"),
    }
}
