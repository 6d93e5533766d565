//! `<data>/daemon.lock`: held for the life of a daemon, and by who must not have one beside it. The store's own lock is
//! taken for each pass, so that commands work beside a daemon that waits.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use super::datadir::DataDir;
use super::error::{Result, StoreError};

/// Proof that no daemon runs on the data directory but the holder. Released on drop, and with its process.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Takes the lock at once or not at all, making the data directory where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Daemon`] while someone has it.
    pub fn take(dir: &DataDir) -> Result<Self> {
        dir.create()?;
        let path = dir.daemon_lock();
        let fail = |source| StoreError::io("lock", &path, source);
        let mut options = File::options();
        let mut file =
            options.create(true).read(true).write(true).truncate(false).mode(0o600).open(&path).map_err(fail)?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(fail)?;
            return Err(StoreError::Daemon { data: dir.root().to_owned(), holder: holder.trim().to_owned() });
        }
        file.set_len(0).map_err(fail)?;
        write!(file, "pid {}", std::process::id()).map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// The daemon that runs on the data directory, as in `pid 7`; none when none does. Writes nothing.
    pub fn holder(dir: &DataDir) -> Option<String> {
        let mut file = File::open(dir.daemon_lock()).ok()?;
        let mut holder = String::new();
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(())?;
        file.read_to_string(&mut holder).ok()?;
        Some(holder.trim().to_owned())
    }
}
