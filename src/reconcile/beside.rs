//! What other passes of this process have in hand. A command has none beside it; the daemon goes on with one stage while
//! another waits at its gate.
//!
//! *Guarantees*: passes beside each other share one store, and so the lock; no two write to the proxy at a time (R9); no
//! image goes while one is fetched (R24); what another one works on is not planned, closed, swept or forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

use super::{Error, LOCK_WAIT};
use crate::execute::Pulls;
use crate::model::{Recorded, StageKey};
use crate::proxy::Writes;
use crate::registry::Registry;
use crate::store::{DataDir, DeployRow, Holder, Lock, Store};

/// What is wrong, and in which file and line: the log has the rest.
const COMPLAINT_LINES: usize = 2;

/// What other passes of this process have in hand; the default is for who is alone.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The store, as long as a pass has it open; none for who shares it with nobody.
    shared: Option<Arc<Mutex<Option<Store>>>>,
    /// Held by who opens it, so that whoever comes meanwhile finds it open.
    opening: Arc<Turn<()>>,
    /// Whose turn it is to write to the proxy.
    pub(super) writes: Writes,
    /// How many stages are worked on at a time, in all passes together.
    permits: Arc<Mutex<Permits>>,
    /// Who fetches an image.
    pub(super) pulls: Pulls,
    /// The stages that others work on.
    pub(super) busy: Arc<BTreeSet<StageKey>>,
    /// Why the configuration that is there now cannot be used, where that is so.
    complaint: Arc<Mutex<Option<String>>>,
    /// Why Docker's events are not heard, where that is so.
    unheard: Arc<Mutex<Option<String>>>,
    /// The client for all registries: it remembers logins and what it was told to wait for.
    registry: Arc<Registry>,
    /// What is wrong with registries, by host, as they were heard last.
    registries: Arc<Mutex<BTreeMap<String, String>>>,
    /// What a daemon said it works on; none where none was asked.
    daemon: Option<Arc<UnderWay>>,
}

/// What a daemon said it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Its process.
    pub pid: u32,
    /// On these stages, and no others.
    pub stages: BTreeSet<StageKey>,
    /// When it said so, in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// How many stages are worked on at a time.
#[derive(Debug)]
struct Permits {
    at_a_time: u16,
    semaphore: Arc<Semaphore>,
}

impl Default for Permits {
    fn default() -> Self {
        Self { at_a_time: 0, semaphore: Arc::new(Semaphore::new(0)) }
    }
}

impl Beside {
    /// The client for all registries.
    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Takes in how registries were heard; what is wrong with any of them now, by host.
    pub(super) fn hear(&self, heard: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        for (host, wrong) in heard {
            match wrong {
                Some(why) => drop(registries.insert(host.clone(), why.clone())),
                None => drop(registries.remove(host)),
            }
        }
        registries.clone()
    }
    /// For a process in which several passes may be on at a time.
    pub fn shared() -> Self {
        Self { shared: Some(Arc::default()), ..Self::default() }
    }

    /// The same, for a pass while others work on these stages.
    #[must_use]
    pub fn while_busy(&self, stages: BTreeSet<StageKey>) -> Self {
        Self { busy: Arc::new(stages), ..self.clone() }
    }

    /// The same, for who only looks and asked the daemon.
    #[must_use]
    pub fn told(&self, daemon: UnderWay) -> Self {
        Self { daemon: Some(Arc::new(daemon)), ..self.clone() }
    }

    /// True while somebody works on a deploy without an end, where `holder` has the lock. A daemon has it for all of its
    /// passes together, and so says more than the lock; what moved since it said so, it has begun since.
    pub(super) fn is_under_way(&self, deploy: &DeployRow, holder: Option<&Holder>) -> bool {
        let Some(UnderWay { pid, stages, at_ms }) = self.daemon.as_deref() else { return holder.is_some() };
        let is_another = holder.is_some_and(|holder| holder.pid != *pid);
        is_another || stages.contains(&deploy.key) || (holder.is_some() && deploy.updated_at_ms >= *at_ms)
    }

    /// Lets go of the store once no pass is on: whoever else waits for the lock can have it, and a file that was replaced
    /// is opened anew.
    pub fn close(&self) {
        if let Some(shared) = &self.shared {
            shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Why the configuration that is there now cannot be used; none when it is the one in force. True when that is new.
    pub fn complain(&self, why: Option<&str>) -> bool {
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = complaint.as_deref() != why;
        *complaint = why.map(ToOwned::to_owned);
        is_new
    }

    /// What was complained of last, in short.
    pub(super) fn complaint(&self) -> Option<String> {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = complaint.as_deref()?.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(lines.take(COMPLAINT_LINES).collect::<Vec<_>>().join(" "))
    }

    /// Why Docker's events are not heard now; none when they are.
    pub fn hears(&self, why_not: Option<String>) {
        *self.unheard.lock().unwrap_or_else(PoisonError::into_inner) = why_not;
    }

    /// What was said of that last.
    pub(super) fn unheard(&self) -> Option<String> {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store that a pass beside has open.
    fn opened(&self) -> Option<Store> {
        self.shared.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store under the lock: the one that is open, or opened now.
    ///
    /// # Errors
    /// Another process holds the lock, or the store cannot be used.
    pub(super) async fn open(&self, data: &DataDir, lock: Held) -> Result<Store, Error> {
        let (lock, _turn) = match lock {
            Held::Open(store) => return Ok(store),
            Held::Lock(lock, turn) => (lock, turn),
        };
        let store = Store::open(data, lock).await?;
        if let Some(shared) = &self.shared {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        }
        Ok(store)
    }

    /// Proof that nobody else changes things, for as long as it is held.
    ///
    /// # Errors
    /// Another process holds the lock.
    pub(super) async fn lock(&self, data: &DataDir, command: &str) -> Result<Held, Error> {
        let turn = Arc::clone(&self.opening).lock_owned().await;
        match self.opened() {
            Some(store) => Ok(Held::Open(store)),
            None => Ok(Held::Lock(Lock::acquire(data, command, LOCK_WAIT).await?, turn)),
        }
    }

    /// Permits for so many stages at a time. Where the number changed, those that are out are still out.
    pub(super) fn permits(&self, at_a_time: u16) -> Arc<Semaphore> {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        if permits.at_a_time != at_a_time {
            *permits = Permits { at_a_time, semaphore: Arc::new(Semaphore::new(at_a_time.into())) };
        }
        Arc::clone(&permits.semaphore)
    }

    /// What the store remembers, less the open deploys that others work on: they are not interrupted.
    pub(super) fn settle(&self, recorded: &mut Recorded) {
        for key in self.busy.iter() {
            if let Some(stage) = recorded.stages.get_mut(key) {
                stage.in_flight = None;
            }
        }
    }
}

/// The lock, or a store that holds it.
pub(super) enum Held {
    /// Taken just now, and nobody else of this process may do so meanwhile.
    Lock(Lock, OwnedMutexGuard<()>),
    /// By a pass beside.
    Open(Store),
}
