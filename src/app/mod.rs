//! The composition root: builds everything bottom up, and stops it in the order of a call's path.
//!
//! Start: store, webhooks, the way out, the admin API, the proxy, and the attempts last, so that no
//! call is accepted before its event can be stored, and a start that fails has sent nothing. Stop: `/readyz` says so, the proxy
//! finishes its calls, the delivery half its attempts, the admin API its requests, and then the
//! store closes: whatever a stage hands on finds the next one still there.

mod control;
mod files;
mod signals;
mod stop;
mod token;

pub use signals::Signals;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

use crate::admin::{self, Admin, Registry};
use crate::clock;
use crate::config::Config;
use crate::delivery;
use crate::egress::Egress;
use crate::model::Secret;
use crate::proxy::Proxy;
use crate::rules::RuleSet;
use crate::shutdown::{Stop, Tasks};
use crate::store::Store;
use crate::telemetry::Metrics;

/// Threads of the runtime of the delivery half and the admin API: rendering and signing are short,
/// the rest waits.
const THREADS_MAX: usize = 4;

/// Threads for blocking work of that runtime: name look-ups, of which the way out has 64 at a time,
/// and as many for all else (reads of the store, large bodies), which silent name servers must not
/// hold up.
const BLOCKING_THREADS_MAX: usize = 128;

/// A running sidehook. Started and stopped from outside of any async runtime: it has its own.
#[derive(Debug)]
pub struct App {
    // In the order of the path: that is also the order in which they are dropped.
    proxy: Proxy,
    delivery: Tasks,
    admin: Tasks,
    /// Given first of all at a stop: `/readyz` answers 503, and the proxy accepts nothing new.
    draining: Stop,
    store: Store,
    runtime: Runtime,
    admin_addr: SocketAddr,
    token: Secret,
    grace: Duration,
}

impl App {
    /// Starts everything. Blocking; when it returns, calls are served.
    ///
    /// # Errors
    /// The store's directory is in use or cannot be opened, an address cannot be listened on, or
    /// the machine refuses threads: each with its cure. Nothing stays behind.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        files::raise_limit(config.proxy.connections_max);
        let metrics = Arc::new(Metrics::default());
        let path = config.store.path.clone();
        let store = Store::open(config.store.clone(), Arc::clone(&metrics))
            .with_context(|| format!("cannot open the store in {}", path.display()))?;
        let started = Self::on_store(config, store.clone(), metrics);
        if started.is_err() {
            store.close();
        }
        started
    }

    /// Where the proxy listens; the real port when port 0 was asked for.
    pub const fn proxy_addr(&self) -> SocketAddr {
        self.proxy.local_addr()
    }

    /// Where the admin API listens; the real port when port 0 was asked for.
    pub const fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The admin API's token: the configured one, or the one that was made.
    pub const fn token(&self) -> &Secret {
        &self.token
    }

    fn on_store(config: Config, store: Store, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let (n_rules, n_webhooks) = (config.rules.len(), config.webhooks.len());
        let reader = Box::new(config.webhook_reader());
        let registry = Registry::start(store.clone(), config.webhooks, reader)
            .map_err(|taken| anyhow::anyhow!(taken.join("; ")))?;
        warn_about_orphans(&store);
        let user_agent = config.egress.user_agent.clone();
        let egress = Egress::new(config.egress)?;
        let token = token::configured_or_kept(config.admin.token, &config.store.path)?;
        token::differ(&token, config.admin.read_token.as_ref())?;
        let runtime = runtime()?;
        let draining = Stop::new();
        let delivery = Tasks::new(Stop::new());
        let admin = Tasks::new(Stop::new());
        let upstream = Arc::new(OnceLock::new());
        let settings = admin::Settings {
            listen: config.admin.listen,
            token: token.clone(),
            read_token: config.admin.read_token,
            allowed_hosts: config.admin.allowed_hosts,
            tls: config.admin.tls,
        };
        let rules = RuleSet::new(config.rules);
        let state = admin::State {
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            registry: Arc::new(registry),
            control: Box::new(control::Running {
                rules: rules.clone(),
                upstream: Arc::clone(&upstream),
                draining: draining.clone(),
                loaded_at: clock::now(),
                effective: config.effective,
                source: Arc::clone(&config.delivery.source),
                user_agent,
            }),
            started_at: clock::now(),
        };
        let admin_addr =
            runtime.block_on(Admin::start(settings, state, admin.clone()))?.local_addr();
        let grace = config.proxy.shutdown_grace;
        let target = format!("{}:{}", config.proxy.upstream_host, config.proxy.upstream_port);
        let proxy = Proxy::start(
            config.proxy,
            rules,
            store.clone(),
            Arc::clone(&metrics),
            draining.clone(),
        )?;
        // Attempts start only now: a start that fails has sent nothing.
        let entered = runtime.enter();
        delivery::start(config.delivery, store.clone(), egress, metrics, &delivery);
        drop(entered);
        // Set once, here.
        let _ = upstream.set(proxy.upstream_health().clone());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            proxy = %proxy.local_addr(),
            upstream = %target,
            admin = %admin_addr,
            store = %config.store.path.display(),
            rules = n_rules,
            webhooks = n_webhooks,
            "sidehook is running"
        );
        Ok(Self { proxy, delivery, admin, draining, store, runtime, admin_addr, token, grace })
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.clamp(1, THREADS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("sidehook-deliver")
        .enable_all()
        .build()
        .context("cannot start the threads of the delivery half")
}

/// Deliveries wait in the store for webhooks that the configuration no longer has: nothing sends
/// them, and nobody would notice.
fn warn_about_orphans(store: &Store) {
    let webhooks = store.webhooks();
    for queue in store.stats().queues {
        let waiting = queue.pending + queue.held;
        if waiting > 0 && !webhooks.iter().any(|webhook| webhook.id == queue.webhook_id) {
            tracing::warn!(
                webhook = %queue.webhook_id,
                waiting,
                "deliveries wait for a webhook that is not configured any more; \
                 they stay until a webhook of the same name is back"
            );
        }
    }
}
