//! A store that nobody runs: examined, exported, its index made anew. Under the same lock as a
//! running one, so that never two look at it.
//!
//! Examining and exporting change nothing there: what they need to find things, an index made of the
//! journal, stands in a temporary folder. It is made by the very code that makes the real one.

mod check;
mod export;
mod scratch;

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::index::Index;
use super::index::open::{self, Opened, Opening};
use super::journal::chain::{Chain, Watch};
use super::journal::reader::Reader;
use super::lock::Lock;
use super::open::read_id;

pub use check::{Checked, IndexFound};
pub use export::{Exported, Story, Within};
use scratch::Scratch;

/// The store of a directory, locked.
#[derive(Debug)]
pub struct Offline {
    dir: PathBuf,
    known_id: Option<[u8; 16]>,
    _lock: Lock,
}

/// How far a long work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done, in words.
    pub step: &'static str,
    /// So much of it.
    pub done: u64,
    /// So much in all.
    pub total: u64,
    /// It is bytes that are counted.
    pub is_bytes: bool,
}

/// Told now and then how far a work is; breaking it off leaves everything whole.
pub type OnProgress = Arc<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>;

/// What a rebuild came to.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The number of the last record.
    pub last_record: u64,
    /// Events in it.
    pub events: u64,
    /// Unfinished deliveries.
    pub unfinished: u64,
    /// What of the journal could not be read.
    pub damage: Vec<String>,
}

/// An index made of the journal, in a temporary folder.
struct Anew {
    index: Index,
    opened: Opened,
    chain: Chain,
    reader: Reader,
    _scratch: Scratch,
}

impl Offline {
    /// Takes the directory's lock.
    ///
    /// # Errors
    /// There is no store, or another process uses it (named by its pid).
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join("journal").is_dir() {
            let absent = io::Error::new(io::ErrorKind::NotFound, "there is no journal in it");
            return Err(StoreError::io("find a store in", dir, absent));
        }
        let lock = Lock::take(dir)?;
        Ok(Self { known_id: read_id(dir)?, dir: dir.to_owned(), _lock: lock })
    }

    /// Removes the index and makes it anew of the journal. Broken off or killed, it is gone on with
    /// at the next start.
    ///
    /// # Errors
    /// A file cannot be read or written, or it was broken off.
    pub fn rebuild(&self, on_progress: &OnProgress) -> Result<Rebuilt, StoreError> {
        let quarantine = self.dir.join("quarantine");
        let chain = Chain::survey(&self.journal(), &quarantine, self.known_id)?;
        let chain = watched(chain, on_progress)?;
        let index = Index::new(self.dir.join("index"));
        match fs::remove_dir_all(index.dir()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", index.dir(), e));
            }
            _ => {}
        }
        let reader = Reader::new(self.journal(), chain.store_id());
        let opening =
            Opening { index: &index, chain: &chain, reader: &reader, dir: &self.dir, limit: None };
        let opened = opening.anew();
        index.close_db();
        let opened = opened?;
        open::mark_clean(&self.dir, index.dir())?;
        Ok(Rebuilt {
            last_record: opened.replayed.end.next_seq - 1,
            events: opened.tallies.n_events(),
            unfinished: opened.tallies.n_pending(),
            damage: [chain.damage, opened.replayed.damage].concat(),
        })
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// An index made of the journal, beside the store.
    fn anew(&self, on_progress: &OnProgress) -> Result<Anew, StoreError> {
        let scratch = Scratch::new()?;
        let chain = watched(Chain::look(&self.journal(), None, self.known_id)?, on_progress)?;
        let index = Index::new(scratch.path().join("index"));
        let reader = Reader::new(self.journal(), chain.store_id());
        let dir = scratch.path();
        let opening = Opening { index: &index, chain: &chain, reader: &reader, dir, limit: None };
        match opening.anew() {
            Ok(opened) => Ok(Anew { index, opened, chain, reader, _scratch: scratch }),
            Err(error) => {
                index.close_db();
                Err(error)
            }
        }
    }
}

impl Drop for Anew {
    fn drop(&mut self) {
        // Before its files are removed.
        self.index.close_db();
    }
}

/// Reading this journal is told.
fn watched(chain: Chain, on_progress: &OnProgress) -> Result<Chain, StoreError> {
    let total = chain.sizes()?.values().sum();
    let on_progress = Arc::clone(on_progress);
    let tell = move |done| {
        on_progress(Progress { step: "reading the journal", done, total, is_bytes: true })
    };
    Ok(chain.watched_by(Watch(Arc::new(tell))))
}

/// Tells how far a work is; an error where it is broken off.
fn tell(on_progress: &OnProgress, progress: Progress) -> Result<(), StoreError> {
    match on_progress(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Interrupted),
    }
}
