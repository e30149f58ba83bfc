//! What can go wrong in the store, as a type. Every variant can be cloned, because one failed
//! batch has many waiters.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a call to the store failed. Display says what happened and what helps.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing is taken now; the same words as `Unhealthy::reason`.
    #[error("the store takes no events now: {reason}")]
    Refused {
        /// In words, with the cure.
        reason: String,
    },
    /// The bounded memory for waiting events (or requests) is used up.
    #[error("too much waits for its commit ({bytes} bytes); try again in a moment")]
    Full {
        /// Bytes that wait now.
        bytes: usize,
    },
    /// The store is well and does not do what was asked for.
    #[error("{reason}")]
    Declined {
        /// In words, with the cure.
        reason: String,
    },
    /// The event was not stored, but is kept in memory until the store is well again.
    #[error("not stored yet, kept in memory until the store is well again: {reason}")]
    Kept {
        /// Why it could not be stored at once.
        reason: String,
    },
    /// The commit took too long; the event may still become durable later.
    #[error("the disk did not confirm the commit within {after_ms} ms")]
    TimedOut {
        /// How long it was waited for, milliseconds.
        after_ms: u64,
    },
    /// Another process uses the directory.
    #[error("{} is in use by {}; stop it or choose another [store] path", path.display(), holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The holder, when it wrote its id.
        pid: Option<u32>,
    },
    /// The operating system refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: Arc<io::Error>,
    },
    /// A journal record does not hold what was written there.
    #[error("the journal is damaged: {detail}")]
    Damaged {
        /// Which file, which bytes.
        detail: String,
    },
    /// Written by a later version of sidehook.
    #[error("{} has format {found}, this version reads up to {known}; use the newer sidehook", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
        /// The highest one known here.
        known: u32,
    },
    /// The index cannot answer; it is being reopened or rebuilt from the journal.
    #[error("the index is not available: {detail}")]
    Index {
        /// In words.
        detail: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// An I/O error with its place.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether the cause is a file that is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// With its source, for one line of a log or a reason.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            other => other.to_string(),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
