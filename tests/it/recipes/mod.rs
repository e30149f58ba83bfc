//! The recipes of `docs/recipes`: the actual files, run whole, against receivers that are written in
//! the dialect itself: they parse its members and verify its signature with their own code.

mod connect;
mod files;
mod members;
mod messages;
mod schedules;
mod stand;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The HMAC-SHA256 of a content, as a receiver computes it.
fn hmac_hex(key: &str, content: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(content);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn our_own_hmac_is_that_of_rfc_4231() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hmac_hex("Jefe", b"what do ya want for nothing?"), expected);
}
