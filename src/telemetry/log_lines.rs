//! The lines that the log has lost. There is one log in a process, so there is one count.

use std::sync::LazyLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Lines of the log were lost: `sidehook_log_lines_dropped_total`.
pub fn log_lines_dropped(n: u64) {
    DROPPED.inc_by(n);
}

pub(super) fn register(to: &mut Registry) {
    let help = "Lines of the log that were lost because stderr did not take them";
    to.register("log_lines_dropped", help, DROPPED.clone());
}
