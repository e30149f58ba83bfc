//! The other side: connections to the upstream, and calls on them.

mod answer;
mod connect;
mod connection;
mod kept;
mod pool;
mod send;
mod sending;

pub(super) use answer::{BrokenOff, ResponseBody};
pub(super) use connection::Connection;
pub(super) use pool::Pool;
pub(super) use send::{Failed, is_repeatable, send};
