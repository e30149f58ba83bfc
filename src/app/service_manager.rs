//! What a service manager is told (`sd_notify(3)`): that sidehook is ready, reads its configuration
//! again, stops; and, where it watches (`WatchdogSec=`), that the proxy's workers still turn. Where
//! nothing manages the process (`NOTIFY_SOCKET` is not set) all of this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::proxy::Pulse;
use crate::shutdown::Stop;

/// Calls are served. `words` is what the manager shows as status.
pub(super) fn ready(words: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(words)]);
}

/// What the manager shows as status has changed.
pub(super) fn status(words: &str) {
    tell(&[NotifyState::Status(words)]);
}

/// The configuration is read again; [`reloaded`] follows, however that ends.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// What [`reloading`] began has ended.
pub(super) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// What is in flight is finished, for at most `grace`.
pub(super) fn stopping(grace: Duration) {
    let words = format!("finishing calls and attempts, for at most {grace:?}");
    tell(&[NotifyState::Stopping, NotifyState::Status(&words)]);
}

/// Shows signs of life for as long as the workers do, until the stop. When they hang, the manager
/// restarts the process: what was promised is on disk.
pub(super) async fn show_life(pulse: Pulse, stop: Stop) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let every = patience / 3;
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(every) => {}
        }
        if tokio::time::timeout(every, pulse.beat()).await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(
                waited = ?every,
                "a worker of the proxy does not answer; the service manager will restart sidehook \
                 unless it does soon"
            );
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how sidehook is (NOTIFY_SOCKET)");
    }
}
