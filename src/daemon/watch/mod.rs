//! File events as a dirty flag, never as facts: they are lost, doubled and out of order, and reading causes some.
//!
//! *Expected flow*: a task of its own finds out where each path really leads (`chain`), watches that and every directory
//! in which the way there can change, and does so anew when it has. Where the system gives no watch, the files are
//! polled (`prints`), and that is said, as is the day when they can be watched again.
//!
//! *Guarantees*: whatever was or was not noticed before, the flag is set after every time that a watch began, so that
//! nothing is lost between two of them.
//!
//! *Caveats*: a mount over a directory, or another name for one further up, sends no event; both are seen at the next
//! check, after [`CHECK`].

mod chain;
mod prints;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use chain::{Chain, End};

/// How often it is checked that the paths still lead where they led: a few `stat` each.
const CHECK: Duration = Duration::from_secs(2);
/// Without a watch the files are looked at this often, by `stat` alone.
const POLL: Duration = Duration::from_secs(2);
/// And at most in one part in so many of the time: a large tree is looked at less often.
const POLL_TIMES: u32 = 100;
/// So often is it tried to have a watch again.
const RETRY: Duration = Duration::from_secs(30);
/// A watch just given back may still count for the system: so many times is it asked before the files are polled, ...
const TRIES: u32 = 5;
/// ... with this pause between.
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// A watch over files and directories, whether they are there or not.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Files may have changed.
    flag: Notify,
    /// What is watched may not be what should be.
    check: Notify,
    /// What is watched is not what should be, or events were lost.
    broken: AtomicBool,
}

impl Shared {
    fn begin_anew(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.check.notify_one();
    }
}

impl Watch {
    /// Watches these from now on: directories with all below them, but nothing in `.git` that is not named itself.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        Self::timed(paths, Timing::default())
    }

    fn timed(paths: &[PathBuf], timing: Timing) -> Self {
        let shared = Arc::new(Shared::default());
        let keeper = Keeper { paths: paths.into(), shared: Arc::clone(&shared), timing };
        Self { shared, task: tokio::spawn(keeper.run()) }
    }

    /// Resolves when files may have changed.
    pub(super) async fn changed(&self) {
        self.shared.flag.notified().await;
    }

    /// Has it checked now whether the right files are watched.
    pub(super) fn rearm(&self) {
        self.shared.check.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone, Copy)]
struct Timing {
    check: Duration,
    poll: Duration,
    retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { check: CHECK, poll: POLL, retry: RETRY }
    }
}

/// What there is to notice changes by.
enum Hold {
    /// Held for what it does when it is dropped.
    Watched {
        _watcher: RecommendedWatcher,
    },
    Polled(Polled),
}

impl Hold {
    fn polled(&self) -> Option<Polled> {
        match self {
            Self::Watched { .. } => None,
            Self::Polled(polled) => Some(*polled),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Polled {
    seen: u64,
    pause: Duration,
    retry_at: Instant,
    /// It was said that the files are polled.
    told: bool,
}

/// The task that keeps the watch on what it should be on.
struct Keeper {
    paths: Arc<[PathBuf]>,
    shared: Arc<Shared>,
    timing: Timing,
}

impl Keeper {
    async fn run(self) {
        let mut before = None;
        loop {
            let chains = self.chains().await;
            let mut hold = self.take_hold(&chains, before.is_some_and(|polled: Polled| polled.told)).await;
            // Polled as before, what is new shows; else nobody looked for a moment.
            if before.is_none() || before.map(|polled| polled.seen) != hold.polled().map(|polled| polled.seen) {
                self.shared.flag.notify_one();
            }
            while self.stands(&mut hold).await
                && !self.shared.broken.swap(false, Ordering::Relaxed)
                && self.chains().await == chains
            {}
            before = hold.polled();
        }
    }

    async fn chains(&self) -> Vec<Chain> {
        let paths = Arc::clone(&self.paths);
        let chains = spawn_blocking(move || paths.iter().map(|path| Chain::of(path)).collect());
        chains.await.unwrap_or_default()
    }

    /// Watches, or else begins to poll.
    async fn take_hold(&self, chains: &[Chain], told: bool) -> Hold {
        let mut tries = 0;
        loop {
            tries += 1;
            let (wanted, shared) = (Wanted::of(chains), Arc::clone(&self.shared));
            let armed = spawn_blocking(move || wanted.arm(&shared)).await;
            let error = match armed {
                Ok(Ok(watcher)) => {
                    if told {
                        tracing::info!("the files are watched again");
                    }
                    // What changed between the walk along the paths and the watch was not noticed.
                    self.shared.check.notify_one();
                    return Hold::Watched { _watcher: watcher };
                }
                Ok(Err(error)) => error,
                Err(error) => notify::Error::generic(&error.to_string()),
            };
            // What is gone by now is another way to go; it is looked for at once, and nothing to tell of.
            let is_gone = is_gone(&error);
            if !is_gone && tries < TRIES {
                tokio::time::sleep(TRY_PAUSE).await;
                continue;
            }
            if !told && !is_gone {
                let every = self.timing.poll.as_secs();
                tracing::warn!("the files cannot be watched and are looked at every {every} s: {}", remedy(&error));
            }
            let retry_at = Instant::now() + if is_gone { TRY_PAUSE } else { self.timing.retry };
            return Hold::Polled(Polled { told: told || !is_gone, retry_at, ..self.poll().await });
        }
    }

    /// Waits until it is time to check; false if it is time to begin anew in any case.
    async fn stands(&self, hold: &mut Hold) -> bool {
        let wait = match hold {
            Hold::Watched { .. } => self.timing.check,
            Hold::Polled(polled) => polled.pause.min(polled.retry_at.saturating_duration_since(Instant::now())),
        };
        let _ = tokio::time::timeout(wait, self.shared.check.notified()).await;
        let Hold::Polled(polled) = hold else { return true };
        let now = self.poll().await;
        if now.seen != polled.seen {
            self.shared.flag.notify_one();
        }
        *polled = Polled { seen: now.seen, pause: now.pause, ..*polled };
        Instant::now() < polled.retry_at
    }

    async fn poll(&self) -> Polled {
        let (paths, began) = (Arc::clone(&self.paths), Instant::now());
        let seen = spawn_blocking(move || prints::print(&paths)).await.unwrap_or_default();
        let pause = self.timing.poll.max(began.elapsed() * POLL_TIMES);
        Polled { seen, pause, retry_at: began, told: false }
    }
}

/// What is to be watched, and which of its events matter.
#[derive(Default)]
struct Wanted {
    /// Directories with all below them.
    folders: BTreeSet<PathBuf>,
    /// Entries of other directories: files that are content, ...
    files: BTreeSet<PathBuf>,
    /// ... and what leads elsewhere when it changes.
    turns: BTreeSet<PathBuf>,
}

impl Wanted {
    fn of(chains: &[Chain]) -> Self {
        let mut wanted = Self::default();
        for chain in chains {
            wanted.turns.extend(chain.turns.iter().cloned());
            match &chain.end {
                Some(End::Folder(end)) => drop(wanted.folders.insert(end.clone())),
                Some(End::File(end)) => drop(wanted.files.insert(end.clone())),
                None => {}
            }
        }
        wanted
    }

    fn arm(self, shared: &Arc<Shared>) -> notify::Result<RecommendedWatcher> {
        // The crate forgets that a directory is watched with all below it when it is told to watch it alone as well.
        let is_within = |dir: &Path| self.folders.iter().any(|folder| dir.starts_with(folder) && dir != folder);
        let whole: Vec<_> = self.folders.iter().filter(|folder| !is_within(folder)).cloned().collect();
        let dirs = self.turns.iter().chain(&self.files).filter_map(|entry| entry.parent());
        let alone: BTreeSet<_> = dirs.filter(|dir| !self.folders.contains(*dir) && !is_within(dir)).collect();
        let alone: Vec<_> = alone.into_iter().map(Path::to_owned).collect();
        let shared = Arc::clone(shared);
        let hear = move |event: notify::Result<Event>| self.hear(event, &shared);
        let mut watcher = RecommendedWatcher::new(hear, Config::default().with_follow_symlinks(false))?;
        for dir in whole {
            watcher.watch(&dir, RecursiveMode::Recursive)?;
        }
        for dir in alone {
            match watcher.watch(&dir, RecursiveMode::NonRecursive) {
                // Who may pass a directory and not list it has the check alone.
                Err(error) if !is_denied(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(watcher)
    }

    fn hear(&self, event: notify::Result<Event>, shared: &Shared) {
        // An error is one of a directory that came and could not be watched.
        let Ok(event) = event else { return shared.begin_anew() };
        if event.need_rescan() {
            tracing::info!("more changed at once than the system tells of; all is watched anew");
            return shared.begin_anew();
        }
        if is_read(event.kind) {
            return;
        }
        let is_turn = event.paths.iter().any(|path| self.turns.contains(path));
        if is_turn && !matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_))) {
            // Even where it leads to the same inode: a directory that was made anew often gets the number of the old.
            return shared.begin_anew();
        }
        if is_turn || event.paths.iter().any(|path| self.files.contains(path) || self.is_content(path)) {
            shared.flag.notify_one();
        }
    }

    /// Below a directory that is watched, and not git's own business, but for the lock that it holds while it works.
    fn is_content(&self, path: &Path) -> bool {
        let below = |folder: &PathBuf| path.strip_prefix(folder).ok();
        let Some(within) = self.folders.iter().filter_map(below).min_by_key(|within| within.components().count())
        else {
            return false;
        };
        path.ends_with(".git/index.lock") || !within.components().any(|part| part.as_os_str() == ".git")
    }
}

/// Reading causes events too, ours included; only the close after a write counts.
fn is_read(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn io_kind(error: &notify::Error) -> Option<std::io::ErrorKind> {
    if let ErrorKind::Io(error) = &error.kind { Some(error.kind()) } else { None }
}

fn is_gone(error: &notify::Error) -> bool {
    matches!(error.kind, ErrorKind::PathNotFound) || io_kind(error) == Some(std::io::ErrorKind::NotFound)
}

fn is_denied(error: &notify::Error) -> bool {
    io_kind(error) == Some(std::io::ErrorKind::PermissionDenied)
}

/// An error with what helps.
fn remedy(error: &notify::Error) -> String {
    const EMFILE: i32 = 24;
    let limit = match &error.kind {
        ErrorKind::MaxFilesWatch => "fs.inotify.max_user_watches",
        ErrorKind::Io(io) if io.raw_os_error() == Some(EMFILE) => "fs.inotify.max_user_instances",
        ErrorKind::Io(_)
        | ErrorKind::Generic(_)
        | ErrorKind::PathNotFound
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_) => return error.to_string(),
    };
    format!("{error}; raise `{limit}` with sysctl")
}

#[cfg(test)]
mod tests;
