//! The rows of events, neighbours together: sled's cost is by the row, in time and memory, so a few
//! events share one. What is written depends on the events alone, not on the batches they came in.

use std::collections::BTreeMap;

use super::rows::EventRow;
use super::{Tree, broken, bytes_of, failed, get_raw, keys, parse};
use crate::store::StoreError;

/// So many ordinals share a row.
const N_PER_ROW: u64 = 16;

/// Before each event's bytes: its place, and how many bytes.
const HEAD_BYTES: usize = 5;

/// The row of an event.
pub(crate) fn event_at(tree: &Tree, ordinal: u64) -> Result<Option<EventRow>, StoreError> {
    let Some(value) = get_raw(tree, keys::history(ordinal / N_PER_ROW))? else { return Ok(None) };
    for entry in entries(&value) {
        let (place, bytes) = entry?;
        if u64::from(place) == ordinal % N_PER_ROW {
            return parse(bytes).map(Some);
        }
    }
    Ok(None)
}

/// The first event at an ordinal or behind it.
pub(crate) fn first_from(tree: &Tree, from: u64) -> Result<Option<u64>, StoreError> {
    let first = keys::history(from / N_PER_ROW);
    for row in tree.range(first..=keys::history(u64::MAX)) {
        let (key, value) = row.map_err(failed)?;
        for entry in entries(&value) {
            let ordinal = start_of(&key)? + u64::from(entry?.0);
            if ordinal >= from {
                return Ok(Some(ordinal));
            }
        }
    }
    Ok(None)
}

/// All events, in order, until `each` has had enough or fails.
pub(crate) fn each(
    tree: &Tree,
    mut each: impl FnMut(EventRow) -> Result<std::ops::ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    for value in tree.scan_prefix(b"h").values() {
        for entry in entries(&value.map_err(failed)?) {
            if each(parse(entry?.1)?)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// How many there are.
pub(super) fn count(tree: &Tree) -> Result<u64, StoreError> {
    let mut n = 0;
    for value in tree.scan_prefix(b"h").values() {
        for entry in entries(&value.map_err(failed)?) {
            entry?;
            n += 1;
        }
    }
    Ok(n)
}

/// Adds to a batch what has become of events, by ordinal; `None`: forgotten.
pub(super) fn write(
    tree: &Tree,
    changes: &BTreeMap<u64, Option<&EventRow>>,
    batch: &mut sled::Batch,
) -> Result<(), StoreError> {
    let mut next = 0;
    while let Some((&ordinal, _)) = changes.range(next..).next() {
        let number = ordinal / N_PER_ROW;
        let start = number * N_PER_ROW;
        next = start + N_PER_ROW;
        let key = keys::history(number);
        let before = get_raw(tree, key)?;
        let mut row: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for entry in before.iter().flat_map(|value| entries(value)) {
            let (place, bytes) = entry?;
            let ordinal = start + u64::from(place);
            if !changes.contains_key(&ordinal) {
                row.insert(ordinal, bytes.to_vec());
            }
        }
        for (&ordinal, event) in changes.range(start..next) {
            if let Some(event) = event {
                row.insert(ordinal, bytes_of(event));
            }
        }
        match joined(&row) {
            Some(value) => batch.insert(&key[..], value),
            None => batch.remove(&key[..]),
        }
    }
    Ok(())
}

/// The value of a row; `None`: there is nothing in it.
fn joined(row: &BTreeMap<u64, Vec<u8>>) -> Option<Vec<u8>> {
    let n_bytes: usize = row.values().map(|bytes| HEAD_BYTES + bytes.len()).sum();
    let mut value = Vec::with_capacity(n_bytes);
    for (ordinal, bytes) in row {
        let place = u8::try_from(ordinal % N_PER_ROW).expect("a small remainder");
        let len = u32::try_from(bytes.len()).expect("rows of events are short");
        value.push(place);
        value.extend_from_slice(&len.to_le_bytes());
        value.extend_from_slice(bytes);
    }
    (!value.is_empty()).then_some(value)
}

/// The events of a value: place, and bytes.
fn entries(value: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), StoreError>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split(rest);
        rest = entry.map_or(&[], |(_, _, behind)| behind);
        let entry = entry.map(|(place, bytes, _)| (place, bytes));
        Some(entry.ok_or_else(|| broken("a row of events is short")))
    })
}

/// Place and bytes of the first event, and what is behind them.
fn split(value: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[place, a, b, c, d], behind) = value.split_first_chunk::<HEAD_BYTES>()?;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    let (bytes, behind) = behind.split_at_checked(len)?;
    Some((place, bytes, behind))
}

fn start_of(key: &[u8]) -> Result<u64, StoreError> {
    let number = keys::last_number(key).ok_or_else(|| broken("a key is short"))?;
    Ok(number.saturating_mul(N_PER_ROW))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, Timestamp};
    use crate::store::journal::Location;

    fn event(number: u64) -> EventRow {
        EventRow {
            id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(number))),
            location: Location { segment: 1, offset: number, len: 1 },
            committed_at: Timestamp::default(),
            time: Timestamp::default(),
            label: "a".to_owned(),
            tag: None,
            subject: None,
            depth: 0,
            method: "POST".to_owned(),
            url: format!("/{number}"),
            status: 200,
            deliveries: Vec::new(),
            is_test: false,
        }
    }

    fn change(tree: &Tree, numbers: impl IntoIterator<Item = u64>, is_there: bool) {
        let rows: Vec<_> = numbers.into_iter().map(|number| (number, event(number))).collect();
        let changes = rows.iter().map(|(number, row)| (*number, is_there.then_some(row)));
        let mut batch = sled::Batch::default();
        write(tree, &changes.collect(), &mut batch).expect("readable");
        tree.apply_batch(batch).expect("written");
    }

    #[test]
    fn neighbours_share_a_row_and_each_is_found_alone() {
        let db = sled::Config::new().temporary(true).open().expect("a database");
        let numbers = [3, 15, 16, 17, 500];
        // The same in one batch or in several, in any order.
        change(&db, numbers, true);
        let together: Vec<_> = db.iter().map(|row| row.expect("readable")).collect();
        change(&db, numbers, false);
        assert!(db.is_empty());
        numbers.iter().rev().for_each(|&number| change(&db, [number], true));
        assert_eq!(together, db.iter().map(|row| row.expect("readable")).collect::<Vec<_>>());

        assert_eq!((together.len(), count(&db).expect("readable")), (3, 5));
        assert_eq!(event_at(&db, 17).expect("readable"), Some(event(17)));
        assert_eq!(event_at(&db, 4).expect("readable"), None);
        let first = |from| first_from(&db, from).expect("readable");
        let found = [0, 4, 15, 18, 501].map(first);
        assert_eq!(found, [Some(3), Some(15), Some(15), Some(500), None]);
        change(&db, [15, 16], false);
        assert_eq!([first(4), event_at(&db, 16).expect("readable").map(|_| 0)], [Some(17), None]);
    }

    #[test]
    fn a_row_that_was_cut_is_an_error() {
        let row = BTreeMap::from([(1, vec![1; 9])]);
        let value = joined(&row).expect("something");
        for n in 1..value.len() {
            assert!(entries(&value[..n]).any(|entry| entry.is_err()), "{n}");
        }
    }
}
