//! What is wanted however old it is, and carried forward for that: webhooks created at run time,
//! and recoveries.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{broken, bytes_of, failed, keys, parse};
use crate::model::{Secret, WebhookId};
use crate::store::StoreError;
use crate::store::journal::Location;
use crate::store::journal::managed::{RecoveryRecord, revealed};
use crate::store::recovery::{Recovery, RecoveryStatus};

/// So many recoveries that have ended are remembered.
const N_ENDED_MAX: usize = 100;

/// A webhook created at run time, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DefinitionRow {
    /// `None`: it was deleted, and what it left is not all gone yet.
    #[serde(with = "revealed")]
    pub(crate) text: Option<Secret>,
    pub(crate) location: Location,
}

/// A recovery, and where its last step is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecoveryRow {
    pub(crate) recovery: Recovery,
    pub(crate) next: u64,
    pub(crate) end: u64,
    pub(crate) location: Location,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    definitions: HashMap<WebhookId, DefinitionRow>,
    recoveries: HashMap<Uuid, RecoveryRow>,
    dirty_definitions: HashSet<WebhookId>,
    dirty_recoveries: HashSet<Uuid>,
}

impl Kept {
    pub(super) fn load(tree: &sled::Tree) -> Result<Self, StoreError> {
        let mut kept = Self::default();
        for row in tree.scan_prefix(b"D") {
            let (key, value) = row.map_err(failed)?;
            let webhook = keys::webhook_of(&key).ok_or_else(|| broken("a key is short"))?;
            kept.definitions.insert(webhook, parse(&value)?);
        }
        for row in tree.scan_prefix(b"R") {
            let row: RecoveryRow = parse(&row.map_err(failed)?.1)?;
            kept.recoveries.insert(row.recovery.id, row);
        }
        Ok(kept)
    }

    pub(crate) const fn definitions(&self) -> &HashMap<WebhookId, DefinitionRow> {
        &self.definitions
    }

    /// Whether a webhook was created at run time, and deleted since.
    pub(crate) fn is_deleted(&self, webhook: WebhookId) -> bool {
        self.definitions.get(&webhook).is_some_and(|row| row.text.is_none())
    }

    pub(crate) const fn recoveries(&self) -> &HashMap<Uuid, RecoveryRow> {
        &self.recoveries
    }

    /// Those under way.
    pub(crate) fn running(&self) -> impl Iterator<Item = &RecoveryRow> {
        self.recoveries.values().filter(|row| row.recovery.status == RecoveryStatus::Running)
    }

    /// A webhook is defined so from now on, or deleted.
    pub(super) fn define(&mut self, webhook: WebhookId, text: Option<Secret>, location: Location) {
        self.dirty_definitions.insert(webhook);
        self.definitions.insert(webhook, DefinitionRow { text, location });
    }

    /// A recovery has come so far.
    pub(super) fn step(&mut self, record: &RecoveryRecord, location: Location) {
        let recovery = record.recovery.clone();
        let (next, end) = (record.next, record.end);
        self.dirty_recoveries.insert(recovery.id);
        self.recoveries.insert(recovery.id, RecoveryRow { recovery, next, end, location });
        self.forget_ended();
    }

    /// The segment goes; what is still wanted has been copied out of it.
    pub(super) fn drop_segment(&mut self, number: u64) {
        let is_gone = |row: &DefinitionRow| row.text.is_none() && row.location.segment == number;
        let gone = self.definitions.extract_if(|_, row| is_gone(row));
        self.dirty_definitions.extend(gone.map(|(id, _)| id));
    }

    /// Adds the changed rows to a batch.
    pub(super) fn write(&mut self, batch: &mut sled::Batch) {
        for webhook in self.dirty_definitions.drain() {
            match self.definitions.get(&webhook) {
                Some(row) => batch.insert(&keys::definition(webhook)[..], bytes_of(row)),
                None => batch.remove(&keys::definition(webhook)[..]),
            }
        }
        for id in self.dirty_recoveries.drain() {
            match self.recoveries.get(&id) {
                Some(row) => batch.insert(&keys::recovery(id)[..], bytes_of(row)),
                None => batch.remove(&keys::recovery(id)[..]),
            }
        }
    }

    /// Of those that have ended the newest are remembered.
    fn forget_ended(&mut self) {
        let ended = self.recoveries.values().map(|row| &row.recovery);
        let mut ended: Vec<_> = ended.filter_map(|r| Some((r.ended_at?, r.id))).collect();
        ended.sort_unstable();
        for (_, id) in ended.iter().rev().skip(N_ENDED_MAX) {
            self.recoveries.remove(id);
            self.dirty_recoveries.insert(*id);
        }
    }
}
