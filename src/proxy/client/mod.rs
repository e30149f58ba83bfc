//! One client's connection: what calls need to know of it, and serving it.

mod body;
mod h1;
mod link;
mod pace;
mod respond;
mod tunnel;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;

pub(super) use body::Http1Body;
pub(super) use link::Interim;

use super::error::Problem;
use super::stream::Stream;
use super::terms::Terms;
use super::worker::Worker;

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) scheme: Scheme,
    /// Bytes that were read already.
    pub(super) buffered: BytesMut,
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Ip(IpAddr),
}

/// What the client called us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
}

/// What a call needs to know of its connection.
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) peer: Peer,
    /// The peer's address, as `X-Forwarded-For` shows it.
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
    let open = Open::new(&worker);
    let limit = worker.terms().settings.connections_max;
    let Accepted { stream, peer, scheme, buffered } = accepted;
    if open.above > limit {
        return h1::turn_away(stream, &Problem::too_many_connections(limit)).await;
    }
    let client = Rc::new(Client::new(Rc::clone(&worker), peer, scheme));
    h1::serve(&client, stream, buffered).await;
}

impl Client {
    fn new(worker: Rc<Worker>, peer: Peer, scheme: Scheme) -> Self {
        let (peer, address) = match peer {
            Peer::Ip(ip) => {
                let ip = ip.to_canonical();
                (Peer::Ip(ip), ip.to_string())
            }
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

/// An open connection, counted.
struct Open<'a> {
    worker: &'a Worker,
    /// Open connections, this one included.
    above: usize,
}

impl<'a> Open<'a> {
    fn new(worker: &'a Worker) -> Self {
        worker.metrics().connections("client", 1);
        let above = worker.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Self { worker, above }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.worker.metrics().connections("client", -1);
        self.worker.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
