//! Fixtures shared by the tests.

pub(crate) mod client;
pub(crate) mod receiver;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod wire;

use std::time::Duration;

/// No wait of a test is longer: what has not happened by then does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
