//! The index: sled, which finds what the journal holds. Nothing here is the truth: every row can
//! be made again from the journal, so trouble with sled is answered by moving its directory aside
//! and rebuilding. Rows are postcard, small, in one tree under one-byte prefixes ([`keys`]); one
//! batch of the journal is one atomic batch here, together with the position it leads to.

pub(crate) mod apply;
mod bits;
pub(crate) mod blocks;
pub(crate) mod candidates;
mod chains;
pub(crate) mod history;
pub(crate) mod ids;
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod open;
pub(crate) mod ordinals;
pub(crate) mod rows;
pub(crate) mod stands;
pub(crate) mod tallies;
pub(crate) mod walk;
mod warm;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, owner, space};

/// Its rows, for reads; whoever has one names it by the index, not by the library.
pub(crate) type Tree = sled::Tree;

/// Of the rows; another one is rebuilt.
pub(crate) const FORMAT: u32 = 6;

const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const FLUSH_EVERY_MS: u64 = 500;

/// The place of sled's database; empty while it is being reopened.
#[derive(Debug)]
pub(crate) struct Index {
    dir: PathBuf,
    db: RwLock<Option<sled::Db>>,
    is_closed: Arc<AtomicBool>,
}

impl Index {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, db: RwLock::new(None), is_closed: Arc::default() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs `work` on the database. sled answers some damage with a panic; here that is an error
    /// like any other.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&sled::Tree) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = db.as_ref() else {
            if self.is_closed.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            return Err(broken("it is being reopened"));
        };
        catch_unwind(AssertUnwindSafe(|| work(db)))
            .unwrap_or_else(|_| Err(broken("sled panicked; see the log")))
    }

    /// Opens sled in a thread of its own, so that a panic in it ends only that thread.
    pub(crate) fn open_db(&self) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        space::keep_private(&dir).map_err(|e| StoreError::io("make private", &dir, e))?;
        let opened = std::thread::Builder::new()
            .name("index-open".to_owned())
            .spawn(move || {
                sled::Config::new()
                    .path(dir)
                    .cache_capacity(CACHE_BYTES)
                    .flush_every_ms(Some(FLUSH_EVERY_MS))
                    .open()
            })
            .map_err(|e| StoreError::io("start a thread to open", &self.dir, e))?
            .join();
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => return Err(broken("sled panicked while it opened its files")),
        };
        owner::give_all(&self.dir);
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        warm::start(&self.dir, &self.is_closed);
        Ok(())
    }

    /// Lets go of the database; waits for reads that run. sled flushes when dropped and may
    /// panic then, too.
    pub(crate) fn close_db(&self) {
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner).take();
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!("sled panicked while it was closed");
        }
        owner::give_all(&self.dir);
    }

    /// Lets go of the database for good.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.close_db();
    }

    /// Hands everything to the operating system (which survives the death of this process; for a
    /// power cut see `open`).
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.with(|tree| tree.flush().map(drop).map_err(failed))
    }
}

/// Reads a row.
pub(crate) fn get<T: DeserializeOwned>(
    tree: &sled::Tree,
    key: impl AsRef<[u8]>,
) -> Result<Option<T>, StoreError> {
    get_raw(tree, key)?.map(|value| parse(&value)).transpose()
}

fn get_raw(tree: &sled::Tree, key: impl AsRef<[u8]>) -> Result<Option<sled::IVec>, StoreError> {
    tree.get(key).map_err(failed)
}

/// A row's value.
pub(crate) fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(value).map_err(|error| broken(&format!("a row cannot be read: {error}")))
}

/// A row's bytes.
pub(crate) fn bytes_of<T: Serialize>(row: &T) -> Vec<u8> {
    postcard::to_stdvec(row).expect("plain data into memory")
}

pub(crate) fn failed(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) => StoreError::io("use", Path::new("index"), source),
        other => broken(&other.to_string()),
    }
}

pub(crate) fn broken(detail: &str) -> StoreError {
    StoreError::Index { detail: detail.to_owned() }
}
