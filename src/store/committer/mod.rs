//! The one thread that writes. It takes all that has arrived, makes one batch of it, writes and
//! syncs once, answers every waiter, and only then tells the index and wakes the scheduler. While
//! it syncs, the next batch gathers: the slower the disk, the larger the batches. Where events come
//! thick and fast, a batch waits a moment to be as large as the last, and the index is told of several
//! together (`behind`).

mod asked;
mod batch;
mod behind;
mod recover;
mod retention;
mod staged;
mod trouble;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::StoreError;
use super::index::apply::Applier;
use super::index::open::mark_clean;
use super::index::tallies::Tallies;
use super::journal::writer::Writer;
use super::leases::Guard;
use super::queue::{Finished, Limits, Taken, Waiting};
use super::shared::Shared;
use super::space::Reserve;

/// How often space is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often a broken journal or index is tried again.
const PROBE_EVERY: Duration = Duration::from_millis(500);
const LIMITS: Limits = Limits { n_events: 1024, bytes: 8 * 1024 * 1024, company: 0 };

#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    writer: Writer,
    tallies: Tallies,
    store_id: [u8; 16],
    /// Size of every segment, the open one included.
    sizes: BTreeMap<u64, u64>,
    reserve: Reserve,
    /// Events that must not be dropped and could not be written yet.
    kept: VecDeque<Waiting>,
    /// Attempts that could not be written yet.
    attempts: Vec<Finished>,
    /// Leases whose end is in the journal but not yet in the index.
    unsettled: Vec<Guard>,
    purge: Option<retention::Purge>,
    walks: recover::Walks,
    behind: behind::Behind,
    /// Free space of the disk, counted down between looks.
    free_bytes: u64,
    /// Index, quarantine, reserve: as of the last look.
    other_bytes: u64,
    ticked: Instant,
    probed: Instant,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        writer: Writer,
        tallies: Tallies,
        store_id: [u8; 16],
        sizes: BTreeMap<u64, u64>,
        reserve: Reserve,
    ) -> Self {
        Self {
            shared,
            writer,
            tallies,
            store_id,
            sizes,
            reserve,
            kept: VecDeque::new(),
            attempts: Vec::new(),
            unsettled: Vec::new(),
            purge: None,
            walks: recover::Walks::default(),
            behind: behind::Behind::new(),
            free_bytes: u64::MAX,
            other_bytes: 0,
            ticked: Instant::now(),
            probed: Instant::now(),
        }
    }

    /// Before the first batch: the index learns where the journal goes on.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        let (tallies, position) = (&mut self.tallies, self.writer.position());
        let store_id = self.store_id;
        self.shared
            .index
            .with(|tree| Applier::new(tree, tallies).write(store_id, Some(position)).map(drop))?;
        self.look_at_space();
        Ok(())
    }

    /// Works until the store is closed.
    pub(crate) fn run(mut self) {
        loop {
            let is_busy = !self.is_down() && (self.purge.is_some() || self.has_work());
            let patience = self.behind.left().unwrap_or(TICK);
            let timeout = if is_busy { Duration::ZERO } else { patience };
            let limits = Limits { company: self.behind.company(), ..LIMITS };
            let taken = self.shared.queue.take(limits, timeout);
            let is_last = taken.closing && taken.is_empty();
            if self.ticked.elapsed() >= TICK {
                self.tick();
            }
            self.commit(taken);
            self.shared.set_in_memory(self.kept.len());
            if is_last {
                break;
            }
            self.retain();
            self.work_off();
        }
        self.commit_rest();
        self.catch_up();
        self.close();
    }

    /// The last chance of what could not be written before.
    fn commit_rest(&mut self) {
        if self.is_down() {
            self.probe();
        }
        while !self.is_down() && self.blocked().is_none() && !self.kept.is_empty() {
            self.commit(Taken::default());
        }
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        // Whoever stands here does not wait for the disk. A batch alone would not tell: while
        // calls are refused there may never be one.
        self.disk_answers();
        self.look_at_space();
        self.look_for_segment();
        if self.is_down() && self.probed.elapsed() >= PROBE_EVERY {
            self.probed = Instant::now();
            self.probe();
        }
    }

    fn close(mut self) {
        if !self.kept.is_empty() {
            let n = self.kept.len() as u64;
            self.shared.metrics.events_lost("closed", n);
            tracing::error!(n, "events were kept in memory and could not be stored before the end");
            self.kept.clear();
        }
        let index = &self.shared.index;
        let flushed = index.flush();
        index.close();
        let clean = flushed.and_then(|()| mark_clean(&self.shared.settings.path, index.dir()));
        if let Err(error) = clean {
            tracing::warn!(error = %error.in_full(), "no clean end; the index is checked at the next start");
        }
    }
}

impl Taken {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.attempts.is_empty() && self.requests.is_empty()
    }
}
