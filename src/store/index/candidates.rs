//! What a recovery looks for: first the ordinals that can be meant, from the sets, many at a time;
//! then each of them more closely.

use super::bits::N_BITS;
use super::blocks::{Whose, Within};
use super::rows::{DeliveryRow, EventRow};
use super::walk::Walk;
use super::{Tree, failed, get, keys};
use crate::model::{DeliveryId, DeliveryState, Webhook, WebhookId};
use crate::store::StoreError;
use crate::store::index::history;
use crate::store::recovery::RecoverySpec;

/// What is queued for an event.
#[derive(Debug)]
pub(crate) enum Found {
    /// A delivery that it has.
    Again(DeliveryId),
    /// One that it never had.
    New(Box<EventRow>),
}

/// Which events can be meant, from an ordinal to before another, oldest first.
pub(crate) fn between(
    tree: &Tree,
    spec: &RecoverySpec,
    webhook: &Webhook,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    let mut walk = walk(tree, spec, webhook)?;
    let (mut found, mut before) = (Vec::new(), to);
    while let Some(block) = walk.block_before(before)? {
        found.extend(block.newest_first(before).take_while(|&ordinal| ordinal >= from));
        before = block.start();
        if before <= from {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// The set of those.
fn walk<'a>(
    tree: &'a Tree,
    spec: &RecoverySpec,
    webhook: &Webhook,
) -> Result<Walk<'a>, StoreError> {
    let kept = |set: [u8; 17]| Walk::kept(tree, set);
    let (unfinished, failed) = (keys::unfinished(spec.webhook), keys::failed(spec.webhook));
    let cancelled = keys::cancelled(spec.webhook);
    let history = || kept(keys::webhook_history(spec.webhook));
    let mut any = vec![match spec.state {
        DeliveryState::Pending | DeliveryState::Held => kept(unfinished),
        DeliveryState::Failed => kept(failed),
        DeliveryState::Cancelled => kept(cancelled),
        DeliveryState::Delivered => {
            Walk::Except(Box::new(history()), [unfinished, failed, cancelled].map(kept).into())
        }
    }];
    if spec.backfill {
        let labels = labels(tree)?.into_iter().filter(|label| webhook.wants(label));
        let wanted = labels.map(|label| Walk::kept(tree, keys::label(&label))).collect();
        any.push(Walk::Except(Box::new(Walk::Any(wanted)), vec![history()]));
    }
    let mut all = vec![Walk::Any(any)];
    if spec.since.is_some() || spec.until.is_some() {
        all.push(Walk::events(tree, Some(within(spec))));
    }
    // No recovery sends a test again.
    Ok(Walk::Except(Box::new(Walk::All(all)), vec![Walk::kept(tree, keys::TESTS)]))
}

const fn within(spec: &RecoverySpec) -> Within {
    Within { whose: Whose::Events, since: spec.since, until: spec.until }
}

/// Events whose delivery to a webhook is unfinished, newest first.
pub(crate) fn unfinished(
    tree: &Tree,
    webhook: WebhookId,
    n_max: usize,
) -> Result<Vec<u64>, StoreError> {
    let mut walk = Walk::kept(tree, keys::unfinished(webhook));
    let (mut found, mut before) = (Vec::new(), u64::MAX);
    while let Some(block) = walk.block_before(before)?.filter(|_| found.len() < n_max) {
        found.extend(block.newest_first(before).take(n_max - found.len()));
        before = block.start();
    }
    Ok(found)
}

/// The first event at an ordinal or behind it.
pub(crate) fn first_from(tree: &Tree, from: u64) -> Result<Option<u64>, StoreError> {
    history::first_from(tree, from)
}

/// How many are meant from an ordinal to before another. Only where the time of
/// a block does not tell, its events are looked at.
pub(crate) fn count(
    tree: &Tree,
    spec: &RecoverySpec,
    webhook: &Webhook,
    from: u64,
    to: u64,
) -> Result<u64, StoreError> {
    let (mut walk, within) = (walk(tree, spec, webhook)?, within(spec));
    let (mut n, mut before) = (0, to);
    while let Some(block) = walk.block_before(before)? {
        before = block.start();
        if before + N_BITS <= from {
            break;
        }
        if block.row(tree)?.is_some_and(|row| within.covers(&row)) {
            n += block.count(to) - block.count(from);
        } else {
            for ordinal in block.newest_first(to).take_while(|&ordinal| ordinal >= from) {
                let event: Option<EventRow> = history::event_at(tree, ordinal)?;
                n += u64::from(event.is_some_and(|event| within.holds(event.time)));
            }
        }
    }
    Ok(n)
}

/// Whether a candidate is meant.
pub(crate) fn look(
    tree: &Tree,
    spec: &RecoverySpec,
    webhook: &Webhook,
    ordinal: u64,
) -> Result<Option<Found>, StoreError> {
    let Some(event) = history::event_at(tree, ordinal)? else { return Ok(None) };
    if !within(spec).holds(event.time) || event.is_test {
        return Ok(None);
    }
    match delivery_to(&event, spec.webhook) {
        Some(id) => {
            let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
            Ok(row.filter(|row| row.state == spec.state).map(|_| Found::Again(id)))
        }
        None if spec.backfill && webhook.wants(&event.label) => {
            Ok(Some(Found::New(Box::new(event))))
        }
        None => Ok(None),
    }
}

/// The delivery of an event to a webhook.
pub(crate) fn delivery_to(event: &EventRow, webhook: WebhookId) -> Option<DeliveryId> {
    event.deliveries.iter().find(|(_, to)| *to == webhook).map(|(id, _)| *id)
}

/// All labels that events have.
fn labels(tree: &Tree) -> Result<Vec<String>, StoreError> {
    let mut labels = Vec::new();
    let mut from = vec![b'l'];
    while let Some(row) = tree.range(from..vec![b'l' + 1]).next() {
        let (key, _) = row.map_err(failed)?;
        let label = key[1..].split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        // Behind all rows of this label.
        from = [b"l", &label[..], &[1]].concat();
        labels.extend(String::from_utf8(label).ok());
    }
    Ok(labels)
}
