//! The header of the PROXY protocol (haproxy.org, proxy-protocol.txt), version 1 (text) and 2
//! (binary): who connected to the proxy in front of us. Pure: bytes in, verdict out.
//!
//! Strict, since whoever can send one names a client: what is not exactly a header is refused at the
//! first byte that shows it. What a version 2 header carries beyond the addresses is skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest header of version 1, its CR LF included (section 2.1).
const V1_BYTES_MAX: usize = 107;

/// What every header of version 2 begins with.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// Addresses and all extensions of version 2: above what load balancers add, a client's certificate
/// included.
const V2_REST_MAX: usize = 4096;

/// Longest header of either version.
pub(super) const BYTES_MAX: usize = V2_FIXED_BYTES + V2_REST_MAX;

/// What bytes from the begin of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The begin of a header.
    Incomplete,
    /// A header.
    Header {
        /// Its bytes; what follows belongs to the connection.
        len: usize,
        /// The client; `None`: the proxy speaks for itself, or does not know.
        client: Option<IpAddr>,
    },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(&'static str);

/// Reads a header from the first bytes of a connection.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    const V1_BEGIN: &[u8] = b"PROXY ";
    if begins(bytes, V1_BEGIN) {
        return version_1(bytes);
    }
    if begins(bytes, &V2_SIGNATURE) {
        return version_2(bytes);
    }
    Err(Malformed("the connection does not begin with a header of the PROXY protocol"))
}

/// As far as the shorter of both goes.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let n = bytes.len().min(with.len());
    bytes[..n] == with[..n]
}

fn version_1(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let head = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = head.iter().position(|&byte| byte == b'\r' || byte == b'\n') else {
        return if head.len() < V1_BYTES_MAX {
            Ok(Parsed::Incomplete)
        } else {
            Err(Malformed("a header of version 1 is longer than 107 bytes"))
        };
    };
    let line = &head[..end];
    match head.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if head[end] == b'\r' && head.len() < V1_BYTES_MAX => return Ok(Parsed::Incomplete),
        _ => return Err(Malformed("a header of version 1 does not end with CR LF")),
    }
    let client = version_1_client(line).ok_or(Malformed(
        "a header of version 1 is not TCP4 or TCP6 with two addresses and two ports, nor UNKNOWN",
    ))?;
    Ok(Parsed::Header { len: end + 2, client })
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 40000 443`.
fn version_1_client(line: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        // "must ignore anything presented before the CRLF".
        return Some(None);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let client: IpAddr = match family {
        "TCP4" => {
            let _: Ipv4Addr = destination.parse().ok()?;
            source.parse::<Ipv4Addr>().ok()?.into()
        }
        "TCP6" => {
            let _: Ipv6Addr = destination.parse().ok()?;
            source.parse::<Ipv6Addr>().ok()?.into()
        }
        _ => return None,
    };
    let (source_port, destination_port) = (words.next()?, words.next()?);
    let are_ports = [source_port, destination_port].into_iter().all(is_port);
    (are_ports && words.next().is_none()).then_some(Some(client))
}

/// Decimal without leading zeros, up to 65535.
fn is_port(text: &str) -> bool {
    let is_canonical = text == "0" || !text.starts_with('0');
    is_canonical && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn version_2(bytes: &[u8]) -> Result<Parsed, Malformed> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const UNSPECIFIED: u8 = 0x00;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    const UNIX_STREAM: u8 = 0x31;
    // Two addresses, and for IP two ports.
    const TCP4_BYTES: usize = 12;
    const TCP6_BYTES: usize = 36;
    const UNIX_BYTES: usize = 216;

    let (command, family) = (bytes.get(12).copied(), bytes.get(13).copied());
    if command.is_some_and(|command| ![LOCAL, PROXY].contains(&command)) {
        return Err(Malformed("a header of version 2 has another version or command"));
    }
    let is_local = command == Some(LOCAL);
    let addresses = match family {
        None => 0,
        // Whatever it says is to be ignored.
        Some(_) if is_local => 0,
        Some(UNSPECIFIED) => 0,
        Some(TCP4) => TCP4_BYTES,
        Some(TCP6) => TCP6_BYTES,
        Some(UNIX_STREAM) => UNIX_BYTES,
        Some(_) => return Err(Malformed("a header of version 2 is not about a stream connection")),
    };
    let Some(&[high, low]) = bytes.get(14..V2_FIXED_BYTES) else {
        return Ok(Parsed::Incomplete);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > V2_REST_MAX {
        return Err(Malformed("a header of version 2 is longer than 4112 bytes"));
    }
    if rest < addresses {
        return Err(Malformed("a header of version 2 is too short for its addresses"));
    }
    let len = V2_FIXED_BYTES + rest;
    let Some(body) = bytes.get(V2_FIXED_BYTES..len) else { return Ok(Parsed::Incomplete) };
    let client = match family {
        _ if is_local => None,
        Some(TCP4) => body.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        Some(TCP6) => body.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    };
    Ok(Parsed::Header { len, client })
}

#[cfg(test)]
mod tests;
