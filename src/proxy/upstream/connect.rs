//! Opens connections to the upstream: TCP or a Unix socket, and TLS over either.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::proxy::error::UpstreamError;
use crate::proxy::stream::{Socket, Stream};
use crate::proxy::{UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls};
use crate::tls::handshake_failure;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Protocol {
    Http1,
    Http2,
}

/// An open connection.
pub(in crate::proxy) struct Connected {
    pub(in crate::proxy) stream: Stream,
    pub(in crate::proxy) protocol: Protocol,
}

/// Opens a connection within `limit`, the look-up of the name and TLS included. `offers_http2`:
/// whether the upstream may choose HTTP/2 where TLS lets it choose.
///
/// # Errors
/// The name is not known, nobody answers there, or not in time, or not as TLS wants it.
pub(in crate::proxy) async fn connect(
    upstream: &UpstreamSettings,
    offers_http2: bool,
    limit: Duration,
) -> Result<Connected, UpstreamError> {
    let deadline = Instant::now() + limit;
    let timeout = UpstreamError::ConnectTimeout { limit };
    let stream = match timeout_at(deadline, open(upstream, deadline)).await {
        Ok(Err(UpstreamError::Connect { source })) if source.kind() == io::ErrorKind::TimedOut => {
            return Err(timeout);
        }
        Ok(stream) => stream?,
        Err(_elapsed) => return Err(timeout),
    };
    let stream = match &upstream.tls {
        None => stream,
        Some(tls) => match timeout_at(deadline, secure(stream, tls, offers_http2)).await {
            Ok(stream) => stream?,
            Err(_elapsed) => return Err(UpstreamError::TlsTimeout { limit }),
        },
    };
    let protocol = match upstream.protocol {
        UpstreamProtocol::Http => Protocol::Http1,
        UpstreamProtocol::H2c => Protocol::Http2,
        UpstreamProtocol::Https if stream.alpn() == Some(b"h2") => Protocol::Http2,
        UpstreamProtocol::Https => Protocol::Http1,
    };
    Ok(Connected { stream, protocol })
}

async fn open(upstream: &UpstreamSettings, deadline: Instant) -> Result<Stream, UpstreamError> {
    let failed = |source| UpstreamError::Connect { source };
    let (host, port) = match &upstream.address {
        UpstreamAddress::Unix(path) => {
            return UnixStream::connect(path).await.map(Stream::from).map_err(failed);
        }
        UpstreamAddress::Tcp { host, port } => (host, *port),
    };
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect((ip, port)).await.map_err(failed)?,
        Err(_is_a_name) => {
            let found = lookup_host((host.as_str(), port)).await;
            let found = found.map_err(|source| UpstreamError::Unresolved { source })?;
            first_open(&found.collect::<Vec<_>>(), deadline).await.map_err(failed)?
        }
    };
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream.into())
}

/// Tries one after the other; one that does not answer leaves the rest their share of the time.
async fn first_open(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let n_left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = now + deadline.saturating_duration_since(now) / n_left;
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn secure(
    stream: Stream,
    tls: &UpstreamTls,
    offers_http2: bool,
) -> Result<Stream, UpstreamError> {
    let failed = |source: &io::Error| {
        let (failure, detail) = handshake_failure(source, tls.has_client_certificate());
        UpstreamError::Tls { failure, detail }
    };
    let socket: Socket = stream.into_socket(BytesMut::new()).map_err(|error| failed(&error))?;
    let connector = if offers_http2 { tls.connector() } else { tls.http1_connector() };
    let connected = connector.connect(tls.server_name().clone(), socket).await;
    let stream = connected.map_err(|error| failed(&error))?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

#[cfg(test)]
mod tests;
