//! The other side: connections to the upstream, and calls on them.

mod answer;
mod connect;
mod connection;
mod h2;
mod kept;
mod pool;
mod reach;
mod send;
mod sending;

pub(super) use answer::{BrokenOff, ResponseBody};
pub(super) use connection::Connection;
pub(super) use h2::send as send_http2;
pub(super) use pool::Pool;
pub(super) use reach::Reached;
pub(super) use send::{Failed, is_repeatable, send};
