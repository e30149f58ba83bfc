//! Disk space: what is free, what the store uses, and a reserve file whose release gives sled
//! room to open on a full disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::owner;

const RESERVE_BYTES_MAX: u64 = 32 * 1024 * 1024;
const RESERVE_BYTES_MIN: u64 = 64 * 1024;

/// A file that holds space until it is needed.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Takes the space, if there is enough of it; a store works without a reserve, too.
    pub(crate) fn take(dir: &Path, max_bytes: u64) -> Self {
        let free = free_bytes(dir).unwrap_or(0);
        let bytes = RESERVE_BYTES_MAX.min(max_bytes / 32).min(free / 32);
        let mut reserve = Self { path: dir.join("reserve"), bytes, held: false };
        reserve.retake();
        reserve
    }

    /// Bytes held now.
    pub(crate) const fn held_bytes(&self) -> u64 {
        if self.held { self.bytes } else { 0 }
    }

    /// Bytes it holds when it can.
    pub(crate) const fn wanted_bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives the space back to the disk.
    pub(crate) fn release(&mut self) {
        if self.held {
            self.held = false;
            if let Err(error) = fs::remove_file(&self.path) {
                tracing::warn!(%error, path = %self.path.display(), "could not release the reserve");
            }
        }
    }

    /// Takes the space again after a release.
    pub(crate) fn retake(&mut self) {
        if self.held || self.bytes < RESERVE_BYTES_MIN {
            return;
        }
        match self.allocate() {
            Ok(()) => self.held = true,
            Err(error) => {
                tracing::debug!(%error, "no reserve file now");
                // Best effort: what was not allocated holds nothing.
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let file = owner::open(&self.path)?;
        if file.metadata()?.len() != self.bytes {
            file.set_len(0)?;
        }
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes)?;
        Ok(())
    }
}

/// Free space for ordinary users on the disk of `path`, bytes.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The size of a directory's files, three levels deep; what cannot be read counts as nothing.
pub(crate) fn dir_bytes(dir: &Path) -> u64 {
    fn sum(dir: &Path, depth: u32) -> u64 {
        let Ok(entries) = fs::read_dir(dir) else { return 0 };
        entries
            .flatten()
            .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
            .map(|(path, meta)| match (meta.is_dir(), depth) {
                (true, 0) => 0,
                (true, _) => sum(&path, depth - 1),
                (false, _) => meta.len(),
            })
            .sum()
    }
    sum(dir, 3)
}

/// Makes a created, renamed or deleted name in `dir` survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if crate::sabotage::skip_sync() {
        return Ok(());
    }
    File::open(dir)?.sync_all()
}

/// Takes from everybody else what `owner::create_dir` would not have given: what sled writes into a
/// directory is readable by all, and holds keys and bodies.
pub(crate) fn keep_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    owner::create_dir(dir)?;
    let mode = fs::metadata(dir)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(mode & 0o700))
}

/// Replaces a small file as a whole: old or new content, never a mixture, also after a power cut.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let new = path.with_extension("new");
    let mut file = owner::create_anew(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}
