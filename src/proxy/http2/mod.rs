//! What both sides need to speak HTTP/2 (RFC 9113): heads as it has them, bodies within its windows,
//! and a socket that tells when it moved. The frames themselves are the `h2` crate's.

mod head;
mod pump;
mod socket;

pub(super) use head::{Unsayable, from_request, from_response, to_request, to_response, trailers};
pub(super) use pump::{Frames, Halt, Pump};
pub(super) use socket::{Meter, Socket};

/// What one stream's body may take in before it is read. Enough for a fast network, little enough
/// for many streams that stand still.
pub(super) const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// What one stream's body may have waiting for the socket.
pub(super) const SEND_BUFFER_BYTES: usize = 64 << 10;
