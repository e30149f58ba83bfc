//! Signatures over exactly the bytes sent, and their verification. Pure.
//!
//! The schemes are the table of contract 3.3. `form` says what each signs and how it is written;
//! making and verifying both read it there. `standard` is Standard Webhooks 1.0.0 (`v1`:
//! HMAC-SHA256 of `id.timestamp.body`; `v1a`: ed25519 of the same). A key is never one that the
//! request shows: `check_schemes`.

mod ed25519;
mod form;
mod key;
mod schemes;
mod signature;
mod verify;

pub use ed25519::public_key;
pub use form::header_name;
pub use key::{Key, KeyError};
pub use schemes::{Offer, SchemeError, check_schemes};
pub use signature::{Keys, headers};
pub use verify::{VerifyError, check_key, verify};

#[cfg(test)]
mod tests;
