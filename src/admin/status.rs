//! How sidehook is: for probes, for scrapers, for people.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Rights;
use super::control::{self, ConfigProblem};
use super::degraded::{self, Degraded, Seen, Standing};
use super::params::Params;
use super::problem::{Problem, json};
use super::schemas::Probed;
use super::standing::Stands;
use super::state::{Api, Shared};
use crate::clock;
use crate::model::{Timestamp, WebhookId, WebhookStatus};
use crate::store::{QueueStats, Store, StoreStats, Unhealthy};
use crate::telemetry::{Exposition, QueueScrape, Scrape, Total};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a probe is told.
#[derive(Serialize, ToSchema)]
struct Readiness {
    #[schema(value_type = Probed)]
    status: &'static str,
    /// Why not, in words.
    reasons: Vec<String>,
}

/// How sidehook is.
#[derive(Serialize, ToSchema)]
struct Status {
    version: &'static str,
    /// What the token of this request may do.
    access: Rights,
    uptime_seconds: u64,
    upstream: UpstreamStatus,
    store: StoreStatus,
    proxy: ProxyStatus,
    webhooks: Vec<QueueStatus>,
    config: ConfigStatus,
    /// What is not as it should be, the worst first; empty when all is well.
    problems: Vec<Degraded>,
}

/// Whether calls are taken.
#[derive(Serialize, ToSchema)]
struct ProxyStatus {
    listening: bool,
    /// sidehook is stopping: it finishes its calls and takes no new ones.
    draining: bool,
}

/// Whether the last call reached the upstream.
#[derive(Serialize, ToSchema)]
struct UpstreamStatus {
    healthy: bool,
    /// Why not, in words.
    #[schema(required)]
    last_error: Option<String>,
}

/// Whether events can be stored.
#[derive(Serialize, ToSchema)]
struct StoreStatus {
    healthy: bool,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Bytes on disk.
    bytes: u64,
    /// Bytes on disk at most.
    max_bytes: u64,
    /// The median of recent commits; null before the first.
    #[schema(required)]
    commit_p50_ms: Option<f64>,
    /// Of a hundred recent commits the slowest but one; null before the first.
    #[schema(required)]
    commit_p99_ms: Option<f64>,
    /// Events that could not be stored yet, and are lost if sidehook ends before they are.
    events_in_memory: u64,
    /// What of the journal could not be read at this start; absent when all could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    damage: Vec<String>,
}

/// A webhook's queue.
#[derive(Serialize, ToSchema)]
struct QueueStatus {
    id: WebhookId,
    name: String,
    #[schema(value_type = WebhookStatus)]
    status: &'static str,
    /// Why it is disabled or paused.
    #[schema(required)]
    reason: Option<String>,
    /// Since when it is paused.
    #[schema(required)]
    paused_at: Option<Timestamp>,
    /// While it is paused: when the next delivery is tried. Null while one is under way, and where
    /// nothing waits.
    #[schema(required)]
    next_probe_at: Option<Timestamp>,
    /// Its receiver asked for no attempt before this (`Retry-After`).
    #[schema(required)]
    rests_until: Option<Timestamp>,
    pending: u64,
    held: u64,
    /// Age of the oldest delivery that waits.
    #[schema(required)]
    oldest_seconds: Option<u64>,
}

/// What is in force, and what is wrong with the file as it is now.
#[derive(Serialize, ToSchema)]
struct ConfigStatus {
    /// 1 at the start, one more with each reload that changed something.
    generation: u64,
    loaded_at: Timestamp,
    problems: Vec<String>,
    /// What of the file waits for a restart, such as `[proxy] listen`.
    needs_restart: Vec<String>,
}

/// Tells that the process runs.
///
/// Nothing else is looked at.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "probes",
    security(()),
    responses((status = 200, description = "The process runs.", body = Readiness))
)]
pub(super) async fn livez() -> Response {
    json(StatusCode::OK, &Readiness { status: "alive", reasons: Vec::new() })
}

fn config_status(config: control::ConfigStatus) -> ConfigStatus {
    let shown = |p: &ConfigProblem| format!("{}: {} ({})", p.place(), p.message, p.cure);
    ConfigStatus {
        generation: config.generation,
        loaded_at: config.loaded_at,
        problems: config.problems.iter().map(shown).collect(),
        needs_restart: config.needs_restart,
    }
}

/// Tells whether calls can be taken.
///
/// Ready is: listening, store well, not draining. The upstream's health is in `/v1/status`.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "probes",
    security(()),
    responses(
        (status = 200, description = "Ready.", body = Readiness),
        (status = 503, description = "Not ready; `reasons` says why.", body = Readiness),
    )
)]
pub(super) async fn readyz(State(api): State<Api>) -> Response {
    let proxy = api.state.control.proxy();
    let mut reasons = Vec::new();
    if proxy.draining {
        reasons.push("draining: no new calls are taken".to_owned());
    } else if !proxy.listening {
        reasons.push("the proxy does not listen".to_owned());
    }
    if let Err(unhealthy) = api.state.store.check() {
        reasons.push(unhealthy.reason);
    }
    if reasons.is_empty() {
        json(StatusCode::OK, &Readiness { status: "ready", reasons })
    } else {
        json(StatusCode::SERVICE_UNAVAILABLE, &Readiness { status: "not ready", reasons })
    }
}

/// Shows the metrics.
///
/// In the text format of Prometheus, or of OpenMetrics where `accept` asks for it.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "probes",
    responses((
        status = 200,
        description = "The metrics.",
        content(
            (String = "text/plain; version=0.0.4; charset=utf-8"),
            (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ),
    ))
)]
pub(super) async fn metrics(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let exposition = Exposition::accepted(accept);
    let mut scrape = api.read(|store| Ok(scrape(store))).await?;
    scrape.labels = api.state.control.rules().rules().map(|rule| rule.label.clone()).collect();
    let text = api.state.metrics.encode(&scrape, exposition);
    let mut response = Response::new(text.into());
    let content_type = HeaderValue::from_static(exposition.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// Tells how sidehook is.
///
/// For people: its upstream, its store, the queue of every webhook, and its configuration.
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "getStatus",
    tag = "status",
    responses((status = 200, description = "How it is.", body = Status))
)]
pub(super) async fn status(
    State(api): State<Api>,
    Extension(access): Extension<Rights>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let (stats, unhealthy) = api.read(|store| Ok((store.stats(), store.check().err()))).await?;
    let (proxy, config) = (api.state.control.proxy(), api.state.control.config());
    let webhooks = api.state.store.webhooks();
    let stands = Stands::read_all(&api, webhooks.to_vec()).await;
    let now = clock::now();
    let standing: Vec<Standing<'_>> =
        webhooks.iter().zip(stands).map(|(webhook, stands)| Standing { webhook, stands }).collect();
    let queues = standing.iter().map(|one| queue_status(one, &stats, now)).collect();
    let seen = Seen {
        stats: &stats,
        proxy: &proxy,
        config: &config,
        lost: api.state.metrics.lost(),
        unserved: Total::UNSERVED.map(|why| (why, api.series.lately(why))).to_vec(),
        webhooks: standing,
        now,
    };
    let problems = degraded::problems(&seen);
    let status = Status {
        version: VERSION,
        access,
        uptime_seconds: now.since(api.state.started_at).as_secs(),
        proxy: ProxyStatus { listening: proxy.listening, draining: proxy.draining },
        upstream: UpstreamStatus {
            healthy: proxy.upstream_healthy,
            last_error: proxy.upstream_error,
        },
        store: store_status(&api, stats, unhealthy),
        webhooks: queues,
        config: config_status(config),
        problems,
    };
    Ok(json(StatusCode::OK, &status))
}

fn store_status(api: &Shared, stats: StoreStats, unhealthy: Option<Unhealthy>) -> StoreStatus {
    let quantiles = api.state.metrics.commit_quantiles();
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    StoreStatus {
        healthy: unhealthy.is_none(),
        reason: unhealthy.map(|unhealthy| unhealthy.reason),
        bytes: stats.bytes,
        max_bytes: stats.max_bytes,
        commit_p50_ms: quantiles.map(|(p50, _)| millis(p50)),
        commit_p99_ms: quantiles.map(|(_, p99)| millis(p99)),
        events_in_memory: stats.n_in_memory,
        damage: stats.damage,
    }
}

fn queue_status(standing: &Standing<'_>, stats: &StoreStats, now: Timestamp) -> QueueStatus {
    let Standing { webhook, stands } = standing;
    let queue = stats.queues.iter().find(|queue| queue.webhook_id == webhook.id);
    QueueStatus {
        id: webhook.id,
        name: webhook.name.clone(),
        status: stands.status.name(),
        reason: stands.reason.clone(),
        paused_at: stands.paused_at,
        next_probe_at: stands.next_probe_at,
        rests_until: stands.rests_until,
        pending: queue.map_or(0, |queue| queue.pending),
        held: queue.map_or(0, |queue| queue.held),
        oldest_seconds: queue
            .and_then(|queue| queue.oldest)
            .map(|oldest| now.since(oldest).as_secs()),
    }
}

fn scrape(store: &Store) -> Scrape {
    let stats = store.stats();
    let webhooks = store.webhooks();
    let now = clock::now();
    let find = |id| stats.queues.iter().find(|queue| queue.webhook_id == id);
    let configured = webhooks.iter().map(|webhook| {
        let status = store.webhook_status(webhook).0.name();
        queue_scrape(webhook.name.clone(), Some(status), find(webhook.id), now)
    });
    let gone = stats
        .queues
        .iter()
        .filter(|queue| webhooks.iter().all(|webhook| webhook.id != queue.webhook_id))
        .map(|queue| queue_scrape(queue.webhook_id.to_string(), None, Some(queue), now));
    Scrape {
        version: VERSION,
        store_healthy: store.check().is_ok(),
        store_bytes: stats.bytes,
        store_max_bytes: stats.max_bytes,
        store_reclaimable_bytes: stats.reclaimable_bytes,
        labels: Vec::new(),
        queues: configured.chain(gone).collect(),
    }
}

fn queue_scrape(
    webhook: String,
    status: Option<&'static str>,
    queue: Option<&QueueStats>,
    now: Timestamp,
) -> QueueScrape {
    QueueScrape {
        webhook,
        status,
        pending: queue.map_or(0, |queue| queue.pending),
        held: queue.map_or(0, |queue| queue.held),
        oldest: queue
            .and_then(|queue| queue.oldest)
            .map(|oldest| now.since(oldest))
            .unwrap_or_default(),
    }
}
