//! The stop, in path order, within the grace.

use std::time::{Duration, Instant};

use super::{App, service_manager};

/// The admin API's requests are short: what they get at most.
const ADMIN_GRACE: Duration = Duration::from_secs(2);

/// What tasks that do not end by themselves get to be dropped.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

impl App {
    /// Stops everything within the configured grace. Blocking. Calls and attempts that take longer
    /// are cut off: no client of such a call sees a success, and such an attempt is made again after
    /// the next start.
    pub fn stop(self) {
        let Self { proxy, delivery, admin, draining, store, runtime, .. } = self;
        let grace = proxy.in_force().shutdown_grace();
        let started = Instant::now();
        let left = |share: Duration| share.saturating_sub(started.elapsed());
        tracing::info!(?grace, "stopping: finishing calls, then attempts");
        service_manager::stopping(grace);
        draining.stop();
        // The last fifth is for attempts; they get all that calls leave of the rest, too.
        let drained = runtime.block_on(proxy.drain(grace.mul_f64(0.8)));
        if drained.matched_cut > 0 {
            tracing::error!(
                calls = drained.matched_cut,
                "matching calls were cut off by the stop: the upstream may have done what they \
                 asked without an event; raise [proxy] shutdown_grace"
            );
        }
        if drained.calls_cut > 0 {
            tracing::warn!(calls = drained.calls_cut, "calls were cut off by the stop");
        }
        delivery.stop().stop();
        if !runtime.block_on(delivery.finished_within(left(grace))) {
            tracing::warn!(
                attempts = delivery.count().saturating_sub(1),
                "attempts were cut off by the stop; they are made again after the next start"
            );
        }
        admin.stop().stop();
        runtime.block_on(admin.finished_within(ADMIN_GRACE.min(left(grace))));
        // Drops what is left, and with it its leases, before the store closes.
        runtime.shutdown_timeout(RUNTIME_GRACE);
        store.close();
        tracing::info!(took = ?started.elapsed(), "stopped");
    }
}
