//! TCP: to exactly the given addresses, from the source address where one is set.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::model::{Failure, FailurePhase};

/// Beyond the deadline, which is watched outside.
const LAST: Duration = Duration::from_secs(1);

/// Tries one address after the other, each with its share of the time that is left, so that a
/// dead first address does not eat the whole attempt.
///
/// # Errors
/// `SourceAddress` where that is what fails, else `Unreachable` with the last address.
pub(super) async fn dial(
    addresses: &[IpAddr],
    port: u16,
    source: Option<IpAddr>,
    until: Instant,
) -> Result<TcpStream, Failure> {
    let reachable: Vec<IpAddr> = addresses.iter().copied().filter(|ip| fits(*ip, source)).collect();
    if let (true, Some(source)) = (reachable.is_empty(), source) {
        let family = if source.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(Failure::SourceAddress {
            address: source.to_string(),
            detail: format!("it is {family}, and the target has no {family} address"),
        });
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut tried = None;
    for (at, &ip) in reachable.iter().enumerate() {
        let address = SocketAddr::new(ip, port);
        let left = u32::try_from(reachable.len() - at).unwrap_or(u32::MAX);
        let now = Instant::now();
        // The last one has all the time there is: the attempt's own deadline ends it.
        let share = if left == 1 { until + LAST } else { now + (until - now) / left };
        tried = Some(address);
        let socket = socket(ip, source)?;
        match timeout_at(share, socket.connect(address)).await {
            Ok(Ok(stream)) => return confirmed(stream, address),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    let detail = tried.map_or_else(|| last.to_string(), |address| format!("{address}: {last}"));
    Err(Failure::Unreachable { phase: FailurePhase::Connect, detail })
}

fn fits(ip: IpAddr, source: Option<IpAddr>) -> bool {
    source.is_none_or(|source| source.is_ipv4() == ip.is_ipv4())
}

fn socket(ip: IpAddr, source: Option<IpAddr>) -> Result<TcpSocket, Failure> {
    let made = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = made.map_err(|error| Failure::Unreachable {
        phase: FailurePhase::Connect,
        detail: format!("{ip}: {error}"),
    })?;
    let Some(source) = source else { return Ok(socket) };
    // Without it, a bound port is blocked for all targets while a closed connection lingers.
    let bound = socket.set_reuseaddr(true).and_then(|()| socket.bind(SocketAddr::new(source, 0)));
    bound.map_err(|error| Failure::SourceAddress {
        address: source.to_string(),
        detail: error.to_string(),
    })?;
    Ok(socket)
}

/// The peer must be the address that was judged: anything else between us and it is not trusted.
fn confirmed(stream: TcpStream, address: SocketAddr) -> Result<TcpStream, Failure> {
    let failed = |detail: String| Failure::Unreachable { phase: FailurePhase::Connect, detail };
    let peer = stream.peer_addr().map_err(|error| failed(format!("{address}: {error}")))?;
    if (peer.ip(), peer.port()) != (address.ip(), address.port()) {
        return Err(failed(format!("{address}: connected to {peer} instead")));
    }
    stream.set_nodelay(true).map_err(|error| failed(format!("{address}: {error}")))?;
    Ok(stream)
}
