//! Logs and metrics: one function per thing that happens, so that no call site names a metric.

mod metrics;
mod recent;
mod scrape;

pub use metrics::{CutSide, Metrics, ReloadOutcome, UpstreamErrorKind};
pub use scrape::{Exposition, QueueScrape, Scrape};
