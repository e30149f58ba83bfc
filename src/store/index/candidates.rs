//! What a recovery looks for: first the ordinals that can be meant, from the sets, many at a time;
//! then each of them more closely.

use std::collections::BTreeMap;

use super::rows::{DeliveryRow, EventRow};
use super::{Tree, failed, get, keys, ordinals};
use crate::model::{DeliveryId, Webhook, WebhookId};
use crate::store::StoreError;
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
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    if spec.backfill {
        for label in labels(tree)?.iter().filter(|label| webhook.wants(label)) {
            for row in ordinals::rows_between(tree, &keys::label(label), from, to) {
                let (start, bits) = row?;
                *found.entry(start).or_default() |= bits;
            }
        }
    }
    for row in ordinals::rows_between(tree, &keys::webhook_history(spec.webhook), from, to) {
        let (start, bits) = row?;
        *found.entry(start).or_default() |= bits;
    }
    let each = |(start, bits): (u64, u64)| {
        (0..64).filter(move |n| bits >> n & 1 == 1).map(move |n| start + n)
    };
    Ok(found.into_iter().flat_map(each).collect())
}

/// The first event at an ordinal or behind it.
pub(crate) fn first_from(tree: &Tree, from: u64) -> Result<Option<u64>, StoreError> {
    let row = tree.range(keys::history(from)..=keys::history(u64::MAX)).next();
    let key = row.transpose().map_err(failed)?;
    Ok(key.and_then(|(key, _)| keys::last_number(&key)))
}

/// How many are meant from an ordinal to before another.
pub(crate) fn count(
    tree: &Tree,
    spec: &RecoverySpec,
    webhook: &Webhook,
    from: u64,
    to: u64,
) -> Result<u64, StoreError> {
    let mut n = 0;
    for ordinal in between(tree, spec, webhook, from, to)? {
        n += u64::from(look(tree, spec, webhook, ordinal)?.is_some());
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
    let Some(event) = get::<EventRow>(tree, keys::history(ordinal))? else { return Ok(None) };
    let is_in_time = spec.since.is_none_or(|since| event.time >= since)
        && spec.until.is_none_or(|until| event.time < until);
    if !is_in_time || event.is_test {
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
