//! What helps against each error of the store: time or a change, and which one.

use std::io;

use crate::model::Retry;

use super::error::StoreError;

impl StoreError {
    /// Whether trying again helps.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Locked { .. }
            | Self::Daemon { .. }
            | Self::Full { .. }
            | Self::Busy { .. }
            | Self::Io { .. }
            | Self::InFlight { .. }
            | Self::NoPort { .. }
            | Self::Sqlite(_) => Retry::Backoff,
            Self::Truncated { .. }
            | Self::BadBackup { .. }
            | Self::Taken { .. }
            | Self::NoStore { .. }
            | Self::NotAStore { .. }
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Replaced { .. }
            | Self::Gone { .. }
            | Self::Unfinished { .. }
            | Self::NotFound { .. }
            | Self::Exists(_)
            | Self::Ambiguous { .. }
            | Self::PhaseOrder { .. }
            | Self::Ended { .. }
            | Self::NotAnEnd(_)
            | Self::Unreadable { .. }
            | Self::Closed => Retry::OnChange,
        }
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        const RESTORE: &str = "`landfall restore FILE` puts a backup in its place; without one, move it and its `-wal` \
                               and `-shm` files away: the history is lost, and `landfall apply` says how the apps are \
                               taken over";
        const ROOM: &str = "free some space; nothing is started before it can be recorded";
        match self {
            Self::Locked { .. } => Some("wait for it to end, or stop it".into()),
            Self::Daemon { .. } => Some("stop it first (`systemctl stop landfall`), or give another --data".into()),
            Self::BadBackup { .. } => {
                Some("take another one, made by `landfall backup`; what is in the data directory is as it was".into())
            }
            Self::Taken { is_store: true, .. } => Some("give another file, best on another disk".into()),
            Self::Taken { is_store: false, .. } => Some("give another name, or `--force` to replace it".into()),
            Self::NoStore { .. } => {
                Some("the first `landfall apply` makes it; or point --data at another directory".into())
            }
            Self::Truncated { .. } | Self::NotAStore { .. } | Self::Damaged { .. } => Some(RESTORE.into()),
            Self::Newer { .. } => Some("run the landfall that wrote it, or a newer one".into()),
            Self::Older { .. } => Some("`landfall apply`, or a restart of the daemon, brings it up to date".into()),
            Self::Unfinished { .. } => Some("`landfall apply`, or a start of the daemon, completes it".into()),
            Self::Replaced { .. } => Some(
                "put the file back, or a backup with `landfall restore FILE`; until then landfall changes nothing"
                    .into(),
            ),
            Self::Gone { left, .. } => {
                Some(format!("put the store back beside it; to begin without history, move {} away", left.display()))
            }
            Self::Full { .. } => Some(ROOM.into()),
            Self::Unreadable { .. } => Some(
                "run the landfall that wrote it, or a newer one; if it was edited by hand, restore a backup".into(),
            ),
            Self::Ambiguous { .. } => Some("give more of the id".into()),
            Self::NoPort { .. } => Some("widen `settings.ports`".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run landfall as the user who owns the data directory, usually root".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Some(ROOM.into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => Some(
                "mount it for writing again; a disk that fails is made read-only by the kernel, which `dmesg` tells"
                    .into(),
            ),
            Self::Busy { path } => {
                Some(format!("wait for it to end, or find it: `fuser {}` names who has it open", path.display()))
            }
            Self::Io { path, .. } => {
                Some(format!("look at the disk that holds {}: `df` and `dmesg` tell how it is", path.display()))
            }
            Self::NotFound { .. }
            | Self::InFlight { .. }
            | Self::Exists(_)
            | Self::PhaseOrder { .. }
            | Self::Ended { .. }
            | Self::NotAnEnd(_)
            | Self::Sqlite(_)
            | Self::Closed => None,
        }
    }
}
