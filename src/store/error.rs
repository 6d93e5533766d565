//! What can go wrong with the store; `remedy` says what helps.
//!
//! Not-found and conflict are variants of their own. What the system or `SQLite` said is part of the text, which also
//! goes where only one line is kept, such as a deploy's reason. No text here holds a value from the configuration.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::name::StageKey;
use crate::model::{DeployId, DeployStatus, Phase};

use super::daemon_lock::DaemonHolder;
use super::lock::Holder;

/// The result of everything in this module.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changes things.
    #[error("{} is locked by {holder}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// A daemon runs on the data directory.
    #[error("a daemon uses {} ({holder})", data.display())]
    Daemon {
        /// The data directory.
        data: PathBuf,
        /// Which one.
        holder: DaemonHolder,
    },
    /// A backup cannot be restored. What is there now stays as it is.
    #[error("{} cannot be restored: {why}", path.display())]
    BadBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A backup is not written over another file unasked, and never over the store.
    #[error("{} is there already{}", path.display(), if *is_store { ", and is the store itself" } else { "" })]
    Taken {
        /// The file.
        path: PathBuf,
        /// True for the store that is to be copied.
        is_store: bool,
    },
    /// There is nothing to make a backup of.
    #[error("there is no store in {}", data.display())]
    NoStore {
        /// The data directory.
        data: PathBuf,
    },
    /// The file has no content: it was cut off, and is not a new store.
    #[error("the store {} is an empty file", path.display())]
    Truncated {
        /// The store.
        path: PathBuf,
    },
    /// The file is there but it is not a store of Landfall.
    #[error("{} is not a store of landfall: {why}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// `SQLite` finds the file damaged.
    #[error("the store {} is damaged: {what}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// The first damage found.
        what: String,
    },
    /// A newer Landfall wrote it.
    #[error("the store {} has schema {found}, this landfall knows up to {known}", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// An older Landfall wrote it, and reading does not change it.
    #[error("the store {} has schema {found}, this landfall reads {known}", path.display())]
    Older {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The one wanted.
        known: i64,
    },
    /// The file was removed, cut off or put in place of another while it was open.
    #[error("{} was {what} while it was open", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// `removed`, `replaced`, `emptied` or `cut off`.
        what: &'static str,
    },
    /// The store is gone, and something of it remains.
    #[error("the store {} is gone, but {} still holds changes of it", path.display(), left.display())]
    Gone {
        /// Where the store was.
        path: PathBuf,
        /// What remains.
        left: PathBuf,
    },
    /// A writer was killed and the index of its log is gone: only a writer can tell what was committed.
    #[error("the store {} was not closed, and a part of it that only a writer can make is missing", path.display())]
    Unfinished {
        /// The store.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space left for the store {}", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// Another process wrote for longer than we wait.
    #[error("the store {} is busy: another process is writing", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// There is no such stage, deploy or instance.
    #[error("there is no {what} {name}")]
    NotFound {
        /// Its kind.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A stage deploys already.
    #[error("{key} is being deployed already, by {deploy}")]
    InFlight {
        /// The stage.
        key: StageKey,
        /// The deploy that is under way.
        deploy: DeployId,
    },
    /// Something of this name is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// A short id fits several deploys.
    #[error("`{text}` fits {count} deploys")]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// How many fit.
        count: usize,
    },
    /// A phase went back (R14).
    #[error("deploy {deploy} is at {at} and cannot go to {to}")]
    PhaseOrder {
        /// The deploy.
        deploy: DeployId,
        /// Where it is.
        at: Phase,
        /// What was asked for.
        to: Phase,
    },
    /// A deploy ends once (R14).
    #[error("deploy {deploy} ended already as {status}")]
    Ended {
        /// The deploy.
        deploy: DeployId,
        /// How it ended.
        status: DeployStatus,
    },
    /// A deploy was to end with a status that does not end one.
    #[error("{0} does not end a deploy")]
    NotAnEnd(DeployStatus),
    /// Every port of the range is taken.
    #[error("no port is free from {first} to {last}", first = range.0, last = range.1)]
    NoPort {
        /// The range, both ends included.
        range: (u16, u16),
    },
    /// A row holds something that this Landfall does not understand.
    #[error("{what} in the store cannot be read")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else that `SQLite` says.
    #[error("the store refused: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The thread that writes has stopped.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// An error of the operating system.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// A thing that is not there.
    pub(super) fn not_found(what: &'static str, name: &(impl ToString + ?Sized)) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    /// A value that does not become a row, or a row that does not become a value.
    pub(super) fn unreadable(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unreadable { what, source: Box::new(source) }
    }

    /// Gives the errors of `SQLite` that have a remedy their own variant, with the file they are about.
    pub(super) fn at(self, path: &Path) -> Self {
        use rusqlite::ErrorCode as Code;
        let source = match self {
            Self::Sqlite(rusqlite::Error::FromSqlConversionFailure(_, _, source)) => {
                return Self::Unreadable { what: "a value", source };
            }
            Self::Sqlite(source) => source,
            other => return other,
        };
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(Code::NotADatabase) => Self::NotAStore { path, why: "it is no SQLite file".into() },
            Some(Code::DatabaseCorrupt) => Self::Damaged { path, what: source.to_string() },
            Some(Code::DiskFull) => Self::Full { path },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy { path },
            Some(Code::CannotOpen | Code::PermissionDenied) => {
                // SQLite does not say why; looking at the file often does.
                let why = path.metadata().err().unwrap_or_else(|| io::Error::other(source.to_string()));
                Self::io("open", &path, why)
            }
            Some(Code::SystemIoFailure) => Self::io("read or write", &path, io::Error::other(source.to_string())),
            _ => Self::Sqlite(source),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}
