//! One client's connection: which phase it is in, and serving it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::crowd::Place;
use super::error::Problem;
use super::exchange::exchange;
use super::io::ClientIo;
use super::stream::Stream;
use super::terms::Terms;
use super::timers::Slot;
use super::worker::Worker;

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) scheme: Scheme,
    pub(super) protocol: Protocol,
    /// Bytes that were read already.
    pub(super) buffered: BytesMut,
    /// Among all that are open.
    pub(super) place: Place,
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Ip(IpAddr),
    /// Through a Unix socket.
    Local,
}

/// What the client called us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a call needs to know of its connection.
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) peer: Peer,
    pub(super) scheme: Scheme,
    /// The peer's address, as `X-Forwarded-For` shows it.
    pub(super) address: HeaderValue,
    /// As the connection's parser has it.
    head_bytes_max: usize,
    phase: Cell<Phase>,
    deadline: Slot,
    /// The head being read, as received; at most `head_bytes_max`.
    head: RefCell<Vec<u8>>,
    /// The response was broken off and its framing cannot tell the client so.
    must_reset: Cell<bool>,
    /// The response ends with the connection, and its end is held back: until then only a reset
    /// may end the connection, whatever ends it.
    end_is_held: Cell<bool>,
    /// The client takes nothing of its response at the moment.
    is_stalled: Cell<bool>,
}

/// A call from its head to the end of its response.
pub(super) struct Call {
    client: Rc<Client>,
    /// What it goes by, whatever is put in force meanwhile.
    terms: Rc<Terms>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests, or before the first.
    Idle,
    /// A request head has begun.
    Head,
    /// A call is in progress.
    Call,
}

impl Client {
    fn new(worker: Rc<Worker>, terms: &Terms, peer: Peer, scheme: Scheme) -> Self {
        let address = match peer {
            Peer::Local => HeaderValue::from_static("unknown"),
            Peer::Ip(ip) => HeaderValue::try_from(ip.to_string())
                .expect("an IP address is made of visible characters"),
        };
        let deadline = worker.timers.slot();
        deadline.arm(terms.settings.idle_timeout);
        Self {
            worker,
            peer,
            scheme,
            address,
            head_bytes_max: terms.settings.head_bytes_max,
            phase: Cell::new(Phase::Idle),
            deadline,
            head: RefCell::default(),
            must_reset: Cell::new(false),
            end_is_held: Cell::new(false),
            is_stalled: Cell::new(false),
        }
    }

    /// Bytes came in.
    pub(super) fn received(&self, bytes: &[u8]) {
        match self.phase.get() {
            Phase::Call => return,
            Phase::Head => {}
            Phase::Idle => {
                self.phase.set(Phase::Head);
                self.deadline.arm(self.worker.terms().settings.header_timeout);
            }
        }
        let mut head = self.head.borrow_mut();
        let room = self.head_bytes_max.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The socket took bytes of a response.
    pub(super) fn sent(&self) {
        let was_stalled = self.is_stalled.replace(false);
        match self.phase.get() {
            // Complete for us, but it still goes out.
            Phase::Idle => self.deadline.arm(self.worker.terms().settings.idle_timeout),
            Phase::Call if was_stalled => self.deadline.disarm(),
            Phase::Head | Phase::Call => {}
        }
    }

    /// The socket takes nothing: the client does not read. One that never does must not keep its
    /// call, and with it the call's event, for ever.
    pub(super) fn stalled(&self) {
        if !self.is_stalled.replace(true) && self.phase.get() == Phase::Call {
            self.deadline.arm(self.worker.terms().settings.idle_timeout);
        }
    }

    /// Whether the connection may end only with a reset now.
    pub(super) fn end_is_held(&self) -> bool {
        self.end_is_held.get()
    }

    /// Whether a parse error, not a call, is what is being answered now.
    pub(super) fn is_in_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// A request's head is complete.
    pub(super) fn call(self: &Rc<Self>) -> Call {
        self.phase.set(Phase::Call);
        self.deadline.disarm();
        self.worker.calls.set(self.worker.calls.get() + 1);
        Call { client: Rc::clone(self), terms: self.worker.terms() }
    }

    /// Whether the head of the present call has a line with this field name (lower case), also one
    /// that the parser took away. Not known (false) for a head that came with the call before it.
    pub(super) fn head_names(&self, name: &str) -> bool {
        let head = self.head.borrow();
        let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
        let is_blank = |line: &&[u8]| line.is_empty();
        let _leading_blank_lines_and_request_line = lines.by_ref().find(|line| !is_blank(line));
        lines.take_while(|line| !is_blank(line)).any(|line| {
            let colon = line.iter().position(|&b| b == b':');
            colon.is_some_and(|at| line[..at].eq_ignore_ascii_case(name.as_bytes()))
        })
    }
}

impl Call {
    pub(super) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// What it goes by.
    pub(super) const fn terms(&self) -> &Rc<Terms> {
        &self.terms
    }

    /// The response is broken off, and only a reset can tell the client so.
    pub(super) fn must_reset(&self) {
        self.client.must_reset.set(true);
    }

    /// The end of a response that ends with the connection is held back, or no longer.
    pub(super) fn hold_end(&self, is_held: bool) {
        self.client.end_is_held.set(is_held);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let client = &self.client;
        client.worker.calls.set(client.worker.calls.get() - 1);
        client.phase.set(Phase::Idle);
        client.is_stalled.set(false);
        client.head.borrow_mut().clear();
        client.deadline.arm(self.terms.settings.idle_timeout);
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, peer, scheme, protocol, buffered, place: _place } = accepted;
    if protocol == Protocol::Http2 {
        tracing::debug!(?peer, "HTTP/2 is not served yet");
        return;
    }
    let terms = worker.terms();
    let client = Rc::new(Client::new(Rc::clone(&worker), &terms, peer, scheme));
    let io = TokioIo::new(ClientIo::new(stream, buffered, Rc::clone(&client)));
    let service = service_fn({
        let client = Rc::clone(&client);
        move |request| {
            let call = client.call();
            async move { Ok::<_, Infallible>(exchange(call, request).await) }
        }
    });
    let mut connection = builder(client.head_bytes_max).serve_connection(io, service);
    drop(terms);
    let mut draining = false;
    let ended = poll_fn(|cx| {
        if worker.draining.get() && !draining {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Some(result));
        }
        client.deadline.poll_passed(cx).map(|()| None)
    })
    .await;
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::debug!(%error, ?peer, "client connection broke");
            if client.must_reset.get() {
                connection.into_parts().io.into_inner().reset();
            }
        }
        None if client.phase.get() == Phase::Head => {
            let io = connection.into_parts().io.into_inner();
            turn_away(
                io.into_stream(),
                &Problem::slow_head(worker.terms().settings.header_timeout),
            )
            .await;
        }
        None if client.phase.get() == Phase::Call => {
            tracing::debug!(?peer, "a client does not read its response");
            connection.into_parts().io.into_inner().reset();
        }
        None => {}
    }
}

fn builder(head_bytes_max: usize) -> http1::Builder {
    /// hyper's smallest read buffer.
    const BUFFER_BYTES_MIN: usize = 8 << 10;
    const BUFFER_BYTES: usize = 128 << 10;
    let mut builder = http1::Builder::new();
    // Timeouts are the connection's own (see `Client`): hyper's would also end idle connections.
    builder
        .header_read_timeout(None)
        .max_header_size(head_bytes_max)
        .max_buf_size(BUFFER_BYTES.max(head_bytes_max).max(BUFFER_BYTES_MIN));
    builder
}

/// Answers outside of any call and closes; what the client still sends is read for a moment, since
/// closing over unread bytes is a reset that takes the answer with it (RFC 9112 9.6).
pub(super) async fn turn_away(mut stream: Stream, problem: &Problem) {
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
