//! Control sockets, the proxy's and the daemon's: made so that only one process can have one, and nobody else may use it.
//!
//! The claim is a lock on a file beside it, held for life; so a socket left by a crash is known to be stale. It is bound
//! under another name, given its mode, and then renamed: it never exists with wider permissions.

mod files;
mod serve;

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::model::Retry;
pub use files::{beside, make_parent, replace};
pub use serve::{BodyError, MAX_CONNECTIONS, json, read, serve};

/// Owner and group may talk to it.
const MODE: u32 = 0o660;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It cannot be made.
    #[error("cannot make the control socket {}: {source}", path.display())]
    Failed {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("another process is running on the control socket {}", path.display())]
    InUse {
        /// Its path.
        path: PathBuf,
    },
    /// There is something else at its path.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

impl SocketError {
    /// Whether time helps.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::InUse { .. } => Retry::Backoff,
            Self::Failed { .. } | Self::NotASocket { .. } => Retry::OnChange,
        }
    }

    /// What to do about it; `option` is the one that names another path.
    pub fn hint(&self, option: &str) -> String {
        match self {
            Self::InUse { .. } => format!("stop it first, or name another socket with `{option}`"),
            Self::Failed { .. } => {
                format!("its directory must be writable, and its path short; `{option}` names another")
            }
            Self::NotASocket { .. } => format!("remove it if nobody needs it, or name another with `{option}`"),
        }
    }
}

/// A control socket that is ours until dropped, when its file goes.
#[derive(Debug)]
pub struct ControlSocket {
    /// Accepts.
    pub listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

impl ControlSocket {
    /// Claims the path. A socket on which somebody answers, or whose lock is held, is left alone.
    ///
    /// # Errors
    /// Somebody has it, or it cannot be made.
    pub fn claim(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Failed { path: path.to_owned(), source };
        make_parent(path).map_err(failed)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside(path, "lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SocketError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NotASocket { path: path.to_owned() });
            }
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(SocketError::InUse { path: path.to_owned() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(source)),
        }
        let listener = bind(path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // What cannot be removed is found to be stale by who comes next.
        drop(fs::remove_file(&self.path));
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = beside(path, "new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(MODE))?;
    fs::rename(&new, path)?;
    Ok(listener)
}
