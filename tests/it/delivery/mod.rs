//! The delivery half: from the store, or straight through the way out, to a receiver.

mod egress;
mod failures;
mod http2;
mod isolation;
mod proxied;
mod retries;
mod sent;
mod squid;
mod stops;
mod world;
