//! After a restart of the machine nothing of the index is in memory, and a list of events far apart
//! waits for the disk hundreds of times. One pass over the file, in the background, costs seconds
//! and leaves it with the operating system, which gives the memory away again when others need it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// No more than this: some millions of events.
const BYTES_MAX: u64 = 4 << 30;
const CHUNK_BYTES: usize = 1 << 20;

/// Reads the database of a directory once, in a thread of its own, until told that it is closed.
/// Whatever fails here only leaves the first lists as slow as the disk.
pub(super) fn start(dir: &Path, is_closed: &Arc<AtomicBool>) {
    let (path, is_closed) = (dir.join("db"), Arc::clone(is_closed));
    let work = move || {
        if let Ok(file) = File::open(path) {
            let n_bytes = read_through(file.take(BYTES_MAX), &is_closed);
            tracing::debug!(n_bytes, "the index has been read once, to have it in memory");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("index-warm".to_owned()).spawn(work) {
        tracing::debug!(%error, "no thread to read the index");
    }
}

fn read_through(mut file: impl Read, is_closed: &AtomicBool) -> u64 {
    let (mut chunk, mut n_bytes) = (vec![0; CHUNK_BYTES], 0);
    while !is_closed.load(Ordering::Relaxed) {
        match file.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => n_bytes += n as u64,
        }
    }
    n_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_unless_it_is_closed() {
        let file = || std::io::repeat(1).take(3 * CHUNK_BYTES as u64 + 5);
        assert_eq!(read_through(file(), &AtomicBool::new(false)), 3 * CHUNK_BYTES as u64 + 5);
        assert_eq!(read_through(file(), &AtomicBool::new(true)), 0);
    }
}
