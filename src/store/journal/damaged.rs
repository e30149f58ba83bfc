//! A segment's header that is not what it must be. Nothing is lost by it: what it says is known from
//! elsewhere (the file's name, the other headers, the first record), and the records have checksums of
//! their own. So it can be told byte by byte where it differs.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::frame::{self, HEAD_BYTES, Origin};
use super::segment::{self, FORMAT, FORMAT_MIN, HEADER_BYTES, Header};
use crate::store::StoreError;

/// Where each field stands, and what it is.
const FIELDS: [(Range<usize>, &str); 6] = [
    (0..8, "the mark of a journal"),
    (8..12, "the format"),
    (12..28, "the store's id"),
    (28..36, "the segment's number"),
    (36..44, "the number of the first record"),
    (44..48, "the checksum"),
];

/// What stands in a segment's file where a header should.
#[derive(Debug)]
pub(super) struct Damaged {
    file: File,
    /// At most as many as a header has.
    pub(super) bytes: Vec<u8>,
    n_bytes_file: u64,
}

impl Damaged {
    pub(super) fn read(dir: &Path, number: u64) -> Result<Self, StoreError> {
        let path = segment::path(dir, number);
        let read = || -> io::Result<Self> {
            let file = File::open(&path)?;
            let mut bytes = Vec::new();
            (&file).take(HEADER_BYTES).read_to_end(&mut bytes)?;
            let n_bytes_file = file.metadata()?.len();
            Ok(Self { file, bytes, n_bytes_file })
        };
        read().map_err(|e| StoreError::io("read", &path, e))
    }

    /// The file's making was broken off: no record has ever been in it.
    pub(super) fn is_unfinished(&self) -> bool {
        self.n_bytes_file < HEADER_BYTES
            || (self.n_bytes_file == HEADER_BYTES && self.bytes.iter().all(|&byte| byte == 0))
    }

    /// The number of the first record, by the record itself; `None`: it is not whole either, or
    /// there is none.
    pub(super) fn first_seq(&self, origin: Origin) -> Option<u64> {
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut head, HEADER_BYTES).ok()?;
        let n_bytes = frame::len(&head)?;
        if n_bytes > self.n_bytes_file - HEADER_BYTES {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(n_bytes).ok()?];
        self.file.read_exact_at(&mut bytes, HEADER_BYTES).ok()?;
        frame::parse(&bytes, HEADER_BYTES, origin).map(|frame| frame.seq)
    }

    /// The store's id, where the header still says the one under which the first record was written.
    pub(super) fn store_id(&self, number: u64) -> Option<[u8; 16]> {
        let store_id = *self.bytes.get(12..28)?.first_chunk()?;
        self.first_seq(Origin { store_id, segment: number }).map(|_| store_id)
    }

    /// In words.
    pub(super) fn describe(&self, path: &Path, origin: Origin, first_seq: Option<u64>) -> String {
        let (from, to, what) = match first_seq.and_then(|first| self.differing(origin, first)) {
            Some((range, fields)) => (range.start, range.end, format!(" ({})", fields.join(", "))),
            None => (0, 48, String::new()),
        };
        let records = if self.n_bytes_file > HEADER_BYTES {
            "its records are read all the same, by their own checksums. Look at the disk: the file \
             stays as it is until [store] retain lets go of it"
        } else {
            "there is no record in it. Look at the disk"
        };
        let path = path.display();
        format!("{path}, bytes {from} to {to}: the segment's header is damaged{what}; {records}")
    }

    /// From the first to behind the last byte that is wrong, and the fields that are.
    fn differing(
        &self,
        origin: Origin,
        first_seq: u64,
    ) -> Option<(Range<usize>, Vec<&'static str>)> {
        let Origin { store_id, segment: number } = origin;
        let wrong = |format| -> Vec<usize> {
            let right = Header { format, store_id, number, first_seq }.encode();
            (0..right.len()).filter(|&at| self.bytes.get(at) != Some(&right[at])).collect()
        };
        // The format is nowhere else: it is the one that leaves the fewest wrong.
        let wrong = (FORMAT_MIN..=FORMAT).map(wrong).min_by_key(Vec::len)?;
        let is_wrong = |field: &Range<usize>| wrong.iter().any(|at| field.contains(at));
        let fields = FIELDS.iter().filter(|(field, _)| is_wrong(field)).map(|&(_, what)| what);
        Some((*wrong.first()?..wrong.last()? + 1, fields.collect()))
    }
}
