//! SIGTERM and SIGINT: the first asks for a stop, the second does not wait for it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::App;

impl App {
    /// Waits for SIGTERM or SIGINT. From then on a second one ends the process at once with exit
    /// code 1: nothing that was promised is lost, because promises are on disk before they are made.
    ///
    /// # Errors
    /// The system refuses signal handlers.
    pub fn wait_for_signal(&self) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = {
            let _entered = self.runtime.enter();
            let handler = |kind| signal(kind).context("cannot watch for signals");
            (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?)
        };
        self.runtime.block_on(either(&mut terminate, &mut interrupt));
        self.runtime.spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("second signal: leaving at once");
            leave();
        });
        Ok(())
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Leaves without the orderly stop that is under way on another thread.
#[allow(clippy::disallowed_methods)] // the one place that must not wait for destructors
fn leave() {
    std::process::exit(1);
}
