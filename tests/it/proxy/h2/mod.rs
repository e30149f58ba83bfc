//! HTTP/2 on either side of the proxy, or on both.

mod calls;
mod hostile;
mod life;
mod stand;
mod streams;
