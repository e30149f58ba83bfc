//! HTTP/2 on either side of the proxy, or on both.

mod calls;
mod drain;
mod frames;
mod heads;
mod hostile;
mod life;
mod renewed;
mod stand;
mod streams;
