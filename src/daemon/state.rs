//! What the daemon is at, for whoever asks, and where it is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, watch};

use super::pass::Ask;
use crate::config::Loaded;
use crate::execute::Event;
use crate::model::{Phase, StageKey};
use crate::plan::Verdict;
use crate::store::now_ms;

/// Requests that wait before the loop takes them; the scheduler has some more that wait for their stages.
const WAITING: usize = 16;

/// What the daemon is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it began, in milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// The configuration in force; none before there was a good one.
    pub revision: Option<String>,
    /// The commit that it was read from, where it was one.
    #[serde(default)]
    pub commit: Option<String>,
    /// When the source was last looked at, in milliseconds since 1970 UTC.
    pub looked_at_ms: Option<i64>,
    /// The stages that are worked on.
    pub under_way: BTreeMap<StageKey, UnderWay>,
}

/// How far the work on a stage is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// What happens; none before it was begun.
    pub verdict: Option<Verdict>,
    /// The version that comes.
    pub version: Option<String>,
    /// The phase of its deploy.
    pub phase: Option<Phase>,
    /// Since when, in milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// The pass that does it.
    pub pass: u64,
}

/// Where the daemon writes what it is at.
#[derive(Debug, Clone)]
pub(super) struct Board(Arc<watch::Sender<State>>);

impl Board {
    fn new() -> Self {
        let state =
            State { since_ms: now_ms(), revision: None, commit: None, looked_at_ms: None, under_way: BTreeMap::new() };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// A look at the source ended, with this configuration in force.
    pub(super) fn looked(&self, in_force: Option<&Loaded>) {
        self.0.send_modify(|state| {
            state.looked_at_ms = Some(now_ms());
            state.revision = in_force.map(|loaded| loaded.desired.revision.clone());
            state.commit = in_force.and_then(|loaded| Some(loaded.commit.as_ref()?.as_str().to_owned()));
        });
    }

    /// Something happened in a pass.
    pub(super) fn take(&self, pass: u64, event: &Event) {
        let begun = || UnderWay { verdict: None, version: None, phase: None, since_ms: now_ms(), pass };
        self.0.send_modify(|state| match event {
            Event::Planned { stages } => state.under_way.extend(stages.iter().map(|key| (key.clone(), begun()))),
            Event::Begin { key, verdict, to } => {
                if let Some(stage) = state.under_way.get_mut(key) {
                    (stage.verdict, stage.version) = (Some(*verdict), to.clone());
                }
            }
            Event::Phase { key, phase } => {
                if let Some(stage) = state.under_way.get_mut(key) {
                    stage.phase = Some(*phase);
                }
            }
            Event::End { key, .. } => drop(state.under_way.remove(key)),
            Event::Line { .. } | Event::Pull { .. } => {}
        });
    }

    /// A pass is over, however it ended.
    pub(super) fn over(&self, pass: u64) {
        self.0.send_modify(|state| state.under_way.retain(|_, stage| stage.pass != pass));
    }

    /// What a stage waits for that is worked on, in words.
    pub(super) fn waiting_for(&self, key: &StageKey) -> String {
        let is_deploy = self.0.borrow().under_way.get(key).is_some_and(|stage| stage.phase.is_some());
        let what = if is_deploy { "a deploy is under way" } else { "it is being worked on" };
        format!("waiting for {key}: {what}")
    }
}

/// The daemon's end of what it is asked by.
pub(super) struct Desk {
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) reload: Arc<Notify>,
    pub(super) board: Board,
}

/// Where the daemon is asked, and seen.
#[derive(Debug, Clone)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    reload: Arc<Notify>,
    state: watch::Receiver<State>,
}

/// Both ends.
pub(super) fn desk() -> (Desk, Handle) {
    let (sender, asks) = mpsc::channel(WAITING);
    let (reload, board) = (Arc::new(Notify::new()), Board::new());
    let handle = Handle { asks: sender, reload: Arc::clone(&reload), state: board.0.subscribe() };
    (Desk { asks, reload, board }, handle)
}

impl Handle {
    /// Asks for something; it is done whether or not somebody waits for the answer.
    ///
    /// # Errors
    /// So many wait already, or the daemon stops; the request is given back.
    pub fn ask(&self, ask: Ask) -> Result<(), Box<Ask>> {
        self.asks.try_send(ask).map_err(|error| Box::new(error.into_inner()))
    }

    /// Asks that the source be read now, and that nothing wait that failed before.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// What the daemon is at.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }
}
