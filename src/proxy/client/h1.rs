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

/// What comes of waiting for a request.
enum Next {
    Request,
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
        let mut head = worker.spare.head();
        match next_request(client, &link, &slot, &mut head, is_first).await {
            Next::Request => {}
            Next::Ended => return,
            Next::Refused(problem) => {
                link.borrow_mut().outbox.text.extend_from_slice(&problem.to_bytes());
                return close(&link).await;
            }
        }
        is_first = false;
        match call(client, &link, &slot, head).await {
            After::NextCall => link.borrow_mut().rest(),
            After::Close => return close(&link).await,
            After::Gone => return,
            After::Reset => return link.borrow().stream.reset_on_close(true),
        }
    }
}

/// Waits for a request's head.
async fn next_request(
    client: &Client,
    link: &RefCell<Link>,
    slot: &Slot,
    head: &mut Head,
    is_first: bool,
) -> Next {
    let terms = client.worker.terms();
    let settings = &terms.settings;
    let mut is_in_head = !link.borrow().inbox.is_empty();
    // What says nothing at all is not worth a place for long; after that it has earned some patience.
    let patience = if is_first {
        settings.header_timeout.min(settings.idle_timeout)
    } else {
        settings.idle_timeout
    };
    slot.arm(if is_in_head { settings.header_timeout } else { patience });
    let mut parse_at = 1;
    poll_fn(|cx| {
        let link = &mut *link.borrow_mut();
        loop {
            if link.inbox.len() >= parse_at {
                match wire::parse_request(&link.inbox, head) {
                    Ok(Some(n)) if n > settings.head_bytes_max => {
                        return Poll::Ready(Next::Refused(Problem::head_too_large()));
                    }
                    Ok(Some(n)) => {
                        link.inbox.advance(n);
                        return Poll::Ready(Next::Request);
                    }
                    Ok(None) if link.inbox.len() > settings.head_bytes_max => {
                        return Poll::Ready(Next::Refused(Problem::head_too_large()));
                    }
                    // Not at every byte anew: at its end, and when there is twice as much.
                    Ok(None) => parse_at = link.inbox.len() * 2,
                    Err(error) => return Poll::Ready(Next::Refused(unreadable(error))),
                }
            }
            let before = link.inbox.len();
            match link.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Ended),
                Poll::Ready(Ok(_)) => {
                    if !is_in_head {
                        is_in_head = true;
                        slot.arm(settings.header_timeout);
                    }
                    if has_end(&link.inbox, before) {
                        parse_at = 0;
                    }
                }
                Poll::Pending if client.worker.draining.get() && !is_in_head => {
                    return Poll::Ready(Next::Ended);
                }
                Poll::Pending => {
                    std::task::ready!(slot.poll_passed(cx));
                    return Poll::Ready(if is_in_head {
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

/// Whether a blank line is among the bytes that were added.
fn has_end(inbox: &[u8], before: usize) -> bool {
    let from = before.saturating_sub(3);
    memchr::memchr_iter(b'\n', &inbox[from..]).any(|at| inbox[..=from + at].ends_with(b"\r\n\r\n"))
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
    let call = client.call(Interim::to(link));
    let is_old = head.version() == Version::Http10;
    let wants_more = if is_old {
        head.lists(Name::Connection, b"keep-alive")
    } else {
        !head.lists(Name::Connection, b"close")
    };
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
                    let _ = link.poll_flush(cx);
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
        Sent::Whole { keeps: true } if is_body_over(link) => After::NextCall,
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
    link.borrow_mut().wants_continue =
        framing != Framing::None && head.version() != Version::Http10 && head.has(Name::Expect);
    Ok(RequestBody::new(source, framing))
}

/// Whether the next request can be told from what is left of this one.
fn is_body_over(link: &RefCell<Link>) -> bool {
    let link = &mut *link.borrow_mut();
    match link.body {
        BodyProgress::Done => true,
        BodyProgress::Abandoned(Some(left)) if left <= link.inbox.len() as u64 => {
            link.inbox.advance(usize::try_from(left).unwrap_or(usize::MAX));
            true
        }
        BodyProgress::Abandoned(_) | BodyProgress::Underway => false,
    }
}

/// Says that nothing follows, and reads for a while what the client still sends: a close over unread
/// bytes is a reset that takes the answer with it (RFC 9112 9.6).
async fn close(link: &RefCell<Link>) {
    const LINGER_MAX: Duration = Duration::from_secs(30);
    const SILENCE_MAX: Duration = Duration::from_secs(5);
    let closed = async {
        poll_fn(|cx| {
            let link = &mut *link.borrow_mut();
            std::task::ready!(link.poll_flush(cx))?;
            Pin::new(&mut link.stream).poll_shutdown(cx)
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
    link.poll_fill(cx)
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
