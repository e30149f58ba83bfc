//! Before a journal of an older format goes on in this one: a backup that the version before can be
//! started with, should somebody want to go back.
//!
//! Segments are never written again once the next one is begun, so they are linked rather than copied
//! and cost no space until retention lets go of them. The last one is copied: the version before would
//! go on writing there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::index::open::is_out_of_space;
use super::journal::segment::{self, FORMAT, Found};
use super::{owner, space};

/// Leaves `backup/format-N` in the store's folder `dir`, where all of its journal is of an older
/// format N. Where it is there already, it stays as it is.
///
/// # Errors
/// It cannot be made; nothing has been changed then.
pub(crate) fn before_migration(dir: &Path) -> Result<(), StoreError> {
    let journal = dir.join("journal");
    let numbers = segment::list(&journal)?;
    let Some(format) = older_format(&journal, &numbers)? else { return Ok(()) };
    let backup = dir.join("backup").join(format!("format-{format}"));
    if backup.exists() {
        return Ok(());
    }
    let made = match make(dir, &journal, &numbers, &backup) {
        Err(error) if is_out_of_space(&error) => {
            tracing::warn!(
                "the disk is full; the reserve is used for the backup before an upgrade"
            );
            // Best effort: without a reserve the second try tells.
            let _ = fs::remove_file(dir.join("reserve"));
            make(dir, &journal, &numbers, &backup)
        }
        made => made,
    };
    made?;
    tracing::info!(
        from = format,
        to = FORMAT,
        backup = %backup.display(),
        "the journal goes on in a newer format; the version before can be started with the backup as \
         its [store] path. Delete it when you will not go back"
    );
    Ok(())
}

/// The newest format of a journal that holds nothing of the present one or of a later one.
fn older_format(journal: &Path, numbers: &[u64]) -> Result<Option<u32>, StoreError> {
    let mut newest = None;
    for &number in numbers {
        match segment::header(journal, number)? {
            Found::Sound(header) if header.format < FORMAT => {
                newest = newest.max(Some(header.format));
            }
            Found::Bad => {}
            Found::Sound(_) | Found::Newer(_) => return Ok(None),
        }
    }
    Ok(newest)
}

/// All of it or nothing: under its name only when it is complete and synced.
fn make(dir: &Path, journal: &Path, numbers: &[u64], backup: &Path) -> Result<(), StoreError> {
    let unfinished = backup.with_extension("unfinished");
    let failed = |path: &Path, error| StoreError::io("back up", path, error);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|e| failed(&unfinished, e))?;
    }
    let to = unfinished.join("journal");
    owner::create_dir(&to).map_err(|e| failed(&to, e))?;
    for &number in numbers {
        let from = segment::path(journal, number);
        let is_last = Some(&number) == numbers.last();
        keep(&from, &segment::path(&to, number), is_last).map_err(|e| failed(&from, e))?;
    }
    let id = dir.join("store-id");
    if id.exists() {
        keep(&id, &unfinished.join("store-id"), true).map_err(|e| failed(&id, e))?;
    }
    let parents: [PathBuf; 3] = [to, unfinished.clone(), dir.join("backup")];
    parents
        .iter()
        .try_for_each(|parent| space::sync_dir(parent))
        .and_then(|()| fs::rename(&unfinished, backup))
        .and_then(|()| space::sync_dir(&parents[2]))
        .map_err(|e| failed(backup, e))
}

/// A second name, where the file system has that and nobody will write to the file.
fn keep(from: &Path, to: &Path, is_copied: bool) -> io::Result<()> {
    if !is_copied && fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut copy = owner::create(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}
