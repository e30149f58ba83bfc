//! Waits for reasons to read the configuration again: a signal, or a change of its files.

use std::sync::Arc;
use std::time::Duration;

use super::reload::{Cause, Reloads};
use super::service_manager;
use crate::config::Files;
use crate::shutdown::Stop;

/// How often the files are looked at. A change is taken when it looks the same twice.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Until the stop. Many signals at once are one reason.
pub(super) async fn watch(reloads: Arc<Reloads>, stop: Stop) {
    let mut seen = None;
    loop {
        tokio::select! {
            biased;
            () = stop.stopped() => return,
            () = reloads.asked.notified() => {
                service_manager::reloading();
                // It says itself what comes of it.
                let _ = reloads.reload(Cause::Signal).await;
                service_manager::reloaded();
            }
            () = tokio::time::sleep(LOOK_EVERY) => look(&reloads, &mut seen).await,
        }
    }
}

/// Looks at the files. `seen` is what they were at the look before, where that was not what was
/// read last: editors write in several steps, and half a file is not to be read.
async fn look(reloads: &Arc<Reloads>, seen: &mut Option<Files>) {
    let before = seen.take();
    let Some(read) = reloads.watched() else { return };
    let looked = tokio::task::spawn_blocking(move || (read.look(), read)).await;
    let Ok((now, read)) = looked else { return };
    if now == read {
        return;
    }
    if before.as_ref() == Some(&now) {
        // It says itself what comes of it.
        let _ = reloads.reload_as(Cause::Files, Some(now)).await;
    } else {
        *seen = Some(now);
    }
}
