//! What an operator's records do to the index.

use super::Applier;
use crate::model::{DeliveryId, DeliveryState, Event, EventId, Timestamp, WebhookId};
use crate::store::StoreError;
use crate::store::index::keys;
use crate::store::index::rows::{DeliveryRow, EventRow};
use crate::store::journal::Location;
use crate::store::journal::managed::{AddedRecord, AddedTarget, DefinitionRecord, RecoveryRecord};

impl Applier<'_> {
    pub(super) fn definition(&mut self, record: &DefinitionRecord, at: Location) {
        self.touch(at, record.at);
        self.tallies.define(record.webhook_id, record.text.clone(), at);
    }

    pub(super) fn recovery(&mut self, record: &RecoveryRecord, at: Location) {
        self.touch(at, record.at);
        self.tallies.step(record, at);
    }

    pub(super) fn added(&mut self, record: &AddedRecord, at: Location) -> Result<(), StoreError> {
        self.touch(at, record.at);
        self.add(record.event_id, &record.deliveries, record.at)
    }

    /// Adds what the event of a copy has and the known one has not: the record that added it may be
    /// what was lost.
    pub(super) fn add_all(
        &mut self,
        event: &Event,
        ordered: &[DeliveryId],
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.add(event.id, &targets(event, ordered), due)
    }

    /// Adds deliveries to an event that is known: those that it has not.
    pub(super) fn add(
        &mut self,
        event: EventId,
        targets: &[AddedTarget],
        due: Timestamp,
    ) -> Result<(), StoreError> {
        // Unknown: it has been removed, or was lost to damage that is reported elsewhere.
        let Some((ordinal, mut event)) = self.event_row(event)? else { return Ok(()) };
        for target in targets {
            if event.deliveries.iter().any(|&(_, to)| to == target.webhook_id) {
                continue;
            }
            event.deliveries.push((target.id, target.webhook_id));
            self.begin(ordinal, &event, target, due)?;
        }
        self.events.insert(event.id, (ordinal, Some(event)));
        Ok(())
    }

    /// A delivery of an event begins.
    pub(super) fn begin(
        &mut self,
        ordinal: u64,
        event: &EventRow,
        target: &AddedTarget,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, webhook_id) = (target.id, target.webhook_id);
        let row = DeliveryRow {
            event_id: event.id,
            ordinal,
            webhook_id,
            label: event.label.clone(),
            chain: target.chain,
            state: DeliveryState::Pending,
            attempts: 0,
            failures: 0,
            due,
            // Also of one that is added later: lists go by it, in the order of events.
            created_at: event.committed_at,
            segment: event.location.segment,
            share_bytes: event.share_bytes(),
            last_attempt_at: None,
            response_code: None,
            response_time_ms: None,
            error: None,
            is_test: event.is_test,
        };
        self.ordinals.set(self.tree, &keys::webhook_history(webhook_id), ordinal, true)?;
        self.link(id, &row)?;
        self.deliveries.insert(id, Some(row));
        Ok(())
    }
}

/// The deliveries of an event as its record has them.
pub(super) fn targets(event: &Event, ordered: &[DeliveryId]) -> Vec<AddedTarget> {
    let chain = (!ordered.is_empty()).then(|| keys::chain_of(event.subject.as_deref()));
    let target = |&(id, webhook_id): &(DeliveryId, WebhookId)| {
        let chain = chain.filter(|_| ordered.contains(&id));
        AddedTarget { id, webhook_id, chain }
    };
    event.deliveries.iter().map(target).collect()
}
