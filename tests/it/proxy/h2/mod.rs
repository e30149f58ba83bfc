//! HTTP/2 on either side of the proxy, or on both.

mod bare;
mod calls;
mod drain;
mod farewell;
mod frames;
mod heads;
mod hostile;
mod life;
mod places;
mod renewed;
mod stand;
mod streams;
