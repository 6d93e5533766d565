//! What keeps a directory from being read: git at work in it, or files that never stand still. Told once each.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::directory::Patience;

/// Git's lock on a work tree, while it changes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lock {
    path: PathBuf,
    /// Inode and time, so that the next lock is another one.
    file: (u64, i64, i64),
}

/// What is in the way, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    since: Option<Instant>,
    told: bool,
    /// A lock that was left behind, and says nothing.
    left: Option<Lock>,
}

impl Trouble {
    /// The lock of the work tree that a directory is in, unless it is one that was left behind.
    pub(super) fn lock(&self, dir: &Path) -> Option<Lock> {
        let lock = |dir: &Path| {
            let git = dir.join(".git");
            // In a work tree beside its repository it is a file that says where that is.
            let said = std::fs::read_to_string(&git).ok();
            let elsewhere = said.as_deref().and_then(|text| text.trim().strip_prefix("gitdir: "));
            let path = elsewhere.map_or(git, |elsewhere| dir.join(elsewhere)).join("index.lock");
            let found = path.symlink_metadata().ok()?;
            Some(Lock { path, file: (found.ino(), found.mtime(), found.mtime_nsec()) })
        };
        // A link to the directory leads to the work tree that it is really in.
        let real = dir.canonicalize().ok();
        let dirs = dir.ancestors().chain(real.iter().flat_map(|real| real.ancestors()));
        dirs.filter_map(lock).find(|lock| self.left.as_ref() != Some(lock))
    }

    /// The directory cannot be read now, either.
    pub(super) fn goes_on(&mut self, patience: Patience, lock: Option<&Lock>, moved: Option<&str>) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.told || since.elapsed() < patience.told {
            return;
        }
        self.told = true;
        match (lock, moved) {
            (Some(lock), _) => {
                let (path, longest) = (lock.path.display(), patience.locked.as_secs());
                tracing::warn!(
                    "git is at work: nothing new is read until {path} is gone, or no file has changed for {longest} s"
                );
            }
            (None, moved) => tracing::warn!(
                "the files keep changing and none of them is read, the last one seen is `{}`; whole files are best \
                 written beside and renamed, and what is no configuration needs another ending than .yaml or .yml",
                moved.unwrap_or("the directory itself")
            ),
        }
    }

    /// A lock that was there while no file changed for a long time.
    pub(super) fn is_left_behind(&mut self, lock: Option<&Lock>) {
        if let Some(lock) = lock {
            tracing::warn!("{} was left behind by a git that is gone, and is ignored: remove it", lock.path.display());
            self.left = Some(lock.clone());
        }
    }

    /// The directory was read.
    pub(super) fn over(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::info!("the files stand still again and were read");
        }
        self.since = None;
    }
}
