//! Lists, newest first. Every filter but `q` is decided by sets, so a page costs what is on it,
//! wherever that stands. Rows are looked at once more all the same: they may just have changed.
//!
//! A list that has to read rows to find any (`q`), or to go through sets that have nothing in
//! common, does so for a bounded time, and hands out where to go on.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::wanted::Wanted;
use crate::model::{Delivery, DeliveryCounts, DeliveryId, DeliveryState, WebhookId};
use crate::store::StoreError;
use crate::store::index::Tree;
use crate::store::index::history;
use crate::store::index::rows::EventRow;
use crate::store::index::stands::Stands;
use crate::store::index::walk::Walk;
use crate::store::shared::Shared;
use crate::store::types::{Cursor, DeliveryFilter, EventFilter, EventSummary, Listed, Page};

/// A page is looked for this long.
const TIME_MAX: Duration = Duration::from_millis(10);
/// So much is looked at even when it takes longer: whole pages come on any machine.
const N_STEPS_MIN: usize = 2000;
/// The same where rows must be read to find any, each of which may be read from the disk.
const N_SEARCHED_MIN: usize = 200;

/// What may be spent on one page.
struct Budget {
    began: Instant,
    n_steps: usize,
    n_steps_min: usize,
}

/// One step through the events of a list; a break ends the page before this event.
type Step<'a> =
    &'a mut dyn FnMut(u64, EventRow, &mut Budget) -> Result<ControlFlow<()>, StoreError>;

impl Shared {
    pub(crate) fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Listed<EventSummary>, StoreError> {
        let before = page.cursor.map_or(u64::MAX, |cursor| cursor.0);
        self.index.with(|tree| {
            let wanted = Wanted::find(tree, filter.q.as_deref(), before)?;
            let budget = Budget::for_search(wanted.must_be_searched_for());
            let mut walk = self.events_like(tree, filter, wanted.ordinals())?;
            let mut stands = Stands::new(tree);
            let mut data: Vec<EventSummary> = Vec::new();
            let rest = visit(tree, &mut walk, before, budget, &mut |ordinal, row, budget| {
                if !filter.fits(&row) || !wanted.is_event(&row) {
                    return Ok(ControlFlow::Continue(()));
                }
                budget.spend(row.deliveries.len());
                let mut counts = DeliveryCounts::default();
                let mut fits = filter.state.is_none();
                for &(id, webhook) in &row.deliveries {
                    if let Some(state) = self.state(&mut stands, ordinal, id, webhook)? {
                        *of_mut(&mut counts, state) += 1;
                        fits = fits || filter.fits_delivery(webhook, state);
                    }
                }
                if !fits {
                    return Ok(ControlFlow::Continue(()));
                }
                if data.len() == page.n_max() {
                    return Ok(ControlFlow::Break(()));
                }
                data.push(row.summary(ordinal, counts));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(Listed { data, next: rest.map(|before| Cursor(before, 0)) })
        })
    }

    /// How a delivery is shown to stand; `None`: it is gone.
    fn state(
        &self,
        stands: &mut Stands<'_>,
        ordinal: u64,
        id: DeliveryId,
        webhook: WebhookId,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let stored = stands.of(ordinal, id, webhook)?;
        Ok(stored.map(|state| match state {
            DeliveryState::Pending if self.is_held(webhook) => DeliveryState::Held,
            state => state,
        }))
    }

    /// Event by event, within an event in the order of its deliveries. The cursor names the event
    /// and how many of its deliveries are done with.
    pub(crate) fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<Listed<Delivery>, StoreError> {
        let (at, n_done) = page.cursor.map_or((u64::MAX, 0), |cursor| (cursor.0, cursor.1));
        let n_done = usize::try_from(n_done).unwrap_or(usize::MAX);
        let before = at.saturating_add(1);
        self.index.with(|tree| {
            let wanted = Wanted::find(tree, filter.q.as_deref(), before)?;
            let budget = Budget::for_search(wanted.must_be_searched_for());
            let mut walk = self.events_of_deliveries_like(tree, filter, wanted.ordinals())?;
            let mut stands = Stands::new(tree);
            let mut data: Vec<Delivery> = Vec::new();
            let mut n_done_of_last = 0;
            let rest = visit(tree, &mut walk, before, budget, &mut |ordinal, row, budget| {
                if filter.label.as_ref().is_some_and(|label| *label != row.label) {
                    return Ok(ControlFlow::Continue(()));
                }
                let n_skipped = if ordinal == at { n_done } else { 0 };
                for (i, &(id, to)) in row.deliveries.iter().enumerate().skip(n_skipped) {
                    let is_asked_for = filter.webhook.is_none_or(|webhook| webhook == to);
                    if !is_asked_for || !wanted.is_delivery(&row, id) {
                        continue;
                    }
                    budget.spend(1);
                    if let Some(wanted) = filter.state
                        && self.state(&mut stands, ordinal, id, to)? != Some(wanted)
                    {
                        continue;
                    }
                    let Some(delivery) = self.shown(tree, id)?.filter(|d| filter.fits(d)) else {
                        continue;
                    };
                    if data.len() == page.n_max() {
                        n_done_of_last = u32::try_from(i).unwrap_or(u32::MAX);
                        return Ok(ControlFlow::Break(()));
                    }
                    data.push(delivery);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let next = rest.map(|before| Cursor(before.saturating_sub(1), n_done_of_last));
            Ok(Listed { data, next })
        })
    }
}

impl Budget {
    fn for_search(is_search: bool) -> Self {
        let n_steps_min = if is_search { N_SEARCHED_MIN } else { N_STEPS_MIN };
        Self { began: Instant::now(), n_steps: 0, n_steps_min }
    }

    const fn spend(&mut self, n_steps: usize) {
        self.n_steps += n_steps;
    }

    fn is_spent(&self) -> bool {
        self.n_steps > self.n_steps_min && self.began.elapsed() > TIME_MAX
    }
}

impl EventFilter {
    fn fits(&self, row: &EventRow) -> bool {
        let is_for = |webhook| row.deliveries.iter().any(|&(_, to)| to == webhook);
        self.label.as_ref().is_none_or(|label| *label == row.label)
            && self.within().holds(row.time)
            && self.code.is_none_or(|code| row.status == code)
            && self.webhook.is_none_or(is_for)
    }

    fn fits_delivery(&self, to: WebhookId, state: DeliveryState) -> bool {
        self.webhook.is_none_or(|webhook| webhook == to)
            && self.state.is_none_or(|wanted| wanted == state)
    }
}

impl DeliveryFilter {
    fn fits(&self, delivery: &Delivery) -> bool {
        self.state.is_none_or(|state| delivery.state == state)
            && self.within().holds(delivery.created_at)
    }
}

/// Visits the events of a set that are before an ordinal, newest first. Gives before which one
/// to go on, unless it has come to the end.
fn visit(
    tree: &Tree,
    walk: &mut Walk<'_>,
    before: u64,
    mut budget: Budget,
    step: Step<'_>,
) -> Result<Option<u64>, StoreError> {
    let n_sets = walk.n_sets();
    let mut before = before;
    while let Some(block) = walk.block_before(before)? {
        budget.spend(n_sets);
        for ordinal in block.newest_first(before) {
            before = ordinal + 1;
            if budget.is_spent() {
                return Ok(Some(before));
            }
            budget.spend(1);
            let Some(row) = history::event_at(tree, ordinal)? else { continue };
            if step(ordinal, row, &mut budget)?.is_break() {
                return Ok(Some(before));
            }
        }
        before = block.start();
        if budget.is_spent() && before > 0 {
            return Ok(Some(before));
        }
    }
    Ok(None)
}

pub(super) const fn of_mut(counts: &mut DeliveryCounts, state: DeliveryState) -> &mut u64 {
    match state {
        DeliveryState::Pending => &mut counts.pending,
        DeliveryState::Held => &mut counts.held,
        DeliveryState::Delivered => &mut counts.delivered,
        DeliveryState::Failed => &mut counts.failed,
        DeliveryState::Cancelled => &mut counts.cancelled,
    }
}
