//! Recoveries, and what deleted webhooks have left: worked off in the background, in slices between
//! batches as retention does, each slice one batch with the progress it makes. So a restart goes on
//! where it was, and no commit waits for long.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use super::Committer;
use super::staged::Staged;
use crate::clock;
use crate::model::{DeliveryState, Timestamp, Webhook, WebhookId};
use crate::store::StoreError;
use crate::store::index::Index;
use crate::store::index::candidates::{self, Found};
use crate::store::index::history;
use crate::store::index::kept::RecoveryRow;
use crate::store::index::rows::EventRow;
use crate::store::journal::managed::{AddedRecord, RecoveryRecord};
use crate::store::journal::record::{Record, StateRecord, Why};
use crate::store::journal::writer::Batch;
use crate::store::recovery::{Recovery, RecoverySpec, RecoveryStatus};

/// So many recoveries run at a time.
const N_RUNNING_MAX: usize = 16;
/// Deliveries changed in one slice.
const N_PER_SLICE: usize = 128;
/// Candidates looked at in one slice.
const N_LOOKS: usize = 512;
/// Ordinals whose sets are read at once.
const N_ORDINALS: u64 = 1 << 14;

/// Where recoveries are, beyond what is written.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    of: HashMap<Uuid, Walk>,
    /// The one whose turn it was.
    last: Uuid,
    /// Deleted webhooks whose rest cannot be found.
    stuck: Vec<WebhookId>,
}

/// Where one is.
#[derive(Debug)]
struct Walk {
    /// Candidates not looked at yet.
    candidates: VecDeque<u64>,
    /// Up to here candidates have been searched.
    searched: u64,
}

/// What a slice does.
#[derive(Debug, Default)]
struct Slice {
    found: Vec<Found>,
    /// Events before this ordinal are dealt with.
    next: u64,
    is_last: bool,
}

impl Committer {
    /// Does the next slice of what there is to work off.
    pub(super) fn work_off(&mut self) {
        if self.is_down() {
            return;
        }
        let worked = self.drain().and_then(|()| self.go_on());
        if let Err(error) = worked {
            self.walks.of.clear();
            if matches!(error, StoreError::Index { .. }) {
                self.index_failed(&error);
            } else {
                self.note_journal_failure(&error);
            }
        }
    }

    /// Whether there is something to work off now.
    pub(super) fn has_work(&self) -> bool {
        self.drained().is_some() || self.running().is_some()
    }

    /// A deleted webhook for which deliveries wait.
    fn drained(&self) -> Option<WebhookId> {
        let definitions = self.tallies.kept().definitions().iter();
        let mut deleted = definitions.filter(|(_, row)| row.text.is_none()).map(|(&id, _)| id);
        deleted.find(|id| self.tallies.n_of(*id).1 > 0 && !self.walks.stuck.contains(id))
    }

    /// The recovery whose turn it is. One whose webhook is not there waits for it: at the start of
    /// the process the webhooks are not known yet.
    fn running(&self) -> Option<&RecoveryRow> {
        if self.blocked().is_some() {
            return None;
        }
        let webhooks = self.shared.webhooks.load();
        let is_there = |row: &&RecoveryRow| webhooks.get(row.recovery.spec.webhook).is_some();
        let running = self.tallies.kept().running().filter(is_there);
        // After the last one, around.
        running.min_by_key(|row| (row.recovery.id <= self.walks.last, row.recovery.id))
    }

    /// Cancels some of what waits for a deleted webhook, the newest first: so the first of each
    /// chain stays the first.
    fn drain(&mut self) -> Result<(), StoreError> {
        let Some(webhook) = self.drained() else { return Ok(()) };
        self.catch_up();
        let ids = self.shared.index.with(|tree| {
            let mut ids = Vec::new();
            for ordinal in candidates::unfinished(tree, webhook, N_PER_SLICE)? {
                let event: Option<EventRow> = history::event_at(tree, ordinal)?;
                ids.extend(event.and_then(|event| candidates::delivery_to(&event, webhook)));
            }
            Ok(ids)
        })?;
        if ids.is_empty() {
            tracing::warn!(%webhook, "what waited for this deleted webhook cannot be found");
            self.walks.stuck.push(webhook);
            return Ok(());
        }
        let now = clock::now();
        let mut batch = self.writer.batch(N_PER_SLICE as u64 * 256)?;
        let mut staged = Staged::default();
        for id in ids {
            let state = StateRecord::of(id, DeliveryState::Cancelled, now, Why::Cancel);
            staged.push(&mut batch, Record::State(state));
        }
        self.write_slice(&staged, &batch)
    }

    /// A slice of a recovery.
    fn go_on(&mut self) -> Result<(), StoreError> {
        let Some(row) = self.running().cloned() else { return Ok(()) };
        self.catch_up();
        let RecoveryRow { mut recovery, end, next, .. } = row;
        let id = recovery.id;
        self.walks.last = id;
        let set = self.shared.webhooks.load_full();
        let Some(webhook) = set.get(recovery.spec.webhook) else { return Ok(()) };
        let new = Walk { candidates: VecDeque::new(), searched: next };
        let mut walk = self.walks.of.remove(&id).unwrap_or(new);
        let slice = walk.slice(&self.shared.index, &recovery.spec, webhook, end)?;
        if !slice.is_last {
            self.walks.of.insert(id, walk);
        }
        if slice.found.is_empty() && !slice.is_last {
            return Ok(());
        }
        let now = clock::now();
        let mut batch = self.writer.batch(N_PER_SLICE as u64 * 256)?;
        let mut staged = Staged::default();
        recovery.n_done += slice.found.len() as u64;
        for found in slice.found {
            staged.push_requeue(&mut batch, self.record_of(found, webhook, now)?);
        }
        if slice.is_last {
            recovery.end(RecoveryStatus::Done);
        }
        staged.push(&mut batch, progress(&recovery, slice.next, end));
        self.write_slice(&staged, &batch)
    }

    fn record_of(
        &self,
        found: Found,
        webhook: &Webhook,
        at: Timestamp,
    ) -> Result<Record, StoreError> {
        Ok(match found {
            Found::Again(id) => {
                Record::State(StateRecord::of(id, DeliveryState::Pending, at, Why::Requeue))
            }
            Found::New(event) => {
                let deliveries = vec![self.target(&event, webhook)?];
                Record::Added(AddedRecord { event_id: event.id, deliveries, at })
            }
        })
    }

    fn write_slice(&mut self, staged: &Staged, batch: &Batch) -> Result<(), StoreError> {
        self.append(batch)?;
        let became_due = self.apply(staged, batch)?;
        self.shared.leases.added(&became_due);
        if !became_due.is_empty() {
            self.shared.leases.wake.notify_one();
        }
        Ok(())
    }

    /// The recoveries as they are now, for callers.
    pub(super) fn show_recoveries(&self) {
        self.shared.show_recoveries(&self.tallies);
    }

    pub(super) fn may_recover(
        &self,
        spec: &RecoverySpec,
        staged: &Staged,
    ) -> Result<(), StoreError> {
        let declined = |reason: String| Err(StoreError::Declined { reason });
        let is_there = self.shared.webhooks.load().get(spec.webhook).is_some();
        if !is_there || staged.deletes(spec.webhook) {
            return declined("there is no such webhook any more".to_owned());
        }
        let begun = staged.begun();
        let begun = begun.iter().map(|(recovery, ..)| recovery);
        let running = self.tallies.kept().running().map(|row| &row.recovery);
        let mut n_running = 0;
        for recovery in running.chain(begun) {
            n_running += 1;
            if recovery.spec.webhook == spec.webhook {
                let id = recovery.id;
                return declined(format!(
                    "recovery {id} of this webhook is under way; wait for its end or stop it"
                ));
            }
        }
        if n_running >= N_RUNNING_MAX {
            return declined(format!(
                "{n_running} recoveries are under way, and no more than {N_RUNNING_MAX} run at a time; wait for the end of one or stop one"
            ));
        }
        Ok(())
    }
}

impl Walk {
    /// The next few that are meant.
    fn slice(
        &mut self,
        index: &Index,
        spec: &RecoverySpec,
        webhook: &Webhook,
        end: u64,
    ) -> Result<Slice, StoreError> {
        let mut slice = Slice::default();
        index.with(|tree| {
            for _ in 0..N_LOOKS {
                let Some(ordinal) = self.candidates.pop_front() else {
                    let from = candidates::first_from(tree, self.searched)?.unwrap_or(end);
                    if from >= end {
                        (slice.next, slice.is_last) = (end, true);
                        break;
                    }
                    self.searched = end.min(from.saturating_add(N_ORDINALS));
                    let found = candidates::between(tree, spec, webhook, from, self.searched)?;
                    self.candidates = found.into();
                    slice.next = self.candidates.front().copied().unwrap_or(self.searched);
                    continue;
                };
                slice.next = ordinal + 1;
                slice.found.extend(candidates::look(tree, spec, webhook, ordinal)?);
                if slice.found.len() == N_PER_SLICE {
                    break;
                }
            }
            Ok(slice)
        })
    }
}

impl Recovery {
    /// It ends now.
    pub(super) fn end(&mut self, status: RecoveryStatus) {
        self.status = status;
        self.ended_at = Some(clock::now());
        let is_done = status == RecoveryStatus::Done;
        let (recovery, queued, count) = (self.id, self.n_done, self.count);
        tracing::info!(%recovery, is_done, queued, count, "a recovery has ended");
    }
}

/// How far a recovery is, for the journal.
pub(super) fn progress(recovery: &Recovery, next: u64, end: u64) -> Record {
    let (recovery, at) = (recovery.clone(), clock::now());
    Record::Recovery(RecoveryRecord { recovery, next, end, at })
}

pub(super) fn begun(spec: RecoverySpec, count: u64) -> Recovery {
    Recovery {
        id: Uuid::now_v7(),
        spec,
        count,
        n_done: 0,
        status: RecoveryStatus::Running,
        started_at: clock::now(),
        ended_at: None,
    }
}
