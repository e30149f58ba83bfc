//! The files that a configuration is made of, each with what it held when it was read: how a change
//! is noticed later, by content alone, whatever way it came about (a write, a rename, the swap of a
//! link above it).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Files as they were at one moment. What is no regular file (a pipe, a device) is read once and
/// not looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    held: BTreeMap<PathBuf, Held>,
    /// They are read again, for a process that runs.
    is_again: bool,
}

/// What one file held.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    /// How much of it counts, bytes.
    bytes_max: u64,
    /// Whether a change of it is one of the configuration.
    counts: bool,
    /// `None`: it was not there, or could not be read.
    digest: Option<[u8; 32]>,
}

impl Files {
    /// To be read again: what is no regular file is refused then. A pipe has given all it had, and
    /// whoever opens it once more waits for ever.
    pub(super) fn again() -> Self {
        Self { is_again: true, ..Self::default() }
    }

    /// The same files as they are now. Blocking.
    pub fn look(&self) -> Self {
        let now = self.held.iter().map(|(path, held)| {
            let bytes = fs::metadata(path)
                .ok()
                .filter(fs::Metadata::is_file)
                .and_then(|_| content(path, held.bytes_max).ok());
            (path.clone(), Held { digest: bytes.as_deref().map(digest), ..*held })
        });
        Self { held: now.collect(), ..*self }
    }

    /// Whether what both have was the same.
    pub fn agree(&self, others: &Self) -> bool {
        let other = |path| others.held.get(path);
        self.held
            .iter()
            .all(|(path, held)| other(path).is_none_or(|other| other.digest == held.digest))
    }

    /// Reads a file, at most one byte more than `bytes_max`, and remembers it.
    pub(super) fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let is_watched = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        if self.is_again && !is_watched {
            let reason = "it is no regular file, which can be read only at a start: restart";
            return Err(io::Error::other(reason));
        }
        let read = content(path, bytes_max);
        if is_watched {
            let digest = read.as_deref().ok().map(digest);
            self.held.insert(path.to_owned(), Held { bytes_max, counts: true, digest });
        }
        read
    }

    /// Remembers a file that somebody else reads and follows.
    pub(super) fn note(&mut self, path: &Path, bytes_max: u64) {
        // What is in it matters to them.
        let _ = self.read(path, bytes_max);
        if let Some(held) = self.held.get_mut(path) {
            held.counts = false;
        }
    }

    /// One number for the content of all that count but `except`.
    pub(super) fn fingerprint(&self, except: Option<&Path>) -> [u8; 32] {
        let mut all = Sha256::new();
        let counting =
            self.held.iter().filter(|(path, held)| held.counts && Some(path.as_path()) != except);
        for (_, held) in counting {
            all.update(held.digest.unwrap_or_default());
        }
        all.finalize().into()
    }
}

fn content(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_change_is_a_change_of_content_whatever_way_it_came_about() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "one"), ("v2", "two"), ("v3", "two")] {
            fs::create_dir(at(version)).expect("created");
            fs::write(at(version).join("a"), text).expect("written");
        }
        symlink(at("v1"), at("data")).expect("linked");
        let mut files = Files::default();
        assert_eq!(files.read(&at("data").join("a"), 3).expect("there"), b"one");
        assert_eq!(files.look(), files);
        let swap = |to: &str| {
            symlink(at(to), at("new")).expect("linked");
            fs::rename(at("new"), at("data")).expect("renamed");
        };
        swap("v2");
        let two = files.look();
        assert!(two != files && !two.agree(&files) && two.agree(&Files::default()));
        swap("v3");
        assert_eq!(files.look(), two, "the same content at another place");
        fs::remove_file(at("data")).expect("removed");
        let gone = files.look();
        assert_ne!(gone, two);
        assert_eq!(gone.look(), gone);
        symlink(at("v1"), at("data")).expect("linked");
        assert_eq!(gone.look(), files, "and back");
    }

    #[test]
    fn a_file_beyond_its_limit_is_the_same_at_every_look() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let path = folder.path().join("large");
        fs::write(&path, "x".repeat(100)).expect("written");
        let mut files = Files::default();
        assert_eq!(files.read(&path, 9).expect("there").len(), 10);
        assert_eq!(files.look(), files);
    }
}
