//! When to look and what to converge: pure. `step(now, event)` answers with what is to be done now, `wake_at` says when to
//! call it at the latest; time and chance are passed in.
//!
//! *Expected flow*: whatever is noticed becomes a wake of one stage, or of all, and is kept until a pass takes it up
//! (T6). A pass works on what is free: a stage that waits at its gate keeps no other from being put right.
//!
//! *Guarantees*: a stage is in at most one pass (A1); so many wakes of a stage are one pass (T4); a new configuration
//! resets every backoff (T5); the timer looks at everything whatever was or was not noticed (T1).
//!
//! *Bounds* (R31): a wake per stage, one for all, [`MAX_PASSES`] passes, [`MAX_REQUESTS`] requests.

mod backoff;
mod looks;
mod passes;
mod reload;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::dice::{Dice, doubled};
use crate::model::StageKey;
use backoff::Backoff;
use looks::Looks;
use passes::Passes;
use reload::Reload;

/// Passes at a time. Each holds a list of all containers while it plans.
pub(super) const MAX_PASSES: usize = 8;
/// Requests of people that wait for their turn; more are turned away.
pub(super) const MAX_REQUESTS: usize = 16;
/// Time between two full passes until the configuration says otherwise.
const RESYNC: Duration = Duration::from_secs(60);
/// A resync comes so much earlier or later, in percent, so that hosts that began together do not stay together (T3).
const RESYNC_SPREAD: u32 = 5;

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Time went by.
    Tick,
    /// The source of the configuration may have changed.
    Changed,
    /// A look at the source ended.
    Looked(Looked),
    /// Something of a stage changed on the host.
    Drifted(StageKey),
    /// Registries are to be asked about these stages.
    Polled(BTreeSet<StageKey>),
    /// Changes on the host may have been missed.
    Missed,
    /// A person asks for something.
    Asked {
        /// Its number.
        request: u64,
        /// What it is about.
        scope: Scope,
    },
    /// All is to be read and tried again.
    Reload,
    /// A pass knows what it works on.
    Planned {
        /// Which pass.
        pass: u64,
        /// On these stages and no others.
        stages: BTreeSet<StageKey>,
    },
    /// A pass is through with one stage.
    Ended {
        /// Which pass.
        pass: u64,
        /// Which stage.
        stage: StageKey,
    },
    /// A pass is over.
    Over {
        /// Which pass.
        pass: u64,
        /// How.
        outcome: Outcome,
    },
}

/// What a look at the source found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing new, or nothing that can be used.
    Same,
    /// It is changing right now.
    Changing,
    /// The same as before under a new name, which is to be recorded.
    Renamed,
    /// A configuration that is in force from now on, with its time between two full passes.
    New(Duration),
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// To its end. These stages are to be tried again later, and these looked at again after a time that is known.
    Done {
        /// They failed for a reason that may pass.
        failed: BTreeSet<StageKey>,
        /// They wait for a time.
        later: BTreeMap<StageKey, Duration>,
    },
    /// It could not even be planned.
    Failed,
}

/// Which stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All, but those that other passes work on.
    All,
    /// These.
    Stages(BTreeSet<StageKey>),
}

impl Scope {
    /// True for a stage that it is about.
    pub(super) fn has(&self, stage: &StageKey) -> bool {
        match self {
            Self::All => true,
            Self::Stages(stages) => stages.contains(stage),
        }
    }
}

/// Why a pass is made. Two wakes for different reasons are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A new configuration, or the first.
    Config,
    /// The host changed.
    Drift,
    /// It failed before.
    Retry,
    /// The timer, or what comes down to the same.
    Resync,
    /// Registries are asked.
    Registry,
    /// A person asks.
    Manual,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at the source; with `whole`, also at what is watched by nobody.
    Look {
        /// Read everything.
        whole: bool,
    },
    /// Converge.
    Pass(Pass),
}

/// A pass to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// Its number.
    pub(super) id: u64,
    /// What it is about.
    pub(super) scope: Scope,
    /// Why.
    pub(super) reason: Reason,
    /// The request that it carries out.
    pub(super) request: Option<u64>,
    /// What others work on.
    pub(super) busy: BTreeSet<StageKey>,
}

/// All that is to be done, and when.
#[derive(Debug)]
pub(super) struct Scheduler {
    dice: Dice,
    has_config: bool,
    resync: Duration,
    resync_at: Instant,
    looks: Looks,
    reload: Reload,
    /// A pass over all is wanted.
    all: Option<Reason>,
    /// Stages that are wanted.
    wakes: BTreeMap<StageKey, Reason>,
    /// Stages that failed, and when each is tried again.
    failed: BTreeMap<StageKey, Backoff>,
    /// Passes that could not be planned.
    stuck: Option<Backoff>,
    /// Stages that wait for a time.
    later: BTreeMap<StageKey, Instant>,
    requests: VecDeque<(u64, Scope)>,
    passes: Passes,
}

impl Scheduler {
    /// The first look and the first pass are due at once.
    pub(super) fn new(now: Instant, dice: Dice) -> Self {
        Self {
            dice,
            has_config: false,
            resync: RESYNC,
            resync_at: now,
            looks: Looks::default(),
            reload: Reload::default(),
            all: None,
            wakes: BTreeMap::new(),
            failed: BTreeMap::new(),
            stuck: None,
            later: BTreeMap::new(),
            requests: VecDeque::new(),
            passes: Passes::default(),
        }
    }

    /// Takes in what happened, and says what is to be done.
    pub(super) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let is_seen = matches!(event, Event::Looked(_));
        self.take(now, event);
        self.ring(now);
        // A look that ended is answered before the next begins, or a source that never rests would let no pass begin.
        let seen = if is_seen { self.begin() } else { None };
        let look = self.looks.begin(now).map(|whole| Action::Look { whole });
        if look.is_some() {
            self.reload.look_begins();
        }
        let pass = seen.or_else(|| self.begin());
        look.into_iter().chain(pass.map(Action::Pass)).collect()
    }

    /// When to call `step` at the latest.
    pub(super) fn wake_at(&self) -> Instant {
        let failed = self.failed.values().chain(&self.stuck).filter_map(|backoff| backoff.due_at);
        let times = failed.chain(self.later.values().copied()).chain(self.looks.due_at());
        times.fold(self.resync_at, Instant::min)
    }

    /// True when nothing failed that is to be tried again.
    pub(super) fn is_well(&self) -> bool {
        self.failed.is_empty() && self.stuck.is_none()
    }

    /// True from a reload on, until what was there then was read and a pass planned from it.
    pub(super) fn is_reloading(&self) -> bool {
        self.reload != Reload::Over
    }

    /// True when no pass is on.
    pub(super) fn is_idle(&self) -> bool {
        self.passes.is_empty()
    }

    /// The stages that are worked on, as far as passes told.
    pub(super) fn busy(&self) -> BTreeSet<StageKey> {
        self.passes.busy()
    }

    /// True when one more request can wait.
    pub(super) fn takes_requests(&self) -> bool {
        self.requests.len() < MAX_REQUESTS
    }

    fn take(&mut self, now: Instant, event: Event) {
        match event {
            Event::Tick => {}
            Event::Changed => self.looks.changed(now),
            Event::Looked(looked) => self.looked(now, looked),
            Event::Drifted(stage) => drop(self.wakes.insert(stage, Reason::Drift)),
            Event::Polled(stages) => self.wakes.extend(stages.into_iter().map(|stage| (stage, Reason::Registry))),
            Event::Missed => drop(self.all.get_or_insert(Reason::Drift)),
            Event::Asked { request, scope } => self.requests.push_back((request, scope)),
            Event::Reload => {
                self.forgive(Reason::Manual);
                self.looks.want(true);
                self.reload = Reload::Asked;
            }
            Event::Planned { pass, stages } => {
                self.passes.planned(pass, stages);
                self.reload.planned(pass);
            }
            Event::Ended { pass, stage } => self.passes.ended(pass, &stage),
            Event::Over { pass, outcome } => self.over(now, pass, outcome),
        }
    }

    fn looked(&mut self, now: Instant, looked: Looked) {
        self.looks.ended(now, looked == Looked::Changing);
        match looked {
            Looked::Same | Looked::Changing => {}
            // Nothing else is to run: what failed waits on.
            Looked::Renamed => drop(self.all.get_or_insert(Reason::Resync)),
            Looked::New(resync) => {
                (self.has_config, self.resync) = (true, resync);
                self.forgive(Reason::Config);
                self.resync_at = now + self.spread();
            }
        }
        if self.reload.looked(looked == Looked::Changing, self.has_config) {
            self.all.get_or_insert(Reason::Manual);
        }
    }

    /// Whatever failed is tried again at once (T5), and who is being worked on is looked at once more after that.
    fn forgive(&mut self, reason: Reason) {
        self.failed.clear();
        self.stuck = None;
        self.all = Some(reason);
    }

    fn over(&mut self, now: Instant, pass: u64, outcome: Outcome) {
        let Some(over) = self.passes.over(pass) else { return };
        match outcome {
            // A person who asked is told, and asks again.
            Outcome::Failed if over.is_asked => {}
            Outcome::Failed => {
                self.reload.failed(pass);
                self.stuck.get_or_insert_default().fail(now, &mut self.dice);
            }
            Outcome::Done { failed, later } => {
                self.reload.planned(pass);
                self.stuck = None;
                let is_over = |stage: &StageKey| over.had(stage) && !failed.contains(stage);
                self.failed.retain(|stage, _| !is_over(stage));
                for stage in failed {
                    self.failed.entry(stage).or_default().fail(now, &mut self.dice);
                }
                self.later.extend(later.into_iter().map(|(stage, wait)| (stage, now + wait)));
            }
        }
    }

    /// What was to be done at a time that has come.
    fn ring(&mut self, now: Instant) {
        if now >= self.resync_at {
            self.resync_at = now + self.spread();
            self.all.get_or_insert(Reason::Resync);
            self.looks.want(true);
        }
        if self.stuck.as_mut().is_some_and(|backoff| backoff.is_due(now)) {
            self.all.get_or_insert(Reason::Retry);
        }
        for (stage, backoff) in &mut self.failed {
            if backoff.is_due(now) {
                self.wakes.entry(stage.clone()).or_insert(Reason::Retry);
            }
        }
        while let Some(stage) = self.later.iter().find(|(_, at)| now >= **at).map(|(stage, _)| stage.clone()) {
            self.later.remove(&stage);
            self.wakes.entry(stage).or_insert(Reason::Retry);
        }
    }

    fn spread(&mut self) -> Duration {
        let spread = self.resync * RESYNC_SPREAD / 100;
        self.dice.between(self.resync.saturating_sub(spread), self.resync + spread)
    }

    /// The pass that can begin. Plans are made one after the other, so that an older configuration is never recorded after
    /// a newer one.
    fn begin(&mut self) -> Option<Pass> {
        if self.passes.is_planning() || self.passes.len() >= MAX_PASSES {
            return None;
        }
        let busy = self.passes.busy();
        if let Some((request, scope)) = self.request(&busy) {
            return Some(self.passes.begin(scope, Reason::Manual, Some(request), busy));
        }
        let waits_for_all = self.requests.iter().any(|(_, scope)| *scope == Scope::All);
        if waits_for_all || !self.has_config {
            return None;
        }
        // What is looked at now may be what all are to run.
        if let Some(reason) = self.all.take_if(|_| !self.looks.is_looking()) {
            // Those that are left out have their turn as soon as they are free.
            self.wakes = busy.iter().map(|stage| (stage.clone(), reason)).collect();
            let pass = self.passes.begin(Scope::All, reason, None, busy);
            self.reload.pass_begins(pass.id);
            return Some(pass);
        }
        let free: BTreeMap<StageKey, Reason> =
            self.wakes.iter().filter(|(stage, _)| !busy.contains(*stage)).map(|(s, r)| (s.clone(), *r)).collect();
        let reason = *free.values().next()?;
        self.wakes.retain(|stage, _| !free.contains_key(stage));
        Some(self.passes.begin(Scope::Stages(free.into_keys().collect()), reason, None, busy))
    }

    /// The first request whose stages are free. One for all waits until all are.
    fn request(&mut self, busy: &BTreeSet<StageKey>) -> Option<(u64, Scope)> {
        let is_free = |scope: &Scope| match scope {
            Scope::All => self.passes.is_empty(),
            Scope::Stages(stages) => stages.is_disjoint(busy),
        };
        let at = self.requests.iter().position(|(_, scope)| is_free(scope))?;
        self.requests.remove(at)
    }
}
