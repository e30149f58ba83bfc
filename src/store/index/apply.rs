//! What a journal record does to the index. One function for the running store and for replay:
//! the rows are a fold over the journal, so that a rebuilt index says the same as the lost one.

mod managed;
mod unwritten;

use std::collections::HashMap;

use super::chains::Chains;
use super::rows::{DeliveryRow, EventRow, MetaRow};
use super::tallies::Tallies;
use super::{FORMAT, bytes_of, failed, get, keys};
use super::{blocks, history, ids, ordinals};
use crate::model::{
    Attempt, DeliveryId, DeliveryState, Event, EventId, Failure, Outcome, Timestamp, Verdict,
    WebhookId,
};
use crate::store::StoreError;
use crate::store::journal::record::{Record, StateRecord, Why};
use crate::store::journal::{Location, Position};

pub(crate) use unwritten::Unwritten;

/// Collects the changes of a batch of records.
#[derive(Debug)]
pub(crate) struct Applier<'a> {
    tree: &'a sled::Tree,
    tallies: &'a mut Tallies,
    batch: sled::Batch,
    events: HashMap<EventId, (u64, Option<EventRow>)>,
    ids: ids::Changes,
    deliveries: HashMap<DeliveryId, Option<DeliveryRow>>,
    chains: Chains,
    ordinals: ordinals::Changes,
    blocks: blocks::Changes,
    became_due: BecameDue,
    last: Option<Location>,
}

/// What a written batch means for the lanes.
pub(crate) type BecameDue = Vec<(WebhookId, keys::Place, DeliveryId)>;

impl<'a> Applier<'a> {
    pub(crate) fn new(tree: &'a sled::Tree, tallies: &'a mut Tallies) -> Self {
        Self::resume(tree, tallies, Unwritten::default())
    }

    /// Applies the next record of the journal.
    pub(crate) fn apply(&mut self, record: &Record, at: Location) -> Result<(), StoreError> {
        self.last = Some(at);
        match record {
            Record::Event { event, committed_at, ordered } => {
                self.event(event, *committed_at, ordered, at)
            }
            Record::Attempt { attempt, overtaken } => self.attempt(attempt, *overtaken, at),
            Record::State(state) => self.state(state, at),
            Record::Webhook(record) => {
                self.touch(at, record.at);
                self.tallies.stand(record.webhook_id, &record.state, at);
                Ok(())
            }
            Record::Definition(record) => {
                self.definition(record, at);
                Ok(())
            }
            Record::Added(record) => self.added(record, at),
            Record::Recovery(record) => {
                self.recovery(record, at);
                Ok(())
            }
        }
    }

    /// The row of a delivery as the batch so far leaves it.
    pub(crate) fn delivery(&mut self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        if let Some(row) = self.deliveries.get(&id) {
            return Ok(row.clone());
        }
        get(self.tree, keys::delivery(id))
    }

    /// The row of an event as the batch so far leaves it.
    pub(crate) fn event_row(&mut self, id: EventId) -> Result<Option<(u64, EventRow)>, StoreError> {
        if let Some(row) = self.events.get(&id) {
            return Ok(row.1.clone().map(|known| (row.0, known)));
        }
        let Some(ordinal) = self.ids.ordinal(self.tree, id)? else { return Ok(None) };
        Ok(history::event_at(self.tree, ordinal)?.map(|row| (ordinal, row)))
    }

    /// Forgets an event with everything about it: its segment is about to be removed.
    pub(crate) fn forget(&mut self, ordinal: u64, row: &EventRow) -> Result<(), StoreError> {
        for &(id, webhook) in &row.deliveries {
            if let Some(delivery) = self.delivery(id)? {
                self.unlink(&delivery)?;
                for number in 1..=delivery.attempts {
                    self.batch.remove(&keys::attempt(id, number)[..]);
                }
            }
            self.batch.remove(&keys::delivery(id)[..]);
            self.ordinals.set(self.tree, &keys::webhook_history(webhook), ordinal, false)?;
            self.deliveries.insert(id, None);
        }
        self.ids.remove(self.tree, row.id)?;
        self.ordinals.set(self.tree, &keys::label(&row.label), ordinal, false)?;
        self.ordinals.set(self.tree, &keys::code(row.status), ordinal, false)?;
        if row.is_test {
            self.ordinals.set(self.tree, keys::TESTS, ordinal, false)?;
        }
        self.blocks.remove(self.tree, ordinal)?;
        self.events.insert(row.id, (ordinal, None));
        let segment = self.tallies.segment(row.location.segment);
        segment.n_events = segment.n_events.saturating_sub(1);
        Ok(())
    }

    /// Forgets a segment whose events have all been forgotten or carried forward.
    pub(crate) fn drop_segment(&mut self, number: u64) {
        self.tallies.drop_segment(number);
    }

    /// Writes everything in one atomic batch, with the position it leads to (`None`: unchanged).
    pub(crate) fn write(
        mut self,
        store_id: [u8; 16],
        position: Option<Position>,
    ) -> Result<BecameDue, StoreError> {
        self.settle_chains()?;
        for (id, row) in &self.deliveries {
            if let Some(row) = row {
                self.batch.insert(&keys::delivery(*id)[..], bytes_of(row));
            }
        }
        let events = self.events.values().map(|(ordinal, row)| (*ordinal, row.as_ref()));
        history::write(self.tree, &events.collect(), &mut self.batch)?;
        self.ids.write(&mut self.batch);
        self.ordinals.write(&mut self.batch);
        self.blocks.write(&mut self.batch);
        self.tallies.write(&mut self.batch);
        if let Some(position) = position {
            let meta = MetaRow { format: FORMAT, store_id, position, last: self.last };
            self.batch.insert(keys::META, bytes_of(&meta));
        }
        self.tree.apply_batch(self.batch).map_err(failed)?;
        Ok(self.became_due)
    }

    fn event(
        &mut self,
        event: &Event,
        committed_at: Timestamp,
        ordered: &[DeliveryId],
        at: Location,
    ) -> Result<(), StoreError> {
        let new = EventRow::of(event, committed_at, at);
        self.touch(at, committed_at);
        if let Some((ordinal, old)) = self.event_row(event.id)? {
            self.relocate(ordinal, old, at)?;
            return self.add_all(event, ordered, committed_at);
        }
        let ordinal = event.ordinal;
        self.tallies.segment(at.segment).n_events += 1;
        self.ids.insert(self.tree, event.id, ordinal)?;
        self.ordinals.set(self.tree, &keys::label(&new.label), ordinal, true)?;
        self.ordinals.set(self.tree, &keys::code(new.status), ordinal, true)?;
        if new.is_test {
            self.ordinals.set(self.tree, keys::TESTS, ordinal, true)?;
        }
        self.blocks.add(self.tree, ordinal, new.time)?;
        for target in managed::targets(event, ordered) {
            self.begin(ordinal, &new, &target, committed_at)?;
        }
        self.events.insert(event.id, (ordinal, Some(new)));
        Ok(())
    }

    /// A record that is known already: a copy carried forward out of an old segment.
    fn relocate(
        &mut self,
        ordinal: u64,
        mut row: EventRow,
        at: Location,
    ) -> Result<(), StoreError> {
        let old = self.tallies.segment(row.location.segment);
        old.n_events = old.n_events.saturating_sub(1);
        self.tallies.segment(at.segment).n_events += 1;
        row.location = at;
        for &(id, _) in &row.deliveries {
            if let Some(mut delivery) = self.delivery(id)? {
                self.unlink(&delivery)?;
                delivery.segment = at.segment;
                self.link(id, &delivery)?;
                self.deliveries.insert(id, Some(delivery));
            }
        }
        self.events.insert(row.id, (ordinal, Some(row)));
        Ok(())
    }

    fn attempt(
        &mut self,
        attempt: &Attempt,
        overtaken: bool,
        at: Location,
    ) -> Result<(), StoreError> {
        self.touch(at, attempt.started_at);
        let id = attempt.delivery_id;
        // Unknown: its event has been removed, or was lost to damage that is reported elsewhere.
        let Some(mut row) = self.delivery(id)? else { return Ok(()) };
        let location = bytes_of(&at);
        self.batch.insert(&keys::attempt(id, attempt.number)[..], location);
        if attempt.number <= row.attempts {
            return Ok(()); // A copy carried forward.
        }
        self.unlink(&row)?;
        row.attempts = attempt.number;
        row.last_attempt_at = Some(attempt.started_at);
        row.response_code = attempt.outcome.reply().map(|reply| reply.status);
        row.response_time_ms = Some(attempt.duration_ms);
        let error = attempt.outcome.failure().map(ToString::to_string);
        row.set_error(error.as_deref());
        if !overtaken {
            let was_pending = row.state == DeliveryState::Pending;
            let is_theirs = attempt.outcome.failure().is_some_and(Failure::is_receivers);
            decide(&mut row, &attempt.outcome, attempt.verdict);
            match row.state {
                DeliveryState::Delivered => self.tallies.ended(row.webhook_id, true),
                DeliveryState::Failed if was_pending && is_theirs && !row.is_test => {
                    self.tallies.ended(row.webhook_id, false);
                }
                _ => {}
            }
        }
        self.link(id, &row)?;
        self.deliveries.insert(id, Some(row));
        Ok(())
    }

    fn state(&mut self, record: &StateRecord, at: Location) -> Result<(), StoreError> {
        self.touch(at, record.at);
        self.tallies.segment(at.segment).carried_bytes += record.carried_bytes.unwrap_or(0);
        let id = record.delivery_id;
        let Some(mut row) = self.delivery(id)? else { return Ok(()) };
        if record.why == Why::Cancel && row.state != DeliveryState::Pending {
            return Ok(()); // It has ended just before.
        }
        self.unlink(&row)?;
        row.state = record.state;
        row.due = record.due;
        row.failures = record.failures;
        if record.why == Why::Carried {
            row.attempts = row.attempts.max(record.attempts);
        }
        if record.error.is_some() {
            row.set_error(record.error.as_deref());
        }
        self.link(id, &row)?;
        self.deliveries.insert(id, Some(row));
        Ok(())
    }

    fn touch(&mut self, at: Location, time: Timestamp) {
        let segment = self.tallies.segment(at.segment);
        segment.newest = segment.newest.max(time);
    }

    /// Adds what follows from a row: its place in the lane, its part of the counters.
    fn link(&mut self, id: DeliveryId, row: &DeliveryRow) -> Result<(), StoreError> {
        self.tallies.count(row, true);
        let (webhook, ordinal) = (row.webhook_id, row.ordinal);
        self.blocks.cover(self.tree, ordinal, row.created_at)?;
        if let Some(set) = set_of(row) {
            self.ordinals.set(self.tree, &set, ordinal, true)?;
        }
        if row.state != DeliveryState::Pending {
            return Ok(());
        }
        if let Some(chain) = row.chain {
            self.batch.insert(&keys::ordered(webhook, chain, ordinal)[..], id.as_bytes());
            self.chains.set(webhook, chain, ordinal, Some(id));
        } else {
            self.stand_in_lane(webhook, (row.due, ordinal), id);
        }
        Ok(())
    }

    fn unlink(&mut self, row: &DeliveryRow) -> Result<(), StoreError> {
        self.tallies.count(row, false);
        let (webhook, ordinal) = (row.webhook_id, row.ordinal);
        if let Some(set) = set_of(row) {
            self.ordinals.set(self.tree, &set, ordinal, false)?;
        }
        if row.state != DeliveryState::Pending {
            return Ok(());
        }
        if let Some(chain) = row.chain {
            self.batch.remove(&keys::ordered(webhook, chain, ordinal)[..]);
            self.chains.set(webhook, chain, ordinal, None);
        } else {
            self.batch.remove(&keys::lane(webhook, (row.due, ordinal))[..]);
        }
        Ok(())
    }

    fn stand_in_lane(&mut self, webhook: WebhookId, place: keys::Place, id: DeliveryId) {
        self.batch.insert(&keys::lane(webhook, place)[..], id.as_bytes());
        self.became_due.push((webhook, place, id));
    }

    /// The first of each chain that has changed gets its place in the lane, and who was the first
    /// before gives it up.
    fn settle_chains(&mut self) -> Result<(), StoreError> {
        for ((webhook, chain), changes) in self.chains.take() {
            let (before, now) = changes.heads(self.tree, webhook, chain)?;
            if let Some((ordinal, id)) =
                before.filter(|head| Some(*head) != now || changes.has(head.0))
            {
                // Its place is where the rows before this batch put it.
                let row: Option<DeliveryRow> = get(self.tree, keys::delivery(id))?;
                if let Some(row) = row {
                    self.batch.remove(&keys::lane(webhook, (row.due, ordinal))[..]);
                }
            }
            if let Some((ordinal, id)) =
                now.filter(|head| Some(*head) != before || changes.has(head.0))
                && let Some(row) = self.delivery(id)?
            {
                self.stand_in_lane(webhook, (row.due, ordinal), id);
            }
        }
        Ok(())
    }
}

/// Which set of its webhook a delivery stands in. What was delivered is the rest of the history:
/// most deliveries end so, and that costs no row.
fn set_of(row: &DeliveryRow) -> Option<[u8; 17]> {
    match row.state {
        DeliveryState::Pending | DeliveryState::Held => Some(keys::unfinished(row.webhook_id)),
        DeliveryState::Failed => Some(keys::failed(row.webhook_id)),
        DeliveryState::Cancelled => Some(keys::cancelled(row.webhook_id)),
        DeliveryState::Delivered => None,
    }
}

/// What an attempt makes of its delivery. One that was given up by hand meanwhile stays so,
/// unless the receiver accepted it.
fn decide(row: &mut DeliveryRow, outcome: &Outcome, verdict: Verdict) {
    if outcome.failure().is_some() {
        row.failures += 1;
    }
    match verdict {
        Verdict::Delivered => row.state = DeliveryState::Delivered,
        _ if row.state != DeliveryState::Pending => {}
        Verdict::Failed => row.state = DeliveryState::Failed,
        Verdict::Retry { at } => row.due = at,
    }
}
