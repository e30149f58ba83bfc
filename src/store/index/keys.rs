//! The keys: one tree, the first byte says what a row is, numbers are big endian so that byte
//! order is their order.
//!
//! | key | value |
//! |---|---|
//! | `e` time of ids/4 ms | events with their ordinals |
//! | `h` ordinal/16 | event rows: history of all events |
//! | `t` ordinal/512 | block row: which ordinals are events, and between which times |
//! | `T` ordinal/512/512 | block row of 512 blocks |
//! | `l` label 0 ordinal/512 | ordinals: history of a label |
//! | `k` status ordinal/512 | ordinals: calls answered so |
//! | `y` ordinal/512 | ordinals: tests of webhooks |
//! | `d` delivery | delivery row |
//! | `q` webhook due ordinal | delivery: the lane, pending only, of a chain only the first |
//! | `u` webhook ordinal/512 | ordinals: unfinished |
//! | `f` webhook ordinal/512 | ordinals: failed |
//! | `x` webhook ordinal/512 | ordinals: cancelled |
//! | `o` webhook chain ordinal | delivery: unfinished and ordered; the first of a chain stands in `q` |
//! | `w` webhook ordinal/512 | ordinals: history of a webhook; what is in none of `u`, `f`, `x` is delivered |
//! | `a` delivery number | location of an attempt |
//! | `c` webhook | counters |
//! | `b` webhook | how it stands, when that was decided at run time |
//! | `D` webhook | how it is defined, when it was created at run time |
//! | `R` recovery | how far it is |
//! | `s` segment | segment row |
//! | `m` | meta row: format, store, position |
//!
//! An event has at most one delivery per webhook, so webhook and ordinal name it. What differs
//! between neighbouring keys stays under 22 bytes, which sled keeps in place.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::{DeliveryId, EventId, Timestamp, WebhookId};

/// Where a row stands in its lane: when it is due, and the ordinal of its event.
pub(crate) type Place = (Timestamp, u64);

/// What a webhook's ordered deliveries keep their order within: their subject, or that they have
/// none. Two subjects that share one would only wait for each other.
pub(crate) type Chain = [u8; 12];

pub(crate) const META: &[u8] = b"m";

/// The set of the events that are tests of webhooks.
pub(crate) const TESTS: &[u8] = b"y";

/// What the rows under a prefix are, for people.
pub(crate) const fn in_words(prefix: u8) -> &'static str {
    match prefix {
        b'e' => "ids of events",
        b'h' => "history of all events",
        b't' | b'T' => "times of events",
        b'l' => "events by label",
        b'k' => "events by response code",
        b'y' => "test events",
        b'd' => "deliveries",
        b'q' => "deliveries by the time when they are due",
        b'u' => "unfinished deliveries",
        b'f' => "failed deliveries",
        b'x' => "cancelled deliveries",
        b'o' => "ordered deliveries",
        b'w' => "deliveries by webhook",
        b'a' => "attempts",
        b'c' => "counters of webhooks",
        b'b' => "states of webhooks",
        b'D' => "webhooks made at run time",
        b'R' => "recoveries",
        b's' => "segments",
        b'm' => "what the index is of",
        _ => "unknown",
    }
}

/// The row of an id, and of all that share its first 46 bits: those made within 4 milliseconds.
pub(crate) fn events(id: EventId) -> [u8; 7] {
    let mut key = [b'e'; 7];
    key[1..].copy_from_slice(&id.as_bytes()[..6]);
    key[6] &= !3;
    key
}

/// The row of a block of neighbouring events.
pub(crate) fn history(block: u64) -> [u8; 9] {
    numbered(b'h', block)
}

/// The row of a set for a block of ordinals.
pub(crate) fn of_set(set: &[u8], block: u64) -> Vec<u8> {
    [set, &block.to_be_bytes()].concat()
}

/// What is known of the events of a block.
pub(crate) fn block(number: u64) -> [u8; 9] {
    numbered(b't', number)
}

/// The same of as many blocks as a block has ordinals.
pub(crate) fn blocks(number: u64) -> [u8; 9] {
    numbered(b'T', number)
}

/// The set of the events whose call was answered with a status.
pub(crate) fn code(status: u16) -> [u8; 3] {
    let [high, low] = status.to_be_bytes();
    [b'k', high, low]
}

/// The set of a label's events.
pub(crate) fn label(label: &str) -> Vec<u8> {
    [b"l", label.as_bytes(), &[0]].concat()
}

pub(crate) fn delivery(id: DeliveryId) -> [u8; 17] {
    prefixed(b'd', id.as_bytes())
}

pub(crate) fn lane(webhook: WebhookId, place: Place) -> [u8; 33] {
    let mut key = [b'q'; 33];
    key[1..17].copy_from_slice(webhook.as_bytes());
    key[17..25].copy_from_slice(&place.0.as_millis().to_be_bytes());
    key[25..].copy_from_slice(&place.1.to_be_bytes());
    key
}

/// The set of the events whose delivery to a webhook is unfinished.
pub(crate) fn unfinished(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'u', webhook.as_bytes())
}

/// The set of the events whose delivery to a webhook has failed.
pub(crate) fn failed(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'f', webhook.as_bytes())
}

/// The set of the events whose delivery to a webhook was given up by hand.
pub(crate) fn cancelled(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'x', webhook.as_bytes())
}

/// The chain of a subject.
pub(crate) fn chain_of(subject: Option<&str>) -> Chain {
    let mut chain = Chain::default();
    if let Some(subject) = subject {
        let hash = Sha256::digest(subject);
        chain.copy_from_slice(&hash[..12]);
    }
    chain
}

pub(crate) fn ordered(webhook: WebhookId, chain: Chain, ordinal: u64) -> [u8; 37] {
    let mut key = [b'o'; 37];
    key[1..17].copy_from_slice(webhook.as_bytes());
    key[17..29].copy_from_slice(&chain);
    key[29..].copy_from_slice(&ordinal.to_be_bytes());
    key
}

/// The part of an `o` key that all of one chain share.
pub(crate) fn chain_prefix(key: &[u8]) -> &[u8] {
    &key[..key.len().min(29)]
}

/// The set of the events that a webhook gets.
pub(crate) fn webhook_history(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'w', webhook.as_bytes())
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

pub(crate) fn standing(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'b', webhook.as_bytes())
}

pub(crate) fn definition(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'D', webhook.as_bytes())
}

pub(crate) fn recovery(id: Uuid) -> [u8; 17] {
    prefixed(b'R', id.as_bytes())
}

pub(crate) fn segment(number: u64) -> [u8; 9] {
    numbered(b's', number)
}

/// All of one webhook's lane.
pub(crate) fn whole_lane(webhook: WebhookId) -> [u8; 17] {
    prefixed(b'q', webhook.as_bytes())
}

/// The place in a `q` key.
pub(crate) fn place_of(key: &[u8]) -> Option<Place> {
    let due = u64::from_be_bytes(key.get(17..25)?.try_into().ok()?);
    Some((Timestamp::from_millis(due), last_number(key)?))
}

/// The delivery that an `o` or `q` row names.
pub(crate) fn delivery_of(value: &[u8]) -> Option<DeliveryId> {
    Uuid::from_slice(value).ok().map(DeliveryId::from_uuid)
}

/// The number at the end of a key that ends with one.
pub(crate) fn last_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

/// The webhook in a `b`, `c`, `q` or `D` key.
pub(crate) fn webhook_of(key: &[u8]) -> Option<WebhookId> {
    Uuid::from_slice(key.get(1..17)?).ok().map(WebhookId::from_uuid)
}

fn prefixed(prefix: u8, id: &[u8; 16]) -> [u8; 17] {
    let mut key = [prefix; 17];
    key[1..].copy_from_slice(id);
    key
}

fn numbered(prefix: u8, number: u64) -> [u8; 9] {
    let mut key = [prefix; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}
