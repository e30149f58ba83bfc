//! What is due: reading the front of a webhook's lane, skipping what is held.

use std::sync::Arc;

use super::StoreError;
use super::health::Trouble;
use super::index::keys::{self, Place};
use super::index::rows::{DeliveryRow, EventRow};
use super::index::{Tree, failed, get};
use super::journal::record::Record;
use super::leases::{Guard, Held, Lease};
use super::queue::Request;
use super::shared::{STEP_BACK_MAX, Shared};
use crate::model::{Delivery, DeliveryId, Event, EventId, Timestamp, WebhookId, WebhookStatus};
use crate::store::index::{history, ids};

/// A segment can be removed between the look into the index and the look into the file.
const N_TRIES: usize = 4;

/// While the journal cannot be written an attempt's record waits in memory and its delivery stays
/// held: so many, and then no more are handed out.
pub(crate) const N_HELD_WHILE_DOWN: usize = 1024;

/// A delivery with the guard that holds it and its failures so far.
pub(super) type Taken = (Guard, Delivery, u32);

impl Shared {
    pub(crate) fn lease_due(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        n_max: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        if n_max == 0 || self.status(webhook) == WebhookStatus::Disabled {
            return Ok(Vec::new());
        }
        let taken = self.take_due(webhook, now, n_max.min(self.lease_room()))?;
        let mut leases = Vec::with_capacity(taken.len());
        for taken in taken {
            leases.extend(self.lease(taken)?);
        }
        Ok(leases)
    }

    /// Makes a lease of what was taken; `None` when there is nothing to deliver.
    pub(super) fn lease(&self, taken: Taken) -> Result<Option<Lease>, StoreError> {
        let (guard, delivery, failures) = taken;
        match self.event(delivery.event_id) {
            Ok(Some(event)) => Ok(Some(Lease::new(Arc::new(event), delivery, failures, guard))),
            // Removed meanwhile: there is nothing left to deliver.
            Ok(None) => Ok(None),
            Err(error @ StoreError::Damaged { .. }) => {
                // Visibly failed, and out of the way of the others.
                let error = error.to_string();
                self.queue.push_request(Request::GiveUp { guard, error })?;
                Ok(None)
            }
            Err(error) => {
                let id = delivery.id;
                if !self.leases.lock().set_aside(id) {
                    return Err(error);
                }
                tracing::error!(delivery = %id, %error, "its event cannot be read; the others go on");
                Ok(None)
            }
        }
    }

    /// How many more deliveries may be handed out.
    pub(super) fn lease_room(&self) -> usize {
        if !self.health.has(Trouble::Journal) {
            return usize::MAX;
        }
        N_HELD_WHILE_DOWN.saturating_sub(self.leases.lock().n_held())
    }

    /// Takes the first free rows of the lane. The table stays locked while the rows are read, so
    /// that a requeue comes either wholly before or wholly after.
    fn take_due(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        n_max: usize,
    ) -> Result<Vec<Taken>, StoreError> {
        let mut held = self.leases.lock();
        let mut places = Vec::new();
        let mut ahead = self.ahead(&held, webhook, now);
        self.index.with(|tree| {
            let mut rows = Vec::new();
            free_rows(tree, &mut held, webhook, |place, id| {
                match ahead.look(tree, place, id) {
                    Look::Due if rows.len() < n_max => rows.push((place, id)),
                    Look::Later => {}
                    Look::Due | Look::Enough => return false,
                }
                true
            })?;
            if ahead.has_found_none() {
                held.note_none_ahead(webhook);
            }
            for (place, id) in rows {
                let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
                places.extend(row.map(|row| (place, id, row)));
            }
            Ok(())
        })?;
        let mut taken = Vec::with_capacity(places.len());
        for (place, id, row) in places {
            let guard = self.leases.take(&mut held, webhook, place, id, row.chain.is_some());
            taken.push((guard, row.shown(id, false), row.failures));
        }
        Ok(taken)
    }

    /// A clock may have been far ahead once, and what was written then may be kept for years: so a
    /// lane in which nothing was found is not searched at every look.
    fn ahead(&self, held: &Held, webhook: WebhookId, now: Timestamp) -> Ahead {
        let looks = self.is_clock_behind(now) && !held.has_none_ahead(webhook);
        Ahead { now, n_looks: 0, n_looks_max: if looks { N_LOOKS } else { 0 }, n_found: 0 }
    }

    pub(crate) fn next_due(
        &self,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if self.status(webhook) == WebhookStatus::Disabled {
            return Ok(None);
        }
        if self.lease_room() == 0 {
            // The end of a lease, of whatever lane, wakes whoever waits for room.
            self.leases.lock().touch_all();
            return Ok(None);
        }
        let mut held = self.leases.lock();
        self.index.with(|tree| {
            let mut first = None;
            let mut ahead = self.ahead(&held, webhook, now);
            free_rows(tree, &mut held, webhook, |place, id| {
                let look = ahead.look(tree, place, id);
                first = first.or(Some(place.0));
                if matches!(look, Look::Due) {
                    first = Some(place.0.min(now));
                }
                matches!(look, Look::Later)
            })?;
            Ok(first)
        })
    }

    /// An event whole.
    pub(crate) fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let mut result = Ok(None);
        for _ in 0..N_TRIES {
            let Some(row) = self.event_row(id)? else { return Ok(None) };
            result = self.read_event(&row.1);
            match &result {
                Err(error) if error.is_not_found() => {}
                _ => break,
            }
        }
        if result.as_ref().is_err_and(StoreError::is_not_found) {
            // Not removed by the committer: the index would no longer know the event.
            let Some((_, row)) = self.event_row(id)? else { return Ok(None) };
            result = Err(self.reader.damaged(row.location, "the file is gone"));
        }
        if let Err(StoreError::Damaged { detail }) = &result {
            self.report_damage(detail);
        }
        result
    }

    pub(crate) fn event_row(&self, id: EventId) -> Result<Option<(u64, EventRow)>, StoreError> {
        self.index.with(|tree| {
            let Some(ordinal) = ids::ordinal_of(tree, id)? else {
                return Ok(None);
            };
            Ok(history::event_at(tree, ordinal)?.map(|row| (ordinal, row)))
        })
    }

    fn read_event(&self, row: &EventRow) -> Result<Option<Event>, StoreError> {
        match self.reader.read(row.location)? {
            Record::Event { mut event, .. } if event.id == row.id => {
                // Some may have been added since it was written.
                event.deliveries.clone_from(&row.deliveries);
                Ok(Some(event))
            }
            _ => Err(self.reader.damaged(row.location, "it is another record")),
        }
    }
}

/// Tells what is due. A clock that was ahead when something was written and is right now would
/// keep it waiting for the difference, perhaps for years: while the clock shows less than it did,
/// rows that seem to lie ahead are looked at more closely, a bounded number of them.
struct Ahead {
    now: Timestamp,
    n_looks: usize,
    n_looks_max: usize,
    n_found: usize,
}

enum Look {
    Due,
    Later,
    /// Nothing that follows is due.
    Enough,
}

/// Rows of a lane that are looked at more closely at a time.
const N_LOOKS: usize = 1000;

impl Ahead {
    fn look(&mut self, tree: &Tree, place: Place, id: DeliveryId) -> Look {
        if place.0 <= self.now {
            return Look::Due;
        }
        if self.n_looks == self.n_looks_max {
            return Look::Enough;
        }
        self.n_looks += 1;
        match get::<DeliveryRow>(tree, keys::delivery(id)) {
            // What was written since the caller looked at its clock is not ahead.
            Ok(Some(row))
                if row.last_attempt_at.unwrap_or(row.created_at) > self.now.plus(STEP_BACK_MAX) =>
            {
                self.n_found += 1;
                Look::Due
            }
            _ => Look::Later,
        }
    }

    const fn has_found_none(&self) -> bool {
        self.n_looks > 0 && self.n_found == 0
    }
}

/// Visits the rows of a lane that nobody holds, oldest due first, until `visit` says false.
fn free_rows(
    tree: &Tree,
    held: &mut Held,
    webhook: WebhookId,
    mut visit: impl FnMut(Place, DeliveryId) -> bool,
) -> Result<(), StoreError> {
    let prefix = keys::whole_lane(webhook);
    let start = match held.mark(webhook) {
        Some(place) => keys::lane(webhook, place).to_vec(),
        None => prefix.to_vec(),
    };
    let mut mark = None;
    let mut is_front = true;
    for row in tree.range(start..) {
        let (key, value) = row.map_err(failed)?;
        if !key.starts_with(&prefix) {
            break;
        }
        let named = keys::place_of(&key).zip(keys::delivery_of(&value));
        let Some((place, id)) = named else { break };
        if held.holds(id) {
            continue;
        }
        if std::mem::take(&mut is_front) {
            mark = Some(place);
        }
        if held.is_aside(id) {
            continue;
        }
        if !visit(place, id) {
            break;
        }
    }
    if let Some(mark) = mark {
        held.set_mark(webhook, mark);
    }
    Ok(())
}
