//! The composition root: builds everything bottom up, and stops it in the order of a call's path.
//!
//! Start: store, webhooks, the way out, the admin API, the proxy, and the attempts last, so that no
//! call is accepted before its event can be stored, and a start that fails has sent nothing. Stop: `/readyz` says so, the proxy
//! finishes its calls, the delivery half its attempts, the admin API its requests, and then the
//! store closes: whatever a stage hands on finds the next one still there.

mod control;
mod files;
mod reload;
mod service_manager;
mod signals;
mod stop;
mod token;
mod told;
mod watch;

pub use signals::Signals;
pub(crate) use token::FILE as TOKEN_FILE;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

use self::reload::{Parts, Reloads};
use self::token::Token;
use self::watch::watch;
use crate::admin::{self, Admin, Registry};
use crate::clock;
use crate::config::{AdminConfig, Config};
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
    door: Door,
    reloads: Arc<Reloads>,
}

/// How the admin API is reached.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    has_tls: bool,
    /// Of the start.
    token: Token,
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
        files::raise_limit(config.proxy.connections_max, config.asks_for_connections);
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
        self.door.address
    }

    /// The admin API's token at the start: the configured one, or the one that was made.
    pub const fn token(&self) -> &Secret {
        &self.door.token.secret
    }

    /// Whether the token was made by this start, so that nobody has seen it yet.
    pub const fn is_token_new(&self) -> bool {
        self.door.token.is_new
    }

    /// Where a browser on this machine finds the dashboard.
    pub fn dashboard_url(&self) -> String {
        let scheme = if self.door.has_tls { "https" } else { "http" };
        let mut address = self.door.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("{scheme}://{address}/")
    }

    /// Has the configuration read again soon, and put in force. Asking many times at once is asking
    /// once.
    pub fn ask_for_reload(&self) {
        self.reloads.asked.notify_one();
    }

    fn on_store(config: Config, store: Store, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let (delivery, admin) = (Tasks::new(Stop::new()), Tasks::new(Stop::new()));
        let reloads = Arc::new(Reloads::new(&config, Arc::clone(&metrics), admin.clone()));
        let reader = Box::new(config.webhook_reader());
        let registry = Registry::start(store.clone(), config.webhooks, reader);
        let registry = Arc::new(registry);
        warn_about_orphans(&store);
        let n_webhooks = store.webhooks().len();
        let attempts = delivery::InForce::new(config.delivery, Egress::new(config.egress)?);
        let is_token_kept = config.admin.token.is_none();
        let (settings, token) = admin_settings(config.admin, &config.store.path)?;
        let has_tls = settings.tls.is_some();
        let runtime = runtime()?;
        let draining = Stop::new();
        let in_force = Arc::new(OnceLock::new());
        let rules = RuleSet::new(config.rules);
        let n_rules = rules.rules().count();
        let state = admin::State {
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            registry: Arc::clone(&registry),
            control: Box::new(control::Running {
                rules: rules.clone(),
                proxy: Arc::clone(&in_force),
                draining: draining.clone(),
                reloads: Arc::clone(&reloads),
                delivery: attempts.clone(),
            }),
            started_at: clock::now(),
        };
        let api = runtime.block_on(Admin::start(settings.clone(), state, admin.clone()))?;
        let door = Door { address: api.local_addr(), has_tls, token };
        let target = config.proxy.upstream.to_string();
        let to = (store.clone(), Arc::clone(&metrics));
        let proxy = Proxy::start(config.proxy, rules, to.0, to.1, draining.clone())?;
        // Set once, here.
        let _ = in_force.set(proxy.in_force().clone());
        reloads.started(Parts {
            store: store.clone(),
            store_path: config.store.path.clone(),
            registry,
            proxy: proxy.in_force().clone(),
            delivery: attempts.clone(),
            admin: api,
            admin_settings: settings,
            is_token_kept,
        });
        // Attempts start only now: a start that fails has sent nothing.
        let entered = runtime.enter();
        delivery::start_with(attempts, store.clone(), metrics, &delivery);
        admin.spawn(watch(Arc::clone(&reloads), draining.clone()));
        admin.spawn(service_manager::show_life(proxy.pulse(), draining.clone()));
        drop(entered);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            proxy = %proxy.address(),
            upstream = %target,
            admin = %door.address,
            store = %fs::canonicalize(&config.store.path).unwrap_or(config.store.path).display(),
            rules = n_rules,
            webhooks = n_webhooks,
            "sidehook is running"
        );
        service_manager::ready(&reloads.in_words());
        Ok(Self { proxy, delivery, admin, draining, store, runtime, door, reloads })
    }
}

/// With the token that is configured, or the one that is kept.
fn admin_settings(config: AdminConfig, store: &Path) -> anyhow::Result<(admin::Settings, Token)> {
    let token = token::configured_or_kept(config.token, store)?;
    token::differ(&token.secret, config.read_token.as_ref())?;
    let settings = admin::Settings {
        listen: config.listen,
        token: token.secret.clone(),
        read_token: config.read_token,
        allowed_hosts: config.allowed_hosts,
        tls: config.tls,
    };
    Ok((settings, token))
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

/// Deliveries wait in the store for webhooks that there are no longer: nothing sends them, and
/// nobody would notice.
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
