//! Who may go next. One task that takes no input: it is woken by the store, by the end of an
//! attempt, or by the next due time, and asks the store what is due, lane after lane. How the
//! webhooks stand is kept in step with the store in `follow`.

mod by_hand;
mod follow;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::deliver::{Context, Report, deliver};
use super::health::Moment;
use super::lane::Lane;
use super::{InForce, Settings};
use crate::egress::Egress;
use crate::model::{Webhook, WebhookId, WebhookState};
use crate::shutdown::Tasks;
use crate::store::{Lease, Store, StoreError};
use crate::telemetry::Metrics;

/// The wall clock may jump: due times are looked at again at least this often.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The shortest sleep: due times are milliseconds.
const SLEEP_MIN: Duration = Duration::from_millis(5);

/// The longest rest between two looks at all lanes.
const REST_MAX: Duration = Duration::from_millis(50);

/// Pause of a lane for which the store could not be read: its leases, given back, would wake us at
/// once, again and again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Webhooks whose status has been written and is not yet looked at; further ones wait.
const N_SAVED_MAX: usize = 64;

/// Starts the delivery half on the current runtime. It runs until `tasks` are stopped: then no
/// attempt is started any more, and those under way end within the grace that `tasks` are given,
/// or are dropped with the runtime and due again after the restart.
pub fn start(
    settings: Settings,
    store: Store,
    egress: Egress,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> JoinHandle<()> {
    start_with(InForce::new(settings, egress), store, metrics, tasks)
}

/// [`start`], under settings that can be replaced.
pub fn start_with(
    in_force: InForce,
    store: Store,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> JoinHandle<()> {
    let context = Arc::new(Context { in_force, store, metrics });
    let scheduler = Scheduler::new(context, tasks.clone());
    tasks.spawn(scheduler.run())
}

struct Scheduler {
    context: Arc<Context>,
    tasks: Tasks,
    lanes: HashMap<WebhookId, Lane>,
    /// The lanes in the order in which they are served, rotated so that none is always first.
    order: Vec<WebhookId>,
    in_flight: usize,
    webhooks: Arc<Vec<Arc<Webhook>>>,
    states: Arc<HashMap<WebhookId, WebhookState>>,
    ended: mpsc::Receiver<Ended>,
    slots: mpsc::Sender<Ended>,
    /// Whose status has been written to the store.
    saved: mpsc::Receiver<WebhookId>,
    saves: mpsc::Sender<WebhookId>,
    is_store_failing: bool,
    /// The store has given its hint, and no look followed yet.
    is_woken: bool,
    rests_until: Instant,
    /// When one that somebody wants now has its token, where it waits for that.
    by_hand_at: Option<Instant>,
    /// When all lanes are asked again, whether there was a hint or not.
    refresh_at: Instant,
}

/// The end of an attempt; without a report where it was dropped or means nothing.
#[derive(Debug)]
struct Ended {
    webhook: WebhookId,
    was_probe: bool,
    report: Option<Report>,
}

/// An attempt's place; gives itself back however the attempt ends.
struct Slot {
    webhook: WebhookId,
    is_probe: bool,
    report: Option<Report>,
    ended: mpsc::Sender<Ended>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (webhook, was_probe) = (self.webhook, self.is_probe);
        // Cannot be full: it has room for as many as there can be slots. Closed: we stop.
        let _ = self.ended.try_send(Ended { webhook, was_probe, report: self.report.take() });
    }
}

impl Scheduler {
    fn new(context: Arc<Context>, tasks: Tasks) -> Self {
        let (slots, ended) = mpsc::channel(Settings::CONCURRENCY_MAX);
        let (saves, saved) = mpsc::channel(N_SAVED_MAX);
        Self {
            context,
            tasks,
            lanes: HashMap::new(),
            order: Vec::new(),
            in_flight: 0,
            webhooks: Arc::default(),
            states: Arc::default(),
            ended,
            slots,
            saved,
            saves,
            is_store_failing: false,
            is_woken: false,
            rests_until: Instant::now(),
            by_hand_at: None,
            refresh_at: Instant::now() + SLEEP_MAX,
        }
    }

    async fn run(mut self) {
        let stop = self.tasks.stop().clone();
        loop {
            let sleep = self.fill();
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                Some(ended) = self.ended.recv() => self.end(ended),
                Some(webhook) = self.saved.recv() => self.saved(webhook),
                () = woken(&self.context.store, self.rests_until) => self.look(),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        tracing::debug!(in_flight = self.in_flight, "no new attempts are started");
        // What the last attempts say of their receivers counts too, and is kept.
        while self.in_flight > 0 || self.lanes.values().any(|lane| lane.saving.is_some()) {
            tokio::select! {
                Some(ended) = self.ended.recv() => self.end(ended),
                Some(webhook) = self.saved.recv() => self.saved(webhook),
            }
        }
    }

    /// The store has something: of these webhooks, or of any.
    fn look(&mut self) {
        self.is_woken = true;
        match self.context.store.take_touched() {
            None => self.refresh(),
            Some(touched) => {
                for id in touched {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.is_stale = true;
                    }
                }
            }
        }
    }

    /// Something may have become due anywhere.
    fn refresh(&mut self) {
        self.refresh_at = Instant::now() + SLEEP_MAX;
        for lane in self.lanes.values_mut() {
            lane.is_stale = true;
        }
    }

    /// Starts what is due and may go; gives the time until it has to look again.
    fn fill(&mut self) -> Duration {
        while let Ok(ended) = self.ended.try_recv() {
            self.end(ended);
        }
        self.follow();
        if self.refresh_at <= Instant::now() {
            self.refresh();
        }
        let now = Moment::now();
        let by_hand = self.serve_by_hand(now);
        let served = self.serve_lanes(now).and(by_hand);
        self.show_probes();
        if std::mem::take(&mut self.is_woken) {
            self.rests_until = Instant::now() + (now.steady.elapsed() * 4).min(REST_MAX);
        }
        match served {
            Ok(()) => {
                let is_unread = |lane: &Lane| lane.is_unread(now);
                self.is_store_failing &= self.lanes.values().any(is_unread);
            }
            Err(error) => {
                if !self.is_store_failing {
                    tracing::error!(%error, "the store cannot be read: deliveries wait for it");
                }
                self.is_store_failing = true;
            }
        }
        self.until_due(now)
    }

    /// Round after round over the lanes until none wants more or there is no place left. A lane
    /// that cannot be read does not stop the others.
    fn serve_lanes(&mut self, now: Moment) -> Result<(), StoreError> {
        let mut failed = None;
        loop {
            let mut started = 0;
            let idle = self.lanes.values().filter(|lane| lane.is_idle(now)).count();
            for at in 0..self.order.len() {
                match self.serve(self.order[at], now, idle) {
                    Ok(n) => started += n,
                    Err(error) => {
                        failed = Some(error);
                        if let Some(lane) = self.lanes.get_mut(&self.order[at]) {
                            lane.pause_reading(STORE_PAUSE, now);
                        }
                    }
                }
            }
            if started == 0 {
                return failed.map_or(Ok(()), Err);
            }
            self.order.rotate_left(1);
        }
    }

    /// Starts what one lane may start; gives how many that were. `idle` lanes had nothing under
    /// way when this round began.
    fn serve(&mut self, id: WebhookId, now: Moment, idle: usize) -> Result<usize, StoreError> {
        let places = self.places();
        let free = places.saturating_sub(self.in_flight);
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.wants(now)) else {
            return Ok(0);
        };
        let kept = (idle - usize::from(lane.is_idle(now))).min(places / 2);
        let share = lane.share(free, kept, now);
        if share == 0 {
            return Ok(0);
        }
        let leases = self.context.store.lease_due(id, now.wall, share)?;
        let started = leases.len();
        let is_probe = lane.begin(started, now);
        self.in_flight += started;
        let webhook = Arc::clone(&lane.webhook);
        for lease in leases {
            self.begin(&webhook, lease, is_probe);
        }
        if started < share
            && let Some(lane) = self.lanes.get_mut(&id)
        {
            lane.next_due = self.context.store.next_due(id)?;
            lane.is_stale = false;
        }
        Ok(started)
    }

    fn begin(&self, webhook: &Arc<Webhook>, lease: Lease, is_probe: bool) {
        let ended = self.slots.clone();
        let mut slot = Slot { webhook: webhook.id, is_probe, report: None, ended };
        let context = Arc::clone(&self.context);
        let webhook = Arc::clone(webhook);
        self.tasks.spawn(async move {
            slot.report = deliver(&context, &webhook, lease).await;
            drop(slot);
        });
    }

    /// Attempts at a time: fewer than there are under way where that has just been lowered.
    fn places(&self) -> usize {
        self.context.in_force.terms().settings.concurrency.clamp(1, Settings::CONCURRENCY_MAX)
    }

    /// The time until a lane has something due. One that is due already waits for a place, whose
    /// end wakes us, or for the store.
    fn until_due(&self, now: Moment) -> Duration {
        if self.in_flight >= self.places() {
            return SLEEP_MAX;
        }
        let due = self.lanes.values().filter_map(|lane| lane.wakes_in(now)).min();
        let by_hand = self.by_hand_at.map(|at| at.saturating_duration_since(now.steady));
        let due = due.into_iter().chain(by_hand).min();
        due.map_or(SLEEP_MAX, |due| due.clamp(SLEEP_MIN, SLEEP_MAX))
    }
}

/// Waits for the store's hint. With many lanes a look takes its time, and under load there is
/// always a hint: so it rests four times as long as the last look took.
async fn woken(store: &Store, rests_until: Instant) {
    tokio::time::sleep_until(rests_until).await;
    store.work_available().await;
}
