//! `<data>/daemon.lock`: held for the life of a daemon, and by who must not have one beside it. The store's own lock is
//! taken for each pass, so that commands work beside a daemon that waits.
//!
//! The text in the file names the holder and where it is asked; as with the store's lock, the kernel's lock alone says
//! whether there is one.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::clock::now_ms;
use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::lock::{Holder, PAUSE};

/// So long the lock is tried for: who only looks whether a daemon runs has it for an instant.
const WAIT: Duration = Duration::from_millis(500);

/// Proof that no daemon runs on the data directory but the holder. Released on drop, and with its process.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

/// Who runs on a data directory, as far as the file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonHolder {
    /// Which process, and since when.
    #[serde(flatten)]
    pub holder: Holder,
    /// Its control socket; none for who has none.
    pub socket: Option<PathBuf>,
}

/// What can be told of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundDaemon {
    /// No daemon runs on it.
    None,
    /// One does.
    Runs(DaemonHolder),
    /// We may not look.
    Hidden,
}

impl DaemonLock {
    /// Takes the lock without waiting for its holder, making the data directory where it is missing. The control socket
    /// is where the daemon will be asked.
    ///
    /// # Errors
    /// [`StoreError::Daemon`] while someone has it.
    pub async fn take(dir: &DataDir, command: &str, socket: Option<&Path>) -> Result<Self> {
        dir.create()?;
        let path = dir.daemon_lock();
        let fail = |source| StoreError::io("lock", &path, source);
        let mut options = File::options();
        let mut file =
            options.create(true).read(true).write(true).truncate(false).mode(0o600).open(&path).map_err(fail)?;
        let until = Instant::now() + WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(fail(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    let holder = DaemonHolder::read(&mut file);
                    return Err(StoreError::Daemon { data: dir.root().to_owned(), holder });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            }
        }
        let holder = Holder { pid: std::process::id(), command: command.to_owned(), since_ms: now_ms() };
        let text = serde_json::to_string(&DaemonHolder { holder, socket: socket.map(Path::to_owned) });
        let written = file.set_len(0).and_then(|()| file.write_all(text.unwrap_or_default().as_bytes()));
        written.map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// The daemon that runs on the data directory; none also where we may not look. Writes nothing.
    pub fn holder(dir: &DataDir) -> Option<DaemonHolder> {
        match Self::find(dir) {
            FoundDaemon::Runs(holder) => Some(holder),
            FoundDaemon::None | FoundDaemon::Hidden => None,
        }
    }

    /// What can be told of the data directory. Writes nothing.
    pub fn find(dir: &DataDir) -> FoundDaemon {
        let mut file = match File::open(dir.daemon_lock()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return FoundDaemon::Hidden,
            Err(_) => return FoundDaemon::None,
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => FoundDaemon::Runs(DaemonHolder::read(&mut file)),
            Ok(()) | Err(TryLockError::Error(_)) => FoundDaemon::None,
        }
    }
}

impl DaemonHolder {
    /// Reads the name of the holder, also as older versions wrote it: `pid 7`.
    fn read(file: &mut File) -> Self {
        let mut text = String::new();
        let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
        serde_json::from_str(&text).unwrap_or_else(|_| {
            let pid = text.trim().strip_prefix("pid ").and_then(|pid| pid.parse().ok()).unwrap_or(0);
            Self { holder: Holder { pid, command: "daemon".into(), since_ms: 0 }, socket: None }
        })
    }
}

impl fmt::Display for DaemonHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { pid, command: _, since_ms: _ } = &self.holder;
        if *pid == 0 {
            return f.write_str("another process");
        }
        write!(f, "pid {pid}")?;
        self.holder.since().map_or(Ok(()), |since| write!(f, ", since {since}"))
    }
}
