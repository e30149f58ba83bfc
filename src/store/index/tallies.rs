//! What the index counts, and the few rows that are wanted all the time: kept in memory, written
//! with every batch that changes them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::rows::DeliveryRow;
use super::{broken, bytes_of, failed, keys, parse};
use crate::model::{DeliveryState, Secret, Timestamp, WebhookId, WebhookState, WebhookStatus};
use crate::store::StoreError;
use crate::store::journal::Location;
use crate::store::journal::managed::RecoveryRecord;

/// A webhook's deliveries by stored state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) pending: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    /// How many ended as failed since the last that was delivered, or since it was enabled again.
    pub(crate) failed_in_a_row: u32,
}

/// How a webhook stands, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StandingRow {
    pub(crate) status: WebhookStatus,
    pub(crate) reason: Option<String>,
    pub(crate) since: Timestamp,
    pub(crate) overrides_file: bool,
    pub(crate) location: Location,
    /// Last: earlier versions read a row as far as they know it. Left out where there is none: a row
    /// that they wrote is one that we would write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rests_until: Option<Timestamp>,
}

/// The same as earlier versions wrote it.
#[derive(Deserialize)]
struct EarlierStandingRow {
    status: WebhookStatus,
    reason: Option<String>,
    since: Timestamp,
    overrides_file: bool,
    location: Location,
}

/// What a journal segment holds, for retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentRow {
    /// Newest time of anything in it.
    pub(crate) newest: Timestamp,
    /// Events whose record here is the current one.
    pub(crate) n_events: u64,
    /// Unfinished deliveries of those.
    pub(crate) n_unfinished: u64,
    /// Their part of the bytes, attempts not counted.
    pub(crate) live_bytes: u64,
    /// What has been copied into it from older segments, attempts included: copying it once more
    /// would free nothing.
    pub(crate) carried_bytes: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    counts: HashMap<WebhookId, Counts>,
    segments: BTreeMap<u64, SegmentRow>,
    standings: HashMap<WebhookId, StandingRow>,
    kept: Kept,
    dirty_counts: HashSet<WebhookId>,
    dirty_segments: BTreeSet<u64>,
    dirty_standings: HashSet<WebhookId>,
}

impl Counts {
    pub(crate) const fn of(&self, state: DeliveryState) -> u64 {
        match state {
            DeliveryState::Pending | DeliveryState::Held => self.pending,
            DeliveryState::Delivered => self.delivered,
            DeliveryState::Failed => self.failed,
            DeliveryState::Cancelled => self.cancelled,
        }
    }

    pub(crate) const fn of_mut(&mut self, state: DeliveryState) -> &mut u64 {
        match state {
            DeliveryState::Pending | DeliveryState::Held => &mut self.pending,
            DeliveryState::Delivered => &mut self.delivered,
            DeliveryState::Failed => &mut self.failed,
            DeliveryState::Cancelled => &mut self.cancelled,
        }
    }
}

impl StandingRow {
    fn of(state: &WebhookState, location: Location) -> Self {
        let WebhookState { status, since, overrides_file, rests_until, .. } = *state;
        let reason = state.reason.clone();
        Self { status, reason, since, overrides_file, location, rests_until }
    }

    fn read(value: &[u8]) -> Result<Self, StoreError> {
        parse(value).or_else(|_| {
            let EarlierStandingRow { status, reason, since, overrides_file, location } =
                parse(value)?;
            Ok(Self { status, reason, since, overrides_file, location, rests_until: None })
        })
    }

    pub(crate) fn state(&self) -> WebhookState {
        WebhookState {
            status: self.status,
            reason: self.reason.clone(),
            since: self.since,
            overrides_file: self.overrides_file,
            rests_until: self.rests_until,
        }
    }
}

impl Tallies {
    /// Reads the counters that the last batch left.
    pub(crate) fn load(tree: &sled::Tree) -> Result<Self, StoreError> {
        let mut tallies = Self { kept: Kept::load(tree)?, ..Self::default() };
        for row in tree.scan_prefix(b"c") {
            let (key, value) = row.map_err(failed)?;
            let webhook = keys::webhook_of(&key).ok_or_else(|| broken("a key is short"))?;
            tallies.counts.insert(webhook, parse(&value)?);
        }
        for row in tree.scan_prefix(b"s") {
            let (key, value) = row.map_err(failed)?;
            let number = keys::last_number(&key).ok_or_else(|| broken("a key is short"))?;
            tallies.segments.insert(number, parse(&value)?);
        }
        for row in tree.scan_prefix(b"b") {
            let (key, value) = row.map_err(failed)?;
            let webhook = keys::webhook_of(&key).ok_or_else(|| broken("a key is short"))?;
            tallies.standings.insert(webhook, StandingRow::read(&value)?);
        }
        Ok(tallies)
    }

    pub(crate) const fn segments(&self) -> &BTreeMap<u64, SegmentRow> {
        &self.segments
    }

    /// Unfinished deliveries of all webhooks.
    pub(crate) fn n_pending(&self) -> u64 {
        self.counts.values().map(|c| c.pending).sum()
    }

    pub(crate) fn n_events(&self) -> u64 {
        self.segments.values().map(|s| s.n_events).sum()
    }

    pub(crate) fn segment(&mut self, number: u64) -> &mut SegmentRow {
        self.dirty_segments.insert(number);
        self.segments.entry(number).or_default()
    }

    pub(crate) fn drop_segment(&mut self, number: u64) {
        self.dirty_segments.insert(number);
        self.segments.remove(&number);
        self.kept.drop_segment(number);
    }

    /// Counts a delivery in (`true`) or out.
    pub(crate) fn count(&mut self, row: &DeliveryRow, comes: bool) {
        let shift = |n: &mut u64, by: u64| {
            *n = if comes { *n + by } else { n.saturating_sub(by) };
        };
        self.dirty_counts.insert(row.webhook_id);
        shift(self.counts.entry(row.webhook_id).or_default().of_mut(row.state), 1);
        if row.state == DeliveryState::Pending {
            let segment = self.segment(row.segment);
            shift(&mut segment.n_unfinished, 1);
            shift(&mut segment.live_bytes, u64::from(row.share_bytes));
        }
    }

    /// A delivery has ended by an attempt.
    pub(crate) fn ended(&mut self, webhook: WebhookId, delivered: bool) {
        self.dirty_counts.insert(webhook);
        let run = &mut self.counts.entry(webhook).or_default().failed_in_a_row;
        *run = if delivered { 0 } else { run.saturating_add(1) };
    }

    pub(crate) const fn standings(&self) -> &HashMap<WebhookId, StandingRow> {
        &self.standings
    }

    /// A webhook stands so from now on. An active one needs no row; one that was disabled and is
    /// enabled begins anew.
    pub(crate) fn stand(&mut self, webhook: WebhookId, state: &WebhookState, location: Location) {
        self.dirty_standings.insert(webhook);
        let before = if state.is_unremarkable() {
            self.standings.remove(&webhook)
        } else {
            self.standings.insert(webhook, StandingRow::of(state, location))
        };
        let was_disabled = before.is_some_and(|row| row.status == WebhookStatus::Disabled);
        if was_disabled && state.status == WebhookStatus::Active {
            self.ended(webhook, true);
        }
    }

    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// A webhook is defined so from now on; deleted, nothing is left of how it stood.
    pub(crate) fn define(&mut self, webhook: WebhookId, text: Option<Secret>, location: Location) {
        if text.is_none() {
            self.dirty_standings.insert(webhook);
            self.standings.remove(&webhook);
            self.ended(webhook, true);
        }
        self.kept.define(webhook, text, location);
    }

    pub(crate) fn step(&mut self, record: &RecoveryRecord, location: Location) {
        self.kept.step(record, location);
    }

    /// How many deliveries of a webhook are there, and how many of them are unfinished.
    pub(crate) fn n_of(&self, webhook: WebhookId) -> (u64, u64) {
        let counts = self.counts.get(&webhook).copied().unwrap_or_default();
        let n = counts.pending + counts.delivered + counts.failed + counts.cancelled;
        (n, counts.pending)
    }

    /// Adds the changed rows to a batch.
    pub(crate) fn write(&mut self, batch: &mut sled::Batch) {
        for webhook in self.dirty_counts.drain() {
            let counts = self.counts.get(&webhook).copied().unwrap_or_default();
            if counts == Counts::default() {
                self.counts.remove(&webhook);
                batch.remove(&keys::counts(webhook)[..]);
            } else {
                batch.insert(&keys::counts(webhook)[..], bytes_of(&counts));
            }
        }
        self.kept.write(batch);
        for number in std::mem::take(&mut self.dirty_segments) {
            match self.segments.get(&number) {
                Some(row) => batch.insert(&keys::segment(number)[..], bytes_of(row)),
                None => batch.remove(&keys::segment(number)[..]),
            }
        }
        for webhook in self.dirty_standings.drain() {
            match self.standings.get(&webhook) {
                Some(row) => batch.insert(&keys::standing(webhook)[..], bytes_of(row)),
                None => batch.remove(&keys::standing(webhook)[..]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_wrote_of_how_a_webhook_stands_is_read_and_they_read_what_we_write() {
        let location = Location { segment: 3, offset: 300, len: 70_000 };
        let row = StandingRow {
            status: WebhookStatus::Paused,
            reason: Some("10 failed attempts".to_owned()),
            since: Timestamp::from_millis(1 << 40),
            overrides_file: true,
            location,
            rests_until: Some(Timestamp::from_millis(1 << 41)),
        };
        let written = bytes_of(&row);
        assert_eq!(StandingRow::read(&written).expect("ours"), row);
        let theirs: EarlierStandingRow = parse(&written).expect("as far as they know it");
        assert_eq!(theirs.location, location);

        let n_new = bytes_of(&row.rests_until).len();
        let earlier = &written[..written.len() - n_new];
        let read = StandingRow::read(earlier).expect("theirs");
        assert_eq!(read, StandingRow { rests_until: None, ..row });
        assert_eq!(bytes_of(&read), earlier, "or a check would find it different");
        assert!(StandingRow::read(&earlier[..earlier.len() - 1]).is_err(), "cut");
    }
}
