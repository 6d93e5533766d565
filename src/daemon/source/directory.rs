//! A plain directory as a source: read whole or not at all.
//!
//! *Expected flow*: at every event a scan in the background begins to measure how long the files stand still; a look
//! scans again, and if they have stood still long enough it loads them and scans a third time.
//!
//! *Guarantees*: what is in force stood unchanged for [`Patience::quiet`], was read while it did, and git was not at work
//! in it (L1). What would retire a stage stood for longer: a file that is cut at the end of a line is good YAML.
//!
//! *Caveats*: only what counts must stand still: YAML files, and what the configuration mounts or reads. A log file in
//! the directory that is written all the time hides nothing. A YAML file that is written all the time holds back the
//! whole directory, and is named in the log: half of it could retire a stage (R2), and the rest without it, or with its
//! older content, would be a configuration that nobody wrote.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;

use super::Read;
use super::eye::{Eye, Glance};
use super::trouble::{Lock, Trouble};
use crate::config::{self, Cache, LoadError, Loaded, Scan};
use crate::model::StageKey;

/// How long files must stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// In any case.
    pub(super) quiet: Duration,
    /// Where a stage would go: a copy over a slow line pauses.
    pub(super) retiring: Duration,
    /// While git holds its lock: it deletes and re-creates files, with pauses where a filter is slow. A lock that a
    /// crashed git left behind must not block for ever.
    pub(super) locked: Duration,
    /// So long a look waits for that at most.
    pub(super) at_most: Duration,
    /// What goes on for longer than this is told in the log.
    pub(super) told: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(100),
            retiring: Duration::from_secs(2),
            locked: Duration::from_secs(60),
            at_most: Duration::from_secs(2),
            told: Duration::from_secs(10),
        }
    }
}

type Outcome = Box<Result<Loaded, LoadError>>;

/// The directory, and what was seen of it.
#[derive(Debug)]
pub(super) struct Directory {
    patience: Patience,
    eye: Arc<Eye>,
    cache: Arc<Cache>,
    /// What was loaded last, and whether it was good.
    taken: Option<(Arc<Scan>, bool)>,
    /// The stages of what is in force.
    standing: BTreeSet<StageKey>,
    /// What would retire a stage; it is as good as read again while nothing changed since that moment.
    waiting: Option<(Instant, Outcome)>,
    trouble: Trouble,
}

impl Directory {
    pub(super) fn new(dir: &Path, patience: Patience) -> Self {
        Self {
            patience,
            eye: Arc::new(Eye::new(dir)),
            cache: Arc::default(),
            taken: None,
            standing: BTreeSet::new(),
            waiting: None,
            trouble: Trouble::default(),
        }
    }

    /// What is to be told of events.
    pub(super) fn glance(&self) -> Glance {
        Glance(Some(Arc::clone(&self.eye)))
    }

    /// Reads the directory if it has changed; with `whole` no time of a file is trusted, and what was bad is read again.
    /// Waits for it to stand still, but not for long.
    ///
    /// # Errors
    /// The reading thread panicked.
    pub(super) async fn read(&mut self, whole: bool) -> Result<Read, JoinError> {
        let began = Instant::now();
        let mut scan = self.scan(whole).await?;
        if self.is_taken(&scan, whole) {
            self.trouble.over();
            return Ok(Read::Same);
        }
        loop {
            let lock = self.lock();
            if lock.is_none() && scan.quiet() < self.patience.quiet && began.elapsed() < self.patience.at_most {
                tokio::time::sleep_until((scan.since() + self.patience.quiet).into()).await;
                scan = self.scan(false).await?;
                continue;
            }
            if scan.quiet() < self.needed(lock.as_ref()) {
                break;
            }
            let Some(outcome) = self.load(&scan).await? else { break };
            if self.learns(&scan, &outcome) {
                scan = self.scan(false).await?;
                continue;
            }
            // Git takes its lock before it changes a file, and lets it go when all are written: whoever saw none before
            // and after saw no work of git.
            if self.lock().is_some_and(|now| lock.as_ref() != Some(&now)) {
                break;
            }
            if self.retires(&outcome) && scan.quiet() < self.patience.retiring {
                self.waiting = Some((scan.since(), outcome));
                return Ok(Read::Changing);
            }
            self.trouble.is_left_behind(lock.as_ref());
            return Ok(self.take(scan, outcome));
        }
        let lock = self.lock();
        self.trouble.goes_on(self.patience, lock.as_ref(), scan.moved());
        Ok(Read::Changing)
    }

    async fn scan(&self, whole: bool) -> Result<Arc<Scan>, JoinError> {
        let eye = Arc::clone(&self.eye);
        tokio::task::spawn_blocking(move || eye.scan(whole)).await
    }

    /// True if the files are as they were when they were loaded last. A bad configuration may have become good by a
    /// hidden file, which no scan looks at.
    fn is_taken(&self, scan: &Scan, whole: bool) -> bool {
        self.taken.as_ref().is_some_and(|(taken, good)| (*good || !whole) && scan.is_like(taken))
    }

    fn needed(&self, lock: Option<&Lock>) -> Duration {
        if lock.is_some() { self.patience.locked } else { self.patience.quiet }
    }

    fn lock(&self) -> Option<Lock> {
        self.trouble.lock(self.eye.dir())
    }

    /// Loads what a scan saw; none if that is not what is there.
    async fn load(&mut self, scan: &Arc<Scan>) -> Result<Option<Outcome>, JoinError> {
        if let Some((_, outcome)) = self.waiting.take().filter(|(since, _)| *since == scan.since()) {
            return Ok(Some(outcome));
        }
        let (eye, cache, scan) = (Arc::clone(&self.eye), Arc::clone(&self.cache), Arc::clone(scan));
        let load = move || {
            let loaded = config::load_scanned(&cache, eye.dir(), &scan)?;
            // Nothing may have changed while it was read.
            let stood = eye.scan(false).since() == scan.since();
            stood.then(|| Box::new(loaded))
        };
        tokio::task::spawn_blocking(load).await
    }

    /// True if something is used that was not looked at until now, so that nobody knows whether it stands still.
    fn learns(&self, scan: &Scan, outcome: &Outcome) -> bool {
        outcome.as_ref().as_ref().is_ok_and(|loaded| self.eye.learns(scan, &loaded.uses))
    }

    fn retires(&self, outcome: &Outcome) -> bool {
        let goes = |loaded: &Loaded| self.standing.iter().any(|key| loaded.desired.written(key).is_none());
        outcome.as_ref().as_ref().is_ok_and(goes)
    }

    fn take(&mut self, scan: Arc<Scan>, outcome: Outcome) -> Read {
        if let Ok(loaded) = &*outcome {
            self.standing = loaded.desired.all_written().map(|stage| stage.key.clone()).collect();
            self.eye.uses(loaded.uses.clone());
        }
        self.taken = Some((scan, outcome.is_ok()));
        self.trouble.over();
        Read::Loaded(outcome)
    }
}
