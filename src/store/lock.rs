//! One process per directory: an advisory lock that the kernel drops with the process, however
//! it ends, so that a lock can never be stale. The holder writes its id into the file for the
//! error of the next one.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::{StoreError, owner};

/// How long a lock that is held is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// Held while the store is open; dropping it frees the directory.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut file = owner::open(&path).map_err(|e| StoreError::io("open", &path, e))?;
        match lock_soon(&file) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked { path, pid });
            }
            Err(e) => return Err(StoreError::io("lock", &path, e.into())),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        // A full disk must not keep the store from opening: the lock holds without the number.
        if let Err(error) = written {
            tracing::debug!(%error, "could not write the process id into the lock");
        }
        Ok(Self { file })
    }
}

/// Takes the lock; waits a moment for a holder that has been killed and is still being cleared
/// away by the kernel.
fn lock_soon(file: &File) -> rustix::io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// Unlocked by name: a child process that is just being started may hold a copy of the file for a
/// moment, and with it the lock.
impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = rustix::fs::flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "could not unlock the store's directory; its closing will");
        }
    }
}
