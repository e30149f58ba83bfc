//! `/v1/series`: what has been counted lately, for charts; and the task that samples it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Settings;
use super::params::Params;
use super::problem::{Problem, json};
use super::queries::Charted;
use super::schemas::RangeName;
use super::state::{Api, Shared};
use crate::clock;
use crate::model::{Timestamp, Webhook, WebhookId};
use crate::shutdown::Stop;
use crate::store::Store;
use crate::telemetry::{Chart, Range, Reading, Step, TICK, Total, WebhookReading, WebhookStep};

/// A sample waits no longer for the store: what is counted elsewhere is sampled without it.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// So long after the end of a step it is sampled.
const AFTER_STEP: Duration = Duration::from_millis(2);

/// What has been counted lately, step by step. Every list has 180 elements, the oldest first; the
/// last is the running step. `null` where nobody sampled.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
struct SeriesView {
    #[schema(value_type = RangeName)]
    range: &'static str,
    /// The length of a step.
    step_seconds: u64,
    /// The first sample: with a start everything begins anew.
    since: Timestamp,
    /// The end of the last step, which is the running one.
    until: Timestamp,
    /// Calls that were answered.
    calls: Vec<Option<u32>>,
    /// Those of them that matched a rule.
    matched: Vec<Option<u32>>,
    /// Events that became durable, sidehook's own and those of tests included.
    events: Vec<Option<u32>>,
    /// Calls that the upstream failed.
    upstream_errors: Vec<Option<u32>>,
    /// Connections of clients that were not served.
    unserved: Vec<Option<u32>>,
    attempts: EndsView,
    /// Deliveries that reached their end: accepted, or with their schedule exhausted.
    deliveries: EndsView,
    commit_ms: CommitsView,
    /// Unfinished deliveries, at the last sample of the step.
    waiting: Vec<Option<u32>>,
    /// Those that were asked for.
    webhooks: Vec<WebhookSeries>,
}

/// How many ended well and how many did not.
#[derive(Serialize, ToSchema)]
#[schema(as = SeriesOfEnds)]
struct EndsView {
    delivered: Vec<Option<u32>>,
    failed: Vec<Option<u32>>,
}

/// How long commits took; null in steps without one.
#[derive(Serialize, ToSchema)]
#[schema(as = SeriesOfCommits)]
struct CommitsView {
    p50: Vec<Option<f64>>,
    p99: Vec<Option<f64>>,
}

/// The attempts of one webhook.
#[derive(Serialize, ToSchema)]
struct WebhookSeries {
    id: WebhookId,
    /// Attempts that were accepted.
    delivered: Vec<Option<u32>>,
    /// Attempts that were not.
    failed: Vec<Option<u32>>,
    /// Mean duration of an attempt; null in steps without one.
    latency_ms: Vec<Option<f64>>,
    /// Unfinished deliveries, at the last sample of the step.
    waiting: Vec<Option<u32>>,
}

/// Shows what has been counted lately.
///
/// For charts: calls, events, attempts, commits and backlogs of the last 15 minutes in steps of 5
/// seconds, of the last hour in steps of 20 seconds, or of the last day in steps of 8 minutes. The
/// counts are those of a step. They are kept in memory: with a restart they begin anew. For more, let
/// Prometheus read `/metrics`.
#[utoipa::path(
    get,
    path = "/v1/series",
    operation_id = "getSeries",
    tag = "status",
    params(Charted),
    responses((status = 200, description = "Counts, step by step.", body = SeriesView))
)]
pub(super) async fn series(
    State(api): State<Api>,
    mut params: Params,
) -> Result<Response, Problem> {
    let range = params.take("range", "15m, 1h or 24h", |text| {
        Range::ALL.into_iter().find(|range| range.name() == text)
    })?;
    let expected = "ids of webhooks, wh_..., with commas between them, 50 at most";
    let webhooks = params.take("webhooks", expected, read_ids)?.unwrap_or_default();
    params.finish()?;
    let range = range.unwrap_or(Range::Quarter);
    // The running step as it is now.
    sample(&api).await;
    let chart = api.series.chart(range, clock::now(), &webhooks);
    Ok(json(StatusCode::OK, &SeriesView::new(range, &chart)))
}

/// Samples once a step until the API stops.
pub(super) async fn keep_sampling(api: Api, stop: Stop) {
    let tick = u64::try_from(TICK.as_millis()).expect("seconds");
    loop {
        // By the wall clock, which is that of the steps.
        let left = Duration::from_millis(tick - clock::now().as_millis() % tick);
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(left + AFTER_STEP) => sample(&api).await,
        }
    }
}

async fn sample(api: &Shared) {
    let reading = api.read(Store::waiting);
    let waiting = tokio::time::timeout(STORE_PATIENCE, reading).await;
    let waiting = waiting.ok().and_then(Result::ok);
    api.series.add(&reading_of(api, waiting.as_deref()));
}

fn reading_of(api: &Shared, waiting: Option<&[(WebhookId, u64)]>) -> Reading {
    let metrics = &api.state.metrics;
    let by_id: Option<HashMap<WebhookId, u64>> =
        waiting.map(|waiting| waiting.iter().copied().collect());
    let of_webhook = |webhook: &Arc<Webhook>| {
        let waiting = by_id.as_ref().map(|by_id| by_id.get(&webhook.id).copied().unwrap_or(0));
        (webhook.id, WebhookReading { tally: metrics.tally(&webhook.name), waiting })
    };
    Reading {
        at: clock::now(),
        totals: metrics.totals(),
        commits: metrics.take_commits(),
        waiting: waiting.map(|waiting| waiting.iter().map(|(_, n)| n).sum()),
        webhooks: api.state.store.webhooks().iter().map(of_webhook).collect(),
    }
}

fn read_ids(text: &str) -> Option<Vec<WebhookId>> {
    let ids: Option<Vec<WebhookId>> = text.split(',').map(|id| id.parse().ok()).collect();
    ids.filter(|ids| ids.len() <= Settings::CHARTED_MAX)
}

impl SeriesView {
    fn new(range: Range, chart: &Chart) -> Self {
        let steps = &chart.steps;
        let count = |total| column(steps, |step| step.count(total));
        let ends =
            |delivered, failed| EndsView { delivered: count(delivered), failed: count(failed) };
        let unserved = |step: &Step| Total::UNSERVED.iter().map(|&why| step.count(why)).sum();
        let millis = |of: fn(&Step) -> Option<f32>| {
            steps.iter().map(|step| step.as_ref().and_then(of).map(rounded)).collect()
        };
        Self {
            range: range.name(),
            step_seconds: range.step().as_secs(),
            since: chart.since,
            until: chart.until,
            calls: count(Total::Calls),
            matched: count(Total::Matched),
            events: count(Total::Events),
            upstream_errors: count(Total::UpstreamErrors),
            unserved: column(steps, unserved),
            attempts: ends(Total::AttemptsDelivered, Total::AttemptsFailed),
            deliveries: ends(Total::DeliveriesDelivered, Total::DeliveriesFailed),
            commit_ms: CommitsView {
                p50: millis(|step| step.commit_p50_ms),
                p99: millis(|step| step.commit_p99_ms),
            },
            waiting: column(steps, |step| step.waiting),
            webhooks: chart.webhooks.iter().map(WebhookSeries::new).collect(),
        }
    }
}

impl WebhookSeries {
    fn new((id, steps): &(WebhookId, Vec<Option<WebhookStep>>)) -> Self {
        let latency = |step: &Option<WebhookStep>| step.as_ref()?.latency_ms().map(rounded);
        Self {
            id: *id,
            delivered: column(steps, |step| step.delivered),
            failed: column(steps, |step| step.failed),
            latency_ms: steps.iter().map(latency).collect(),
            waiting: column(steps, |step| step.waiting),
        }
    }
}

fn column<T>(steps: &[Option<T>], value: impl Fn(&T) -> u32) -> Vec<Option<u32>> {
    steps.iter().map(|step| step.as_ref().map(&value)).collect()
}

/// Microseconds are enough.
fn rounded(millis: f32) -> f64 {
    (f64::from(millis) * 1e3).round() / 1e3
}
