//! Segment files and their headers.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | `SIDEHKJ1` |
//! | 8..12 | format |
//! | 12..28 | store id, random |
//! | 28..36 | segment number, as in the file's name |
//! | 36..44 | number of its first record |
//! | 44..48 | CRC32C of the bytes before |

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::store::{StoreError, owner, space};

/// Bytes of the header.
pub(crate) const HEADER_BYTES: u64 = 48;
/// The format written and the highest one read. 2 has records of webhooks created at run time, of
/// added deliveries and of recoveries, 3 has bodies that were aborted or still streaming: a version
/// that knows only less takes them for damage.
pub(crate) const FORMAT: u32 = 3;
/// The lowest one read.
pub(crate) const FORMAT_MIN: u32 = 1;

const MAGIC: &[u8; 8] = b"SIDEHKJ1";

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) number: u64,
    pub(crate) first_seq: u64,
}

/// What stands where a header should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Sound(Header),
    Newer(u32),
    /// Not a header, or a damaged one.
    Bad,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; 48] {
        let mut out = [0; 48];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&self.format.to_le_bytes());
        out[12..28].copy_from_slice(&self.store_id);
        out[28..36].copy_from_slice(&self.number.to_le_bytes());
        out[36..44].copy_from_slice(&self.first_seq.to_le_bytes());
        let crc = crc32c::crc32c(&out[..44]);
        out[44..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Found {
        let Some(bytes) = bytes.first_chunk::<48>() else { return Found::Bad };
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) | (u64::from(word(at + 4)) << 32);
        if &bytes[..8] != MAGIC {
            return Found::Bad;
        }
        let sound = crc32c::crc32c(&bytes[..44]) == word(44) || crate::sabotage::skip_checksum();
        match word(8) {
            _ if !sound => Found::Bad,
            format @ FORMAT_MIN..=FORMAT => {
                let mut store_id = [0; 16];
                store_id.copy_from_slice(&bytes[12..28]);
                Found::Sound(Self { format, store_id, number: long(28), first_seq: long(36) })
            }
            other => Found::Newer(other),
        }
    }
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.seg"))
}

/// Creates a segment: header written and synced, name synced. What was half done is removed.
pub(crate) fn create(dir: &Path, header: &Header) -> Result<File, StoreError> {
    let path = path(dir, header.number);
    let file = owner::create(&path).map_err(|e| StoreError::io("create", &path, e))?;
    let made = file
        .write_all_at(&header.encode(), 0)
        .and_then(|()| sync(&file))
        .and_then(|()| space::sync_dir(dir));
    match made {
        Ok(()) => Ok(file),
        Err(error) => {
            // Best effort; a left-over without records is dealt with at the next start.
            let _ = fs::remove_file(&path);
            Err(StoreError::io("write", &path, error))
        }
    }
}

/// Deletes a segment for good.
pub(crate) fn remove(dir: &Path, number: u64) -> Result<(), StoreError> {
    let path = path(dir, number);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &path, e));
        }
        _ => {}
    }
    space::sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))
}

/// The numbers of all segment files, ascending.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = |e| StoreError::io("list", dir, e);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|n| n.strip_suffix(".seg"))
            .filter(|stem| stem.len() >= 8 && stem.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|stem| stem.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads the header of a segment.
pub(crate) fn header(dir: &Path, number: u64) -> Result<Found, StoreError> {
    let path = path(dir, number);
    let failed = |e| StoreError::io("read", &path, e);
    let mut bytes = Vec::with_capacity(48);
    let file = File::open(&path).map_err(failed)?;
    file.take(HEADER_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Header::decode(&bytes))
}

/// Waits until a file's content is on stable storage.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    if crate::sabotage::skip_sync() { Ok(()) } else { file.sync_data() }
}
