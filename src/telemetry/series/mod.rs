//! What has been counted lately, step by step, for charts: for those who have no Prometheus, and for
//! the moment in which nobody wants to open one.
//!
//! Three times are kept, of `N_STEPS` steps each: a quarter of an hour, an hour, a day. Whoever
//! samples hands in the counters as they stand; what they have grown by since the last sample belongs
//! to the step in the middle between the two. Memory is fixed: some 50 KiB for all of it, and for each
//! webhook that has had an attempt or a backlog within a day 16 bytes a step, 8.5 KiB; 1000 busy
//! webhooks cost 8.5 MiB. It begins anew with each start.

mod ring;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::{N_STEPS, Ring};

use super::spread::Counted;
use super::totals::{Tally, Total, Totals};
use crate::model::{Timestamp, WebhookId};

/// The usual time between two samples; that of the shortest step.
pub const TICK: Duration = Duration::from_secs(5);

/// After so much time without a sample it is not known when things happened.
const GAP: Duration = Duration::from_secs(10);

/// A webhook without attempts and backlog for so long has no rings: what they would hold is zero.
const IDLE_MAX: Duration = Duration::from_secs(25 * 3600);

/// How far a chart goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Range {
    Quarter,
    Hour,
    Day,
}

/// See the module.
#[derive(Debug)]
pub struct Series(Mutex<Inner>);

/// The counters at one moment.
#[derive(Debug, Default)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Since the start of the process.
    pub totals: Totals,
    /// The commits since the last reading.
    pub commits: Counted,
    /// Unfinished deliveries, all webhooks together; `None`: nobody knows just now.
    pub waiting: Option<u64>,
    /// Every webhook that there is.
    pub webhooks: Vec<(WebhookId, WebhookReading)>,
}

/// What is read of a webhook.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookReading {
    /// Since the start of the process.
    pub tally: Tally,
    /// Unfinished deliveries; `None`: nobody knows just now.
    pub waiting: Option<u64>,
}

/// A time, step by step, the oldest first and the running step last; `None` where nobody sampled.
#[derive(Debug)]
pub struct Chart {
    /// The first sample.
    pub since: Timestamp,
    /// The end of the running step.
    pub until: Timestamp,
    /// All webhooks together.
    pub steps: Vec<Option<Step>>,
    /// Those that were asked for, in that order.
    pub webhooks: Vec<(WebhookId, Vec<Option<WebhookStep>>)>,
}

/// What happened in a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    counts: [u32; Total::N],
    /// Of the step's commits, milliseconds; `None`: there were none.
    pub commit_p50_ms: Option<f32>,
    /// Of the step's commits, milliseconds; `None`: there were none.
    pub commit_p99_ms: Option<f32>,
    /// Unfinished deliveries, at the step's last sample.
    pub waiting: u32,
}

/// What happened to a webhook in a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookStep {
    /// Attempts that were accepted.
    pub delivered: u32,
    /// Attempts that were not.
    pub failed: u32,
    /// Of all attempts together.
    took_ms: f32,
    /// Unfinished deliveries, at the step's last sample.
    pub waiting: u32,
}

#[derive(Debug)]
struct Inner {
    since: Timestamp,
    last_at: Timestamp,
    last: Totals,
    tracks: [Track; 3],
    webhooks: HashMap<WebhookId, OfWebhook>,
}

/// One range, all webhooks together.
#[derive(Debug)]
struct Track {
    range: Range,
    ring: Ring<Option<Step>>,
    /// Those of the newest step.
    commits: Counted,
}

#[derive(Debug)]
struct OfWebhook {
    last: Tally,
    active_at: Timestamp,
    rings: Option<[Ring<WebhookStep>; 3]>,
}

impl Range {
    /// The shortest first.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Hour, Self::Day];

    /// Its name on the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// The length of its steps.
    pub const fn step(self) -> Duration {
        Duration::from_secs(match self {
            Self::Quarter => 5,
            Self::Hour => 20,
            Self::Day => 480,
        })
    }

    /// The number of the step that a time is in.
    fn step_of(self, time: Timestamp) -> u64 {
        time.as_millis() / self.step_millis()
    }

    fn end_of(self, step: u64) -> Timestamp {
        Timestamp::from_millis((step + 1) * self.step_millis())
    }

    const fn step_millis(self) -> u64 {
        self.step().as_secs() * 1000
    }
}

impl Series {
    /// From now on; what was counted before counts for the first sample.
    pub fn begin(now: Timestamp) -> Self {
        Self(Mutex::new(Inner::begin(now, Totals::default(), HashMap::new())))
    }

    /// Takes a sample.
    pub fn add(&self, reading: &Reading) {
        self.lock().add(reading);
    }

    /// The chart of a range up to now. A webhook that no sample has had is not in it.
    pub fn chart(&self, range: Range, now: Timestamp, webhooks: &[WebhookId]) -> Chart {
        self.lock().chart(range, now, webhooks)
    }

    /// How much a counter has grown in the last quarter of an hour.
    pub fn lately(&self, total: Total) -> u64 {
        let inner = self.lock();
        let ring = &inner.tracks[Range::Quarter as usize].ring;
        let steps = ring.newest().saturating_sub(N_STEPS as u64 - 1)..=ring.newest();
        steps.filter_map(|step| ring.get(step)).map(|step| u64::from(step.count(total))).sum()
    }

    /// Whole between any two samples, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn begin(now: Timestamp, last: Totals, webhooks: HashMap<WebhookId, OfWebhook>) -> Self {
        let track = |range: Range| Track {
            range,
            ring: Ring::at(range.step_of(now)),
            commits: Counted::default(),
        };
        Self { since: now, last_at: now, last, tracks: Range::ALL.map(track), webhooks }
    }

    fn add(&mut self, reading: &Reading) {
        let now = reading.at;
        if self.last_at.since(now) > GAP {
            // The clock was set back: steps would come twice.
            let webhooks = std::mem::take(&mut self.webhooks);
            let bare = |(id, one): (_, OfWebhook)| (id, OfWebhook { rings: None, ..one });
            *self = Self::begin(now, self.last, webhooks.into_iter().map(bare).collect());
        }
        let passed = now.since(self.last_at);
        // A machine that slept, or a disk that hung: then it belongs to the end of the gap.
        let at = if passed > GAP { now } else { self.last_at.plus(passed / 2) };
        let grown = reading.totals.since(&self.last);
        for track in &mut self.tracks {
            track.add(at, &grown, reading);
        }
        self.last = reading.totals;
        self.last_at = self.last_at.plus(passed);
        let mut before = std::mem::take(&mut self.webhooks);
        self.webhooks.reserve(reading.webhooks.len());
        for (id, read) in &reading.webhooks {
            let mut one = before.remove(id).unwrap_or_else(|| OfWebhook::begin(now));
            one.add(at, read);
            self.webhooks.insert(*id, one);
        }
    }

    fn chart(&self, range: Range, now: Timestamp, webhooks: &[WebhookId]) -> Chart {
        let ring = &self.tracks[range as usize].ring;
        let running = range.step_of(now).max(ring.newest());
        let oldest = (running + 1).saturating_sub(N_STEPS as u64);
        let steps: Vec<Option<Step>> = (oldest..=running).map(|step| ring.get(step)).collect();
        let of_webhook = |id: &WebhookId| {
            let one = self.webhooks.get(id)?;
            let rings = one.rings.as_ref().map(|rings| &rings[range as usize]);
            let value = |step| rings.map_or_else(WebhookStep::default, |ring| ring.get(step));
            let sampled = (oldest..=running).zip(&steps);
            let steps = sampled.map(|(step, all)| all.as_ref().map(|_| value(step)));
            Some((*id, steps.collect()))
        };
        let webhooks = webhooks.iter().filter_map(of_webhook).collect();
        Chart { since: self.since, until: range.end_of(running), steps, webhooks }
    }
}

impl Track {
    fn add(&mut self, at: Timestamp, grown: &Totals, reading: &Reading) {
        let (before, number) = (self.ring.newest(), self.range.step_of(at));
        let waiting = self.ring.get(before).map_or(0, |step| step.waiting);
        if number > before {
            self.commits = Counted::default();
        }
        self.commits.add(&reading.commits);
        let step = self.ring.reach(number).get_or_insert_default();
        for (sum, n) in step.counts.iter_mut().zip(grown.0) {
            *sum = sum.saturating_add(small(n));
        }
        step.waiting = reading.waiting.map_or(waiting, small);
        step.commit_p50_ms = self.commits.quantile_ms(50);
        step.commit_p99_ms = self.commits.quantile_ms(99);
    }
}

impl OfWebhook {
    const fn begin(now: Timestamp) -> Self {
        Self { last: Tally::ZERO, active_at: now, rings: None }
    }

    fn add(&mut self, at: Timestamp, read: &WebhookReading) {
        let grown = read.tally.since(self.last);
        self.last = read.tally;
        if grown != Tally::ZERO || read.waiting.is_some_and(|n| n > 0) {
            self.active_at = at;
            let begin = || Range::ALL.map(|range| Ring::at(range.step_of(at)));
            self.rings.get_or_insert_with(begin);
        } else if at.since(self.active_at) > IDLE_MAX {
            self.rings = None;
        }
        for (range, ring) in Range::ALL.into_iter().zip(self.rings.iter_mut().flatten()) {
            let waiting = ring.get(ring.newest()).waiting;
            let step = ring.reach(range.step_of(at));
            step.delivered = step.delivered.saturating_add(small(grown.delivered));
            step.failed = step.failed.saturating_add(small(grown.failed));
            step.took_ms += Duration::from_micros(grown.micros).as_secs_f32() * 1e3;
            step.waiting = read.waiting.map_or(waiting, small);
        }
    }
}

impl Step {
    /// How much a counter has grown.
    pub const fn count(&self, total: Total) -> u32 {
        self.counts[total as usize]
    }
}

impl WebhookStep {
    /// The mean duration of an attempt, milliseconds; `None`: there was none.
    pub fn latency_ms(&self) -> Option<f32> {
        let n = self.delivered + self.failed;
        (n > 0).then(|| self.took_ms / n as f32)
    }
}

fn small(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
