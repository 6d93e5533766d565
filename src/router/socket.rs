//! The control socket: made so that only one proxy can have it, and nobody else may use it.
//!
//! The claim is a lock on a file beside it, held for life; so a socket left by a crash is known to be stale. It is bound
//! under another name, given its mode, and then renamed: it never exists with wider permissions.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::RouterError;
use super::files::{beside, make_parent};

/// Owner and group may talk to it.
const MODE: u32 = 0o660;

/// A control socket that is ours until dropped, when its file goes.
pub struct ControlSocket {
    /// Accepts.
    pub listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

impl ControlSocket {
    /// Claims the path. A socket on which somebody answers, or whose lock is held, is left alone.
    pub fn claim(path: &Path) -> Result<Self, RouterError> {
        let failed = |source| RouterError::Control { path: path.to_owned(), source };
        make_parent(path).map_err(failed)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside(path, "lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RouterError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(RouterError::NotASocket { path: path.to_owned() });
            }
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(RouterError::InUse { path: path.to_owned() }),
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
        // What cannot be removed is found to be stale by the next proxy.
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
