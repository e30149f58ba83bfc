//! What the committer's thread and the callers share.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::changes::Changes;
use super::health::Health;
use super::index::Index;
use super::index::tallies::Tallies;
use super::journal::reader::Reader;
use super::leases::Leases;
use super::queue::Queue;
use super::recovery::Recovery;
use super::shown::Shown;
use super::states::States;
use super::types::Settings;
use crate::model::{Secret, Timestamp, Webhook, WebhookId, WebhookStatus};
use crate::telemetry::Metrics;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Health,
    pub(crate) queue: Queue,
    pub(crate) index: Index,
    pub(crate) reader: Reader,
    pub(crate) leases: Arc<Leases>,
    pub(crate) webhooks: ArcSwap<WebhookSet>,
    pub(crate) states: States,
    /// The webhooks created at run time, as the journal has them.
    pub(crate) definitions: ArcSwap<HashMap<WebhookId, Secret>>,
    /// Newest first.
    pub(crate) recoveries: ArcSwap<Vec<Recovery>>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) shown: Shown,
    /// Damage found since the start, bounded.
    damage: Mutex<Vec<String>>,
    /// All files together, as of the last look.
    bytes: AtomicU64,
    reclaimable_bytes: AtomicU64,
    /// Events that could not be written and wait in the committer's memory.
    n_in_memory: AtomicU64,
    /// The latest time that the clock has shown, milliseconds, as far as the store has written it.
    clock_high: AtomicU64,
}

/// A clock may step back by so much without being set.
pub(crate) const STEP_BACK_MAX: Duration = Duration::from_secs(1);

/// The webhooks as they are now.
#[derive(Debug, Default)]
pub(crate) struct WebhookSet {
    pub(crate) list: Arc<Vec<Arc<Webhook>>>,
    /// As far as the configuration says.
    active: HashSet<WebhookId>,
}

const N_DAMAGE_MAX: usize = 100;

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        index: Index,
        reader: Reader,
    ) -> Self {
        Self {
            queue: Queue::new(settings.queue_bytes_max),
            settings,
            metrics,
            health: Health::default(),
            index,
            reader,
            leases: Arc::default(),
            webhooks: ArcSwap::default(),
            states: States::default(),
            definitions: ArcSwap::default(),
            recoveries: ArcSwap::default(),
            changes: Arc::new(Changes::new(crate::clock::now().as_millis())),
            shown: Shown::default(),
            damage: Mutex::default(),
            bytes: AtomicU64::new(0),
            reclaimable_bytes: AtomicU64::new(0),
            n_in_memory: AtomicU64::new(0),
            clock_high: AtomicU64::new(0),
        }
    }

    /// Damage has been found: an operator must know, now and in `stats`.
    pub(crate) fn report_damage(&self, found: &str) {
        let mut damage = locked(&self.damage);
        if damage.iter().any(|known| known == found) {
            return;
        }
        tracing::error!(
            found,
            "the journal is damaged; what is damaged is copied to quarantine, all else is in use"
        );
        if damage.len() < N_DAMAGE_MAX {
            damage.push(found.to_owned());
        }
    }

    pub(crate) fn damage(&self) -> Vec<String> {
        locked(&self.damage).clone()
    }

    /// The clock has shown this time.
    pub(crate) fn clock_showed(&self, time: Timestamp) {
        self.clock_high.fetch_max(time.as_millis(), Ordering::Relaxed);
    }

    /// Whether the clock has been set back: times that were written may lie ahead.
    pub(crate) fn is_clock_behind(&self, now: Timestamp) -> bool {
        let high = Timestamp::from_millis(self.clock_high.load(Ordering::Relaxed));
        high > now.plus(STEP_BACK_MAX)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// How much of `bytes` retention could let go now.
    pub(crate) fn reclaimable_bytes(&self) -> u64 {
        self.reclaimable_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_reclaimable_bytes(&self, bytes: u64) {
        self.reclaimable_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn n_in_memory(&self) -> u64 {
        self.n_in_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn set_in_memory(&self, n: usize) {
        self.n_in_memory.store(n as u64, Ordering::Relaxed);
    }

    /// The recoveries as the index has them, for callers.
    pub(crate) fn show_recoveries(&self, tallies: &Tallies) {
        let rows = tallies.kept().recoveries().values();
        let mut recoveries: Vec<Recovery> = rows.map(|row| row.recovery.clone()).collect();
        recoveries.sort_by_key(|recovery| Reverse((recovery.started_at, recovery.id)));
        self.recoveries.store(Arc::new(recoveries));
    }

    /// How a webhook stands; one that is unknown is disabled.
    pub(crate) fn status(&self, webhook: WebhookId) -> WebhookStatus {
        let webhooks = self.webhooks.load();
        let is_known = webhooks.is_active(webhook)
            || (self.states.overrides_file(webhook) && webhooks.is_configured(webhook));
        if is_known { self.states.status(webhook) } else { WebhookStatus::Disabled }
    }

    /// Whether its deliveries are shown as held.
    pub(crate) fn is_held(&self, webhook: WebhookId) -> bool {
        self.status(webhook) != WebhookStatus::Active
    }
}

impl WebhookSet {
    pub(crate) fn new(webhooks: Vec<Webhook>) -> Self {
        Self::of(webhooks.into_iter().map(Arc::new).collect())
    }

    fn of(list: Vec<Arc<Webhook>>) -> Self {
        let is_active = |w: &&Arc<Webhook>| w.active && w.unusable.is_none();
        let active = list.iter().filter(is_active).map(|w| w.id).collect();
        Self { list: Arc::new(list), active }
    }

    /// The set with this webhook in the place of the one of its id.
    pub(crate) fn with(&self, webhook: Arc<Webhook>) -> Self {
        let mut list = Vec::clone(&self.list);
        match list.iter_mut().find(|known| known.id == webhook.id) {
            Some(known) => *known = webhook,
            None => list.push(webhook),
        }
        Self::of(list)
    }

    pub(crate) fn without(&self, webhook: WebhookId) -> Self {
        Self::of(self.list.iter().filter(|known| known.id != webhook).map(Arc::clone).collect())
    }

    pub(crate) fn get(&self, webhook: WebhookId) -> Option<&Arc<Webhook>> {
        self.list.iter().find(|known| known.id == webhook)
    }

    pub(crate) fn is_active(&self, webhook: WebhookId) -> bool {
        self.active.contains(&webhook)
    }

    fn is_configured(&self, webhook: WebhookId) -> bool {
        self.get(webhook).is_some()
    }
}

/// Locks, also after another thread has panicked: what these locks guard is whole between any
/// two statements.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
