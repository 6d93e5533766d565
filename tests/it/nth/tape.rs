//! The one counter over everything that lasts, and the fault that happens at one operation of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall::faults::{Act, When};

use super::disk::Harm;
use crate::fake_docker::{Call, Fault, Op};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    CrashBefore,
    CrashAfter,
    Stale,
    Error,
    Lost,
    /// To the files of the store, before a transaction of it.
    Disk(Harm),
}

impl Kind {
    /// Those that happen to any operation.
    pub const ALL: [Self; 5] = [Self::CrashBefore, Self::CrashAfter, Self::Stale, Self::Error, Self::Lost];

    pub fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter | Self::Stale)
    }

    /// As the table of faults says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashBefore => "crash before an operation",
            Self::CrashAfter => "crash after an operation",
            Self::Stale => "crash after an operation, then a stale list",
            Self::Error => "error in place of an operation",
            Self::Lost => "answer lost after an operation",
            Self::Disk(harm) => harm.name(),
        }
    }
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Go,
    /// This goes wrong.
    Hit(Kind),
    /// The pass is over: nothing of it is done any more.
    Dead,
}

#[derive(Debug, Default)]
struct State {
    /// Every operation so far, in words.
    ops: Vec<String>,
    /// Counted from 1.
    at: Option<(usize, Kind)>,
    /// The operation that went wrong.
    hit: Option<String>,
    /// The pass has ended as a killed process does.
    is_dead: bool,
    /// What `CrashAfter` waits for has been done.
    is_done: bool,
    /// The transaction that is done and of which nobody is to know.
    silent: Option<Kind>,
    /// The next pass is to see what there was before the last change.
    stale_next: bool,
    /// What is to be done to the files of the store before its transaction begins.
    harm: Option<Harm>,
}

/// The counter. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<State>>);

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was; at operation `at` the fault happens.
    pub fn begin(&self, at: Option<(usize, Kind)>) {
        let mut state = self.state();
        *state = State { at, stale_next: state.stale_next, ..State::default() };
    }

    /// Counts an operation, and says what happens to it.
    pub fn passes(&self, op: &str) -> Verdict {
        let mut state = self.state();
        if state.is_dead {
            return Verdict::Dead;
        }
        state.ops.push(op.to_owned());
        match state.at {
            Some((at, kind)) if state.ops.len() == at => {
                state.hit = Some(op.to_owned());
                state.is_dead = kind.is_crash();
                state.is_done = kind == Kind::CrashBefore;
                Verdict::Hit(kind)
            }
            Some(_) | None => Verdict::Go,
        }
    }

    /// What `CrashAfter` waits for is done.
    pub fn done(&self) {
        self.state().is_done = true;
    }

    /// True once the pass is to be dropped.
    pub fn is_crashed(&self) -> bool {
        let state = self.state();
        state.is_dead && state.is_done
    }

    /// What is to be done to the files of the store now; answered once.
    pub fn harm(&self) -> Option<Harm> {
        self.state().harm.take()
    }

    /// A new process: operations are done again, and counted on.
    pub fn restart(&self) {
        let mut state = self.state();
        state.stale_next = matches!(state.at, Some((_, Kind::Stale)));
        (state.is_dead, state.silent) = (false, None);
    }

    /// True when this pass, and no look before it, is to see what there was before the last change; answered once.
    pub fn shows_stale(&self) -> bool {
        std::mem::take(&mut self.state().stale_next)
    }

    /// Every operation so far.
    pub fn ops(&self) -> Vec<String> {
        self.state().ops.clone()
    }

    /// The operation that went wrong.
    pub fn hit(&self) -> Option<String> {
        self.state().hit.clone()
    }

    /// What goes wrong with a call to Docker.
    pub fn docker(&self, call: &Call) -> Option<Fault> {
        let object = match call.op {
            Op::Connect | Op::Disconnect => call.object.as_str(),
            _ => "",
        };
        match self.passes(format!("docker {:?} {object}", call.op).trim_end()) {
            Verdict::Go | Verdict::Hit(Kind::Disk(_)) => None,
            Verdict::Dead | Verdict::Hit(Kind::CrashBefore) => Some(Fault::Hang),
            Verdict::Hit(Kind::CrashAfter | Kind::Stale) => Some(Fault::Swallow),
            Verdict::Hit(Kind::Error) => Some(Fault::Status(500, "injected".to_owned())),
            Verdict::Hit(Kind::Lost) => Some(Fault::Break),
        }
    }

    /// What happens at a fail point. Those around a step count for nothing: its call is counted where it arrives.
    pub fn point(&self, name: &str, when: When) -> Act {
        if name.starts_with("store.") { self.store(name, when) } else { Act::Pass }
    }

    fn store(&self, name: &str, when: When) -> Act {
        match when {
            When::Before => match self.passes(name) {
                Verdict::Go => Act::Pass,
                Verdict::Hit(Kind::Disk(harm)) => {
                    self.state().harm = Some(harm);
                    Act::Pass
                }
                Verdict::Dead | Verdict::Hit(Kind::CrashBefore) => Act::Stop,
                Verdict::Hit(Kind::Error) => Act::Fail,
                Verdict::Hit(kind @ (Kind::CrashAfter | Kind::Stale | Kind::Lost)) => {
                    self.state().silent = Some(kind);
                    Act::Pass
                }
            },
            When::After => {
                let mut state = self.state();
                match state.silent.take() {
                    Some(Kind::Lost) => Act::Fail,
                    Some(_) => {
                        state.is_done = true;
                        Act::Stop
                    }
                    None if state.is_dead => Act::Stop,
                    None => Act::Pass,
                }
            }
        }
    }
}
