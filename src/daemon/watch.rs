//! File events as a dirty flag, never as facts: they are lost, doubled and out of order, and reading causes some.
//!
//! The tree is watched recursively and its parent alone, because a watch dies with a directory that is replaced. Where
//! no watch is to be had, the directory is polled, and that is said.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Without a watch the files are looked at this often.
const POLL: Duration = Duration::from_secs(2);

/// A watch over one directory.
#[derive(Debug)]
pub(super) struct Watch {
    dir: PathBuf,
    flag: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    armed_on: Option<(u64, u64)>,
}

impl Watch {
    pub(super) fn new(dir: &Path) -> Self {
        let mut watch = Self { dir: dir.to_owned(), flag: Arc::new(Notify::new()), watcher: None, armed_on: None };
        watch.rearm();
        watch
    }

    /// Resolves when files may have changed.
    pub(super) async fn changed(&self) {
        if self.watcher.is_some() {
            self.flag.notified().await;
        } else {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Watches anew when the directory is another one than before, or could not be watched yet.
    pub(super) fn rearm(&mut self) {
        let now = std::fs::metadata(&self.dir).ok().map(|m| (m.dev(), m.ino()));
        if self.watcher.is_some() && now == self.armed_on {
            return;
        }
        let had_one = self.watcher.is_some();
        self.watcher = self
            .arm()
            .inspect_err(|error| {
                if had_one || self.armed_on.is_none() {
                    tracing::warn!(every_s = POLL.as_secs(), "the files cannot be watched and are polled: {error}");
                }
            })
            .ok();
        self.armed_on = now;
    }

    fn arm(&self) -> notify::Result<RecommendedWatcher> {
        let flag = Arc::clone(&self.flag);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !is_read(event.kind)) {
                flag.notify_one();
            }
        })?;
        watcher.watch(&self.dir, RecursiveMode::Recursive)?;
        // A swap of the directory itself shows only in its parent. A parent that cannot be watched costs only speed.
        if let Some(parent) = self.dir.canonicalize().ok().as_deref().and_then(Path::parent) {
            let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
        Ok(watcher)
    }
}

/// Reading causes events too, ours included; only the close after a write counts.
fn is_read(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
