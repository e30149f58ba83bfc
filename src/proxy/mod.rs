//! The request half: a call from the client to the upstream and back.
//!
//! `exchange.rs` is the path on one screen: match, capture, forward, commit. Each worker is one
//! thread with its own listener, runtime and upstream connections, so that nothing on a call's way
//! is shared, locked or boxed; what calls go by (`terms.rs`) can be replaced while they run; a call that
//! matches no rule never touches the store. A call that matches runs as a task of its own from
//! `forward` on, and the end of its response is held back (`release/`) until its events (`events.rs`) are durable (`commit.rs`).
//!
//! HTTP/1.1 is spoken by our own code on both sides (`wire/`, `client/`, `upstream/`): what passes is
//! kept as it was received, byte for byte where the RFCs allow it, and costs little.
//! HTTP/2 (`http2/`, `client/h2`, `upstream/h2`) is spoken in the frames of the `h2` crate; a call is the same
//! between the two, whatever either side speaks.

mod admit;
mod arrive;
mod capture;
mod client;
mod commit;
mod content;
mod crowd;
mod error;
mod events;
mod exchange;
mod fields;
mod forward;
mod gate;
mod headers;
mod http2;
mod listen;
mod loops;
mod outbox;
mod proxy_protocol;
mod pulse;
mod release;
mod settings;
mod sockets;
mod spare;
mod stream;
mod terms;
mod timers;
mod upload;
mod upstream;
mod upstream_tls;
mod wire;
mod worker;

pub use forward::UpstreamHealth;
pub use listen::{Drained, Proxy, StartError};
pub use pulse::Pulse;
pub use settings::{
    CaptureSettings, CommitMode, ListenAddress, Settings, UpstreamAddress, UpstreamProtocol,
    UpstreamSettings,
};
pub use terms::InForce;
pub use upstream_tls::UpstreamTls;
