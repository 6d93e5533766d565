//! What Docker tells of our stages, for as long as the daemon runs (R20).
//!
//! A task of its own reads the stream, so that Docker never drops an event because a pass was under way; what it heard
//! waits in a mailbox with one place for each stage. Nothing is asked while nothing happens.
//!
//! *Guarantees*: whatever may have been missed is told as [`Heard::Relist`]: after every subscription, and when more was
//! heard than the mailbox holds. A stage is told of only when lists show what happened to it.
//!
//! *What means nothing*: a container that starts (it only teaches its id), hooks, what is not ours, and what comes with a
//! death that was told already: the networks that a container leaves as it ends. So a deploy without a replacement tells
//! nothing, and one that retires an old instance tells of its stage, for the loop to look once when it is done with it.

mod mailbox;
mod ours;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;

use super::dice::{Dice, doubled};
use crate::docker::{ContainerEvent, Docker, DockerError, Happened};
use crate::model::{Observed, Recorded, StageKey};
use mailbox::Mailbox;
use ours::Ours;

/// First wait before Docker is asked again; doubled each time.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
/// Longest such wait: a daemon that comes back is noticed soon.
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Containers that Docker is asked about at the same time, each for two seconds at most; with more of them at once all is
/// looked at.
const SETTLING_MAX: usize = 64;
/// So often Docker is asked again about one that it has not finished with, two seconds each: a host that is starved of its
/// processor takes long to end a container.
const SETTLE_TRIES: u32 = 15;

/// What there is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something happened to an instance of this stage.
    Stage {
        /// Which stage.
        key: StageKey,
        /// What, last.
        what: Happened,
    },
    /// Anything may have happened: look at everything.
    Relist,
    /// Docker does not answer; said once, with the reason.
    Lost(DockerError),
    /// Docker answers again; said once, before a [`Heard::Relist`].
    Back,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    mailbox: Arc<Mailbox>,
    known: Known,
    task: JoinHandle<()>,
}

/// Which containers are ours, for passes to tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<Ours>>);

impl Known {
    /// What a pass saw, which looked at all of them: of a network that is left, Docker says only the container's id.
    pub(super) fn saw(&self, recorded: &Recorded, observed: &Observed) {
        lock(&self.0).learn(recorded, observed);
    }
}

impl Listener {
    /// Listens to the Docker at an address, whether it answers already or not. Wants a runtime around it.
    pub(super) fn start(address: &str, dice: Dice) -> Self {
        let (mailbox, known) = (Arc::new(Mailbox::default()), Known::default());
        let ear = Ear { address: address.to_owned(), mailbox: Arc::clone(&mailbox), known: known.clone() };
        Self { mailbox, known, task: tokio::spawn(ear.listen(dice)) }
    }

    /// The next thing to know. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> Heard {
        self.mailbox.next().await
    }

    /// Where passes tell which containers are ours.
    pub(super) fn known(&self) -> Known {
        self.known.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The listening side.
struct Ear {
    address: String,
    mailbox: Arc<Mailbox>,
    known: Known,
}

impl Ear {
    /// Subscribes for ever. A stream that broke is asked for again at once, so that a cut that Docker survived is not
    /// called a loss; one that breaks again and again is asked for less and less often.
    async fn listen(self, mut dice: Dice) {
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            match Docker::connect(&self.address).await {
                Ok(docker) => {
                    let since = SystemTime::now();
                    lock(&self.known.0).begin();
                    self.mailbox.back();
                    let why = self.follow(&docker, since).await;
                    tracing::debug!("docker's events must be asked for again: {why}");
                }
                Err(error) => {
                    failures = failures.max(1);
                    self.mailbox.lost(error);
                }
            }
            if begun.elapsed() > AGAIN_MAX {
                failures = 0;
            }
            tokio::time::sleep(pause(failures, &mut dice)).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Reads one subscription to its end; says why it ended.
    async fn follow(&self, docker: &Docker, since: SystemTime) -> DockerError {
        let mut events = docker.events(since);
        let mut settling = FuturesUnordered::new();
        let mut waiting: BTreeSet<String> = BTreeSet::new();
        let mut too_many = false;
        loop {
            tokio::select! {
                event = events.next() => {
                    let event = match event {
                        Ok(event) => event,
                        Err(error) => return error,
                    };
                    let Some(key) = lock(&self.known.0).heard(&event) else { continue };
                    let ContainerEvent { what, id, name: _, labels: _ } = event;
                    if what == Happened::Destroyed {
                        // Nobody answers for it any more, and lists do not show it.
                        self.mailbox.stage(key, what);
                    } else if waiting.len() >= SETTLING_MAX {
                        too_many = true;
                    } else if waiting.insert(id.clone()) {
                        settling.push(settle(docker, id, (key, what), SETTLE_TRIES));
                    }
                }
                Some((id, (key, what), tries)) = settling.next(), if !settling.is_empty() => {
                    self.mailbox.stage(key.clone(), what);
                    match tries {
                        // A look now may be too early; one more comes once Docker has finished.
                        Some(tries) => settling.push(settle(docker, id, (key, what), tries)),
                        None => drop(waiting.remove(&id)),
                    }
                    if (waiting.is_empty() || tries.is_some()) && std::mem::take(&mut too_many) {
                        self.mailbox.relist();
                    }
                }
            }
        }
    }
}

/// Waits until lists show what happened to a container; where they do not in time, with the tries that are left.
async fn settle<T>(docker: &Docker, id: String, heard: T, tries: u32) -> (String, T, Option<u32>) {
    let is_shown = docker.settled(&id).await;
    (id, heard, tries.checked_sub(1).filter(|_| !is_shown))
}

/// None at first, and then doubled; the second half of it is left to chance.
fn pause(failures: u32, dice: &mut Dice) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let most = doubled(AGAIN_FIRST, doublings, AGAIN_MAX);
    dice.between(most / 2, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_is_asked_again_at_once_and_then_less_and_less_often() {
        let mut dice = Dice::new(1);
        for (failures, most) in (0..).zip([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
            let wait = pause(failures, &mut dice).as_millis();
            assert!((most / 2..=most).contains(&wait), "{failures}: {wait}");
        }
        assert!(pause(u32::MAX, &mut dice) <= AGAIN_MAX);
    }
}
