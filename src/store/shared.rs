//! What the committer's thread and the callers share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::changes::Changes;
use super::health::Health;
use super::index::Index;
use super::journal::reader::Reader;
use super::leases::Leases;
use super::queue::Queue;
use super::states::States;
use super::types::Settings;
use crate::model::{Timestamp, Webhook, WebhookId, WebhookStatus};
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
    pub(crate) changes: Arc<Changes>,
    /// Damage found since the start, bounded.
    damage: Mutex<Vec<String>>,
    /// All files together, as of the last look.
    bytes: AtomicU64,
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
            changes: Arc::new(Changes::new(crate::clock::now().as_millis())),
            damage: Mutex::default(),
            bytes: AtomicU64::new(0),
            clock_high: AtomicU64::new(0),
        }
    }

    /// Damage has been found: an operator must know, now and in `stats`.
    pub(crate) fn report_damage(&self, found: &str) {
        let mut damage = locked(&self.damage);
        if damage.iter().any(|known| known == found) {
            return;
        }
        tracing::error!(found, "the journal is damaged; what could be saved is in quarantine");
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
        let active =
            webhooks.iter().filter(|w| w.active && w.unusable.is_none()).map(|w| w.id).collect();
        Self { list: Arc::new(webhooks.into_iter().map(Arc::new).collect()), active }
    }

    pub(crate) fn is_active(&self, webhook: WebhookId) -> bool {
        self.active.contains(&webhook)
    }

    fn is_configured(&self, webhook: WebhookId) -> bool {
        self.list.iter().any(|known| known.id == webhook)
    }
}

/// Locks, also after another thread has panicked: what these locks guard is whole between any
/// two statements.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
