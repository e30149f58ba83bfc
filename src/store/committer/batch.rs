//! One batch: from what has arrived to what is durable, acknowledged and in the index.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::asked::Promised;
use super::staged::{Staged, nothing};
use super::{Committer, LIMITS};
use crate::clock;
use crate::model::{DeliveryId, DeliveryState, Event, NewEvent, RuleRef, WebhookId, WebhookState};
use crate::store::health::Trouble;
use crate::store::index::apply::BecameDue;
use crate::store::index::keys::{self, Place};
use crate::store::index::{get, rows::DeliveryRow};
use crate::store::journal::record::{Record, StateRecord, WebhookRecord, Why};
use crate::store::journal::writer::Batch;
use crate::store::leases::Guard;
use crate::store::queue::{Finished, Request, Taken, Waiting};
use crate::store::{Receipt, StoreError};

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
        let work = self.gather(taken);
        if !work.is_empty() {
            self.commit_work(work);
        }
        self.catch_up_in_time();
    }

    fn commit_work(&mut self, mut work: Work) {
        if !work.requests.is_empty() {
            // What they ask for is looked up in the index.
            self.catch_up();
        }
        if self.is_down() {
            return self.put_back(work, &self.shared.health.refusal());
        }
        if let Some(refusal) = self.blocked() {
            self.put_back_events(std::mem::take(&mut work.events), &refusal);
        }
        let (batch, mut staged) = match self.stage(&mut work) {
            Ok(staged) => staged,
            Err(error) => return self.journal_failed(work, &error),
        };
        if let Err(error) = self.append(&batch) {
            staged.give_back(&mut work.events);
            self.writer.reuse(batch);
            return self.journal_failed(work, &error);
        }
        self.put_in_force(&work.promised);
        self.shared.shown.answering();
        let n_events = work.events.len();
        self.acknowledge(std::mem::take(&mut work.events), &staged);
        let is_thick = self.behind.is_thick(n_events);
        let applied = if is_thick && n_events == staged.records.len() && !staged.is_exclusive() {
            self.hold(&staged, &batch).map(|()| BecameDue::new())
        } else {
            self.apply(&staged, &batch)
        };
        self.settle(work, applied);
        self.writer.reuse(batch);
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
        self.look_at_room_left();
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

    /// Gives every record its place. What events hold is moved into their records, and comes back
    /// when the batch fails.
    fn stage(&mut self, work: &mut Work) -> Result<(Batch, Staged), StoreError> {
        let weights = work.requests.iter().map(Request::weight);
        let estimate: usize = work.events.iter().map(|e| e.weight).chain(weights).sum();
        let mut batch = self.writer.batch(estimate as u64)?;
        let mut staged = Staged::default();
        let now = clock::now();
        self.shared.clock_showed(now);
        for waiting in &mut work.events {
            let (event, ordered) = self.complete(&mut waiting.event, batch.next_seq());
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
    fn complete(&self, new: &mut NewEvent, ordinal: u64) -> (Event, Vec<DeliveryId>) {
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
            rule: RuleRef {
                id: new.rule.id,
                label: std::mem::take(&mut new.rule.label),
                tag: new.rule.tag.take(),
            },
            subject: new.subject.take(),
            depth: new.depth,
            is_test: new.test_of.is_some(),
            exchange: std::mem::replace(&mut new.exchange, nothing()),
            deliveries,
        };
        (event, ordered)
    }

    /// The batch is durable: everyone who waited for that goes on.
    fn acknowledge(&self, events: Vec<Waiting>, staged: &Staged) {
        let mut bytes = 0;
        let labels = staged.events().map(|event| &event.rule.label);
        for (waiting, label) in events.into_iter().zip(labels) {
            bytes += waiting.weight;
            if let Some(waiter) = waiting.waiter {
                drop(waiter.send(Ok(Receipt::of(waiting.event.id))));
            }
            self.shared.metrics.commit(waiting.since.elapsed());
            match waiting.event.test_of {
                None => self.shared.metrics.event_committed(label),
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
        let shared = Arc::clone(&self.shared);
        let mut held = staged.is_exclusive().then(|| shared.leases.lock());
        let applied = self.write_index(staged, batch.end());
        if staged.records.iter().any(|(record, _)| matches!(record, Record::Recovery(_))) {
            self.show_recoveries();
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
