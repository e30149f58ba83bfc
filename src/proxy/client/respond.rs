//! Writes a response to an HTTP/1 client: its head in one write with what there is of its body, then
//! the rest as it comes, and nothing more of it in memory than one piece.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use http_body::Frame;

use super::Client;
use super::link::Link;
use crate::proxy::content::Content;
use crate::proxy::exchange::Reply;
use crate::proxy::headers::clean_response_trailers;
use crate::proxy::timers::Slot;
use crate::proxy::upstream::Connection;
use crate::proxy::wire::{Head, Name, Version};

/// What of the request decides about the response's form.
pub(super) struct Request {
    pub(super) is_head: bool,
    /// HTTP/1.0.
    pub(super) is_old: bool,
    /// The connection may carry another call.
    pub(super) keeps: bool,
}

/// How it ended.
pub(super) enum Sent {
    /// `keeps`: the connection may carry another call.
    Whole {
        keeps: bool,
    },
    /// The client took the head, and speaks another protocol with the upstream from now on.
    Upgraded(Box<Connection>),
    Broken {
        must_reset: bool,
    },
}

/// Why a response is not complete.
enum Broken {
    /// The client is gone, or takes nothing.
    Client,
    /// What was to be sent ended early.
    Content,
}

/// How the response's end shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// No body, or one with a length.
    Known,
    Chunked,
    UntilClose,
}

/// Writes it.
pub(super) async fn respond(
    client: &Client,
    link: &RefCell<Link>,
    slot: &Slot,
    reply: Reply,
    request: Request,
) -> Sent {
    let Reply { mut head, mut content, .. } = reply;
    if let Content::Tunnel(_) = content {
        return upgrade(client, link, slot, head, content).await;
    }
    if request.is_head || matches!(head.status(), 204 | 304) {
        content = Content::Empty;
    }
    let form = form(&mut head, &content, &request);
    let is_at_once = form == Form::Known && content.length().is_some();
    let keeps = request.keeps && form != Form::UntilClose && !link.borrow().ends_here(is_at_once);
    if !keeps {
        head.push("connection", b"close");
    } else if request.is_old {
        head.push("connection", b"keep-alive");
    }
    client.worker.date(&mut head);
    begin(client, link, head, request.is_old);
    if form == Form::UntilClose {
        // Until its end is here, whatever ends the connection is a reset.
        link.borrow().reset_on_close(true);
    }
    let mut writer = Writer {
        client,
        slot,
        form,
        content,
        has_ended: false,
        is_broken: false,
        is_stalled: false,
    };
    match poll_fn(|cx| writer.poll(link, cx)).await {
        Ok(()) => {
            if form == Form::UntilClose {
                link.borrow().reset_on_close(false);
            }
            Sent::Whole { keeps }
        }
        Err(Broken::Client) => Sent::Broken { must_reset: true },
        Err(Broken::Content) => Sent::Broken { must_reset: form == Form::UntilClose },
    }
}

/// Puts the head where it is written from.
fn begin(client: &Client, link: &RefCell<Link>, head: Head, is_old: bool) {
    let link = &mut *link.borrow_mut();
    // From here on only the response may be written.
    link.wants_continue = false;
    if link.outbox.text.capacity() == 0 {
        link.outbox.text = client.worker.spare.text();
    }
    head.write_response(&mut link.outbox.text, is_old);
    link.outbox.text.extend_from_slice(b"\r\n");
    client.worker.spare.keep_head(head);
}

/// Decides how the body is framed and says so in the head (RFC 9112 6).
fn form(head: &mut Head, content: &Content, request: &Request) -> Form {
    match content {
        Content::Empty => Form::Known,
        content => match content.length() {
            Some(length) => {
                if !head.has(Name::ContentLength) {
                    head.push("content-length", length.to_string().as_bytes());
                }
                Form::Known
            }
            None if request.is_old => Form::UntilClose,
            None => {
                head.push("transfer-encoding", b"chunked");
                Form::Chunked
            }
        },
    }
}

async fn upgrade(
    client: &Client,
    link: &RefCell<Link>,
    slot: &Slot,
    head: Head,
    content: Content,
) -> Sent {
    debug_assert_eq!(head.version(), Version::Http11);
    begin(client, link, head, false);
    let mut writer = Writer {
        client,
        slot,
        form: Form::Known,
        content: Content::Empty,
        has_ended: false,
        is_broken: false,
        is_stalled: false,
    };
    match (poll_fn(|cx| writer.poll(link, cx)).await, content) {
        (Ok(()), Content::Tunnel(connection)) => Sent::Upgraded(connection),
        _ => Sent::Broken { must_reset: true },
    }
}

struct Writer<'a> {
    client: &'a Client,
    slot: &'a Slot,
    form: Form,
    content: Content,
    has_ended: bool,
    /// No end follows what waits to be written.
    is_broken: bool,
    is_stalled: bool,
}

impl Writer<'_> {
    /// The link is not held while the content is polled: it may read the request's body from it.
    fn poll(&mut self, link: &RefCell<Link>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            while !self.has_ended && !self.is_broken && link.borrow().outbox.has_room() {
                match self.content.poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => self.push(&mut link.borrow_mut(), frame),
                    Poll::Ready(Some(Err(_broken_off))) => self.is_broken = true,
                    Poll::Ready(None) => self.end(&mut link.borrow_mut(), None),
                    Poll::Pending => break,
                }
            }
            if !link.borrow().outbox.is_empty() {
                // The client may be slow to read while the request is still on its way up.
                self.content.poll_upload(cx);
            }
            let link = &mut *link.borrow_mut();
            if link.outbox.is_empty() {
                if self.is_broken {
                    return Poll::Ready(Err(Broken::Content));
                }
                if self.has_ended {
                    return Poll::Ready(Ok(()));
                }
                ready!(link.poll_gone(cx));
                return Poll::Ready(Err(Broken::Client));
            }
            if self.poll_write(link, cx)?.is_pending() {
                // Nor does it read, perhaps, before it has sent the rest of its request.
                let _ = link.poll_rest(cx);
                return Poll::Pending;
            }
        }
    }

    fn push(&mut self, link: &mut Link, frame: Frame<bytes::Bytes>) {
        match frame.into_data() {
            Ok(data) => {
                link.outbox.push(data, self.form == Form::Chunked);
                if self.content.is_end() {
                    self.end(link, None);
                }
            }
            Err(frame) => {
                let mut trailers = frame.into_trailers().ok();
                trailers.iter_mut().for_each(clean_response_trailers);
                self.end(link, trailers.as_ref());
            }
        }
    }

    fn end(&mut self, link: &mut Link, trailers: Option<&http::HeaderMap>) {
        if !std::mem::replace(&mut self.has_ended, true) && self.form == Form::Chunked {
            link.outbox.push_last_chunk(trailers);
        }
    }

    fn poll_write(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let (slot, is_stalled) = (self.slot, &mut self.is_stalled);
        let written = link.poll_write(cx, |_| *is_stalled = false);
        match written {
            Poll::Ready(Ok(())) => {
                self.is_stalled = false;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, peer = %self.client.address, "a client left its response");
                Poll::Ready(Err(Broken::Client))
            }
            Poll::Pending => {
                if !std::mem::replace(&mut self.is_stalled, true) {
                    slot.arm(self.client.worker.terms().settings.send_timeout);
                }
                ready!(slot.poll_passed(cx));
                tracing::debug!(peer = %self.client.address, "a client does not read its response");
                Poll::Ready(Err(Broken::Client))
            }
        }
    }
}
