//! One batch: from what has arrived to what is durable, acknowledged and in the index.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::asked::Promised;
use super::{Committer, LIMITS};
use crate::clock;
use crate::model::{
    DeliveryId, DeliveryState, Event, EventId, NewEvent, Timestamp, WebhookId, WebhookState,
};
use crate::store::health::Trouble;
use crate::store::index::apply::{Applier, BecameDue};
use crate::store::index::keys::{self, Place};
use crate::store::index::{get, rows::DeliveryRow};
use crate::store::journal::Location;
use crate::store::journal::record::{Record, StateRecord, WebhookRecord, Why};
use crate::store::journal::writer::Batch;
use crate::store::leases::Guard;
use crate::store::queue::{Finished, Request, Taken, Waiting};
use crate::store::recovery::{Recovery, RecoveryStatus};
use crate::store::{Receipt, StoreError};

/// Records in their places, with what else must be known to apply them.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) records: Vec<(Record, Location)>,
    /// Queued again by hand: they do not wait for their lanes to open.
    pub(super) wanted_now: Vec<DeliveryId>,
    /// Queued again, to go out with their lanes.
    with_lanes: Vec<DeliveryId>,
    /// Nobody may take a lease while it is applied.
    pub(super) is_exclusive: bool,
}

/// Who waits for the batch.
#[derive(Debug, Default)]
struct Work {
    events: Vec<Waiting>,
    attempts: Vec<Finished>,
    requests: Vec<Request>,
    promised: Vec<Promised>,
    given_up: Vec<(Guard, String)>,
    states: Vec<(WebhookId, WebhookState)>,
    state_waiters: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Committer {
    /// Commits what was taken, and what earlier failures have left.
    pub(super) fn commit(&mut self, taken: Taken) {
        let mut work = self.gather(taken);
        if work.is_empty() {
            return;
        }
        if self.is_down() {
            return self.put_back(work, &self.shared.health.refusal());
        }
        if let Some(refusal) = self.blocked() {
            self.put_back_events(std::mem::take(&mut work.events), &refusal);
        }
        let (batch, staged) = match self.stage(&mut work) {
            Ok(staged) => staged,
            Err(error) => return self.journal_failed(work, &error),
        };
        if let Err(error) = self.append(&batch) {
            return self.journal_failed(work, &error);
        }
        self.put_in_force(&work.promised);
        self.acknowledge(std::mem::take(&mut work.events));
        let applied = self.apply(&staged, &batch);
        self.settle(work, applied);
    }

    /// Writes and syncs a batch.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.writer.append(batch)?;
        let at = self.writer.position();
        self.sizes.insert(at.segment, at.offset);
        self.free_bytes = self.free_bytes.saturating_sub(batch.len());
        self.shared.set_bytes(self.total_bytes());
        Ok(())
    }

    fn gather(&mut self, taken: Taken) -> Work {
        let mut work = Work::default();
        let is_ready = !self.is_down() && self.blocked().is_none();
        let mut bytes = 0;
        while is_ready && work.events.len() < LIMITS.n_events && bytes < LIMITS.bytes {
            let Some(kept) = self.kept.pop_front() else { break };
            bytes += kept.weight;
            work.events.push(kept);
        }
        work.events.extend(taken.events);
        work.attempts = std::mem::take(&mut self.attempts);
        work.attempts.extend(taken.attempts);
        // A change is in there before its request is in the queue: whoever waits, waits for these.
        work.states = self.states_to_write();
        for request in taken.requests {
            match request {
                Request::Stand { waiter } => work.state_waiters.push(waiter),
                Request::GiveUp { guard, error } => work.given_up.push((guard, error)),
                other => work.requests.push(other),
            }
        }
        work
    }

    /// Gives every record its place. Events are moved out of `work` only logically: their
    /// exchange travels in the record, and comes back when the batch fails.
    fn stage(&mut self, work: &mut Work) -> Result<(Batch, Staged), StoreError> {
        let weights = work.requests.iter().map(Request::weight);
        let estimate: usize = work.events.iter().map(|e| e.weight).chain(weights).sum();
        let mut batch = self.writer.batch(estimate as u64)?;
        let mut staged = Staged::default();
        let now = clock::now();
        self.shared.clock_showed(now);
        for waiting in &mut work.events {
            let (event, ordered) = self.complete(&waiting.event, batch.next_seq());
            if event.is_test {
                // Somebody waits for it: it goes out as what is queued again by hand does.
                staged.wanted_now.extend(event.deliveries.iter().map(|&(id, _)| id));
            }
            staged.push(&mut batch, Record::Event { event, committed_at: now, ordered });
        }
        for finished in &work.attempts {
            let overtaken = self.shared.leases.is_overtaken(finished.guard.id());
            let attempt = finished.attempt.clone();
            staged.push(&mut batch, Record::Attempt { attempt, overtaken });
        }
        for (guard, error) in &work.given_up {
            let mut state = StateRecord::of(guard.id(), DeliveryState::Failed, now, Why::Damaged);
            state.error = Some(error.clone());
            staged.push(&mut batch, Record::State(state));
        }
        for (webhook_id, state) in &work.states {
            let (webhook_id, state) = (*webhook_id, state.clone());
            staged.push(&mut batch, Record::Webhook(WebhookRecord { webhook_id, state, at: now }));
        }
        for request in std::mem::take(&mut work.requests) {
            work.promised.extend(self.promise(request, &mut batch, &mut staged));
        }
        Ok((batch, staged))
    }

    pub(super) fn delivery_row(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.shared.index.with(|tree| get(tree, keys::delivery(id)))
    }

    /// The event with its place in the order and its deliveries, and which of these are ordered.
    fn complete(&self, new: &NewEvent, ordinal: u64) -> (Event, Vec<DeliveryId>) {
        let webhooks = self.shared.webhooks.load();
        let wanting = webhooks.list.iter().filter(|webhook| match new.test_of {
            Some(id) => webhook.id == id,
            None => webhook.wants(&new.rule.label),
        });
        let (mut deliveries, mut ordered) = (Vec::new(), Vec::new());
        for webhook in wanting {
            let id = DeliveryId::from_uuid(uuid::Uuid::now_v7());
            deliveries.push((id, webhook.id));
            // A test waits for nobody, and nobody for it.
            ordered.extend((webhook.ordered && new.test_of.is_none()).then_some(id));
        }
        let event = Event {
            id: new.id,
            ordinal,
            time: new.time,
            rule: new.rule.clone(),
            subject: new.subject.clone(),
            depth: new.depth,
            is_test: new.test_of.is_some(),
            exchange: new.exchange.clone(),
            deliveries,
        };
        (event, ordered)
    }

    /// The batch is durable: everyone who waited for that goes on.
    fn acknowledge(&self, events: Vec<Waiting>) {
        let mut bytes = 0;
        for waiting in events {
            bytes += waiting.weight;
            if let Some(waiter) = waiting.waiter {
                drop(waiter.send(Ok(Receipt::of(waiting.event.id))));
            }
            self.shared.metrics.commit(waiting.since.elapsed());
            match waiting.event.test_of {
                None => self.shared.metrics.event_committed(&waiting.event.rule.label),
                Some(_) => self.shared.metrics.test_event_committed(),
            }
        }
        self.shared.queue.release(bytes);
        self.disk_answers();
    }

    pub(super) fn disk_answers(&self) {
        if self.shared.health.clear(Trouble::Stalled) {
            tracing::info!("the disk answers again");
        }
    }

    /// Tells the index. With a requeue in the batch nobody may take a lease meanwhile: a lease
    /// of the row before would otherwise not know that it is overtaken.
    pub(super) fn apply(
        &mut self,
        staged: &Staged,
        batch: &Batch,
    ) -> Result<BecameDue, StoreError> {
        let mut held = staged.is_exclusive().then(|| self.shared.leases.lock());
        let (tallies, store_id) = (&mut self.tallies, self.store_id);
        let applied = self.shared.index.with(|tree| {
            let mut applier = Applier::new(tree, tallies);
            for (record, at) in &staged.records {
                applier.apply(record, *at)?;
            }
            applier.write(store_id, Some(batch.end()))
        });
        if staged.records.iter().any(|(record, _)| matches!(record, Record::Recovery(_))) {
            self.show_recoveries();
        }
        if applied.is_ok() {
            // Otherwise who reads what changed would find it as it was: the index's return tells.
            let changes = staged.records.iter().flat_map(|(record, _)| record.changes());
            self.shared.changes.publish(changes);
        }
        if let Some(held) = &mut held {
            for &id in &staged.wanted_now {
                // Unread: it goes out with its lane.
                let row = self.delivery_row(id).ok().flatten();
                held.overtake(id, row.map(|row| row.webhook_id));
            }
            staged.with_lanes.iter().for_each(|&id| held.overtake(id, None));
        }
        applied
    }

    /// Ends leases and answers requeues after the index has been told.
    fn settle(&mut self, work: Work, applied: Result<BecameDue, StoreError>) {
        let guards = work.attempts.into_iter().map(|finished| finished.guard);
        let guards = guards.chain(work.given_up.into_iter().map(|(guard, _)| guard));
        // Their records are durable, and in force they are since they were set.
        for waiter in work.state_waiters {
            drop(waiter.send(Ok(())));
        }
        let became_due = match applied {
            Ok(became_due) => became_due,
            Err(error) => {
                self.unsettled.extend(guards);
                work.promised.into_iter().for_each(|promised| promised.index_failed(&error));
                return self.index_failed(&error);
            }
        };
        self.shared.leases.added(&became_due);
        let mut guards = guards.peekable();
        if guards.peek().is_some() {
            let places: HashMap<DeliveryId, Place> =
                became_due.iter().map(|&(_, place, id)| (id, place)).collect();
            guards.for_each(|guard| {
                let place = places.get(&guard.id()).copied();
                guard.settle(place);
            });
        }
        work.promised.into_iter().for_each(|promised| self.keep_promise(promised));
        if !became_due.is_empty() {
            self.shared.leases.wake.notify_one();
        }
    }

    /// A batch could not be written: nobody is told that it was.
    fn journal_failed(&mut self, work: Work, error: &StoreError) {
        self.note_journal_failure(error);
        self.put_back(work, &self.shared.health.refusal());
    }

    /// Nothing can be written now: what may be dropped is refused, the rest waits.
    fn put_back(&mut self, work: Work, refusal: &StoreError) {
        self.put_back_events(work.events, refusal);
        self.attempts.extend(work.attempts);
        work.requests.into_iter().for_each(|request| request.refuse(refusal));
        work.promised.into_iter().for_each(|promised| promised.refuse(refusal));
        self.shared.states.put_back(work.states);
        for waiter in work.state_waiters {
            drop(waiter.send(Err(refusal.clone())));
        }
        // Given back by the drop of their guards: they are found again when they are due.
    }

    fn put_back_events(&mut self, events: Vec<Waiting>, refusal: &StoreError) {
        for mut waiting in events {
            let waiter = waiting.waiter.take();
            let answer = if waiting.keep {
                self.kept.push_back(waiting);
                StoreError::Kept { reason: refusal.to_string() }
            } else {
                self.shared.queue.release(waiting.weight);
                refusal.clone()
            };
            if let Some(waiter) = waiter {
                drop(waiter.send(Err(answer)));
            }
        }
        self.kept.make_contiguous().sort_by_key(|waiting| waiting.since);
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.attempts.is_empty()
            && self.requests.is_empty()
            && self.given_up.is_empty()
            && self.states.is_empty()
            && self.state_waiters.is_empty()
    }
}

impl Staged {
    /// A record that may queue a delivery again, to go out with its lane.
    pub(super) fn push_requeue(&mut self, batch: &mut Batch, record: Record) {
        if let Record::State(state) = &record {
            self.with_lanes.push(state.delivery_id);
        }
        self.push(batch, record);
    }

    /// The deliveries that this batch so far adds to an event.
    pub(super) fn added_to(&self, event: EventId) -> impl Iterator<Item = (DeliveryId, WebhookId)> {
        let added = self.records.iter().filter_map(move |(record, _)| match record {
            Record::Added(added) if added.event_id == event => Some(&added.deliveries),
            _ => None,
        });
        added.flatten().map(|target| (target.id, target.webhook_id))
    }

    /// The recoveries that this batch begins, each with where it is and where it ends.
    pub(super) fn begun(&self) -> Vec<(Recovery, u64, u64)> {
        let steps = self.records.iter().filter_map(|(record, _)| match record {
            Record::Recovery(step) => Some((step.recovery.clone(), step.next, step.end)),
            _ => None,
        });
        steps.filter(|(recovery, ..)| recovery.status == RecoveryStatus::Running).collect()
    }

    /// Whether this batch deletes a webhook.
    pub(super) fn deletes(&self, webhook: WebhookId) -> bool {
        self.records.iter().any(|(record, _)| {
            matches!(record, Record::Definition(it) if it.webhook_id == webhook && it.text.is_none())
        })
    }

    fn is_exclusive(&self) -> bool {
        self.is_exclusive || !self.wanted_now.is_empty() || !self.with_lanes.is_empty()
    }

    pub(super) fn push(&mut self, batch: &mut Batch, record: Record) {
        let at = batch.push(record.kind(), |out| record.encode(out));
        self.records.push((record, at));
    }
}

impl StateRecord {
    pub(super) fn of(
        delivery_id: DeliveryId,
        state: DeliveryState,
        at: Timestamp,
        why: Why,
    ) -> Self {
        Self {
            delivery_id,
            state,
            due: at,
            attempts: 0,
            failures: 0,
            at,
            why,
            error: None,
            carried_bytes: None,
        }
    }
}
