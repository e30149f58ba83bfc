//! Reading the configuration again while sidehook runs: one at a time, whoever asks for it.
//!
//! Everything is read, checked and built before anything is changed; what is refused leaves all as
//! it was. Then, in this order: attempts get their settings and way out, webhooks take their place,
//! and calls get their rules last, so that no event is made before those who want it are there.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use tokio::sync::Notify;

use super::{service_manager, token, told};
use crate::admin::{
    self, Admin, ConfigProblem, ConfigStatus, Registry, ReloadFailed, Reloaded, Reloading,
};
use crate::clock;
use crate::config::{self, Config, Files, Fixed, Inputs};
use crate::delivery;
use crate::egress::Egress;
use crate::model::{Secret, Timestamp};
use crate::proxy;
use crate::rules::RuleSet;
use crate::shutdown::Tasks;
use crate::store::Store;
use crate::telemetry::{Metrics, ReloadOutcome};

/// Whoever writes a file in several steps has emptied it first.
const EMPTY: &str = "the file is empty: nothing is changed, as it may just be written; to run \
                     without what it had, restart";

/// Who wants the configuration read again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// SIGHUP.
    Signal,
    /// `POST /v1/reload`.
    Api,
    /// A file of it has changed.
    Files,
}

/// The configuration in force, and how another one comes into force.
pub(super) struct Reloads {
    inputs: Arc<Inputs>,
    fixed: Fixed,
    metrics: Arc<Metrics>,
    /// Held by the reload that runs; `None` until everything is started.
    parts: tokio::sync::Mutex<Option<Parts>>,
    stands: Mutex<Stands>,
    /// A stop waits for the one that runs.
    tasks: Tasks,
    /// A signal asks for one.
    pub(super) asked: Notify,
}

/// What is changed by a reload.
pub(super) struct Parts {
    pub(super) store: Store,
    /// Of the start.
    pub(super) store_path: PathBuf,
    pub(super) registry: Arc<Registry>,
    pub(super) proxy: proxy::InForce,
    pub(super) delivery: delivery::InForce,
    pub(super) admin: Admin,
    pub(super) admin_settings: admin::Settings,
    /// The admin API's token is the one kept beside the store.
    pub(super) is_token_kept: bool,
}

/// How the configuration stands.
struct Stands {
    generation: u64,
    loaded_at: Timestamp,
    effective: String,
    fingerprint: [u8; 32],
    needs_restart: Vec<String>,
    problems: Vec<ConfigProblem>,
    is_watched: bool,
    /// As they were when they were read last, well or not.
    files: Files,
}

/// Everything that could fail has been done.
struct Prepared {
    config: Config,
    egress: Egress,
    rules: RuleSet,
    token: Secret,
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloads").finish_non_exhaustive()
    }
}

impl Reloads {
    /// For what a start makes of this configuration.
    pub(super) fn new(config: &Config, metrics: Arc<Metrics>, tasks: Tasks) -> Self {
        let stands = Stands {
            generation: 1,
            loaded_at: clock::now(),
            effective: config.effective.clone(),
            fingerprint: config.fingerprint,
            needs_restart: Vec::new(),
            problems: Vec::new(),
            is_watched: config.admin.watch_config,
            files: config.files.clone(),
        };
        Self {
            inputs: Arc::clone(&config.inputs),
            fixed: Fixed::of(config),
            metrics,
            parts: tokio::sync::Mutex::new(None),
            stands: Mutex::new(stands),
            tasks,
            asked: Notify::new(),
        }
    }

    /// Everything is started: from now on it can be changed.
    pub(super) fn started(&self, parts: Parts) {
        // Nothing else holds it for longer than a look.
        *self.parts.try_lock().expect("a reload before the start ends at once") = Some(parts);
    }

    /// How the configuration stands, for people.
    pub(super) fn status(&self) -> ConfigStatus {
        let stands = self.stands();
        ConfigStatus {
            generation: stands.generation,
            loaded_at: stands.loaded_at,
            problems: stands.problems.clone(),
            effective: stands.effective.clone(),
            needs_restart: stands.needs_restart.clone(),
        }
    }

    /// The same on one line.
    pub(super) fn in_words(&self) -> String {
        let stands = self.stands();
        let in_force = format!("configuration {} is in force", stands.generation);
        match stands.problems.first() {
            None => in_force,
            Some(first) => {
                format!("{in_force}; the file as it is now is refused: {}", first.message)
            }
        }
    }

    /// The files to look at, as they were when they were read last; `None`: nobody wants that.
    pub(super) fn watched(&self) -> Option<Files> {
        let stands = self.stands();
        stands.is_watched.then(|| stands.files.clone())
    }

    /// Reads the configuration again and puts it in force, or leaves everything as it is.
    pub(super) fn reload(self: &Arc<Self>, cause: Cause) -> Reloading<'static> {
        self.reload_as(cause, None)
    }

    /// [`Self::reload`], where the files are as `looked` has them: one that is being written just
    /// now is not taken.
    pub(super) fn reload_as(
        self: &Arc<Self>,
        cause: Cause,
        looked: Option<Files>,
    ) -> Reloading<'static> {
        let this = Arc::clone(self);
        // A task of its own: whoever asked may leave, and half a reload must not stay.
        let reload = self.tasks.spawn(async move { this.one(cause, looked).await });
        Box::pin(async {
            reload.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a reload was broken off");
                Err(told::failed("the reload was broken off".to_owned()))
            })
        })
    }

    async fn one(&self, cause: Cause, looked: Option<Files>) -> Result<Reloaded, ReloadFailed> {
        let mut parts = self.parts.lock().await;
        let Some(parts) = parts.as_mut() else {
            return Err(told::failed("sidehook is still starting".to_owned()));
        };
        let inputs = Arc::clone(&self.inputs);
        let read = move || config::load_again(&inputs);
        let read = match tokio::task::spawn_blocking(read).await {
            Ok((_, files)) if looked.is_some_and(|looked| !looked.agree(&files)) => {
                return Err(told::failed("the files are being changed".to_owned()));
            }
            Ok((read, files)) => {
                self.stands().files = files;
                read.map_err(|error| (told::problems(&error), error.to_string()))
            }
            Err(error) => Err(told::internal(&error)),
        };
        let result = match read {
            Ok(config) => self.change(parts, config).await,
            Err(refused) => Err(refused),
        };
        let told = self.tell(cause, result);
        service_manager::status(&self.in_words());
        told
    }

    /// Puts a configuration in force; whether there was anything to change.
    ///
    /// # Errors
    /// It is refused, with its problems and with words for the log: nothing has changed.
    async fn change(
        &self,
        parts: &mut Parts,
        mut config: Config,
    ) -> Result<ReloadOutcome, (Vec<ConfigProblem>, String)> {
        if config.fingerprint == self.stands().fingerprint {
            return Ok(ReloadOutcome::Unchanged);
        }
        if config.is_file_empty {
            // Taken at its word, it would end every event.
            return Err(told::refused(EMPTY));
        }
        let had_rules = parts.proxy.rules().rules().next().is_some();
        if had_rules && config.rules.is_empty() {
            tracing::warn!("the new configuration has no [[event]]: no call becomes an event now");
        }
        keep_times(&parts.store, &mut config);
        let prepare = preparation(parts, config);
        let Prepared { config, egress, rules, token } =
            match tokio::task::spawn_blocking(prepare).await {
                Ok(Ok(prepared)) => prepared,
                Ok(Err(error)) => return Err(told::refused(&format!("{error:#}"))),
                Err(error) => return Err(told::internal(&error)),
            };
        let needs_restart = self.fixed.needs_restart(&config);
        let effective = self.fixed.effective(&config);
        let reader = Box::new(config.webhook_reader());
        let of_delivery = (config.delivery, egress);
        // The first change, and the last thing that can be refused.
        let replaced = parts.registry.replace(config.webhooks, reader, || {
            parts.delivery.replace(of_delivery.0, of_delivery.1);
        });
        replaced.await.map_err(|taken| told::refused(&taken.join("; ")))?;
        parts.proxy.replace(config.proxy, rules);
        parts.is_token_kept = config.admin.token.is_none();
        parts.admin_settings.token = token;
        parts.admin_settings.read_token = config.admin.read_token;
        parts.admin_settings.allowed_hosts = config.admin.allowed_hosts;
        parts.admin.replace(&parts.admin_settings);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        super::warn_about_orphans(&parts.store);
        let mut stands = self.stands();
        stands.generation += 1;
        stands.loaded_at = clock::now();
        stands.effective = effective;
        stands.fingerprint = config.fingerprint;
        stands.needs_restart = needs_restart;
        stands.is_watched = config.admin.watch_config;
        Ok(ReloadOutcome::Changed)
    }

    /// Says what came of it: in the log, the metrics and the status.
    fn tell(
        &self,
        cause: Cause,
        result: Result<ReloadOutcome, (Vec<ConfigProblem>, String)>,
    ) -> Result<Reloaded, ReloadFailed> {
        let cause = cause.name();
        let mut stands = self.stands();
        let outcome = match result {
            Ok(outcome) => outcome,
            Err((problems, words)) => {
                self.metrics.config_reloaded(ReloadOutcome::Refused);
                stands.problems.clone_from(&problems);
                tracing::error!(
                    cause,
                    problems = words,
                    "the new configuration is refused; the running one stays as it is"
                );
                return Err(ReloadFailed { problems });
            }
        };
        self.metrics.config_reloaded(outcome);
        stands.problems.clear();
        let generation = stands.generation;
        if outcome == ReloadOutcome::Changed {
            tracing::info!(cause, generation, "the new configuration is in force");
        } else {
            tracing::info!(cause, generation, "the configuration is the one in force");
        }
        if !stands.needs_restart.is_empty() {
            let keys = stands.needs_restart.join(", ");
            tracing::warn!(
                keys,
                "a restart is needed for these keys; until then they stay as they were"
            );
        }
        Ok(Reloaded { generation, needs_restart: stands.needs_restart.clone() })
    }

    /// Whole after every operation on it, so a panic elsewhere does not spoil it.
    fn stands(&self) -> MutexGuard<'_, Stands> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Api => "POST /v1/reload",
            Self::Files => "a file has changed",
        }
    }
}

/// Builds what can fail; blocking.
fn preparation(
    parts: &Parts,
    config: Config,
) -> impl FnOnce() -> anyhow::Result<Prepared> + Send + 'static {
    let before = (parts.delivery.egress(), parts.proxy.rules());
    let token = parts.is_token_kept.then(|| parts.admin_settings.token.clone());
    let store_path = parts.store_path.clone();
    move || {
        let (egress, rules) = before;
        let token = match (&config.admin.token, token) {
            (None, Some(kept)) => kept,
            (configured, _) => token::configured_or_kept(configured.clone(), &store_path)?.secret,
        };
        token::differ(&token, config.admin.read_token.as_ref())?;
        let egress = egress.under(config.egress.clone()).context("the way out for webhooks")?;
        let rules = RuleSet::after(&rules, config.rules.clone());
        Ok(Prepared { config, egress, rules, token })
    }
}

/// A webhook that was there before is as old as it was.
fn keep_times(store: &Store, config: &mut Config) {
    let before = store.webhooks();
    for webhook in &mut config.webhooks {
        let Some(old) = before.iter().find(|old| old.id == webhook.id) else { continue };
        let now = webhook.updated_at;
        (webhook.created_at, webhook.updated_at) = (old.created_at, old.updated_at);
        if *webhook != **old {
            webhook.updated_at = now;
        }
    }
}
