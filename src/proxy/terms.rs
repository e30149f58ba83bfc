//! What calls go by: settings, rules, the upstream's connections. Replaced as a whole while calls
//! run; each call keeps what it began with. A worker learns of it from one atomic number that it
//! compares at each call, and makes its own copy then: nothing on a call's way is shared or locked.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::Settings;
use super::capture::Budget;
use super::forward::UpstreamHealth;
use super::upstream::Pool;
use crate::rules::RuleSet;
use crate::rules::redact::Fields;

/// What one worker's calls go by.
pub(super) struct Terms {
    pub(super) settings: Arc<Settings>,
    /// A clone of this worker's own: the automata's scratch memory is not shared.
    pub(super) rules: RuleSet,
    pub(super) fields: Arc<Fields>,
    pub(super) pool: Rc<Pool>,
}

/// What is in force for all workers, to be replaced. Clones share it.
#[derive(Clone)]
pub struct InForce(Arc<Shared>);

struct Shared {
    number: AtomicU64,
    given: ArcSwap<Given>,
    budget: Arc<Budget>,
    health: UpstreamHealth,
}

/// What all workers make their terms of.
pub(super) struct Given {
    pub(super) settings: Arc<Settings>,
    pub(super) rules: RuleSet,
    pub(super) fields: Arc<Fields>,
}

impl std::fmt::Debug for InForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}

impl InForce {
    pub(super) fn new(settings: Settings, rules: RuleSet) -> Self {
        Self(Arc::new(Shared {
            number: AtomicU64::new(0),
            budget: Arc::new(Budget::new(settings.capture.total_max)),
            health: UpstreamHealth::default(),
            given: ArcSwap::from_pointee(Given::new(settings, rules)),
        }))
    }

    /// Puts other settings and rules in force, from the next call of each client on. Where the
    /// proxy listens, its number of workers and its pseudonym stay as they are.
    pub fn replace(&self, settings: Settings, rules: RuleSet) {
        let before = self.0.given.load_full();
        let settings = Settings {
            listen: before.settings.listen.clone(),
            workers: before.settings.workers,
            instance: before.settings.instance.clone(),
            ..settings
        };
        let is_same_upstream = settings.upstream == before.settings.upstream;
        self.0.budget.limit(settings.capture.total_max);
        self.0.given.store(Arc::new(Given::new(settings, rules)));
        // After the value: whoever sees the new number finds at least this value.
        self.0.number.fetch_add(1, Ordering::Release);
        if !is_same_upstream {
            self.0.health.forget();
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> RuleSet {
        self.0.given.load().rules.clone()
    }

    /// What in-flight calls get at a stop.
    pub fn shutdown_grace(&self) -> Duration {
        self.0.given.load().settings.shutdown_grace
    }

    /// Changes with every replacement.
    pub(super) fn number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    pub(super) fn given(&self) -> Arc<Given> {
        self.0.given.load_full()
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.0.budget
    }

    /// How the upstream was doing when last seen.
    pub fn upstream_health(&self) -> &UpstreamHealth {
        &self.0.health
    }
}

impl Terms {
    pub(super) fn new(given: &Given, pool: Rc<Pool>) -> Self {
        Self {
            settings: Arc::clone(&given.settings),
            rules: given.rules.clone(),
            fields: Arc::clone(&given.fields),
            pool,
        }
    }
}

impl Given {
    fn new(settings: Settings, rules: RuleSet) -> Self {
        let fields = Arc::new(Fields::new(&settings.capture.redact_fields));
        Self { settings: Arc::new(settings), rules, fields }
    }
}
