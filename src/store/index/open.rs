//! Opening the index: trusted when it fits the journal, rebuilt from the journal when it does
//! not. sled does not survive a power cut (its flush is no fdatasync), so after a restart of the
//! machine it is trusted only if it was closed cleanly, which this file makes durable itself.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::apply::Applier;
use super::rows::MetaRow;
use super::tallies::Tallies;
use super::{FORMAT, Index, blocks, broken, failed, get, history, keys, ordinals};
use crate::store::journal::chain::{Chain, Replayed};
use crate::store::journal::reader::Reader;
use crate::store::journal::record::Record;
use crate::store::journal::segment::HEADER_BYTES;
use crate::store::journal::{Location, Position};
use crate::store::{StoreError, owner, space};

const N_RECORDS_PER_BATCH: usize = 256;

/// Everything the opening needs to see.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) index: &'a Index,
    pub(crate) chain: &'a Chain,
    pub(crate) reader: &'a Reader,
    /// The store's directory.
    pub(crate) dir: &'a Path,
    /// Where the journal ends, when it is open for writing already.
    pub(crate) limit: Option<Position>,
}

/// An index that agrees with the journal.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) tallies: Tallies,
    pub(crate) replayed: Replayed,
}

/// What the index knows of the journal and the journal does not hold.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    next_seq: Option<u64>,
    segment: Option<u64>,
}

/// How the index was left, in a file of its own that is replaced durably.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Mark {
    boot_id: String,
    clean: bool,
}

impl Lost {
    /// In words, where the journal ends before record `end`.
    pub(crate) fn damage(&self, end: u64) -> Vec<String> {
        let segment = self.segment.map(|n| format!("segment {n} is missing"));
        let records = self.next_seq.filter(|&known| known > end).map(|known| {
            let last = known - 1;
            format!("the journal ends before record {end}, but records up to {last} were written")
        });
        segment.into_iter().chain(records).collect()
    }
}

impl Opening<'_> {
    /// Opens the index, or makes it anew.
    pub(crate) fn run(&self) -> Result<Opened, StoreError> {
        let mark = read_mark(self.dir);
        let boot_id = boot_id();
        write_mark(self.dir, &Mark { boot_id: boot_id.clone(), clean: false })?;
        let mut lost = Lost::default();
        if !self.chain.is_empty() || self.index.dir().exists() {
            match self.trust(&mark, &boot_id, &mut lost) {
                Ok(opened) => return Ok(opened),
                Err(error) if is_out_of_space(&error) => return Err(error),
                Err(error) => tracing::warn!(
                    reason = %error.in_full(),
                    "the index cannot be used; it is moved aside and rebuilt from the journal"
                ),
            }
        }
        let mut opened = self.rebuild()?;
        let end = opened.replayed.end.next_seq;
        opened.replayed.damage.extend(lost.damage(end));
        Ok(opened)
    }

    /// The index as it was left, without making it anew; and what it knows of the journal that the
    /// journal does not hold.
    pub(crate) fn as_left(&self) -> (Result<Opened, StoreError>, Lost) {
        let mut lost = Lost::default();
        let opened = self.trust(&read_mark(self.dir), &boot_id(), &mut lost);
        (opened, lost)
    }

    /// The index made anew, whatever is there.
    pub(crate) fn anew(&self) -> Result<Opened, StoreError> {
        write_mark(self.dir, &Mark { boot_id: boot_id(), clean: false })?;
        self.rebuild()
    }

    /// The index as it is, brought up to date; an error says why it cannot be used.
    fn trust(&self, mark: &Mark, boot_id: &str, lost: &mut Lost) -> Result<Opened, StoreError> {
        if !self.index.dir().exists() {
            return Err(broken("it is not there"));
        }
        if !mark.clean && (boot_id.is_empty() || mark.boot_id != boot_id) {
            return Err(broken("the machine was restarted without a clean close"));
        }
        self.index.open_db()?;
        self.index.with(|tree| {
            let meta: MetaRow = get(tree, keys::META)?.ok_or_else(|| broken("it is empty"))?;
            if meta.format != FORMAT {
                return Err(broken(&format!("its format is {}", meta.format)));
            }
            if meta.store_id != self.chain.store_id() {
                return Err(broken("it belongs to another store"));
            }
            lost.next_seq = Some(meta.position.next_seq);
            let tallies = Tallies::load(tree)?;
            lost.segment = tallies.segments().keys().copied().find(|&n| !self.chain.has(n));
            if let Some(number) = lost.segment {
                return Err(broken(&format!("it knows segment {number}, which is gone")));
            }
            self.verify(&meta)?;
            if !mark.clean {
                recount(tree, &tallies)?;
            }
            self.replay(tree, tallies, Some(meta.position))
        })
    }

    /// The position must be in the journal, and the record before it sound.
    fn verify(&self, meta: &MetaRow) -> Result<(), StoreError> {
        let at = meta.position;
        if !self.chain.has(at.segment) || at.offset < HEADER_BYTES {
            return Err(broken("its position is not in the journal"));
        }
        if self.chain.bytes(at.segment)? < at.offset {
            return Err(broken("its position is behind the journal's end"));
        }
        let Some(last) = meta.last else { return Ok(()) };
        let end = last.offset + u64::from(last.len);
        if (last.segment, end) != (at.segment, at.offset) {
            return Err(broken("its position is not the end of a record"));
        }
        self.reader.read(last).map(drop)
    }

    fn rebuild(&self) -> Result<Opened, StoreError> {
        self.index.close_db();
        move_aside(self.index.dir(), &self.dir.join("quarantine"))?;
        self.index.open_db()?;
        let opened = self.index.with(|tree| self.replay(tree, Tallies::default(), None))?;
        self.index.flush()?;
        if opened.replayed.end.next_seq > 1 {
            tracing::info!(records = opened.replayed.end.next_seq - 1, "the index was built anew");
        }
        Ok(opened)
    }

    fn replay(
        &self,
        tree: &sled::Tree,
        mut tallies: Tallies,
        from: Option<Position>,
    ) -> Result<Opened, StoreError> {
        let store_id = self.chain.store_id();
        let mut pending: Vec<(Record, Location)> = Vec::new();
        let mut write = |pending: &mut Vec<(Record, Location)>, end: Position| {
            let mut applier = Applier::new(tree, &mut tallies);
            for (record, at) in pending.drain(..) {
                applier.apply(&record, at)?;
            }
            applier.write(store_id, Some(end)).map(drop)
        };
        let replayed = self.chain.replay(from, self.limit, |record, frame| {
            let at = frame.location;
            pending.push((without_bodies(record), at));
            if pending.len() < N_RECORDS_PER_BATCH {
                return Ok(());
            }
            let offset = at.offset + u64::from(at.len);
            let end = Position { segment: at.segment, offset, next_seq: frame.seq + 1 };
            write(&mut pending, end)
        })?;
        if !pending.is_empty() {
            write(&mut pending, replayed.end)?;
        }
        Ok(Opened { tallies, replayed })
    }
}

/// The index has been closed: makes it survive also a power cut, and says so.
pub(crate) fn mark_clean(dir: &Path, index_dir: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::io("sync", index_dir, e);
    sync_tree(index_dir).map_err(failed)?;
    write_mark(dir, &Mark { boot_id: boot_id(), clean: true })
}

/// Whether an error is a full disk, which rebuilding cannot cure.
pub(crate) fn is_out_of_space(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ))
}

/// The kept counters against the rows: a sled that lost rows silently is found out.
fn recount(tree: &sled::Tree, tallies: &Tallies) -> Result<(), StoreError> {
    let count = |prefix: &[u8]| -> Result<u64, StoreError> {
        let mut n = 0;
        for row in tree.scan_prefix(prefix).keys() {
            row.map_err(failed)?;
            n += 1;
        }
        Ok(n)
    };
    // Of each chain only the first stands in the lane.
    let (mut n_behind, mut chain) = (0, Vec::new());
    for key in tree.scan_prefix(b"o").keys() {
        let key = key.map_err(failed)?;
        let of_row = keys::chain_prefix(&key);
        if of_row == chain {
            n_behind += 1;
        } else {
            chain = of_row.to_vec();
        }
    }
    let (n_pending, n_events) = (tallies.n_pending(), tallies.n_events());
    for (prefix, kept, n_hidden) in [
        (b"q", n_pending, n_behind),
        (b"h", n_events, 0),
        (b"t", n_events, 0),
        (b"u", n_pending, 0),
    ] {
        let found = match prefix {
            b"u" => ordinals::count(tree, prefix)?,
            b"t" => blocks::count(tree, prefix)?,
            b"h" => history::count(tree)?,
            _ => count(prefix)? + n_hidden,
        };
        if found != kept {
            let rows = keys::in_words(prefix[0]);
            return Err(broken(&format!("its rows for {rows} are {found} where it counts {kept}")));
        }
    }
    Ok(())
}

/// The index does not look at bodies: a batch of them would be large.
fn without_bodies(mut record: Record) -> Record {
    if let Record::Event { event, .. } = &mut record {
        event.exchange.request.body.bytes = Vec::new();
        event.exchange.response.body.bytes = Vec::new();
    }
    record
}

fn move_aside(dir: &Path, quarantine: &Path) -> Result<(), StoreError> {
    if !dir.exists() {
        return Ok(());
    }
    forget_older(quarantine);
    let millis = crate::clock::now().as_millis();
    let to = quarantine.join(format!("index.damaged-{millis}"));
    let moved = owner::create_dir(quarantine).and_then(|()| fs::rename(dir, &to));
    moved.map_err(|e| StoreError::io("move aside", dir, e))?;
    tracing::warn!(to = %to.display(), "the old index can be deleted when nobody wants to see it");
    Ok(())
}

/// Old indexes are kept for whoever wants to see why, but not without end: they count into the
/// store's size.
fn forget_older(quarantine: &Path) {
    let Ok(entries) = fs::read_dir(quarantine) else { return };
    let is_index = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("index.damaged-");
    for entry in entries.flatten().filter(|entry| is_index(&entry.file_name())) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::debug!(%error, "could not remove an older index");
        }
    }
}

fn mark_path(dir: &Path) -> PathBuf {
    dir.join("index.state")
}

fn read_mark(dir: &Path) -> Mark {
    let read = fs::read(mark_path(dir)).ok();
    read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write_mark(dir: &Path, mark: &Mark) -> Result<(), StoreError> {
    let path = mark_path(dir);
    let bytes = serde_json::to_vec(mark).expect("plain data into memory");
    space::replace_file(&path, &bytes).map_err(|e| StoreError::io("write", &path, e))
}

/// Which start of the machine this is; empty when the system does not say.
fn boot_id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}
