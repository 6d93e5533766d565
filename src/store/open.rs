//! Opens the store, for writing or for reading, and refuses a file that is not a whole store of ours.
//!
//! A store comes into being under another name and is renamed when it is complete: a file under its own name that is
//! empty was cut off and is never taken for a new one. Reading leaves every byte of the directory as it was (R21).

use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, FileControl, MAIN_DB, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use crate::model::StoreId;

use super::clock::now_ms;
use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::migrate::{self, MIGRATIONS};

/// `LFAL` in the header of the file marks it as ours.
const APPLICATION_ID: i64 = 0x4c46_414c;
/// Size of a page of the file, `SQLite`'s default, set all the same because its length is judged by it.
const PAGE_BYTES: u64 = 4096;
/// How long a transaction waits for that of another process: longer than any of ours takes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks whether a reader has gone: readers stay for some milliseconds.
const READER_PAUSE: Duration = Duration::from_millis(10);
/// The log beside the store is cut back to this after it was copied into the store, so that one large transaction
/// does not take its space for ever.
const WAL_KEPT_BYTES: i64 = 4 << 20;
/// Up to this size the whole file is checked at every start, which takes some 0.1 s; above it only after a run that
/// did not end well.
const ALWAYS_CHECKED_BYTES: u64 = 64 << 20;

/// Opens the store for writing; makes it on first use. The caller holds the lock.
pub(super) fn open_write(dir: &DataDir) -> Result<Connection> {
    if !dir.has_store() {
        create(dir, StoreId(Uuid::new_v4()))?;
    }
    let path = dir.db();
    refuse_cut_off(&path, &dir.wal())?;
    let doubtful = size(&dir.wal()) > 0 || size(&path) <= ALWAYS_CHECKED_BYTES;
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match prepare_write(&path, doubtful) {
            // A reader of this process has the log's index open, read only, and SQLite shares that with us.
            Err(StoreError::Sqlite(error)) if is_read_only(&error) && Instant::now() < until => {
                std::thread::sleep(READER_PAUSE);
            }
            result => return result.map_err(|error| error.at(&path)),
        }
    }
}

/// True for an index of the log that may only be read: another connection changes that soon.
pub(super) fn is_read_only(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
}

fn prepare_write(path: &Path, doubtful: bool) -> Result<Connection> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    harden(&conn)?;
    refuse_foreign(&conn, path)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
    // The log and its index stay when the last writer closes: a reader can then use them without making them (R21).
    conn.file_control(Some(MAIN_DB), FileControl::PersistWal(&mut 1))?;
    if doubtful {
        check(&conn, path)?;
    }
    migrate::migrate(&mut conn, path, MIGRATIONS)?;
    // Takes the write lock once: what stands in the way of writing shows here, and not at the first deploy.
    conn.transaction_with_behavior(TransactionBehavior::Immediate)?.commit()?;
    Ok(conn)
}

/// Opens the store for reading; none when there is none. Changes nothing, also where nobody writes.
///
/// While the log and its index are there, they are used and read only: `SQLite` then takes no write lock and, with no
/// writer around, keeps an index of its own in memory. Where they are not there, no writer has the store open (ours
/// leave them behind) and the file alone is all there is.
pub(super) fn open_read(dir: &DataDir) -> Result<Option<Connection>> {
    if !dir.has_store() {
        return Ok(None);
    }
    let path = dir.db();
    refuse_cut_off(&path, &dir.wal())?;
    let (wal, shm) = (dir.wal(), dir.shm());
    let how = match (wal.exists(), shm.exists()) {
        (true, true) => "readonly_shm=1",
        (true, false) if size(&wal) > 0 => return Err(StoreError::Unfinished { path }),
        (true | false, _) => "immutable=1",
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let open = || -> Result<Connection> {
        let conn = Connection::open_with_flags(uri(&path, how), flags)?;
        harden(&conn)?;
        Ok(conn)
    };
    open().map(Some).map_err(|error| error.at(&path))
}

/// Refuses what is not a store of ours, or has a schema that this Landfall cannot read as it is.
pub(super) fn check_readable(conn: &Connection, path: &Path) -> Result<()> {
    refuse_foreign(conn, path)?;
    let (found, known) = (migrate::version(conn)?, migrate::newest(MIGRATIONS));
    let path = path.to_owned();
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::Older { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { path, found, known }),
    }
}

/// Settings that make a damaged or hostile file, or a slip in our own SQL, an error instead of a surprise.
pub(super) fn harden(conn: &Connection) -> Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    Ok(())
}

/// Refuses a file that was cut off: `SQLite` takes an empty one for a new database, and a short last page for one that
/// ends in zeros. While changes wait in the log, the last page may be short: it is among them.
///
/// Nothing but `SQLite` ever opens the file. When any descriptor of a file is closed, the kernel drops every lock
/// that this process holds on it, and a connection elsewhere in the process would go on without its locks.
pub(super) fn refuse_cut_off(path: &Path, wal: &Path) -> Result<()> {
    let meta = path.metadata().map_err(|source| StoreError::io("look at", path, source))?;
    let (path, len) = (path.to_owned(), meta.len());
    if !meta.is_file() {
        return Err(StoreError::NotAStore { path, why: "it is no file".into() });
    }
    if len == 0 {
        return Err(StoreError::Truncated { path });
    }
    if !len.is_multiple_of(PAGE_BYTES) && size(wal) == 0 {
        return Err(StoreError::NotAStore { path, why: "it was cut off, or is no SQLite file".into() });
    }
    Ok(())
}

/// Refuses a database of another program.
pub(super) fn refuse_foreign(conn: &Connection, path: &Path) -> Result<()> {
    let id: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    Err(StoreError::NotAStore { path: path.to_owned(), why: "it does not carry landfall's mark".into() })
}

pub(super) fn check(conn: &Connection, path: &Path) -> Result<()> {
    let answer: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    // What is wrong stands below the name of the database.
    let what = answer.lines().filter(|line| !line.starts_with("***")).collect::<Vec<_>>().join("; ");
    if answer == "ok" { Ok(()) } else { Err(StoreError::Damaged { path: path.to_owned(), what }) }
}

/// Makes a complete store under another name, then gives it its own: a kill leaves none, or a whole one.
pub(super) fn create(dir: &DataDir, id: StoreId) -> Result<()> {
    refuse_remains(dir)?;
    let (path, fresh) = (dir.db(), dir.root().join("landfall.db.new"));
    for left in [fresh.clone(), dir.root().join("landfall.db.new-journal")] {
        remove_if_there(&left)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
    made.map_err(|source| StoreError::io("create", &fresh, source))?;
    fill(&fresh, id).map_err(|error| error.at(&fresh))?;
    let published = fs::rename(&fresh, &path).and_then(|()| File::open(dir.root())?.sync_all());
    published.map_err(|source| StoreError::io("create", &path, source))
}

fn fill(fresh: &Path, id: StoreId) -> Result<()> {
    let mut conn = Connection::open_with_flags(fresh, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    harden(&conn)?;
    conn.pragma_update(None, "page_size", PAGE_BYTES.cast_signed())?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate::migrate(&mut conn, fresh, MIGRATIONS)?;
    let sql = "INSERT INTO meta (id, store_id, created_at) VALUES (1, ?1, ?2)";
    conn.execute(sql, (id.to_string(), now_ms()))?;
    conn.close().map_err(|(_, error)| error.into())
}

/// A log with changes in it, without its store: a new store beside it would take these changes for its own.
fn refuse_remains(dir: &DataDir) -> Result<()> {
    let wal = dir.wal();
    if size(&wal) > 0 {
        return Err(StoreError::Gone { path: dir.db(), left: wal });
    }
    remove_if_there(&wal)?;
    remove_if_there(&dir.shm())
}

pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

/// The file as a URI, with every byte escaped that means something in one.
pub(super) fn uri(path: &Path, how: &str) -> String {
    use std::fmt::Write as _;
    let mut text = if path.is_absolute() { "file://" } else { "file:" }.to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    format!("{text}?{how}")
}
