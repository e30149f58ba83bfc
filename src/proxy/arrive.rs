//! From a socket that was accepted to a connection that can be served: limits, the header of the PROXY
//! protocol, TLS, and which HTTP it will be. All of it in the connection's own task and in bounded
//! time, so that nobody who connects and says nothing keeps others waiting.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use super::Settings;
use super::client::{Accepted, Peer, Protocol, Scheme, serve, turn_away};
use super::crowd::{Place, Telling};
use super::error::Problem;
use super::proxy_protocol::{self, Malformed, Parsed};
use super::stream::Stream;
use super::worker::Worker;
use crate::telemetry::Unserved;

/// What HTTP/2 with prior knowledge begins with (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for a ClientHello.
const HELLO_BYTES: usize = 2048;

/// Room for the first request of a client that may speak HTTP/2.
const BEGIN_BYTES: usize = 4096;

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it comes from none of trusted_proxies")]
    Untrusted,
    #[error(transparent)]
    Header(#[from] Malformed),
    #[error("it did not say in time who it is")]
    SlowHeader,
    #[error("its TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("its TLS handshake took too long")]
    SlowHandshake,
    #[error("it speaks HTTP without TLS")]
    Plain(Box<Stream>),
    /// With where to say so.
    #[error("its client has too many connections")]
    TooMany(Option<Box<Stream>>, usize),
    #[error("it ended")]
    Ended,
    #[error("its time is up")]
    Silent,
    #[error("sidehook is stopping")]
    Draining,
}

/// A wait that ended without what was waited for.
enum Missed {
    Time,
    Draining,
}

/// Takes care of a connection in a task of its own.
pub(super) fn welcome(worker: &Rc<Worker>, stream: Stream, peer: Peer) {
    let terms = worker.terms();
    let settings = &terms.settings;
    let mut place = Place::new(worker);
    let limit = settings.connections_max;
    if place.n > limit {
        worker.metrics().unserved(Unserved::Limit);
        // Over TLS words would cost a handshake.
        if settings.tls.is_none() {
            turn_away_apart(worker, stream, Problem::too_many_connections(limit));
        }
        return;
    }
    if settings.tls.is_some() || settings.h2c || settings.proxy_protocol {
        worker.tasks.spawn_local(prepare(Rc::clone(worker), stream, peer, place));
        return;
    }
    let limit = settings.connections_per_client_max;
    if place.of(peer, limit) {
        let (scheme, protocol, buffered) = (Scheme::Http, Protocol::Http1, BytesMut::new());
        let accepted = Accepted { stream, peer, scheme, protocol, buffered, place };
        worker.tasks.spawn_local(serve(Rc::clone(worker), accepted));
    } else {
        worker.metrics().unserved(Unserved::ClientLimit);
        turn_away_apart(worker, stream, Problem::too_many_connections_of_client(limit));
    }
}

/// Says why, and closes; the connection has no place any more.
fn turn_away_apart(worker: &Worker, stream: Stream, problem: Problem) {
    let Some(telling) = Telling::begin(worker) else { return };
    worker.tasks.spawn_local(async move {
        let _telling = telling;
        turn_away(stream, &problem).await;
    });
}

/// What needs words with the other side before a connection is served.
async fn prepare(worker: Rc<Worker>, stream: Stream, peer: Peer, mut place: Place) {
    match begun(&worker, stream, peer, &mut place).await {
        Ok((stream, peer, scheme, protocol, buffered)) => {
            let accepted = Accepted { stream, peer, scheme, protocol, buffered, place };
            serve(worker, accepted).await;
        }
        Err(refusal) => {
            drop(place);
            if let Some(counted) = refusal.counted() {
                worker.metrics().unserved(counted);
            }
            tracing::debug!(?peer, error = %refusal, "a connection is not served");
            match refusal {
                Refusal::Plain(stream) => turn_away_apart(&worker, *stream, Problem::tls_only()),
                Refusal::TooMany(Some(stream), limit) => {
                    let problem = Problem::too_many_connections_of_client(limit);
                    turn_away_apart(&worker, *stream, problem);
                }
                _ => {}
            }
        }
    }
}

type Begun = (Stream, Peer, Scheme, Protocol, BytesMut);

async fn begun(
    worker: &Worker,
    mut stream: Stream,
    mut peer: Peer,
    place: &mut Place,
) -> Result<Begun, Refusal> {
    let terms = worker.terms();
    let settings = &terms.settings;
    let mut buffered = BytesMut::new();
    if settings.proxy_protocol {
        if !is_trusted(settings, peer) {
            return Err(Refusal::Untrusted);
        }
        let header = client_of(&mut stream, &mut buffered);
        let client = in_time(worker, settings.header_timeout, header).await;
        if let Some(ip) = client.map_err(|missed| missed.or(Refusal::SlowHeader))?? {
            peer = Peer::Ip(ip.to_canonical());
        }
    }
    let limit = settings.connections_per_client_max;
    let may_stay = place.of(peer, limit);
    let Some(tls) = &settings.tls else {
        if !may_stay {
            return Err(Refusal::TooMany(Some(Box::new(stream)), limit));
        }
        let protocol = match settings.h2c {
            true => spoken(worker, settings, &mut stream, &mut buffered).await?,
            false => Protocol::Http1,
        };
        return Ok((stream, peer, Scheme::Http, protocol, buffered));
    };
    if !may_stay {
        return Err(Refusal::TooMany(None, limit));
    }
    let acceptor = tls.acceptor();
    let handshake = async {
        if buffered.is_empty() {
            read_some(&mut stream, &mut buffered, HELLO_BYTES).await?;
        }
        if buffered.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(Refusal::Plain(Box::new(stream)));
        }
        let socket = stream.into_socket(buffered).map_err(Refusal::Handshake)?;
        acceptor.accept(socket).await.map_err(Refusal::Handshake)
    };
    let shaken = in_time(worker, settings.header_timeout, handshake).await;
    let stream = shaken.map_err(|missed| missed.or(Refusal::SlowHandshake))??;
    let stream = Stream::Tls(Box::new(stream.into()));
    let protocol = match stream.alpn() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok((stream, peer, Scheme::Https, protocol, BytesMut::new()))
}

/// Who reaches a Unix socket was let in by its file's mode.
fn is_trusted(settings: &Settings, peer: Peer) -> bool {
    match peer {
        Peer::Local => true,
        Peer::Ip(ip) => settings.trusted_proxies.iter().any(|net| net.contains(&ip)),
    }
}

/// Reads the header of the PROXY protocol; what came behind it stays in the buffer.
async fn client_of(
    stream: &mut Stream,
    buffered: &mut BytesMut,
) -> Result<Option<IpAddr>, Refusal> {
    const ROOM: usize = 512;
    loop {
        if let Parsed::Header { len, client } = proxy_protocol::parse(buffered)? {
            let _header = buffered.split_to(len);
            return Ok(client);
        }
        // A header is bounded, so this ends.
        read_some(stream, buffered, ROOM.min(proxy_protocol::BYTES_MAX)).await?;
    }
}

/// Which HTTP it is, by its first bytes.
async fn spoken(
    worker: &Worker,
    settings: &Settings,
    stream: &mut Stream,
    buffered: &mut BytesMut,
) -> Result<Protocol, Refusal> {
    let missed = |missed: Missed| missed.or(Refusal::Silent);
    if buffered.is_empty() {
        let first = read_some(stream, buffered, BEGIN_BYTES);
        in_time(worker, settings.idle_timeout, first).await.map_err(missed)??;
    }
    let whole = async {
        loop {
            let n = buffered.len().min(PREFACE.len());
            if buffered[..n] != PREFACE[..n] {
                return Ok(Protocol::Http1);
            }
            if n == PREFACE.len() {
                return Ok(Protocol::Http2);
            }
            read_some(stream, buffered, BEGIN_BYTES).await?;
        }
    };
    in_time(worker, settings.header_timeout, whole).await.map_err(missed)?
}

/// At least one byte more.
async fn read_some(
    stream: &mut Stream,
    buffered: &mut BytesMut,
    room: usize,
) -> Result<(), Refusal> {
    buffered.reserve(room);
    match stream.read_buf(buffered).await {
        Ok(0) | Err(_) => Err(Refusal::Ended),
        Ok(_) => Ok(()),
    }
}

/// Waits for `work`, at most this long, and no longer than until the drain begins.
async fn in_time<T>(
    worker: &Worker,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Missed> {
    let slot = worker.timers.slot();
    slot.arm(limit);
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending if worker.draining.get() => Poll::Ready(Err(Missed::Draining)),
        Poll::Pending => slot.poll_passed(cx).map(|()| Err(Missed::Time)),
    })
    .await
}

impl Refusal {
    /// `None`: the client has only gone, or was never there.
    const fn counted(&self) -> Option<Unserved> {
        match self {
            Self::Untrusted => Some(Unserved::Untrusted),
            Self::Header(_) | Self::SlowHeader => Some(Unserved::ProxyHeader),
            Self::Handshake(_) | Self::SlowHandshake | Self::Plain(_) => Some(Unserved::Handshake),
            Self::TooMany(..) => Some(Unserved::ClientLimit),
            Self::Ended | Self::Silent | Self::Draining => None,
        }
    }
}

impl Missed {
    fn or(self, late: Refusal) -> Refusal {
        match self {
            Self::Time => late,
            Self::Draining => Refusal::Draining,
        }
    }
}
