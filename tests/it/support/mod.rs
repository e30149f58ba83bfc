//! Fixtures shared by the tests.

pub(crate) mod client;
pub(crate) mod receiver;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod wire;

use std::time::{Duration, Instant};

/// No wait of a test is longer: what has not happened by then does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks for something that tells nobody when it is there.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let held = found(async || condition().then_some(())).await;
    assert!(held.is_some(), "waited in vain: {what}");
}

/// Looks until something is found; `None`: it is not there for as long as a test has patience.
pub(crate) async fn found<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        loop {
            if let Some(thing) = look().await {
                return thing;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.ok()
}

/// The same where nothing is async.
pub(crate) fn found_blocking<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = look() {
            return Some(thing);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
