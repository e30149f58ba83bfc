//! The request half: one HTTP/1.1 call from the client to the upstream and back.
//!
//! `exchange.rs` is the path on one screen: match, capture, forward, commit. Each worker is one
//! thread with its own listener, runtime and upstream connections, so that nothing on a call's way
//! is shared, locked or boxed; what calls go by (`terms.rs`) can be replaced while they run; a call that matches no rule never touches the store. A call that
//! matches runs as a task of its own from `forward` on, and the end of its response is held back
//! (`release.rs`) until its events (`events.rs`) are durable (`commit.rs`).
//!
//! Protocol upgrades are not carried: `Upgrade` is removed like every hop-by-hop field and the
//! request is forwarded as an ordinary one, which RFC 9110 7.8 allows.

mod admit;
mod body;
mod capture;
mod client;
mod commit;
mod error;
mod events;
mod exchange;
mod fields;
mod forward;
mod gate;
mod headers;
mod io;
mod listen;
mod loops;
mod pool;
mod release;
mod settings;
mod terms;
mod timers;
mod upstream_tls;
mod worker;

pub use forward::UpstreamHealth;
pub use listen::{Drained, Proxy, StartError};
pub use settings::{
    CaptureSettings, CommitMode, ListenAddress, Settings, UpstreamAddress, UpstreamProtocol,
    UpstreamSettings,
};
pub use terms::InForce;
pub use upstream_tls::UpstreamTls;
