//! The lock on the data directory: at most one process changes things, and whoever waits learns for whom.
//!
//! The lock is the kernel's (`flock`), so that it ends with its process however that dies; the text in the file only
//! names the holder. The file is never removed: a lock on a removed file excludes nobody.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::clock::now_ms;
use super::datadir::DataDir;
use super::error::{Result, StoreError};

/// Pause between two tries while waiting: short against a person's patience, long against the cost of a try.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Proof that this process may change things. Released on drop.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who holds the lock, as far as the file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The command it runs, as in `apply`.
    pub command: String,
    /// Since when, in milliseconds since 1970 UTC.
    pub since_ms: i64,
}

impl Lock {
    /// Takes the lock, making the data directory where it is missing. Waits at most so long for who holds it.
    pub async fn acquire(dir: &DataDir, command: &str, wait: Duration) -> Result<Self> {
        dir.create()?;
        let path = dir.lock_file();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|source| StoreError::io("open", &path, source))?;
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", &path, source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(StoreError::Locked { holder: Holder::read(dir), path });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            }
        }
        let lock = Self { file, path };
        lock.name_holder(&Holder { pid: std::process::id(), command: command.to_owned(), since_ms: now_ms() })?;
        Ok(lock)
    }

    /// Who holds the lock now; none when nobody does. Writes nothing.
    pub fn holder(dir: &DataDir) -> Option<Holder> {
        let file = File::open(dir.lock_file()).ok()?;
        match file.try_lock_shared() {
            Ok(()) | Err(TryLockError::Error(_)) => None,
            Err(TryLockError::WouldBlock) => Some(Holder::read(dir)),
        }
    }

    fn name_holder(&self, holder: &Holder) -> Result<()> {
        let text = serde_json::to_string(holder).unwrap_or_default();
        let written = self.file.set_len(0).and_then(|()| (&self.file).write_all(text.as_bytes()));
        written.map_err(|source| StoreError::io("write", &self.path, source))
    }
}

impl Drop for Lock {
    /// Empties the file, so that it names nobody who is gone. Unlocks explicitly: closing alone would leave the lock
    /// with a child that this process is just starting.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

impl Holder {
    /// Since when, as people read it; none where that is not known.
    pub(super) fn since(&self) -> Option<String> {
        let since = chrono::DateTime::from_timestamp_millis(self.since_ms).filter(|_| self.since_ms > 0);
        since.map(|since| since.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    }

    /// Reads the name of the holder; one that cannot be read is shown as unknown.
    fn read(dir: &DataDir) -> Self {
        let text = std::fs::read_to_string(dir.lock_file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Self { pid: 0, command: String::new(), since_ms: 0 })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, command, since_ms: _ } = self;
        if *pid == 0 {
            return f.write_str("another process");
        }
        write!(f, "`landfall {command}` (process {pid})")?;
        self.since().map_or(Ok(()), |since| write!(f, " since {since}"))
    }
}
