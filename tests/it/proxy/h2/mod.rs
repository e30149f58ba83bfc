//! HTTP/2 on either side of the proxy, or on both.

mod bare;
mod calls;
mod farewell;
mod hostile;
mod life;
mod places;
mod stand;
mod streams;
