//! When the index is told of a batch: at once where little happens; where events come thick and
//! fast, of all batches of a few milliseconds together. What the index costs is more by the write
//! than by the event. Nothing hangs on it: the waiters were answered when the journal was synced, and
//! after a crash the journal tells the index.

use std::time::{Duration, Instant};

use super::Committer;
use super::staged::Staged;
use crate::store::StoreError;
use crate::store::changes::Change;
use crate::store::index::apply::{Applier, BecameDue, Unwritten};
use crate::store::journal::Position;
use crate::store::journal::writer::Batch;

/// So long may the index be behind.
const DELAY_MAX: Duration = Duration::from_millis(5);
/// Over so long it is seen whether events come thick and fast.
const WINDOW: Duration = Duration::from_millis(10);
/// So many in a window are thick and fast: at this rate a write per batch costs more than the wait.
const N_THICK: usize = 32;
/// No more events than this are held.
const N_HELD_MAX: usize = 1024;

/// What is in the journal and not yet in the index.
#[derive(Debug)]
pub(super) struct Behind {
    unwritten: Unwritten,
    /// Where the journal ends with it; `None`: nothing is behind.
    end: Option<Position>,
    changes: Vec<Change>,
    n_events: usize,
    since: Instant,
    delay: Duration,
    pace: Pace,
}

/// How fast events come.
#[derive(Debug)]
struct Pace {
    begun: Instant,
    n_events: usize,
    /// In the window before; 0 when that is long ago.
    n_before: usize,
    /// In the last batch.
    n_last: usize,
}

impl Behind {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            unwritten: Unwritten::default(),
            end: None,
            changes: Vec::new(),
            n_events: 0,
            since: now,
            delay: DELAY_MAX,
            pace: Pace { begun: now, n_events: 0, n_before: 0, n_last: 0 },
        }
    }

    /// How long it may still wait; `None`: nothing does.
    pub(super) fn left(&self) -> Option<Duration> {
        self.end.map(|_| self.delay.saturating_sub(self.since.elapsed()))
    }

    /// A batch with so many events has been written; whether such batches come so fast that the
    /// index should be told of several together.
    pub(super) fn is_thick(&mut self, n_events: usize) -> bool {
        self.pace.count(n_events);
        self.pace.n_before >= N_THICK && self.n_events + n_events <= N_HELD_MAX
    }

    /// For how many events the next batch waits a moment: where they come thick and fast, as many
    /// as the last had. Whoever waited for that one may be back at once, and a sync for a few of
    /// them costs as much as one for all.
    pub(super) fn company(&self) -> usize {
        let is_thick = self.pace.n_before >= N_THICK && self.pace.begun.elapsed() < 2 * WINDOW;
        if is_thick { self.pace.n_last } else { 0 }
    }

    /// As if events came thick and fast for ever, and the index could wait.
    #[cfg(test)]
    pub(super) fn hurry(&mut self) {
        self.delay = Duration::from_secs(3600);
        self.pace.begun = Instant::now() + self.delay;
        self.pace.n_before = N_THICK;
    }

    /// The index has failed: when it is opened again, the journal tells it.
    pub(super) fn forget(&mut self) {
        self.unwritten = Unwritten::default();
        self.end = None;
        self.changes.clear();
        self.n_events = 0;
    }
}

impl Pace {
    fn count(&mut self, n_events: usize) {
        self.n_last = n_events;
        let elapsed = self.begun.elapsed();
        if elapsed >= WINDOW {
            self.n_before = if elapsed < 2 * WINDOW { self.n_events } else { 0 };
            self.n_events = 0;
            self.begun = Instant::now();
        }
        self.n_events += n_events;
    }
}

impl Committer {
    /// Works out what a batch does to the index, which is told later.
    pub(super) fn hold(&mut self, staged: &Staged, batch: &Batch) -> Result<(), StoreError> {
        if self.behind.end.is_none() {
            self.behind.since = Instant::now();
        }
        let unwritten = std::mem::take(&mut self.behind.unwritten);
        let tallies = &mut self.tallies;
        self.behind.unwritten = self.shared.index.with(|tree| {
            let mut applier = Applier::resume(tree, tallies, unwritten);
            for (record, at) in &staged.records {
                applier.apply(record, *at)?;
            }
            Ok(applier.pause())
        })?;
        self.behind.end = Some(batch.end());
        self.behind.n_events += staged.records.len();
        staged.records.iter().for_each(|(record, _)| record.changes(&mut self.behind.changes));
        Ok(())
    }

    /// Tells the index of a batch, after all that it has not been told of yet.
    pub(super) fn write_index(
        &mut self,
        staged: &Staged,
        end: Position,
    ) -> Result<BecameDue, StoreError> {
        let unwritten = std::mem::take(&mut self.behind.unwritten);
        let mut changes = std::mem::take(&mut self.behind.changes);
        self.behind.forget();
        let (tallies, store_id) = (&mut self.tallies, self.store_id);
        let applied = self.shared.index.with(|tree| {
            let mut applier = Applier::resume(tree, tallies, unwritten);
            for (record, at) in &staged.records {
                applier.apply(record, *at)?;
            }
            applier.write(store_id, Some(end))
        });
        self.shared.shown.all_told();
        if applied.is_ok() {
            // Otherwise who reads what changed would find it as it was: the index's return tells.
            staged.records.iter().for_each(|(record, _)| record.changes(&mut changes));
            self.shared.changes.publish(changes.drain(..));
            self.behind.changes = changes;
        }
        applied
    }

    /// Tells the index all that it has not been told of yet.
    pub(super) fn catch_up(&mut self) {
        let Some(end) = self.behind.end else { return };
        match self.write_index(&Staged::default(), end) {
            Ok(became_due) => {
                self.shared.leases.added(&became_due);
                if !became_due.is_empty() {
                    self.shared.leases.wake.notify_one();
                }
            }
            Err(error) => self.index_failed(&error),
        }
    }

    /// The same when it has waited long enough.
    pub(super) fn catch_up_in_time(&mut self) {
        if self.behind.left().is_some_and(|left| left.is_zero()) {
            self.catch_up();
        }
    }
}
