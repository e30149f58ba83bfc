//! The keys: one tree, the first byte says what a row is, numbers are big endian so that byte
//! order is their order.
//!
//! | key | value |
//! |---|---|
//! | `e` event | its ordinal |
//! | `h` ordinal | event row: history of all events |
//! | `l` label 0 ordinal | nothing: history of a label |
//! | `d` delivery | delivery row |
//! | `q` webhook due delivery | nothing: the lane, pending only |
//! | `u` webhook ordinal delivery | nothing: unfinished, oldest first |
//! | `w` webhook ordinal delivery | nothing: history of a webhook |
//! | `a` delivery number | location of an attempt |
//! | `c` webhook | counters |
//! | `s` segment | segment row |
//! | `m` | meta row: format, store, position |

use crate::model::{DeliveryId, EventId, Timestamp, WebhookId};

pub(crate) const META: &[u8] = b"m";

pub(crate) fn event(id: EventId) -> [u8; 17] {
    prefixed(b'e', id.as_bytes())
}

pub(crate) fn history(ordinal: u64) -> [u8; 9] {
    let mut key = [b'h'; 9];
    key[1..].copy_from_slice(&ordinal.to_be_bytes());
    key
}

pub(crate) fn label(label: &str, ordinal: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(label.len() + 10);
    key.push(b'l');
    key.extend_from_slice(label.as_bytes());
    key.push(0);
    key.extend_from_slice(&ordinal.to_be_bytes());
    key
}

pub(crate) fn delivery(id: DeliveryId) -> [u8; 17] {
    prefixed(b'd', id.as_bytes())
}

pub(crate) fn lane(webhook: WebhookId, due: Timestamp, id: DeliveryId) -> [u8; 41] {
    of_webhook(b'q', webhook, due.as_millis(), id)
}

pub(crate) fn unfinished(webhook: WebhookId, ordinal: u64, id: DeliveryId) -> [u8; 41] {
    of_webhook(b'u', webhook, ordinal, id)
}

pub(crate) fn webhook_history(webhook: WebhookId, ordinal: u64, id: DeliveryId) -> [u8; 41] {
    of_webhook(b'w', webhook, ordinal, id)
}

pub(crate) fn attempt(id: DeliveryId, number: u32) -> [u8; 21] {
    let mut key = [b'a'; 21];
    key[1..17].copy_from_slice(id.as_bytes());
    key[17..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn counts(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'c', webhook.as_bytes())
}

pub(crate) fn segment(number: u64) -> [u8; 9] {
    let mut key = [b's'; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// All rows of one webhook under a prefix.
pub(crate) fn webhook_prefix(prefix: u8, webhook: WebhookId) -> [u8; 17] {
    prefixed(prefix, webhook.as_bytes())
}

/// The number in a `q`, `u` or `w` key and its delivery.
pub(crate) fn number_and_delivery(key: &[u8]) -> Option<(u64, DeliveryId)> {
    let number = u64::from_be_bytes(key.get(17..25)?.try_into().ok()?);
    let id = uuid::Uuid::from_slice(key.get(25..41)?).ok()?;
    Some((number, DeliveryId::from_uuid(id)))
}

/// The number at the end of an `h`, `l` or `s` key.
pub(crate) fn last_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

/// The webhook in a `c`, `q`, `u` or `w` key.
pub(crate) fn webhook_of(key: &[u8]) -> Option<WebhookId> {
    uuid::Uuid::from_slice(key.get(1..17)?).ok().map(WebhookId::from_uuid)
}

fn prefixed(prefix: u8, id: &[u8; 16]) -> [u8; 17] {
    let mut key = [prefix; 17];
    key[1..].copy_from_slice(id);
    key
}

fn of_webhook(prefix: u8, webhook: WebhookId, number: u64, id: DeliveryId) -> [u8; 41] {
    let mut key = [prefix; 41];
    key[1..17].copy_from_slice(webhook.as_bytes());
    key[17..25].copy_from_slice(&number.to_be_bytes());
    key[25..].copy_from_slice(id.as_bytes());
    key
}
