//! Logs and metrics: one function per thing that happens, so that no call site names a metric.

mod access;
mod log_lines;
mod metrics;
mod of_webhooks;
mod recent;
mod scrape;
mod series;
mod spread;
mod totals;
mod unserved;

pub use access::AccessLine;
pub use log_lines::log_lines_dropped;
pub use metrics::{CutSide, Metrics, ReloadOutcome, UpstreamErrorKind};
pub use of_webhooks::OUTCOMES;
pub use scrape::{Exposition, QueueScrape, Scrape};
pub use series::{Chart, Range, Reading, Series, Step, TICK, WebhookReading, WebhookStep};
pub use spread::Counted;
pub use totals::{Tally, Total, Totals};
pub use unserved::Unserved;
