//! The data directory: where the store, its lock and the files that instances mount are kept.
//!
//! What is made here is for its owner only: directories 0700, files 0600, whatever the umask says.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::{Result, StoreError};

/// `<data>`, by default `/var/lib/landfall`. Naming it touches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The directory at a path.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store, one `SQLite` file.
    pub fn db(&self) -> PathBuf {
        self.root.join("landfall.db")
    }

    /// The lock that whoever changes something holds.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The lock that a daemon holds as long as it runs.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }

    /// Copies of files from the config tree, by hash of their content (R34).
    pub fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// The key that fingerprints of secrets are made with (R28).
    pub fn fingerprint_key(&self) -> PathBuf {
        self.root.join("fingerprint.key")
    }

    /// The key that seals what must be kept of secrets, unless it is a credential (R28).
    pub fn sealing_key(&self) -> PathBuf {
        self.root.join("sealing.key")
    }

    /// The sealed token of the Nginx Proxy Manager.
    pub fn npm_token(&self) -> PathBuf {
        self.root.join("npm.token")
    }

    /// True when there is a store, in whatever state it is. A missing one beside containers that carry a store's id
    /// was lost, and is not a first run (R16): who sees the containers decides that.
    pub fn has_store(&self) -> bool {
        // One that may not be looked at is there: opening it then says why it cannot be used.
        self.db().symlink_metadata().map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true)
    }

    /// Makes the directory, and the ones above it, where they are missing.
    pub fn create(&self) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|source| StoreError::io("make the directory", &self.root, source))
    }

    /// The log that `SQLite` keeps beside the store.
    pub(super) fn wal(&self) -> PathBuf {
        self.root.join("landfall.db-wal")
    }

    /// The index of that log, shared between processes.
    pub(super) fn shm(&self) -> PathBuf {
        self.root.join("landfall.db-shm")
    }
}
