//! A backup: the store as it is at one moment, in one plain `SQLite` file, while others write.
//!
//! *Guarantees*: the file is whole or not there, for its owner only, and checked; no writer waits for it. It holds no
//! secret, and needs none to be read. *Must not*: be written over another file unasked, or over the store.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::RenameFlags;

use crate::model::StoreId;

use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::reader::patiently;
use super::{migrate, open, recorded};

/// How long a copy waits for who is just mending the store's index.
const BUSY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// What a copy of a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Whose store it is.
    pub store: StoreId,
    /// Version of its schema.
    pub schema: i64,
    /// Deploys in it.
    pub deploys: i64,
    /// When the newest of them began, in milliseconds since 1970 UTC.
    pub newest_ms: Option<i64>,
    /// Its length.
    pub bytes: u64,
}

/// Writes a copy of the store to a file. Blocks; the store may be open and written to elsewhere, by a newer or older
/// Landfall too.
///
/// # Errors
/// There is no store, it is damaged, the file is there and `overwrite` is not set, or it cannot be written.
pub fn backup(dir: &DataDir, to: &Path, overwrite: bool) -> Result<Copied> {
    if [dir.db(), dir.wal(), dir.shm()].iter().any(|own| is_same(own, to)) {
        return Err(StoreError::Taken { path: to.to_owned(), is_store: true });
    }
    if !overwrite && to.symlink_metadata().is_ok() {
        return Err(StoreError::Taken { path: to.to_owned(), is_store: false });
    }
    let store = open::open_read(dir)?.ok_or_else(|| StoreError::NoStore { data: dir.root().to_owned() })?;
    patiently(|| open::refuse_foreign(&store, &dir.db())).map_err(|error| error.at(&dir.db()))?;
    let fresh = Fresh::beside(to)?;
    let copied = copy(&store, &fresh.path).map_err(|error| error.at(&dir.db()))?;
    publish(fresh, to, overwrite)?;
    Ok(copied)
}

fn is_same(own: &Path, other: &Path) -> bool {
    matches!((own.canonicalize(), other.canonicalize()), (Ok(own), Ok(other)) if own == other)
}

/// A file in the making; removed unless it gets its name.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) path: PathBuf,
}

impl Fresh {
    /// Beside another one, so that it can be renamed to it.
    fn beside(to: &Path) -> Result<Self> {
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        Self::at(to.with_file_name(format!(".{name}.{}.part", std::process::id())))
    }

    /// At a path of its own. What a kill left there goes.
    pub(super) fn at(path: PathBuf) -> Result<Self> {
        let fresh = Self { path };
        fresh.remove();
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh.path);
        made.map_err(|source| StoreError::io("create", &fresh.path, source))?;
        Ok(fresh)
    }

    fn remove(&self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Copies one state of a store into an empty file, as one that has no log beside it, and checks the copy.
pub(super) fn copy(store: &Connection, to: &Path) -> Result<Copied> {
    let mut fresh = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    patiently(|| copy_pages(store, &mut fresh))?;
    fresh.pragma_update(None, "journal_mode", "DELETE")?;
    open::check(&fresh, to)?;
    let sql = "SELECT (SELECT count(*) FROM deploys), (SELECT max(created_at) FROM deploys)";
    let (deploys, newest_ms): (i64, _) = fresh.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (store, schema) = (recorded::store_id(&fresh)?, migrate::version(&fresh)?);
    fresh.close().map_err(|(_, error)| error)?;
    let synced = File::open(to).and_then(|file| file.sync_all()).map_err(|source| StoreError::io("write", to, source));
    synced?;
    Ok(Copied { store, schema, deploys, newest_ms, bytes: open::size(to) })
}

/// All pages in one step: a writer beside it goes on, and what it writes meanwhile is not in the copy.
fn copy_pages(from: &Connection, to: &mut Connection) -> Result<()> {
    let until = Instant::now() + BUSY;
    let backup = Backup::new(from, to)?;
    loop {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ if Instant::now() < until => std::thread::sleep(PAUSE),
            _ => return Err(StoreError::Busy { path: PathBuf::from("landfall.db") }),
        }
    }
}

fn publish(fresh: Fresh, to: &Path, overwrite: bool) -> Result<()> {
    let cwd = rustix::fs::CWD;
    let renamed = if overwrite {
        fs::rename(&fresh.path, to)
    } else {
        match rustix::fs::renameat_with(cwd, &fresh.path, cwd, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {
                return Err(StoreError::Taken { path: to.to_owned(), is_store: false });
            }
            // A file system that cannot look and rename in one: it was looked at a moment ago.
            Err(rustix::io::Errno::INVAL) => fs::rename(&fresh.path, to),
            answer => answer.map_err(Into::into),
        }
    };
    drop(fresh);
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = renamed.and_then(|()| File::open(dir)?.sync_all());
    synced.map_err(|source| StoreError::io("write", to, source))
}
