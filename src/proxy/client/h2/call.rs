//! One call of an HTTP/2 connection: a stream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::Request;

use super::{Calls, Http2Body};
use crate::proxy::client::pace::Pace;
use crate::proxy::client::{Client, Interim};
use crate::proxy::content::Content;
use crate::proxy::error::{Problem, UpstreamError};
use crate::proxy::exchange::{Reply, exchange};
use crate::proxy::http2::{self, Frames, Halt, Pump};
use crate::proxy::timers::Slot;
use crate::proxy::upload::{RequestBody, Source};
use crate::proxy::wire::{self, Framing, Head, Name};
use crate::proxy::worker::Worker;

/// Interim responses of one call; more are left out, as RFC 9110 15.2 allows.
const INTERIM_BYTES_MAX: usize = 64 << 10;
/// Heads of the calls of one connection, together; more are told to try again. Compressed, a head of
/// 64 KiB is twenty bytes.
const HEADS_BYTES_MAX: usize = 1 << 20;

/// Where a call's answers go. The call counts as running for as long as anybody has it.
pub(in crate::proxy::client) struct Answering {
    respond: RefCell<SendResponse<Bytes>>,
    /// The client waits for 100 before it sends its body.
    wants_continue: Cell<bool>,
    interim_bytes: Cell<usize>,
    /// Of the request's head.
    head_bytes: Cell<usize>,
    calls: Rc<Calls>,
}

/// A request whose head has been read.
pub(super) struct Asked {
    head: Head,
    /// Why it is refused, otherwise.
    body: Result<RequestBody, Problem>,
    is_head: bool,
}

/// A response's body on its way to the client.
struct Download<'a> {
    pump: Pump,
    content: Content,
    worker: &'a Worker,
    slot: Option<Slot>,
    /// Of the pump, when it was last seen to be blocked.
    moves: u64,
}

/// A call whose response is not complete, counted.
struct Open(Rc<Calls>);

/// Serves one call.
pub(super) async fn serve(
    client: Rc<Client>,
    calls: Rc<Calls>,
    asked: Asked,
    answering: Rc<Answering>,
) {
    let open = Open::new(&calls);
    let worker = &client.worker;
    let call = client.call(Interim::to_http2(&answering));
    let Asked { head, body, is_head } = asked;
    let reply = match body {
        Ok(body) => {
            let mut exchange = std::pin::pin!(exchange(&call, head, body));
            let reply = poll_fn(|cx| match exchange.as_mut().poll(cx) {
                Poll::Ready(reply) => Poll::Ready(Some(reply)),
                Poll::Pending => answering.poll_gone(cx).map(|()| None),
            });
            let Some(reply) = reply.await else {
                calls.take_back();
                tracing::debug!(peer = %client.address, "a client left before it was answered");
                return;
            };
            reply
        }
        Err(problem) => {
            worker.metrics().call(false);
            worker.spare.keep_head(head);
            Reply::of_problem(&problem, worker)
        }
    };
    respond(worker, &answering, reply, is_head).await;
    drop((call, open));
}

impl Asked {
    /// Reads a request, whose fields take many times more memory in the library's form. `None`: the
    /// heads of the connection's calls take too much together, and the client was told to try again.
    pub(super) fn read(
        client: &Client,
        answering: &Rc<Answering>,
        request: Request<RecvStream>,
    ) -> Option<Self> {
        let is_head = request.method() == http::Method::HEAD;
        let mut head = client.worker.spare.head();
        let body = begin(client, answering, request, &mut head);
        if answering.holds(head.weight()) {
            return Some(Self { head, body, is_head });
        }
        client.worker.spare.keep_head(head);
        answering.respond.borrow_mut().send_reset(Reason::REFUSED_STREAM);
        None
    }
}

/// Reads the request's head.
fn begin(
    client: &Client,
    answering: &Rc<Answering>,
    request: Request<RecvStream>,
    head: &mut Head,
) -> Result<RequestBody, Problem> {
    http2::from_request(&request, head)
        .map_err(|(status, reason)| Problem::refused(status, reason))?;
    let body = request.into_body();
    let framing = wire::of_request(head).map_err(|e| Problem::refused(e.status, e.detail))?;
    if body.is_end_stream() {
        // A length that says otherwise was refused with the frame.
        return Ok(RequestBody::new(Source::Empty, Framing::None));
    }
    let framing = match framing {
        Framing::None if !head.has(Name::ContentLength) => Framing::Chunked,
        framing => framing,
    };
    answering.wants_continue.set(head.has(Name::Expect));
    let pace = Pace::new(&client.worker.timers, client.worker.terms().settings.body_timeout);
    let body = Http2Body::new(body, pace, Rc::clone(answering));
    Ok(RequestBody::new(Source::Http2(Box::new(body)), framing))
}

/// Sends the response.
async fn respond(worker: &Worker, answering: &Answering, reply: Reply, is_head: bool) {
    let Reply { mut head, mut content, .. } = reply;
    if is_head || matches!(head.status(), 204 | 304) {
        content = Content::Empty;
    } else if let Some(length) = content.length()
        && !matches!(content, Content::Empty)
        && !head.has(Name::ContentLength)
    {
        head.push("content-length", length.to_string().as_bytes());
    }
    worker.date(&mut head);
    let response = http2::to_response(&head).or_else(|unsayable| {
        let reason = unsayable.to_string();
        let terms = worker.terms();
        let problem = UpstreamError::BadResponse { reason }.problem(&terms.settings);
        content = problem.answer(&mut head);
        worker.date(&mut head);
        http2::to_response(&head)
    });
    worker.spare.keep_head(head);
    let is_all = content.is_end();
    let Some(stream) = response.ok().and_then(|response| answering.send(response, is_all)) else {
        return;
    };
    if !is_all {
        let pump = Pump::new(stream, false);
        let mut download = Download { pump, content, worker, slot: None, moves: 0 };
        poll_fn(|cx| download.poll(cx)).await;
    }
}

impl Download<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.pump.poll(&mut self.content, cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Halt::Peer)) => {
                tracing::debug!("a client left its response");
            }
            Poll::Ready(Err(Halt::Source(_broken_off))) => {
                let reason = self.content.reset_reason().unwrap_or(Reason::INTERNAL_ERROR);
                self.pump.reset(reason);
            }
            Poll::Pending => {
                // The client may be slow to read while the request is still on its way up.
                self.content.poll_upload(cx);
                ready!(self.poll_stalled(cx));
                tracing::debug!("a client does not read its response");
                self.pump.reset(Reason::CANCEL);
            }
        }
        Poll::Ready(())
    }

    /// Ready when the client has left no room for too long.
    fn poll_stalled(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.pump.is_blocked() {
            return Poll::Pending;
        }
        let is_new = self.slot.is_none() || self.moves != self.pump.moves();
        let slot = self.slot.get_or_insert_with(|| self.worker.timers.slot());
        if is_new {
            self.moves = self.pump.moves();
            slot.arm(self.worker.terms().settings.send_timeout);
        }
        slot.poll_passed(cx)
    }
}

impl Frames for Content {
    type Error = crate::proxy::upstream::BrokenOff;

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Self::poll_frame(self, cx)
    }

    fn is_end(&self) -> bool {
        Self::is_end(self)
    }
}

impl Answering {
    pub(super) fn new(respond: SendResponse<Bytes>, calls: &Rc<Calls>) -> Rc<Self> {
        calls.running.set(calls.running.get() + 1);
        Rc::new(Self {
            respond: RefCell::new(respond),
            wants_continue: Cell::new(false),
            interim_bytes: Cell::new(0),
            head_bytes: Cell::new(0),
            calls: Rc::clone(calls),
        })
    }

    /// Takes room for the request's head; whether there was any.
    fn holds(&self, bytes: usize) -> bool {
        let all = self.calls.head_bytes.get() + bytes;
        let fits = all <= HEADS_BYTES_MAX || all == bytes;
        if fits {
            self.calls.head_bytes.set(all);
            self.head_bytes.set(bytes);
        }
        fits
    }

    /// Passes an interim response on.
    pub(in crate::proxy::client) fn interim(&self, head: &Head) {
        if head.status() == 100 {
            self.wants_continue.set(false);
        }
        let bytes = head.fields().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let all = self.interim_bytes.get() + bytes + 64;
        if all > INTERIM_BYTES_MAX {
            return;
        }
        self.interim_bytes.set(all);
        let sent = http2::to_response(head)
            .ok()
            .map(|response| self.respond.borrow_mut().send_informational(response));
        if !matches!(sent, Some(Ok(()))) {
            tracing::debug!("an interim response is left out");
        }
    }

    /// Whether the client waits to be told to send its body.
    pub(super) fn wants_continue(&self) -> bool {
        self.wants_continue.get()
    }

    /// Somebody asks for the body: a client that waits is told to send it.
    pub(super) fn wants_body(&self) {
        if self.wants_continue.take() {
            let mut head = Head::new();
            head.response(100, b"", wire::Version::Http2);
            self.interim(&head);
        }
    }

    /// Ready when the client does not want the answer any more.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.respond.borrow_mut().poll_reset(cx).map(|_reset_or_gone| ())
    }

    fn send(&self, response: http::Response<()>, is_all: bool) -> Option<SendStream<Bytes>> {
        let sent = self.respond.borrow_mut().send_response(response, is_all);
        sent.inspect_err(|error| tracing::debug!(%error, "a client left before its answer")).ok()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.calls.running.set(self.calls.running.get() - 1);
        self.calls.head_bytes.set(self.calls.head_bytes.get() - self.head_bytes.get());
    }
}

impl Open {
    fn new(calls: &Rc<Calls>) -> Self {
        calls.open.set(calls.open.get() + 1);
        Self(Rc::clone(calls))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended();
    }
}
