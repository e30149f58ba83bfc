//! The delivery half: from the store, or straight through the way out, to a receiver.

mod announce;
mod by_hand;
mod egress;
mod failures;
mod health;
mod http2;
mod isolation;
mod limits;
mod ordered;
mod proxied;
mod reload;
mod retries;
mod retry_after;
mod sent;
mod squid;
mod stops;
mod test_events;
mod world;
