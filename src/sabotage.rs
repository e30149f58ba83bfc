//! Test-only switches that take one mechanism of the promise away, so that the tests can prove
//! that they would notice. Without the cargo feature `sabotage` every switch is the constant
//! `false` and the compiler removes what hangs on it; no ordinary build can be sabotaged.
//! With the feature, `SIDEHOOK_SABOTAGE` names the switches that are on, comma separated.

/// Do not sync the journal before acknowledging (`skip-sync`).
pub fn skip_sync() -> bool {
    is_on("skip-sync")
}

/// Do not verify checksums of journal records (`skip-checksum`).
pub fn skip_checksum() -> bool {
    is_on("skip-checksum")
}

/// Release a matching success to the client before its event is committed (`release-early`).
pub fn release_early() -> bool {
    is_on("release-early")
}

#[cfg(not(feature = "sabotage"))]
const fn is_on(_switch: &str) -> bool {
    false
}

#[cfg(feature = "sabotage")]
fn is_on(switch: &str) -> bool {
    use std::sync::OnceLock;
    static SWITCHES: OnceLock<String> = OnceLock::new();
    SWITCHES
        .get_or_init(|| std::env::var("SIDEHOOK_SABOTAGE").unwrap_or_default())
        .split(',')
        .any(|name| name == switch)
}
