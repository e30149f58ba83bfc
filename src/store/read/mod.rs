//! What can be read: single rows here, lists ([`lists`], over sets put together in [`sets`]), what
//! somebody looks for in words or by an id ([`wanted`]), and how the queues are ([`queues`]).

mod lists;
mod queues;
mod sets;
mod wanted;

use super::StoreError;
use super::index::rows::{DeliveryRow, EventRow};
use super::index::tallies::Counts;
use super::index::{Tree, failed, get, keys, parse};
use super::journal::Location;
use super::journal::record::Record;
use super::shared::Shared;
use super::types::EventSummary;
use crate::model::{Attempt, Delivery, DeliveryCounts, DeliveryId, EventId, WebhookId};
use crate::store::index::history;

impl Shared {
    pub(crate) fn failed_in_a_row(&self, webhook: WebhookId) -> Result<u32, StoreError> {
        let counts: Option<Counts> = self.index.with(|tree| get(tree, keys::counts(webhook)))?;
        Ok(counts.map_or(0, |counts| counts.failed_in_a_row))
    }

    pub(crate) fn depth_of(&self, id: DeliveryId) -> Result<Option<u8>, StoreError> {
        self.index.with(|tree| {
            let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
            let Some(row) = row else { return Ok(None) };
            let event: Option<EventRow> = history::event_at(tree, row.ordinal)?;
            Ok(event.map(|event| event.depth))
        })
    }

    pub(crate) fn event_summary(&self, id: EventId) -> Result<Option<EventSummary>, StoreError> {
        let Some((ordinal, row)) = self.event_row(id)? else { return Ok(None) };
        self.index.with(|tree| {
            let mut counts = DeliveryCounts::default();
            for &(id, _) in &row.deliveries {
                if let Some(delivery) = self.shown(tree, id)? {
                    *lists::of_mut(&mut counts, delivery.state) += 1;
                }
            }
            Ok(Some(row.summary(ordinal, counts)))
        })
    }

    pub(crate) fn deliveries_of(&self, id: EventId) -> Result<Vec<Delivery>, StoreError> {
        let Some((_, row)) = self.event_row(id)? else { return Ok(Vec::new()) };
        self.index.with(|tree| {
            let shown = row.deliveries.iter().map(|&(id, _)| self.shown(tree, id));
            shown.filter_map(Result::transpose).collect()
        })
    }

    pub(crate) fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.index.with(|tree| self.shown(tree, id))
    }

    fn shown(&self, tree: &Tree, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
        Ok(row.map(|row| row.shown(id, self.is_held(row.webhook_id))))
    }

    pub(crate) fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
        let places: Vec<Location> = self.index.with(|tree| {
            let rows = tree.scan_prefix(&keys::attempt(id, 0)[..17]).values();
            rows.map(|value| parse(&value.map_err(failed)?)).collect()
        })?;
        let mut attempts = Vec::with_capacity(places.len());
        for at in places {
            match self.reader.read(at) {
                Ok(Record::Attempt { attempt, .. }) if attempt.delivery_id == id => {
                    attempts.push(attempt);
                }
                // Its segment has just been removed, and its event with it.
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    if let StoreError::Damaged { detail } = &error {
                        self.report_damage(detail);
                    }
                    return Err(error);
                }
                Ok(_) => return Err(self.reader.damaged(at, "it is another record")),
            }
        }
        Ok(attempts)
    }
}
