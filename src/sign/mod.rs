//! Signatures over exactly the bytes sent, and their verification. Pure.
//!
//! `standard` is Standard Webhooks 1.0.0 (`v1`: HMAC-SHA256 of `id.timestamp.body`), `sha256` an
//! HMAC-SHA256 of the body alone. A key is never one that the body shows: `check_schemes`.

mod key;
mod schemes;
mod signature;
mod verify;

pub use key::{Key, KeyError};
pub use schemes::{Offer, SchemeError, check_schemes};
pub use signature::{Keys, headers};
pub use verify::{VerifyError, verify};
