//! What callers ask for: their records in the batch, what comes into force when it is durable, and
//! the answers.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Committer;
use super::recover::{begun, progress};
use super::staged::Staged;
use crate::clock;
use crate::model::{
    Delivery, DeliveryId, DeliveryState, EventId, Secret, Webhook, WebhookId, WebhookState,
};
use crate::store::StoreError;
use crate::store::index::keys::{self, Chain};
use crate::store::index::rows::{EventRow, is_whole_subject};
use crate::store::journal::managed::{AddedRecord, AddedTarget, DefinitionRecord};
use crate::store::journal::record::{Record, StateRecord, Why};
use crate::store::journal::writer::Batch;
use crate::store::queue::{Answer, Request};
use crate::store::recovery::{Cancelled, Recovery, RecoveryStatus};

/// A request whose records are in the batch: what to answer when it is durable and in the index.
#[derive(Debug)]
pub(super) enum Promised {
    Requeue(DeliveryId, Answer<Option<Delivery>>),
    Cancel(DeliveryId, Answer<Cancelled>),
    Replay(u64, Answer<Option<u64>>),
    Define(Box<Webhook>, Secret, Answer<()>),
    Delete(WebhookId, Answer<bool>),
    Recover(Recovery, Answer<Recovery>),
    Stop(Recovery, Answer<Option<Recovery>>),
}

/// Gives an answer. The caller may have gone: then nobody needs it.
fn give<T>(waiter: Answer<T>, answer: Result<T, StoreError>) {
    drop(waiter.send(answer));
}

impl Committer {
    /// Puts the records of a request into the batch; `None`: there are none to write, and it is
    /// answered.
    pub(super) fn promise(
        &self,
        request: Request,
        batch: &mut Batch,
        staged: &mut Staged,
    ) -> Option<Promised> {
        match request {
            Request::Requeue { id, waiter } => self.promise_requeue(id, waiter, batch, staged),
            Request::Cancel { id, waiter } => self.promise_cancel(id, waiter, batch, staged),
            Request::Replay { event, webhooks, waiter } => {
                match self.replayed(event, webhooks.as_deref(), staged) {
                    Ok(Some(records)) => {
                        let n = records.iter().map(n_deliveries).sum();
                        for record in records {
                            staged.push_requeue(batch, record);
                        }
                        Some(Promised::Replay(n, waiter))
                    }
                    Ok(None) => answered(waiter, Ok(None)),
                    Err(error) => answered(waiter, Err(error)),
                }
            }
            Request::Define { webhook, text, waiter } => {
                let record = DefinitionRecord {
                    webhook_id: webhook.id,
                    text: Some(text.clone()),
                    at: clock::now(),
                };
                staged.push(batch, Record::Definition(record));
                Some(Promised::Define(webhook, text, waiter))
            }
            Request::Delete { id, waiter } => self.promise_delete(id, waiter, batch, staged),
            Request::Recover { spec, count, waiter } => match self.may_recover(&spec, staged) {
                Ok(()) => {
                    let recovery = begun(spec, count);
                    let end = batch.next_seq();
                    staged.push(batch, progress(&recovery, 0, end));
                    Some(Promised::Recover(recovery, waiter))
                }
                Err(error) => answered(waiter, Err(error)),
            },
            Request::StopRecovery { id, waiter } => {
                let Some(row) = self.tallies.kept().recoveries().get(&id) else {
                    return answered(waiter, Ok(None));
                };
                let mut recovery = row.recovery.clone();
                if recovery.status == RecoveryStatus::Running {
                    recovery.end(RecoveryStatus::Stopped);
                    staged.push(batch, progress(&recovery, row.next, row.end));
                }
                Some(Promised::Stop(recovery, waiter))
            }
            // Gathered apart.
            Request::Stand { waiter } => answered(waiter, Ok(())),
            Request::GiveUp { .. } => None,
        }
    }

    fn promise_requeue(
        &self,
        id: DeliveryId,
        waiter: Answer<Option<Delivery>>,
        batch: &mut Batch,
        staged: &mut Staged,
    ) -> Option<Promised> {
        match self.delivery_row(id) {
            Ok(Some(row)) if self.tallies.kept().is_deleted(row.webhook_id) => {
                let reason = "its webhook was deleted: it cannot be sent again".to_owned();
                answered(waiter, Err(StoreError::Declined { reason }))
            }
            Ok(Some(_)) => {
                let now = clock::now();
                let state = StateRecord::of(id, DeliveryState::Pending, now, Why::Requeue);
                staged.push(batch, Record::State(state));
                staged.wanted_now.push(id);
                Some(Promised::Requeue(id, waiter))
            }
            Ok(None) => answered(waiter, Ok(None)),
            Err(error) => answered(waiter, Err(error)),
        }
    }

    fn promise_cancel(
        &self,
        id: DeliveryId,
        waiter: Answer<Cancelled>,
        batch: &mut Batch,
        staged: &mut Staged,
    ) -> Option<Promised> {
        match self.delivery_row(id) {
            Ok(Some(row)) if row.state == DeliveryState::Pending => {
                let now = clock::now();
                let state = StateRecord::of(id, DeliveryState::Cancelled, now, Why::Cancel);
                staged.push(batch, Record::State(state));
                staged.is_exclusive = true;
                Some(Promised::Cancel(id, waiter))
            }
            Ok(Some(row)) => {
                let is_held = self.shared.is_held(row.webhook_id);
                answered(waiter, Ok(Cancelled::TooLate(row.shown(id, is_held))))
            }
            Ok(None) => answered(waiter, Ok(Cancelled::Unknown)),
            Err(error) => answered(waiter, Err(error)),
        }
    }

    /// The records that queue an event again; `None`: there is no such event.
    fn replayed(
        &self,
        id: EventId,
        wanted: Option<&[WebhookId]>,
        staged: &Staged,
    ) -> Result<Option<Vec<Record>>, StoreError> {
        let Some((_, row)) = self.shared.event_row(id)? else { return Ok(None) };
        let now = clock::now();
        let set = self.shared.webhooks.load();
        let is_wanted = |webhook| wanted.is_none_or(|wanted| wanted.contains(&webhook));
        let mut had = row.deliveries.clone();
        had.extend(staged.added_to(id));
        let mut records = Vec::new();
        for &(delivery, webhook) in &had {
            if is_wanted(webhook) && set.get(webhook).is_some() {
                let state = StateRecord::of(delivery, DeliveryState::Pending, now, Why::Requeue);
                records.push(Record::State(state));
            }
        }
        let mut targets: Vec<AddedTarget> = Vec::new();
        // A test is for nobody else.
        let others = wanted.filter(|_| !row.is_test).unwrap_or_default();
        for &webhook_id in others {
            let Some(webhook) = set.get(webhook_id) else { continue };
            let is_there = |to: WebhookId| to == webhook_id;
            if had.iter().any(|&(_, to)| is_there(to))
                || targets.iter().any(|target| is_there(target.webhook_id))
            {
                continue;
            }
            targets.push(self.target(&row, webhook)?);
        }
        if !targets.is_empty() {
            let added = AddedRecord { event_id: id, deliveries: targets, at: now };
            records.push(Record::Added(added));
        }
        Ok(Some(records))
    }

    /// A new delivery of a stored event.
    pub(super) fn target(
        &self,
        event: &EventRow,
        webhook: &Webhook,
    ) -> Result<AddedTarget, StoreError> {
        let id = DeliveryId::from_uuid(Uuid::now_v7());
        let chain = webhook.ordered.then(|| self.chain_of(event)).transpose()?;
        Ok(AddedTarget { id, webhook_id: webhook.id, chain })
    }

    /// The chain of an event's subject, of which the row may hold only the beginning.
    fn chain_of(&self, event: &EventRow) -> Result<Chain, StoreError> {
        if is_whole_subject(event.subject.as_deref()) {
            return Ok(keys::chain_of(event.subject.as_deref()));
        }
        match self.shared.reader.read(event.location)? {
            Record::Event { event, .. } => Ok(keys::chain_of(event.subject.as_deref())),
            _ => Err(self.shared.reader.damaged(event.location, "it is another record")),
        }
    }

    fn promise_delete(
        &self,
        id: WebhookId,
        waiter: Answer<bool>,
        batch: &mut Batch,
        staged: &mut Staged,
    ) -> Option<Promised> {
        if !self.shared.definitions.load().contains_key(&id) {
            return answered(waiter, Ok(false));
        }
        let running = self.tallies.kept().running();
        let running = running.map(|row| (row.recovery.clone(), row.next, row.end));
        // Also those that begin in this very batch.
        let running: Vec<_> = running.chain(staged.begun()).collect();
        for (mut recovery, next, end) in running {
            if recovery.spec.webhook == id {
                recovery.end(RecoveryStatus::Stopped);
                staged.push(batch, progress(&recovery, next, end));
            }
        }
        let record = DefinitionRecord { webhook_id: id, text: None, at: clock::now() };
        staged.push(batch, Record::Definition(record));
        Some(Promised::Delete(id, waiter))
    }

    /// What has been set of how webhooks stand. Attempts of one that is deleted may end after it:
    /// what they set would be kept for ever.
    pub(super) fn states_to_write(&self) -> Vec<(WebhookId, WebhookState)> {
        let definitions = self.tallies.kept().definitions();
        let is_deleted = |id: &WebhookId| definitions.get(id).is_some_and(|row| row.text.is_none());
        let mut states = self.shared.states.take_unwritten();
        for (id, _) in states.extract_if(.., |(id, _)| is_deleted(id)) {
            self.shared.states.forget(id);
        }
        states
    }

    /// The batch is durable: what defines webhooks is in force from now on.
    pub(super) fn put_in_force(&self, promised: &[Promised]) {
        for promised in promised {
            match promised {
                Promised::Define(webhook, text, _) => {
                    let webhook = Arc::new(Webhook::clone(webhook));
                    self.shared.webhooks.rcu(|set| set.with(Arc::clone(&webhook)));
                    self.shared.definitions.rcu(|known| {
                        let mut known = HashMap::clone(known);
                        known.insert(webhook.id, text.clone());
                        known
                    });
                }
                Promised::Delete(id, _) => {
                    self.shared.webhooks.rcu(|set| set.without(*id));
                    self.shared.states.forget(*id);
                    self.shared.definitions.rcu(|known| {
                        let mut known = HashMap::clone(known);
                        known.remove(id);
                        known
                    });
                }
                _ => continue,
            }
            self.shared.leases.wake.notify_one();
        }
    }

    /// The index has been told.
    pub(super) fn keep_promise(&self, promised: Promised) {
        match promised {
            Promised::Requeue(id, waiter) => give(waiter, self.shared.delivery(id)),
            Promised::Cancel(id, waiter) => {
                let told = |delivery: Option<Delivery>| match delivery {
                    Some(delivery) if delivery.state == DeliveryState::Cancelled => {
                        self.count_cancelled(&delivery);
                        Cancelled::Done(delivery)
                    }
                    Some(delivery) => Cancelled::TooLate(delivery),
                    None => Cancelled::Unknown,
                };
                give(waiter, self.shared.delivery(id).map(told));
            }
            Promised::Replay(n, waiter) => give(waiter, Ok(Some(n))),
            other => other.durable(),
        }
    }
}

impl Committer {
    /// One of a webhook that is gone has no series any more.
    fn count_cancelled(&self, delivery: &Delivery) {
        if let Some(webhook) = self.shared.webhooks.load().get(delivery.webhook_id) {
            self.shared.metrics.delivery_finished(&webhook.name, "cancelled");
        }
    }
}

impl Promised {
    /// It is durable, and the index could not be told: it will learn it from the journal.
    pub(super) fn index_failed(self, error: &StoreError) {
        match self {
            Self::Requeue(_, waiter) => give(waiter, Err(error.clone())),
            Self::Cancel(_, waiter) => give(waiter, Err(error.clone())),
            Self::Replay(_, waiter) => give(waiter, Err(error.clone())),
            other => other.durable(),
        }
    }

    /// That is all that matters to those that change no delivery.
    fn durable(self) {
        match self {
            Self::Define(_, _, waiter) => give(waiter, Ok(())),
            Self::Delete(_, waiter) => give(waiter, Ok(true)),
            Self::Recover(recovery, waiter) => give(waiter, Ok(recovery)),
            Self::Stop(recovery, waiter) => give(waiter, Ok(Some(recovery))),
            Self::Requeue(..) | Self::Cancel(..) | Self::Replay(..) => {}
        }
    }

    /// Nothing was written.
    pub(super) fn refuse(self, error: &StoreError) {
        let error = error.clone();
        match self {
            Self::Requeue(_, waiter) => give(waiter, Err(error)),
            Self::Cancel(_, waiter) => give(waiter, Err(error)),
            Self::Replay(_, waiter) => give(waiter, Err(error)),
            Self::Define(_, _, waiter) => give(waiter, Err(error)),
            Self::Delete(_, waiter) => give(waiter, Err(error)),
            Self::Recover(_, waiter) => give(waiter, Err(error)),
            Self::Stop(_, waiter) => give(waiter, Err(error)),
        }
    }
}

impl Request {
    /// About the bytes of its records.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Define { text, .. } => 512 + text.reveal().len(),
            _ => 512,
        }
    }

    /// Nothing was written.
    pub(super) fn refuse(self, error: &StoreError) {
        let error = error.clone();
        match self {
            Self::Requeue { waiter, .. } => give(waiter, Err(error)),
            Self::Cancel { waiter, .. } => give(waiter, Err(error)),
            Self::Replay { waiter, .. } => give(waiter, Err(error)),
            Self::Define { waiter, .. } => give(waiter, Err(error)),
            Self::Delete { waiter, .. } => give(waiter, Err(error)),
            Self::Recover { waiter, .. } => give(waiter, Err(error)),
            Self::StopRecovery { waiter, .. } => give(waiter, Err(error)),
            Self::Stand { waiter } => give(waiter, Err(error)),
            Self::GiveUp { .. } => {}
        }
    }
}

fn answered<T>(waiter: Answer<T>, answer: Result<T, StoreError>) -> Option<Promised> {
    give(waiter, answer);
    None
}

/// How many deliveries a record queues.
fn n_deliveries(record: &Record) -> u64 {
    match record {
        Record::Added(added) => added.deliveries.len() as u64,
        _ => 1,
    }
}
