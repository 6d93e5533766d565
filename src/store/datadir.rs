//! The data directory: where the store, its lock and the files that instances mount are kept.
//!
//! What is made here is for its owner only: directories 0700, files 0600, whatever the umask says.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
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

    /// The private clone of a remote branch (R26).
    pub fn git(&self) -> PathBuf {
        self.root.join("git")
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

    /// Bytes that are free on its disk for who is not root; none where the directory is missing.
    ///
    /// # Errors
    /// The disk cannot be asked.
    pub fn room(&self) -> Result<Option<u64>> {
        match rustix::fs::statvfs(&self.root) {
            Ok(disk) => Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(StoreError::io("ask for the room of", &self.root, error.into())),
        }
    }

    /// What others than its owner can use, with its mode: the directory, the store, its locks, keys and tokens.
    pub fn open_to_others(&self) -> Vec<(PathBuf, u32)> {
        let files = [self.db(), self.wal(), self.shm(), self.lock_file(), self.daemon_lock()];
        let keys = [self.fingerprint_key(), self.sealing_key(), self.npm_token()];
        let mode = |path: PathBuf| {
            let mode = path.symlink_metadata().ok()?.permissions().mode() & 0o7777;
            (mode & 0o077 != 0).then_some((path, mode))
        };
        std::iter::once(self.root.clone()).chain(files).chain(keys).filter_map(mode).collect()
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
