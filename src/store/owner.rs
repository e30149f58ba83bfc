//! Making files and folders in a store, so that whoever runs sidehook can go on with it: what root
//! makes there gets the owner and group of the folder in which it is made. Otherwise one command that
//! was run as root would leave an index or a lock behind that the service cannot open.
//!
//! Only what was made just now is given away, and by its open file, never by a name: in a folder that
//! belongs to somebody else, names may turn into links to anything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::process::geteuid;

/// Deeper than sled goes.
const DEPTH_MAX: u32 = 4;

/// Creates a file that is not there yet; only its owner can read it.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    give(&file, path);
    Ok(file)
}

/// The same in place of what is there.
pub(crate) fn create_anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => create(path),
    }
}

/// Opens a file for reading and writing; creates it where it is not there.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match create(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let no_link = OFlags::NOFOLLOW.bits().cast_signed();
            OpenOptions::new().read(true).write(true).custom_flags(no_link).open(path)
        }
        made => made,
    }
}

/// Creates a folder that only its owner can read, and those above it, where they are not there.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
            match OpenOptions::new().read(true).custom_flags(flags).open(dir) {
                Ok(made) => give(&made, dir),
                Err(error) => tell(Err(error), dir),
            }
            Ok(())
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            create_dir(dir.parent().ok_or(e)?)?;
            create_dir(dir)
        }
        Err(_) if dir.is_dir() => Ok(()),
        Err(e) => Err(e),
    }
}

/// Gives away what somebody else's code has made in a folder, as root.
pub(crate) fn give_all(dir: &Path) {
    if !geteuid().is_root() {
        return;
    }
    let folder = match File::open(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return,
        folder => folder,
    };
    let given = folder.and_then(|folder| {
        let to = folder.metadata()?;
        let is_roots = to.uid() == 0 && to.gid() == 0;
        if is_roots { Ok(()) } else { give_within(folder.into(), to.uid(), to.gid(), DEPTH_MAX) }
    });
    tell(given, dir);
}

fn give(made: &File, path: &Path) {
    let given = made.metadata().and_then(|made_by| {
        if made_by.uid() != 0 {
            return Ok(());
        }
        let folder = path.parent().filter(|parent| *parent != Path::new(""));
        let to = fs::metadata(folder.unwrap_or(Path::new(".")))?;
        if (to.uid(), to.gid()) == (made_by.uid(), made_by.gid()) {
            return Ok(());
        }
        fchown(made, Some(to.uid()), Some(to.gid()))
    });
    tell(given, path);
}

fn give_within(folder: OwnedFd, uid: u32, gid: u32, depth: u32) -> io::Result<()> {
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let folder: BorrowedFd<'_> = folder.as_fd();
        // Gone since: sled tidies up beside this.
        let Ok(found) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let kind = FileType::from_raw_mode(found.st_mode);
        if is_roots_own(&found, kind) {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            match rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW) {
                Err(error) if error != rustix::io::Errno::NOENT => return Err(error.into()),
                _ => {}
            }
        }
        if kind == FileType::Directory && depth > 0 {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            give_within(inner, uid, gid, depth - 1)?;
        }
    }
    Ok(())
}

/// A second name may be one of a file elsewhere.
fn is_roots_own(found: &Stat, kind: FileType) -> bool {
    let is_only_name = kind == FileType::RegularFile && found.st_nlink == 1;
    found.st_uid == 0 && (is_only_name || kind == FileType::Directory)
}

/// No reason to stop: root can go on, and so can everybody where the owner was right.
fn tell(given: io::Result<()>, path: &Path) {
    if let Err(error) = given {
        tracing::warn!(
            path = %path.display(), %error,
            "what root made here could not be given to the owner of the folder"
        );
    }
}
