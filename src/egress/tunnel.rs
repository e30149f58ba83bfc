//! A tunnel through the egress proxy: CONNECT (RFC 9110 9.3.6). The proxy's answer is read with
//! a bound, and never taken for the receiver's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::EgressProxy;
use super::error::bounded;
use crate::model::Failure;

/// Bytes of the proxy's answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Headers in which proxies say why, the plainest first.
const REASONS: [&str; 3] = ["x-smokescreen-error", "proxy-status", "x-squid-error"];

/// Asks for a tunnel to this host (IPv6 without brackets) and port.
///
/// # Errors
/// `ProxyRefused`, or `ProxyBroken` where no answer came.
pub(super) async fn open(
    mut tcp: TcpStream,
    proxy: &EgressProxy,
    host: &str,
    port: u16,
) -> Result<TcpStream, Failure> {
    let broken = |detail: String| Failure::ProxyBroken { detail };
    let request = request(proxy, host, port);
    // A proxy may answer before it has read everything: its answer counts, not our broken pipe.
    let sent = tcp.write_all(request.as_bytes()).await;
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if let Some(end) = end_of_head(&buffer) {
            let answer = Answer::parse(&buffer[..end]).ok_or_else(|| broken(not_http(&buffer)))?;
            match answer.status {
                200..=299 if buffer.len() == end => return Ok(tcp),
                200..=299 => return Err(broken("bytes beyond its answer".to_owned())),
                100..=199 => drop(buffer.drain(..end)),
                status => return Err(Failure::ProxyRefused { status, detail: answer.why }),
            }
            continue;
        }
        if !may_be_http(&buffer) {
            return Err(broken(not_http(&buffer)));
        }
        if buffer.len() >= ANSWER_BYTES_MAX {
            return Err(broken(format!("its answer is larger than {ANSWER_BYTES_MAX} bytes")));
        }
        match tcp.read_buf(&mut buffer).await {
            Ok(0) => {
                let why = sent.err().map(|error| error.to_string());
                return Err(broken(why.unwrap_or_else(|| "it closed the connection".to_owned())));
            }
            Ok(_) => {}
            Err(error) => return Err(broken(error.to_string())),
        }
    }
}

struct Answer {
    status: u16,
    why: String,
}

impl Answer {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let (version, rest) = lines.next()?.split_once(' ')?;
        if !version.starts_with("HTTP/1.") {
            return None;
        }
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status: u16 = status.parse().ok().filter(|status| (100..1000).contains(status))?;
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
        let told = REASONS.iter().find_map(|&name| {
            let found = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        });
        let why = match (reason.trim(), told) {
            ("", None) => "it gives no reason".to_owned(),
            (reason, None) => reason.to_owned(),
            ("", Some(told)) => told.to_owned(),
            (reason, Some(told)) => format!("{reason} ({told})"),
        };
        Some(Self { status, why: bounded(&why) })
    }
}

fn request(proxy: &EgressProxy, host: &str, port: u16) -> String {
    let target =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n");
    if let Some((user, password)) = &proxy.credentials {
        let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
        request.push_str(&format!("proxy-authorization: Basic {pair}\r\n"));
    }
    request.push_str("\r\n");
    request
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn may_be_http(bytes: &[u8]) -> bool {
    let n = bytes.len().min(5);
    bytes[..n] == b"HTTP/"[..n]
}

fn not_http(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(40)];
    format!("what it answered is not HTTP/1.1: \"{}\"", start.escape_ascii())
}
