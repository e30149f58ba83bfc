//! Logs and metrics: one function per thing that happens, so that no call site names a metric.

mod metrics;
mod of_webhooks;
mod recent;
mod scrape;

pub use metrics::{CutSide, Metrics, UpstreamErrorKind};
pub use of_webhooks::OUTCOMES;
pub use scrape::{Exposition, QueueScrape, Scrape};
