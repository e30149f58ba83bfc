//! From a filter to the set of events that can fit it: what the index keeps sets of is decided
//! there, without a look at a row.

use crate::model::{DeliveryState, WebhookId};
use crate::store::StoreError;
use crate::store::index::blocks::{Whose, Within};
use crate::store::index::tallies::Counts;
use crate::store::index::walk::Walk;
use crate::store::index::{Tree, failed, keys, parse};
use crate::store::shared::Shared;
use crate::store::types::{DeliveryFilter, EventFilter};

impl EventFilter {
    pub(super) const fn within(&self) -> Within {
        Within { whose: Whose::Events, since: self.since, until: self.until }
    }
}

impl DeliveryFilter {
    pub(super) const fn within(&self) -> Within {
        Within { whose: Whose::Deliveries, since: self.since, until: self.until }
    }
}

impl Shared {
    /// Events that fit, but for what must be read from them.
    pub(super) fn events_like<'a>(
        &self,
        tree: &'a Tree,
        filter: &EventFilter,
        ids: Option<Vec<u64>>,
    ) -> Result<Walk<'a>, StoreError> {
        let mut sets: Vec<Walk<'_>> = ids.map(Walk::These).into_iter().collect();
        sets.extend(in_time(tree, filter.within()));
        sets.extend(filter.label.as_ref().map(|label| Walk::kept(tree, keys::label(label))));
        sets.extend(filter.code.map(|code| Walk::kept(tree, keys::code(code))));
        if filter.webhook.is_some() || filter.state.is_some() {
            sets.push(self.with_deliveries(tree, filter.webhook, filter.state)?);
        }
        if sets.is_empty() {
            return Ok(Walk::events(tree, None));
        }
        Ok(Walk::All(sets))
    }

    /// Events with deliveries that fit, but for what must be read from them.
    pub(super) fn events_of_deliveries_like<'a>(
        &self,
        tree: &'a Tree,
        filter: &DeliveryFilter,
        ids: Option<Vec<u64>>,
    ) -> Result<Walk<'a>, StoreError> {
        let mut sets: Vec<Walk<'_>> = ids.map(Walk::These).into_iter().collect();
        sets.extend(in_time(tree, filter.within()));
        sets.extend(filter.label.as_ref().map(|label| Walk::kept(tree, keys::label(label))));
        sets.push(self.with_deliveries(tree, filter.webhook, filter.state)?);
        Ok(Walk::All(sets))
    }

    /// Events with a delivery to a webhook, or to any, in a state, or in any.
    fn with_deliveries<'a>(
        &self,
        tree: &'a Tree,
        webhook: Option<WebhookId>,
        state: Option<DeliveryState>,
    ) -> Result<Walk<'a>, StoreError> {
        let mut sets = Vec::new();
        for known in counts_of_all(tree) {
            let (id, counts) = known?;
            if webhook.is_none_or(|webhook| webhook == id) {
                sets.extend(self.deliveries_to(tree, id, &counts, state));
            }
        }
        Ok(Walk::Any(sets))
    }

    /// `None`: there are none.
    fn deliveries_to<'a>(
        &self,
        tree: &'a Tree,
        webhook: WebhookId,
        counts: &Counts,
        state: Option<DeliveryState>,
    ) -> Option<Walk<'a>> {
        let kept = |set: [u8; 17]| Walk::kept(tree, set);
        let unfinished = || kept(keys::unfinished(webhook));
        let history = kept(keys::webhook_history(webhook));
        let Some(state) = state else { return Some(history) };
        let n = match state {
            DeliveryState::Pending if self.is_held(webhook) => 0,
            DeliveryState::Held if !self.is_held(webhook) => 0,
            state => counts.of(state),
        };
        let set = match state {
            DeliveryState::Pending | DeliveryState::Held => unfinished(),
            DeliveryState::Failed => kept(keys::failed(webhook)),
            DeliveryState::Cancelled => kept(keys::cancelled(webhook)),
            DeliveryState::Delivered => {
                let others = [keys::failed(webhook), keys::cancelled(webhook)].map(kept);
                let others = others.into_iter().chain([unfinished()]).collect();
                Walk::Except(Box::new(history), others)
            }
        };
        (n > 0).then_some(set)
    }
}

/// The counters of all webhooks that have deliveries.
pub(super) fn counts_of_all(
    tree: &Tree,
) -> impl Iterator<Item = Result<(WebhookId, Counts), StoreError>> {
    tree.scan_prefix(b"c").filter_map(|row| {
        let read = || -> Result<_, StoreError> {
            let (key, value) = row.map_err(failed)?;
            Ok(keys::webhook_of(&key).zip(Some(parse(&value)?)))
        };
        read().transpose()
    })
}

fn in_time(tree: &Tree, within: Within) -> Option<Walk<'_>> {
    let is_bounded = within.since.is_some() || within.until.is_some();
    is_bounded.then(|| Walk::events(tree, Some(within)))
}
