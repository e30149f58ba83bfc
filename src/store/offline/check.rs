//! Whether a store is whole: every record by its checksum and its number, and the index row by row
//! against one that is made of the journal.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::scratch::Scratch;
use super::{Anew, Offline, OnProgress, Progress, tell};
use crate::model::{DeliveryCounts, DeliveryState};
use crate::store::StoreError;
use crate::store::index::open::{Opened, Opening};
use crate::store::index::rows::DeliveryRow;
use crate::store::index::{Index, Tree, failed, keys, parse};

/// Rows compared between two reports.
const N_ROWS_PER_REPORT: u64 = 10_000;

/// What a store holds, and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The store's identity.
    pub store_id: String,
    /// Segments of the journal.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of the first record; null where neither its segment's header nor itself tells.
    pub first_record: Option<u64>,
    /// The number of the last record; one less than the first when there is none.
    pub last_record: u64,
    /// Events that can be read.
    pub events: u64,
    /// Their deliveries by state; held ones are among the pending.
    pub deliveries: DeliveryCounts,
    /// Their attempts.
    pub attempts: u64,
    /// Bytes behind the last record: a write that was not finished when the process ended. The next
    /// start cuts them off.
    pub unfinished_bytes: u64,
    /// How the index stands to the journal.
    pub index: IndexFound,
    /// What is lost or wrong: file, bytes, records. Empty is the promise.
    pub damage: Vec<String>,
}

/// How the index stands to the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "detail", rename_all = "snake_case")]
pub enum IndexFound {
    /// It says the same.
    Agrees,
    /// It is not there; the next start makes it.
    Absent,
    /// It cannot be used, and why; the next start makes it anew, and nothing is lost.
    Unusable(String),
    /// It says something else, which the next start would not notice.
    Differs(Vec<String>),
}

/// What rows of a kind differ by.
#[derive(Default)]
struct Differences {
    missing: u64,
    extra: u64,
    different: u64,
}

impl Offline {
    /// Reads everything and changes nothing.
    ///
    /// # Errors
    /// A file cannot be read, the temporary folder cannot be written, or it was broken off. Damage
    /// is no error but part of the answer.
    pub fn check(&self, on_progress: &OnProgress) -> Result<Checked, StoreError> {
        let anew = self.anew(on_progress)?;
        let replayed = &anew.opened.replayed;
        let mut damage = [anew.chain.damage.clone(), replayed.damage.clone()].concat();
        let (deliveries, attempts) = anew.index.with(count)?;
        let index = self.index_found(&anew, on_progress, &mut damage)?;
        let sizes = anew.chain.sizes()?;
        Ok(Checked {
            store_id: uuid::Uuid::from_bytes(anew.chain.store_id()).to_string(),
            segments: sizes.len() as u64,
            bytes: sizes.values().sum(),
            first_record: anew.chain.first_seq(),
            last_record: replayed.end.next_seq - 1,
            events: anew.opened.tallies.n_events(),
            deliveries,
            attempts,
            unfinished_bytes: replayed.torn_bytes,
            index,
            damage,
        })
    }

    /// Opens a copy of the index, for sled writes into what it opens, and compares.
    fn index_found(
        &self,
        anew: &Anew,
        on_progress: &OnProgress,
        damage: &mut Vec<String>,
    ) -> Result<IndexFound, StoreError> {
        let original = self.dir.join("index");
        if !original.is_dir() {
            return Ok(IndexFound::Absent);
        }
        let scratch = Scratch::new()?;
        copy(&original, &scratch.path().join("index"), on_progress)?;
        let mark = self.dir.join("index.state");
        if mark.exists() {
            let to = scratch.path().join("index.state");
            fs::copy(&mark, &to).map_err(|e| StoreError::io("copy", &mark, e))?;
        }
        let index = Index::new(scratch.path().join("index"));
        let (chain, reader) = (&anew.chain, &anew.reader);
        let opening = Opening { index: &index, chain, reader, dir: scratch.path(), limit: None };
        let (opened, lost) = opening.as_left();
        damage.extend(lost.damage(anew.opened.replayed.end.next_seq));
        let found = match opened {
            Ok(opened) => differences(&index, &opened, anew, on_progress),
            Err(error @ StoreError::Interrupted) => Err(error),
            Err(error) => Ok(IndexFound::Unusable(error.in_full())),
        };
        index.close_db();
        found
    }
}

/// The deliveries by state, and the attempts.
fn count(tree: &Tree) -> Result<(DeliveryCounts, u64), StoreError> {
    let mut counts = DeliveryCounts::default();
    for row in tree.scan_prefix(b"d").values() {
        let row: DeliveryRow = parse(&row.map_err(failed)?)?;
        *match row.state {
            DeliveryState::Pending | DeliveryState::Held => &mut counts.pending,
            DeliveryState::Delivered => &mut counts.delivered,
            DeliveryState::Failed => &mut counts.failed,
            DeliveryState::Cancelled => &mut counts.cancelled,
        } += 1;
    }
    let mut n_attempts = 0;
    for row in tree.scan_prefix(b"a").keys() {
        row.map_err(failed)?;
        n_attempts += 1;
    }
    Ok((counts, n_attempts))
}

fn differences(
    index: &Index,
    opened: &Opened,
    anew: &Anew,
    on_progress: &OnProgress,
) -> Result<IndexFound, StoreError> {
    let mut found = Vec::new();
    for (what, is, should_be) in [
        ("events", opened.tallies.n_events(), anew.opened.tallies.n_events()),
        ("unfinished deliveries", opened.tallies.n_pending(), anew.opened.tallies.n_pending()),
    ] {
        if is != should_be {
            found.push(format!("it counts {is} {what}, the journal has {should_be}"));
        }
    }
    let rows = index.with(|is| anew.index.with(|should_be| compare(is, should_be, on_progress)))?;
    found.extend(rows.iter().map(|(&kind, n)| {
        let Differences { missing, extra, different } = n;
        let rows = keys::in_words(kind);
        format!("rows for {rows}: {missing} missing, {extra} too many, {different} different")
    }));
    Ok(if found.is_empty() { IndexFound::Agrees } else { IndexFound::Differs(found) })
}

/// Walks through both in the order of their keys.
fn compare(
    is: &Tree,
    should_be: &Tree,
    on_progress: &OnProgress,
) -> Result<BTreeMap<u8, Differences>, StoreError> {
    let mut found: BTreeMap<u8, Differences> = BTreeMap::new();
    let (mut lefts, mut rights) = (is.iter(), should_be.iter());
    let mut left = lefts.next().transpose().map_err(failed)?;
    let mut right = rights.next().transpose().map_err(failed)?;
    let (total, mut done) = (should_be.len() as u64, 0);
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(found),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let here = if order == Ordering::Greater { &right } else { &left };
        let kind = here.as_ref().and_then(|(key, _)| key.first().copied()).unwrap_or_default();
        if is_derived(kind) && (order != Ordering::Equal || left != right) {
            let of_kind = found.entry(kind).or_default();
            *match order {
                Ordering::Less => &mut of_kind.extra,
                Ordering::Equal => &mut of_kind.different,
                Ordering::Greater => &mut of_kind.missing,
            } += 1;
        }
        if order != Ordering::Greater {
            left = lefts.next().transpose().map_err(failed)?;
        }
        if order != Ordering::Less {
            right = rights.next().transpose().map_err(failed)?;
            done += 1;
            if done % N_ROWS_PER_REPORT == 0 {
                let step = "comparing the index";
                tell(on_progress, Progress { step, done, total, is_bytes: false })?;
            }
        }
    }
}

/// Rows that the journal's present content alone decides. Not the others: how far the index is
/// (`m`), counters that remember what has been removed since (`c`, `s`), and the times of blocks,
/// which never become narrower (`t`, `T`).
const fn is_derived(kind: u8) -> bool {
    !matches!(kind, b'm' | b'c' | b's' | b't' | b'T')
}

fn copy(from: &Path, to: &Path, on_progress: &OnProgress) -> Result<(), StoreError> {
    let total = crate::store::space::dir_bytes(from);
    let mut done = 0;
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        let failed = |e: io::Error| StoreError::io("copy", &from, e);
        fs::create_dir_all(&to).map_err(failed)?;
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let target = to.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push((entry.path(), target));
                continue;
            }
            done += fs::copy(entry.path(), target).map_err(failed)?;
            let step = "copying the index";
            tell(on_progress, Progress { step, done, total, is_bytes: true })?;
        }
    }
    Ok(())
}
