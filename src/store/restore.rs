//! Puts a backup in the place of the store, and keeps what was there.
//!
//! *Guarantees*: the backup is checked as a whole before anything is touched; a kill leaves the old store or the new one;
//! the log of the old one is never beside the new one, which would take it for its own. *Caveats*: a log that cannot be
//! copied into the old store, since that is damaged, is found beside the kept one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::model::StoreId;

use super::backup::{Copied, Fresh, copy};
use super::clock::now_ms;
use super::daemon_lock::DaemonLock;
use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::lock::Lock;
use super::migrate::{self, MIGRATIONS};
use super::{open, recorded};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What it holds.
    pub copied: Copied,
    /// Where the store that was there is now; none where there was none.
    pub kept: Option<PathBuf>,
    /// Who that one was, where it could be read.
    pub before: Option<StoreId>,
}

/// Restores a store from a file that [`backup`](super::backup()) made. Blocks. The locks prove that nobody else has the
/// store open to write.
///
/// # Errors
/// The file is no whole store that this Landfall can read, or the directory cannot be written.
pub fn restore(dir: &DataDir, _lock: &Lock, _daemon: &DaemonLock, from: &Path) -> Result<Restored> {
    let backup = open_backup(from).map_err(|error| as_bad(from, error.at(from)))?;
    let fresh = Fresh::at(dir.root().join("landfall.db.new"))?;
    let copied = copy(&backup, &fresh.path).map_err(|error| error.at(&fresh.path))?;
    drop(backup);
    let before = settle(dir);
    let kept = if dir.has_store() { Some(set_aside(dir)?) } else { None };
    let published = fs::rename(&fresh.path, dir.db()).and_then(|()| File::open(dir.root())?.sync_all());
    published.map_err(|source| StoreError::io("create", &dir.db(), source))?;
    Ok(Restored { copied, kept, before })
}

/// Opens and checks it, changing no byte of it.
fn open_backup(from: &Path) -> Result<Connection> {
    let wal = with_end(from, "-wal");
    open::refuse_cut_off(from, &wal)?;
    if open::size(&wal) > 0 {
        let why = format!("{} holds changes that are not in it", wal.display());
        return Err(StoreError::BadBackup { path: from.to_owned(), why });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(open::uri(from, "immutable=1"), flags)?;
    open::harden(&conn)?;
    open::refuse_foreign(&conn, from)?;
    let (found, known) = (migrate::version(&conn)?, migrate::newest(MIGRATIONS));
    if found > known {
        return Err(StoreError::Newer { path: from.to_owned(), found, known });
    }
    let answer: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(StoreError::Damaged { path: from.to_owned(), what: answer });
    }
    migrate::refuse_broken_references(&conn, from)?;
    recorded::store_id(&conn)?;
    Ok(conn)
}

/// What is wrong with a backup is not said in the words for the store in use, nor with its remedies.
fn as_bad(from: &Path, error: StoreError) -> StoreError {
    let why = match error {
        StoreError::NotAStore { why, .. } => format!("it is not a store of landfall: {why}"),
        StoreError::Truncated { .. } => "it is empty".into(),
        StoreError::Damaged { what, .. } => format!("it is damaged: {what}"),
        StoreError::Newer { found, known, .. } => {
            format!("a newer landfall wrote it (schema {found}, this one knows up to {known})")
        }
        StoreError::Sqlite(source) => format!("it is not a whole store: {source}"),
        StoreError::Unreadable { what, source } => format!("{what} in it cannot be read: {source}"),
        other => return other,
    };
    StoreError::BadBackup { path: from.to_owned(), why }
}

/// Copies the log of the old store into it, where it can still be read, and says whose it is.
fn settle(dir: &DataDir) -> Option<StoreId> {
    let path = dir.has_store().then(|| dir.db())?;
    open::refuse_cut_off(&path, &dir.wal()).ok()?;
    let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    open::harden(&conn).ok()?;
    open::refuse_foreign(&conn, &path).ok()?;
    let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    recorded::store_id(&conn).ok()
}

/// Gives the old store a second name before its own one is taken. A log that could not be copied into it goes along.
fn set_aside(dir: &DataDir) -> Result<PathBuf> {
    let now = chrono::DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
    let name = format!("landfall.db.before-restore-{}", now.format("%Y%m%dT%H%M%S%3fZ"));
    let (db, kept) = (dir.db(), dir.root().join(name));
    let linked = fs::hard_link(&db, &kept).or_else(|_| fs::copy(&db, &kept).map(drop));
    linked.map_err(|source| StoreError::io("keep", &db, source))?;
    if open::size(&dir.wal()) > 0 {
        let moved = fs::rename(dir.wal(), with_end(&kept, "-wal"));
        moved.map_err(|source| StoreError::io("keep", &dir.wal(), source))?;
    }
    open::remove_if_there(&dir.wal())?;
    open::remove_if_there(&dir.shm())?;
    Ok(kept)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}
