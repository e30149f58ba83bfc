//! TLS for what listens and for who connects: rustls with aws-lc, TLS 1.2 and up. Certificates of
//! listeners are taken anew when their files change; those of others are always verified: there is no
//! switch that turns that off.

mod client;
mod pem;
mod server;
mod verify;

pub use client::{TlsIdentityError, check_identity, client_config, system_roots};
pub use server::{ServerTls, TlsError};
pub use verify::SelfSigned;

/// What a listener or a client speaks, by ALPN (RFC 7301), best first.
pub type Protocols = &'static [&'static [u8]];

/// HTTP/1.1 alone.
pub const HTTP1: Protocols = &[b"http/1.1"];

/// HTTP/2 or HTTP/1.1.
pub const HTTP2_OR_1: Protocols = &[b"h2", b"http/1.1"];

fn alpn(protocols: Protocols) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.to_vec()).collect()
}
