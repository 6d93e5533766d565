//! The eye on a directory: the newest scan of it, and scans in the background while events come.
//!
//! The last scan of a storm begins right after its last event, so that the look at the end of the quiet time finds one
//! that is old enough to agree with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Scan, Uses};

/// Time between two scans in the background, at least.
const PAUSE: Duration = Duration::from_millis(10);
/// And at least so many times as long as the scan took, so that files that never stand still cost little.
const PAUSE_TIMES: u32 = 10;

/// What is seen of one directory.
#[derive(Debug)]
pub(super) struct Eye {
    dir: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    newest: Option<Arc<Scan>>,
    /// What the configuration uses; it is looked at as well.
    uses: Uses,
    /// A thread scans in the background, and has something to do.
    glancing: bool,
    asked: bool,
}

/// What is to be told of events, from wherever they are heard; nothing where the source needs no such help.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Glance(pub(super) Option<Arc<Eye>>);

impl Glance {
    /// Something may have changed: it is measured from now on for how long it stands still.
    pub(in crate::daemon) fn changed(&self) {
        if let Some(eye) = &self.0 {
            Eye::glance(eye);
        }
    }
}

impl Eye {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), seen: Mutex::default() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn newest(&self) -> Option<Arc<Scan>> {
        self.seen().newest.clone()
    }

    /// Scans now. Blocks.
    pub(super) fn scan(&self, whole: bool) -> Arc<Scan> {
        let (before, uses) = {
            let seen = self.seen();
            (seen.newest.clone(), seen.uses.clone())
        };
        let scan = Arc::new(Scan::of(&self.dir, &uses, before.as_deref(), whole));
        self.seen().newest = Some(Arc::clone(&scan));
        scan
    }

    /// Scans soon, in the background; any number of calls cost few scans.
    fn glance(eye: &Arc<Self>) {
        let mut seen = eye.seen();
        seen.asked = true;
        if std::mem::replace(&mut seen.glancing, true) {
            return;
        }
        drop(seen);
        let eye = Arc::clone(eye);
        tokio::task::spawn_blocking(move || {
            while eye.goes_on() {
                let began = Instant::now();
                eye.scan(false);
                std::thread::sleep(PAUSE.max(began.elapsed() * PAUSE_TIMES));
            }
        });
    }

    fn goes_on(&self) -> bool {
        let mut seen = self.seen();
        seen.glancing = std::mem::take(&mut seen.asked);
        seen.glancing
    }

    /// True if a configuration uses what a scan did not look at; the next one does, and nothing is known to stand still
    /// until then.
    pub(super) fn learns(&self, scan: &Scan, uses: &Uses) -> bool {
        let mut seen = self.seen();
        let learns = !scan.covers(uses, &seen.uses);
        if learns {
            seen.uses.extend(uses.iter().cloned());
            seen.newest = None;
        }
        learns
    }

    /// From now on this is what is used.
    pub(super) fn uses(&self, uses: Uses) {
        self.seen().uses = uses;
    }
}
