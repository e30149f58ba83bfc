//! Progress of long work: one line that changes on a terminal, a line every ten seconds elsewhere.
//! Ctrl-C breaks the work off between two steps.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{OnProgress, Progress};

/// How often a line is written: on a terminal, and elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Shows progress on stderr until it is dropped.
pub(super) struct Meter(Arc<State>);

struct State {
    is_quiet: bool,
    is_terminal: bool,
    interrupted: AtomicBool,
    said: Mutex<Said>,
}

struct Said {
    step: &'static str,
    /// When the step began.
    since: Instant,
    /// When a line was written last.
    last: Instant,
}

impl Meter {
    /// Watches for Ctrl-C from now on.
    pub(super) fn start(is_quiet: bool) -> std::io::Result<Self> {
        let now = Instant::now();
        let meter = Self(Arc::new(State {
            is_quiet,
            is_terminal: std::io::stderr().is_terminal(),
            interrupted: AtomicBool::new(false),
            said: Mutex::new(Said { step: "", since: now, last: now }),
        }));
        let state = Arc::clone(&meter.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Entered before the work begins: no signal falls between.
        let interrupt = {
            let _entered = runtime.enter();
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?
        };
        std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            let mut interrupt = interrupt;
            runtime.block_on(interrupt.recv());
            state.interrupted.store(true, Ordering::Relaxed);
        })?;
        Ok(meter)
    }

    /// For the work to report to.
    pub(super) fn on_progress(&self) -> OnProgress {
        let state = Arc::clone(&self.0);
        Arc::new(move |progress| state.report(progress))
    }
}

impl State {
    fn report(&self, progress: Progress) -> ControlFlow<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if self.is_quiet {
            return ControlFlow::Continue(());
        }
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.step != progress.step {
            (said.step, said.since) = (progress.step, now);
        }
        let pause = if self.is_terminal { ON_TERMINAL } else { ELSEWHERE };
        if now - said.last >= pause {
            said.last = now;
            self.write(&line(progress, now - said.since));
        }
        ControlFlow::Continue(())
    }

    fn write(&self, line: &str) {
        let mut out = std::io::stderr().lock();
        let _ = if self.is_terminal {
            write!(out, "\r\u{1b}[K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.0.is_terminal && !self.0.is_quiet {
            self.0.write("");
        }
    }
}

fn line(progress: Progress, since: Duration) -> String {
    let Progress { step, done, total, is_bytes } = progress;
    let percent = done.min(total).saturating_mul(100).checked_div(total).unwrap_or(100);
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = done.saturating_mul(1000) / millis;
    let rate = if is_bytes { bytes(per_second) } else { per_second.to_string() };
    format!("{step}: {percent} %, {rate}/s")
}

/// Bytes with a unit, for people.
pub(super) fn bytes(n: u64) -> String {
    for (unit, size) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if n >= size {
            return format!("{}.{} {unit}", n / size, n % size * 10 / size);
        }
    }
    format!("{n} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let progress = Progress { step: "reading", done: 3 << 20, total: 4 << 20, is_bytes: true };
        assert_eq!(line(progress, Duration::from_secs(2)), "reading: 75 %, 1.5 MiB/s");
        let progress = Progress { step: "writing", done: 0, total: 0, is_bytes: false };
        assert_eq!(line(progress, Duration::ZERO), "writing: 100 %, 0/s");
    }
}
