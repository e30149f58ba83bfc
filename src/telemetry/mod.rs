//! Logs and metrics: one function per thing that happens, so that no call site names a metric.

mod metrics;

pub use metrics::{CutSide, Metrics, UpstreamErrorKind};
