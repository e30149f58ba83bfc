//! The only way out for webhooks: `Egress::send` makes one HTTP request under one deadline that
//! covers resolving, connecting, TLS, sending, and reading the reply's body.
//!
//! What it guarantees, whatever the target or its DNS says:
//! - the address guard (`guard`) judges every address, in the connector, and the connection goes
//!   to exactly a judged address; public addresses only, unless the operator lists a network;
//! - redirects are not followed, proxies of the environment are ignored, replies are never
//!   decompressed; certificates are always verified;
//! - of a reply only a bounded part is read and kept.

mod clients;
mod connector;
mod dial;
mod error;
pub mod guard;
mod progress;
mod reply;
mod resolve;
mod send;
mod settings;
mod stream;
mod tls;
mod tunnel;

pub use send::{Egress, EgressError, Outgoing};
pub use settings::{EgressProxy, Settings};
pub use tls::plain_client;

#[cfg(test)]
mod tests;
