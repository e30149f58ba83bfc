//! Lists and single rows, newest first, for the admin API. A list that is filtered looks at a
//! bounded number of rows at a time and hands out a cursor for the rest.

use std::ops::ControlFlow;
use std::time::Duration;

use super::StoreError;
use super::index::candidates::delivery_to;
use super::index::rows::{DeliveryRow, EventRow};
use super::index::tallies::Counts;
use super::index::{Tree, failed, get, keys, ordinals, parse};
use super::journal::Location;
use super::journal::record::Record;
use super::shared::Shared;
use super::types::{
    Cursor, DeliveryFilter, EventFilter, EventSummary, Listed, Page, QueueStats, StoreStats,
};
use crate::model::{
    Attempt, Delivery, DeliveryCounts, DeliveryId, DeliveryState, EventId, Timestamp, WebhookId,
};

/// Rows looked at for one page of a filtered list.
const N_ROWS_MAX: usize = 20_000;
/// How far commit times may run backwards in the order of commits (a clock that is set back).
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

/// One step through the events of a list, newest first.
type Step<'a> = &'a mut dyn FnMut(u64, EventRow) -> Result<ControlFlow<()>, StoreError>;

impl Shared {
    pub(crate) fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Listed<EventSummary>, StoreError> {
        let n_max = page.n_max();
        self.index.with(|tree| {
            let mut data: Vec<EventSummary> = Vec::new();
            let before = page.cursor.map_or(u64::MAX, |cursor| cursor.0);
            let mut next = None;
            let mut last = 0;
            let mut n_seen = 0;
            walk_events(tree, filter.label.as_deref(), before, &mut |ordinal, row| {
                if data.len() == n_max || n_seen == N_ROWS_MAX {
                    next = Some(Cursor(last, 0));
                    return Ok(ControlFlow::Break(()));
                }
                if is_too_old(row.committed_at, filter.since) {
                    return Ok(ControlFlow::Break(()));
                }
                (last, n_seen) = (ordinal, n_seen + 1);
                if filter.fits(&row) {
                    let summary = self.summary(tree, ordinal, row)?;
                    if filter.state.is_none_or(|state| *of(&summary.deliveries, state) > 0) {
                        data.push(summary);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(Listed { data, next })
        })
    }

    fn summary(
        &self,
        tree: &Tree,
        ordinal: u64,
        row: EventRow,
    ) -> Result<EventSummary, StoreError> {
        let mut deliveries = DeliveryCounts::default();
        for &(id, _) in &row.deliveries {
            if let Some(delivery) = self.shown(tree, id)? {
                *of_mut(&mut deliveries, delivery.state) += 1;
            }
        }
        Ok(EventSummary {
            id: row.id,
            ordinal,
            time: row.time,
            label: row.label,
            tag: row.tag,
            subject: row.subject,
            method: row.method,
            url: row.url,
            status: row.status,
            deliveries,
        })
    }

    pub(crate) fn failed_in_a_row(&self, webhook: WebhookId) -> Result<u32, StoreError> {
        let counts: Option<Counts> = self.index.with(|tree| get(tree, keys::counts(webhook)))?;
        Ok(counts.map_or(0, |counts| counts.failed_in_a_row))
    }

    pub(crate) fn depth_of(&self, id: DeliveryId) -> Result<Option<u8>, StoreError> {
        self.index.with(|tree| {
            let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
            let Some(row) = row else { return Ok(None) };
            let event: Option<EventRow> = get(tree, keys::history(row.ordinal))?;
            Ok(event.map(|event| event.depth))
        })
    }

    pub(crate) fn event_summary(&self, id: EventId) -> Result<Option<EventSummary>, StoreError> {
        let Some((ordinal, row)) = self.event_row(id)? else { return Ok(None) };
        self.index.with(|tree| self.summary(tree, ordinal, row)).map(Some)
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

    pub(crate) fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        match filter.webhook {
            Some(webhook) => self.deliveries_for(webhook, filter, page),
            None => self.deliveries_for_all(filter, page),
        }
    }

    /// Of one webhook: its history, or only its unfinished rows where that is all that can fit.
    fn deliveries_for(
        &self,
        webhook: WebhookId,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        let waits = |s| matches!(s, DeliveryState::Pending | DeliveryState::Held);
        let is_unfinished = filter.state.is_some_and(waits);
        let set = if is_unfinished { keys::unfinished } else { keys::webhook_history }(webhook);
        let before = page.cursor.map_or(u64::MAX, |cursor| cursor.0);
        self.index.with(|tree| {
            let mut list = Listed { data: Vec::new(), next: None };
            let mut last = 0;
            for (n_seen, ordinal) in ordinals::newest_first(tree, &set, before).enumerate() {
                let ordinal = ordinal?;
                if list.data.len() == page.n_max() || n_seen == N_ROWS_MAX {
                    list.next = Some(Cursor(last, 0));
                    break;
                }
                last = ordinal;
                let Some(event) = get(tree, keys::history(ordinal))? else { continue };
                let Some(id) = delivery_to(&event, webhook) else { continue };
                let Some(delivery) = self.shown(tree, id)? else { continue };
                if is_too_old(delivery.created_at, filter.since) {
                    break;
                }
                list.data.extend(Some(delivery).filter(|delivery| filter.fits(delivery)));
            }
            Ok(list)
        })
    }

    /// Of all webhooks: event by event, within an event in the order of its deliveries. The
    /// cursor names the event and how many of its deliveries have been listed.
    fn deliveries_for_all(
        &self,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        let (at, n_done) = page.cursor.map_or((u64::MAX, 0), |c| (c.0, c.1));
        let n_done = usize::try_from(n_done).unwrap_or(usize::MAX);
        self.index.with(|tree| {
            let mut list = Listed { data: Vec::new(), next: None };
            let mut n_seen = 0;
            let label = filter.label.as_deref();
            walk_events(tree, label, at.saturating_add(1), &mut |ordinal, row| {
                if is_too_old(row.committed_at, filter.since) {
                    return Ok(ControlFlow::Break(()));
                }
                let skipped = if ordinal == at { n_done } else { 0 };
                for (i, &(id, _)) in row.deliveries.iter().enumerate().skip(skipped) {
                    if list.data.len() == page.n_max() || n_seen == N_ROWS_MAX {
                        list.next = Some(Cursor(ordinal, u32::try_from(i).unwrap_or(u32::MAX)));
                        return Ok(ControlFlow::Break(()));
                    }
                    n_seen += 1;
                    let delivery = self.shown(tree, id)?;
                    list.data.extend(delivery.filter(|delivery| filter.fits(delivery)));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(list)
        })
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

    pub(crate) fn stats(&self) -> StoreStats {
        let queues = self.index.with(|tree| self.queues(tree)).unwrap_or_else(|error| {
            tracing::debug!(error = %error.in_full(), "no queue statistics now");
            Vec::new()
        });
        let max_bytes = self.settings.max_bytes;
        StoreStats { bytes: self.bytes(), max_bytes, queues, damage: self.damage() }
    }

    fn queues(&self, tree: &Tree) -> Result<Vec<QueueStats>, StoreError> {
        let set = self.webhooks.load();
        let mut ids: Vec<WebhookId> = set.list.iter().map(|webhook| webhook.id).collect();
        for row in tree.scan_prefix(b"c") {
            let (key, value) = row.map_err(failed)?;
            let counts: Counts = parse(&value)?;
            let gone = keys::webhook_of(&key).filter(|id| counts.pending > 0 && !ids.contains(id));
            ids.extend(gone);
        }
        let mut queues = Vec::with_capacity(ids.len());
        for webhook_id in ids {
            let counts: Counts = get(tree, keys::counts(webhook_id))?.unwrap_or_default();
            let waiting = counts.pending;
            let (pending, held) =
                if self.is_held(webhook_id) { (0, waiting) } else { (waiting, 0) };
            let oldest = oldest(tree, webhook_id)?;
            queues.push(QueueStats { webhook_id, pending, held, oldest });
        }
        Ok(queues)
    }
}

impl EventFilter {
    fn fits(&self, row: &EventRow) -> bool {
        self.label.as_ref().is_none_or(|label| *label == row.label)
            && self.since.is_none_or(|since| row.time >= since)
            && self.until.is_none_or(|until| row.time < until)
            && self.code.is_none_or(|code| row.status == code)
    }
}

impl DeliveryFilter {
    fn fits(&self, delivery: &Delivery) -> bool {
        self.webhook.is_none_or(|webhook| delivery.webhook_id == webhook)
            && self.label.as_ref().is_none_or(|label| *label == delivery.label)
            && self.state.is_none_or(|state| delivery.state == state)
            && self.since.is_none_or(|since| delivery.created_at >= since)
            && self.until.is_none_or(|until| delivery.created_at < until)
    }
}

/// Visits events newest first: those before an ordinal, of all labels or of one.
fn walk_events(
    tree: &Tree,
    label: Option<&str>,
    before: u64,
    step: Step<'_>,
) -> Result<(), StoreError> {
    if let Some(label) = label {
        for ordinal in ordinals::newest_first(tree, &keys::label(label), before) {
            let ordinal = ordinal?;
            let Some(row) = get(tree, keys::history(ordinal))? else { continue };
            if step(ordinal, row)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    for row in tree.range(keys::history(0)..keys::history(before)).rev() {
        let (key, value) = row.map_err(failed)?;
        let Some(ordinal) = keys::last_number(&key) else { continue };
        if step(ordinal, parse(&value)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Nothing behind this row can be `since` or later: an event is complete before its commit.
fn is_too_old(committed_at: Timestamp, since: Option<Timestamp>) -> bool {
    since.is_some_and(|since| committed_at.plus(CLOCK_SLACK) < since)
}

fn oldest(tree: &Tree, webhook: WebhookId) -> Result<Option<Timestamp>, StoreError> {
    let oldest = ordinals::oldest(tree, &keys::unfinished(webhook))?;
    let Some(ordinal) = oldest else { return Ok(None) };
    let event: Option<EventRow> = get(tree, keys::history(ordinal))?;
    Ok(event.map(|event| event.committed_at))
}

const fn of(counts: &DeliveryCounts, state: DeliveryState) -> &u64 {
    match state {
        DeliveryState::Pending => &counts.pending,
        DeliveryState::Held => &counts.held,
        DeliveryState::Delivered => &counts.delivered,
        DeliveryState::Failed => &counts.failed,
        DeliveryState::Cancelled => &counts.cancelled,
    }
}

const fn of_mut(counts: &mut DeliveryCounts, state: DeliveryState) -> &mut u64 {
    match state {
        DeliveryState::Pending => &mut counts.pending,
        DeliveryState::Held => &mut counts.held,
        DeliveryState::Delivered => &mut counts.delivered,
        DeliveryState::Failed => &mut counts.failed,
        DeliveryState::Cancelled => &mut counts.cancelled,
    }
}
