//! SIGTERM and SIGINT: the first asks for a stop, and a SIGINT after it does not wait for it. A SIGTERM
//! after it changes nothing: who supervises repeats it (the kubelet does, after a preStop that has sent
//! one), and kills when its patience is at an end. SIGHUP has the configuration read again.

use std::thread;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::App;

/// SIGTERM, SIGINT and SIGHUP, watched from now on: what comes before [`Signals::wait`] is not lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Its own, so that they can be watched before anything else runs.
    runtime: Runtime,
}

impl Signals {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system refuses signal handlers.
    pub fn watch() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot watch for signals")?;
        let handler = |kind| {
            let _entered = runtime.enter();
            signal(kind).context("cannot watch for signals")
        };
        let terminate = handler(SignalKind::terminate())?;
        let interrupt = handler(SignalKind::interrupt())?;
        let hang_up = handler(SignalKind::hangup())?;
        Ok(Self { terminate, interrupt, hang_up, runtime })
    }

    /// Waits for one that asks for a stop, and hands on those that ask for a reload. From then on
    /// SIGINT ends the process at once with exit code 1: nothing
    /// that was promised is lost, because promises are on disk before they are made. `last_words`
    /// come before that end; they must be short.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn wait(
        mut self,
        app: &App,
        last_words: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<()> {
        self.next(|| app.ask_for_reload());
        let second = move || {
            self.interrupted();
            tracing::warn!("second signal: leaving at once");
            last_words();
            leave();
        };
        thread::Builder::new().name("sidehook-signal".to_owned()).spawn(second)?;
        Ok(())
    }

    /// Waits for one that asks for a stop; `reload` is called for each of the others.
    fn next(&mut self, reload: impl Fn()) {
        let Self { terminate, interrupt, hang_up, runtime } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    // Of two that come together, SIGINT is the one that asked: the SIGTERM after it
                    // changes nothing, and the stop is not cut off.
                    biased;
                    _ = interrupt.recv() => return,
                    _ = terminate.recv() => return,
                    _ = hang_up.recv() => reload(),
                }
            }
        });
    }

    /// Waits for a SIGINT during the stop.
    fn interrupted(&mut self) {
        let Self { terminate, interrupt, runtime, .. } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {
                        tracing::info!("already stopping; SIGINT does not wait for it");
                    }
                    _ = interrupt.recv() => return,
                }
            }
        });
    }
}

impl App {
    /// Watches for signals and waits for one: see [`Signals`].
    ///
    /// # Errors
    /// The system refuses signal handlers.
    pub fn wait_for_signal(&self) -> anyhow::Result<()> {
        Signals::watch()?.wait(self, || {})
    }
}

/// Leaves without the orderly stop that is under way on another thread.
#[expect(clippy::disallowed_methods, reason = "the one place that must not wait for destructors")]
fn leave() {
    std::process::exit(1);
}
