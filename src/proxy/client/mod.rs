//! One client's connection: what calls need to know of it, and serving it.

mod body;
mod h1;
mod link;
mod pace;
mod respond;
mod tunnel;

use std::net::IpAddr;
use std::rc::Rc;

use bytes::BytesMut;

pub(super) use body::Http1Body;
pub(super) use h1::turn_away;
pub(super) use link::Interim;

use super::crowd::Place;
use super::stream::Stream;
use super::terms::Terms;
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
    /// In its own family, also where it came as one mapped into IPv6.
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
    /// The peer's address, as `X-Forwarded-For` shows it; `unknown` where it has none (RFC 7239 6.2).
    pub(super) address: Box<str>,
    pub(super) scheme: Scheme,
}

/// A call from its head to the end of its response.
pub(super) struct Call {
    pub(super) client: Rc<Client>,
    /// What it goes by, whatever is put in force meanwhile.
    pub(super) terms: Rc<Terms>,
    pub(super) interim: Interim,
}

/// Serves one connection until it ends.
pub(super) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, peer, scheme, protocol, buffered, place: _place } = accepted;
    if protocol == Protocol::Http2 {
        tracing::debug!(?peer, "HTTP/2 is not served yet");
        return;
    }
    let client = Rc::new(Client::new(Rc::clone(&worker), peer, scheme));
    h1::serve(&client, stream, buffered).await;
}

impl Client {
    fn new(worker: Rc<Worker>, peer: Peer, scheme: Scheme) -> Self {
        let address = match peer {
            Peer::Ip(ip) => ip.to_string(),
            Peer::Local => "unknown".to_owned(),
        };
        Self { worker, peer, address: address.into(), scheme }
    }

    /// A request's head is complete.
    fn call(self: &Rc<Self>, interim: Interim) -> Call {
        self.worker.calls.set(self.worker.calls.get() + 1);
        Call { client: Rc::clone(self), terms: self.worker.terms(), interim }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let calls = &self.client.worker.calls;
        calls.set(calls.get() - 1);
    }
}
