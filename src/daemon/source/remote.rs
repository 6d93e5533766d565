//! A branch of a repository elsewhere as a source: a task of its own asks the server, a look reads what was fetched.
//!
//! *Guarantees*: a server that does not answer, or says no, changes nothing: what is in force stays, also over a restart,
//! since the clone knows it (R2, R26). A look waits for a server only where nothing was ever fetched.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::Read;
use crate::config::{Cache, LoadError, Loaded, load_fetched};
use crate::daemon::dice::{Dice, doubled};
use crate::git::{CommitId, GitError, Mirror};

/// Longest wait after failures, unless the interval is longer.
const LONGEST: Duration = Duration::from_secs(600);
/// Waits differ by a tenth, so that several hosts do not ask all at once.
const JITTER: f64 = 0.1;

/// The branch, and what was read of it.
#[derive(Debug)]
pub(super) struct Remote {
    mirror: Arc<Mirror>,
    cache: Arc<Cache>,
    /// It was looked for what was in force before a restart.
    begun: bool,
    /// The commit that was loaded last, good or bad.
    seen: Option<CommitId>,
    /// The last look found trouble that may have passed: the next one loads the commit again, and so tells of its end.
    ill: bool,
    poll: JoinHandle<()>,
}

impl Remote {
    pub(super) fn new(mirror: &Arc<Mirror>, interval: Duration) -> Self {
        let poll = tokio::spawn(poll(Arc::clone(mirror), interval));
        Self { mirror: Arc::clone(mirror), cache: Arc::default(), begun: false, seen: None, ill: false, poll }
    }

    /// Told when there may be something to look at.
    pub(super) fn news(&self) -> Arc<Notify> {
        self.mirror.news()
    }

    /// Reads what was fetched, if it is another commit than before. The first look takes what was in force before a
    /// restart.
    ///
    /// # Errors
    /// The reading thread panicked.
    pub(super) async fn read(&mut self) -> Result<Read, JoinError> {
        let (mirror, cache) = (Arc::clone(&self.mirror), Arc::clone(&self.cache));
        let seen = self.seen.clone().filter(|_| !self.ill);
        let begun = std::mem::replace(&mut self.begun, true);
        let found =
            spawn_blocking(move || if begun { go_on(&cache, &mirror, seen.as_ref()) } else { begin(&cache, &mirror) });
        let found = found.await?;
        self.ill = match &found {
            Ok(Found::Same) => false,
            Ok(Found::Commit(_, loaded)) => loaded.as_ref().as_ref().is_err_and(passes),
            Err(_) => true,
        };
        Ok(match found {
            Ok(Found::Same) => Read::Same,
            Ok(Found::Commit(commit, loaded)) => {
                self.seen = Some(commit);
                Read::Loaded(loaded)
            }
            Err(error) => Read::Loaded(Box::new(Err(error.into()))),
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

/// What a look found.
enum Found {
    Same,
    Commit(CommitId, Box<Result<Loaded, LoadError>>),
}

/// What git says may be otherwise at the next look, and so may a branch that is held; what is wrong in a commit stays so.
fn passes(error: &LoadError) -> bool {
    matches!(error, LoadError::Git(_))
}

fn begin(cache: &Cache, mirror: &Mirror) -> Result<Found, GitError> {
    match mirror.in_force() {
        Ok(Some(commit)) => match load_fetched(cache, mirror, &commit, false) {
            Ok(loaded) => return Ok(Found::Commit(commit, Box::new(Ok(loaded)))),
            Err(error) => tracing::warn!("commit {commit}, which was in force, cannot be loaded any more: {error}"),
        },
        Ok(None) => {}
        Err(error) => tracing::warn!("{error}"),
    }
    let first = mirror.fetch()?;
    take(cache, mirror, first)
}

fn go_on(cache: &Cache, mirror: &Mirror, seen: Option<&CommitId>) -> Result<Found, GitError> {
    // The first answer is on its way, and will be told of.
    let Some(last) = mirror.last() else { return Ok(Found::Same) };
    let newest = last?;
    if seen == Some(&newest) { Ok(Found::Same) } else { take(cache, mirror, newest) }
}

fn take(cache: &Cache, mirror: &Mirror, newest: CommitId) -> Result<Found, GitError> {
    let loaded = load_fetched(cache, mirror, &newest, false);
    if let Ok(loaded) = &loaded {
        if let Some(note) = &loaded.note {
            tracing::warn!("{note}");
        }
        mirror.put_in_force(&newest)?;
    }
    Ok(Found::Commit(newest, Box::new(loaded)))
}

/// Asks the server for as long as the daemon runs: at once where it is known what is in force, since nobody else does
/// then, and after each interval; later and later while it does not answer.
async fn poll(mirror: Arc<Mirror>, interval: Duration) {
    let mut dice = Dice::new(uuid::Uuid::new_v4().as_u64_pair().0);
    let (mut failures, asked_for) = (0_u32, mirror.asked());
    let is_known = blocking(&mirror, |mirror| mirror.in_force().ok().flatten().is_some()).await;
    if is_known.unwrap_or(false) {
        failures = asked(&mirror, failures).await;
    }
    loop {
        let wait = wait(interval, failures, &mut dice);
        // Whoever asks for it, or the time that has come.
        let _ = tokio::time::timeout(wait, asked_for.notified()).await;
        failures = asked(&mirror, failures).await;
    }
}

/// Until the server is asked again, after so many failures in a row.
fn wait(interval: Duration, failures: u32, dice: &mut Dice) -> Duration {
    let wait = doubled(interval, failures, LONGEST.max(interval));
    dice.between(wait.mul_f64(1.0 - JITTER), wait.mul_f64(1.0 + JITTER))
}

/// How often it failed in a row by now.
async fn asked(mirror: &Arc<Mirror>, failures: u32) -> u32 {
    let fetch = |mirror: &Mirror| mirror.fetch().inspect_err(|error| tracing::debug!("{error}")).is_ok();
    if blocking(mirror, fetch).await.unwrap_or(false) { 0 } else { failures.saturating_add(1) }
}

/// None when it panicked, of which the log tells.
async fn blocking<T: Send + 'static>(
    mirror: &Arc<Mirror>,
    run: impl FnOnce(&Mirror) -> T + Send + 'static,
) -> Option<T> {
    let mirror = Arc::clone(mirror);
    spawn_blocking(move || run(&mirror)).await.ok()
}

#[cfg(test)]
mod tests;
