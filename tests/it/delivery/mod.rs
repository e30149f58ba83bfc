//! The delivery half: from the store, or straight through the way out, to a receiver.

mod announce;
mod egress;
mod health;
mod isolation;
mod limits;
mod ordered;
mod retries;
mod retry_after;
mod sent;
mod stops;
mod world;
