//! The state that a scrape shows beside the counters, and the two text formats it comes in.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The state at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// `sidehook_build_info{version}`.
    pub version: &'static str,
    /// `sidehook_store_healthy`.
    pub store_healthy: bool,
    /// `sidehook_store_bytes`.
    pub store_bytes: u64,
    /// `sidehook_store_max_bytes`.
    pub store_max_bytes: u64,
    /// `sidehook_store_reclaimable_bytes`.
    pub store_reclaimable_bytes: u64,
    /// The labels of the rules in force.
    pub labels: Vec<String>,
    /// One per webhook.
    pub queues: Vec<QueueScrape>,
}

/// One webhook's queue at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct QueueScrape {
    /// The webhook's name.
    pub webhook: String,
    /// `active`, `disabled` or `paused`; `None` for a webhook that is no longer configured.
    pub status: Option<&'static str>,
    /// Pending deliveries.
    pub pending: u64,
    /// Held deliveries.
    pub held: u64,
    /// Age of the oldest unfinished delivery; zero when there is none.
    pub oldest: Duration,
}

/// The text formats that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0, for scrapers that ask for it.
    OpenMetrics,
    /// The Prometheus text format 0.0.4, for everyone else (`curl`, `promtool check metrics`).
    Text,
}

type OneLabel = [(&'static str, Cow<'static, str>); 1];
type TwoLabels = [(&'static str, Cow<'static, str>); 2];
type FloatGauge = Gauge<f64, AtomicU64>;

impl Scrape {
    /// The names of the webhooks that are configured.
    pub(super) fn configured(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().filter(|queue| queue.status.is_some()).map(|q| q.webhook.as_str())
    }

    pub(super) fn registry(&self) -> Registry {
        let mut to = Registry::with_prefix("sidehook");
        let build = Family::<OneLabel, Gauge>::default();
        build.get_or_create(&[("version", self.version.into())]).set(1);
        to.register("build_info", "The running version; always 1", build);
        let healthy = Gauge::<i64>::default();
        healthy.set(i64::from(self.store_healthy));
        to.register("store_healthy", "Whether the store takes events (1) or not (0)", healthy);
        let bytes = Gauge::<i64>::default();
        bytes.set(count(self.store_bytes));
        to.register("store_bytes", "Size of all files of the store together", bytes);
        let limit = Gauge::<i64>::default();
        limit.set(count(self.store_max_bytes));
        to.register("store_max_bytes", "Limit of sidehook_store_bytes", limit);
        let reclaimable = Gauge::<i64>::default();
        reclaimable.set(count(self.store_reclaimable_bytes));
        let help = "The part of sidehook_store_bytes that can go when room is needed";
        to.register("store_reclaimable_bytes", help, reclaimable);
        self.register_queues(&mut to);
        to
    }

    fn register_queues(&self, to: &mut Registry) {
        let depth = Family::<TwoLabels, Gauge>::default();
        let oldest = Family::<OneLabel, FloatGauge>::default();
        let status = Family::<TwoLabels, Gauge>::default();
        for queue in &self.queues {
            let webhook = || ("webhook", Cow::Owned(queue.webhook.clone()));
            for (state, n) in [("pending", queue.pending), ("held", queue.held)] {
                depth.get_or_create(&[webhook(), ("state", state.into())]).set(count(n));
            }
            oldest.get_or_create(&[webhook()]).set(queue.oldest.as_secs_f64());
            let Some(current) = queue.status else { continue };
            for each in ["active", "disabled", "paused"] {
                let labels = [webhook(), ("status", each.into())];
                status.get_or_create(&labels).set(i64::from(each == current));
            }
        }
        to.register("queue_depth", "Unfinished deliveries of a webhook, by state", depth);
        to.register(
            "queue_oldest_seconds",
            "Age of a webhook's oldest unfinished delivery; 0 when there is none",
            oldest,
        );
        to.register("webhook_status", "1 for the status a webhook is in, else 0", status);
    }
}

impl Exposition {
    /// The format that an `Accept` header asks for.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    pub(super) fn encode(self, registries: [&Registry; 2]) -> String {
        let mut open_metrics = String::with_capacity(16 * 1024);
        for registry in registries {
            text::encode_registry(&mut open_metrics, registry)
                .expect("writing to a string cannot fail");
        }
        match self {
            Self::OpenMetrics => {
                open_metrics.push_str("# EOF\n");
                open_metrics
            }
            Self::Text => counters_by_full_name(&open_metrics),
        }
    }
}

/// OpenMetrics describes a counter by its name without `_total`; the older text format wants the
/// name of the samples there.
fn counters_by_full_name(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 256);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let counter = described.filter(|(name, _)| {
            lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"))
        });
        let written = match counter {
            Some((name, help)) => {
                lines.next();
                writeln!(text, "# HELP {name}_total {help}\n# TYPE {name}_total counter")
            }
            None => writeln!(text, "{line}"),
        };
        written.expect("writing to a string cannot fail");
    }
    text
}

/// Gauges are signed.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
