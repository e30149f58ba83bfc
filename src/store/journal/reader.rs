//! Reading single records by their location, from any thread.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::frame::{self, Origin};
use super::record::Record;
use super::{Location, segment};
use crate::store::{StoreError, locked};

const N_OPEN_FILES_MAX: usize = 64;

/// Keeps a bounded number of segment files open.
#[derive(Debug)]
pub(crate) struct Reader {
    dir: PathBuf,
    store_id: [u8; 16],
    files: Mutex<HashMap<u64, Arc<File>>>,
}

impl Reader {
    pub(crate) fn new(dir: PathBuf, store_id: [u8; 16]) -> Self {
        Self { dir, store_id, files: Mutex::default() }
    }

    /// Reads and verifies one record.
    ///
    /// # Errors
    /// `Damaged` when the bytes are not that record; `Io` (perhaps not found: the segment has
    /// just been removed) otherwise.
    pub(crate) fn read(&self, at: Location) -> Result<Record, StoreError> {
        let (bytes, frame_at) = (self.bytes(at)?, at.offset);
        let origin = Origin { store_id: self.store_id, segment: at.segment };
        let frame = frame::parse(&bytes, frame_at, origin)
            .filter(|frame| frame.location == at)
            .ok_or_else(|| self.damaged(at, "checksum or length is wrong"))?;
        Record::decode(&frame).map_err(|error| self.damaged(at, &error.to_string()))
    }

    /// The typed error for a record that is not what it should be.
    pub(crate) fn damaged(&self, at: Location, why: &str) -> StoreError {
        let path = segment::path(&self.dir, at.segment);
        let (from, to) = (at.offset, at.offset + u64::from(at.len));
        StoreError::Damaged { detail: format!("{}, bytes {from} to {to}: {why}", path.display()) }
    }

    /// Forgets a file that is about to be removed.
    pub(crate) fn forget(&self, segment: u64) {
        locked(&self.files).remove(&segment);
    }

    fn bytes(&self, at: Location) -> Result<Vec<u8>, StoreError> {
        let file = self.file(at.segment)?;
        let mut bytes = vec![0; usize::try_from(at.len).expect("32 bits fit")];
        match file.read_exact_at(&mut bytes, at.offset) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(at, "the file ends before"))
            }
            Err(e) => Err(StoreError::io("read", &segment::path(&self.dir, at.segment), e)),
        }
    }

    fn file(&self, number: u64) -> Result<Arc<File>, StoreError> {
        if let Some(file) = locked(&self.files).get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = segment::path(&self.dir, number);
        let file = Arc::new(File::open(&path).map_err(|e| StoreError::io("open", &path, e))?);
        let mut files = locked(&self.files);
        if files.len() >= N_OPEN_FILES_MAX {
            files.clear();
        }
        files.insert(number, Arc::clone(&file));
        Ok(file)
    }
}
