//! Appending to the journal: one write and one sync per batch. After a failed write or sync the
//! segment is never trusted again (the kernel may have dropped what it could not write and call
//! the next sync a success): it is cut back to its last synced end and a new one is begun.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::frame::{self, HEAD_BYTES, Kind, Origin};
use super::segment::{self, Found, HEADER_BYTES, Header};
use super::{Location, Position};
use crate::store::StoreError;

/// Memory that is kept between batches.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// The open end of the journal.
#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    store_id: [u8; 16],
    segment_bytes: u64,
    /// `None`: broken; the end is still `at`, but behind it nothing can be trusted.
    file: Option<File>,
    at: Position,
    /// The memory of the batch before, for the next.
    spare: Vec<u8>,
    #[cfg(test)]
    fails_next: bool,
}

/// Records on their way to the disk.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    at: Position,
    origin: Origin,
}

impl Writer {
    /// Continues at `at`; a segment that does not exist yet is created.
    pub(crate) fn open(
        dir: &Path,
        store_id: [u8; 16],
        segment_bytes: u64,
        at: Position,
    ) -> Result<Self, StoreError> {
        let path = segment::path(dir, at.segment);
        let mut writer = Self {
            dir: dir.to_owned(),
            store_id,
            segment_bytes,
            file: None,
            at,
            spare: Vec::new(),
            #[cfg(test)]
            fails_next: false,
        };
        if at.offset == 0 {
            writer.begin(at.segment)?;
        } else {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            let file = file.map_err(|e| StoreError::io("open", &path, e))?;
            // What was read at the start may so far be only in the page cache.
            segment::sync(&file).map_err(|e| StoreError::io("sync", &path, e))?;
            writer.file = Some(file);
            // What stands in a segment of an older format, older versions must be able to read.
            if matches!(segment::header(dir, at.segment)?, Found::Sound(h) if h.format < segment::FORMAT)
            {
                writer.roll()?;
            }
        }
        Ok(writer)
    }

    /// The end of what is durable.
    pub(crate) const fn position(&self) -> Position {
        self.at
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.file.is_none()
    }

    /// Whether somebody deleted the open segment: what is written into it now, nobody can find
    /// again, however well it is synced.
    pub(crate) fn is_deleted(&self) -> bool {
        let metadata = self.file.as_ref().map(File::metadata);
        matches!(metadata, Some(Ok(metadata)) if metadata.nlink() == 0)
    }

    /// Begins a batch of about `n_bytes`, in a new segment when the current one has no room.
    pub(crate) fn batch(&mut self, n_bytes: u64) -> Result<Batch, StoreError> {
        if self.at.offset > HEADER_BYTES && self.at.offset + n_bytes > self.segment_bytes {
            self.roll()?;
        }
        Ok(Batch { bytes: std::mem::take(&mut self.spare), ..Batch::at(self.at, self.store_id) })
    }

    /// Keeps the memory of a batch for the next.
    pub(crate) fn reuse(&mut self, batch: Batch) {
        let mut bytes = batch.bytes;
        if bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Closes the current segment and begins the next.
    pub(crate) fn roll(&mut self) -> Result<(), StoreError> {
        self.begin(self.at.segment + 1)
    }

    /// Makes a batch durable.
    ///
    /// # Errors
    /// None of it counts as written, and nothing can be written until [`Writer::repair`].
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let path = segment::path(&self.dir, self.at.segment);
        let Some(file) = self.file.take() else {
            return Err(StoreError::Refused { reason: "the journal is being repaired".to_owned() });
        };
        self.write(&file, batch).map_err(|e| StoreError::io("write", &path, e))?;
        segment::sync(&file).map_err(|e| StoreError::io("sync", &path, e))?;
        self.file = Some(file);
        self.at = batch.at;
        Ok(())
    }

    /// After a failure: cuts what was not confirmed and begins a new segment. Until that has
    /// succeeded the cut may itself fail; a crash in between can show records of the failed
    /// batch again. That is a second delivery's risk, never a loss: the upstream had done them.
    pub(crate) fn repair(&mut self) -> Result<(), StoreError> {
        let path = segment::path(&self.dir, self.at.segment);
        if self.at.offset <= HEADER_BYTES {
            // Nothing was ever confirmed in it: its number is used again.
            segment::remove(&self.dir, self.at.segment)?;
            return self.begin(self.at.segment);
        }
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| {
            file.set_len(self.at.offset)?;
            segment::sync(&file)
        });
        if let Err(error) = cut {
            // The new segment's first number fences off what could not be cut.
            tracing::debug!(%error, path = %path.display(), "could not cut a failed batch");
        }
        self.begin(self.at.segment + 1)
    }

    #[cfg(not(test))]
    fn write(&mut self, file: &File, batch: &Batch) -> io::Result<()> {
        file.write_all_at(batch.bytes(), self.at.offset)
    }

    /// Half of the batch arrives, then the disk fails, when a test wants it so.
    #[cfg(test)]
    fn write(&mut self, file: &File, batch: &Batch) -> io::Result<()> {
        if !std::mem::take(&mut self.fails_next) {
            return file.write_all_at(batch.bytes(), self.at.offset);
        }
        file.write_all_at(&batch.bytes()[..batch.bytes().len() / 2], self.at.offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    #[cfg(test)]
    pub(crate) fn fail_next(&mut self) {
        self.fails_next = true;
    }

    fn begin(&mut self, number: u64) -> Result<(), StoreError> {
        let (store_id, first_seq) = (self.store_id, self.at.next_seq);
        let header = Header { format: segment::FORMAT, store_id, number, first_seq };
        let path = segment::path(&self.dir, number);
        // A left-over of an earlier try that could not be removed then.
        if number != self.at.segment && path.exists() {
            segment::remove(&self.dir, number)?;
        }
        self.file = Some(segment::create(&self.dir, &header)?);
        self.at.segment = number;
        self.at.offset = HEADER_BYTES;
        Ok(())
    }
}

impl Batch {
    /// An empty one whose first record stands at `at`.
    pub(crate) const fn at(at: Position, store_id: [u8; 16]) -> Self {
        Self { bytes: Vec::new(), at, origin: Origin { store_id, segment: at.segment } }
    }

    /// The frames so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of the record that is pushed next.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.at.next_seq
    }

    /// Where the journal ends when this batch is durable.
    pub(crate) const fn end(&self) -> Position {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a record whose payload `write` appends.
    pub(crate) fn push(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Location {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        write(&mut self.bytes);
        let offset = self.at.offset;
        let frame = &mut self.bytes[start..];
        let len = frame::seal(frame, kind, self.at.next_seq, offset, self.origin);
        self.at.next_seq += 1;
        self.at.offset += u64::from(len);
        Location { segment: self.at.segment, offset, len }
    }
}
