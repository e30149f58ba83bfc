//! A temporary folder.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self, StoreError> {
        let path = std::env::temp_dir().join(format!("sidehook-{}", uuid::Uuid::new_v4()));
        // Not recursive: what is there already is somebody else's.
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| StoreError::io("create (TMPDIR names another place)", &path, e))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not remove a temporary folder");
        }
    }
}
