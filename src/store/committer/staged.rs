//! The records of a batch, on their way through the journal into the index.

use crate::model::{
    Body, DeliveryId, DeliveryState, Event, EventId, Exchange, HeaderList, RequestPart,
    ResponsePart, Timestamp, WebhookId,
};
use crate::store::journal::Location;
use crate::store::journal::record::{Record, StateRecord, Why};
use crate::store::journal::writer::Batch;
use crate::store::queue::Waiting;
use crate::store::recovery::{Recovery, RecoveryStatus};

/// Records in their places, with what else must be known to apply them.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) records: Vec<(Record, Location)>,
    /// Queued again by hand: they do not wait for their lanes to open.
    pub(super) wanted_now: Vec<DeliveryId>,
    /// Queued again, to go out with their lanes.
    pub(super) with_lanes: Vec<DeliveryId>,
    /// Nobody may take a lease while it is applied.
    pub(super) is_exclusive: bool,
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

    /// The events, in the order of those that wait.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().map_while(|(record, _)| match record {
            Record::Event { event, .. } => Some(event),
            _ => None,
        })
    }

    /// The batch has failed: those that wait are whole again.
    pub(super) fn give_back(&mut self, waiting: &mut [Waiting]) {
        for (waiting, (record, _)) in waiting.iter_mut().zip(&mut self.records) {
            let Record::Event { event, .. } = record else { break };
            waiting.event.rule.label = std::mem::take(&mut event.rule.label);
            waiting.event.rule.tag = event.rule.tag.take();
            waiting.event.subject = event.subject.take();
            waiting.event.exchange = std::mem::replace(&mut event.exchange, nothing());
        }
    }

    pub(super) fn is_exclusive(&self) -> bool {
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

/// In the place of what was moved away.
pub(super) fn nothing() -> Exchange {
    let (headers, body) = (HeaderList(Vec::new()), Body::none());
    let response = ResponsePart { status: 0, headers, body };
    let (headers, body) = (HeaderList(Vec::new()), Body::none());
    let (method, url, params) = (String::new(), String::new(), Vec::new());
    Exchange { request: RequestPart { method, url, params, headers, body }, response }
}
