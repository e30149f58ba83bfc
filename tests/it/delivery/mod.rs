//! The delivery half: from the store, or straight through the way out, to a receiver.

mod egress;
mod isolation;
mod retries;
mod sent;
mod stops;
mod world;
