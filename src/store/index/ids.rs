//! Which ordinal an event's id has. Ids begin with the time: those of a few milliseconds share a
//! row of sled, whose cost is by the row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;

use super::{Tree, broken, failed, get_raw, keys};
use crate::model::EventId;
use crate::store::StoreError;

/// An id and its ordinal.
const ENTRY_BYTES: usize = 24;

/// What a batch has looked at and changes, by row.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<[u8; 7], Row>);

/// The entries of a row, in the order of their ids.
#[derive(Debug)]
struct Row {
    entries: Vec<(EventId, u64)>,
    is_changed: bool,
}

impl Changes {
    /// The ordinal of an event as the batch so far leaves it.
    pub(super) fn ordinal(&mut self, tree: &Tree, id: EventId) -> Result<Option<u64>, StoreError> {
        let row = self.row(tree, id)?;
        Ok(row.find(id).ok().map(|at| row.entries[at].1))
    }

    pub(super) fn insert(
        &mut self,
        tree: &Tree,
        id: EventId,
        ordinal: u64,
    ) -> Result<(), StoreError> {
        let row = self.row(tree, id)?;
        row.is_changed = true;
        match row.find(id) {
            Ok(at) => row.entries[at].1 = ordinal,
            Err(at) => row.entries.insert(at, (id, ordinal)),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, tree: &Tree, id: EventId) -> Result<(), StoreError> {
        let row = self.row(tree, id)?;
        if let Ok(at) = row.find(id) {
            row.entries.remove(at);
            row.is_changed = true;
        }
        Ok(())
    }

    /// Adds the changed rows to a batch.
    pub(super) fn write(&mut self, batch: &mut sled::Batch) {
        for (key, row) in self.0.drain().filter(|(_, row)| row.is_changed) {
            if row.entries.is_empty() {
                batch.remove(&key[..]);
                continue;
            }
            let mut value = Vec::with_capacity(row.entries.len() * ENTRY_BYTES);
            for (id, ordinal) in &row.entries {
                value.extend_from_slice(id.as_bytes());
                value.extend_from_slice(&ordinal.to_be_bytes());
            }
            batch.insert(&key[..], value);
        }
    }

    fn row(&mut self, tree: &Tree, id: EventId) -> Result<&mut Row, StoreError> {
        Ok(match self.0.entry(keys::events(id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let value = get_raw(tree, new.key())?;
                let entries = value.map(|value| entries(&value)).transpose()?.unwrap_or_default();
                new.insert(Row { entries, is_changed: false })
            }
        })
    }
}

impl Row {
    fn find(&self, id: EventId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.0)
    }
}

/// The ordinal of an event.
pub(crate) fn ordinal_of(tree: &Tree, id: EventId) -> Result<Option<u64>, StoreError> {
    Changes::default().ordinal(tree, id)
}

/// The ordinals of the events whose ids are in a range, at most `n_max`; `None`: there are more.
pub(crate) fn ordinals_in(
    tree: &Tree,
    ids: RangeInclusive<EventId>,
    n_max: usize,
) -> Result<Option<Vec<u64>>, StoreError> {
    let mut ordinals = Vec::new();
    for value in tree.range(keys::events(*ids.start())..=keys::events(*ids.end())).values() {
        let found = entries(&value.map_err(failed)?)?;
        ordinals.extend(found.iter().filter(|(id, _)| ids.contains(id)).map(|(_, at)| *at));
        if ordinals.len() > n_max {
            return Ok(None);
        }
    }
    Ok(Some(ordinals))
}

fn entries(value: &[u8]) -> Result<Vec<(EventId, u64)>, StoreError> {
    let (whole, rest) = value.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(broken("a row of ids is short"));
    }
    let entry = |bytes: &[u8; ENTRY_BYTES]| {
        let id = uuid::Uuid::from_slice(&bytes[..16]).ok()?;
        Some((EventId::from_uuid(id), keys::last_number(bytes)?))
    };
    Ok(whole.iter().filter_map(entry).collect())
}
