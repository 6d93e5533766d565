//! One pass as a task of its own, beside the loop: what it does is told to the loop, and its fault touches nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use super::events::Known;
use super::log::Log;
use super::scheduler::{Event, Outcome, Scope};
use super::state::Board;
use crate::config::Loaded;
use crate::execute::{self, Newest, Sink};
use crate::model::{Desired, StageKey};
use crate::plan::{Options, Selection, Verdict};
use crate::reconcile::{self, Converged, Done, Error, Noted, Places, Want, Watcher};

/// Something that a person asks the daemon for.
#[derive(Debug)]
pub struct Ask {
    /// What.
    pub want: Want,
    /// Who is told what happens meanwhile.
    pub sink: Sink,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Done, Error>>,
}

/// Where passes tell how they get on.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    /// The loop. Each pass tells it two events per stage and two more.
    pub(super) events: mpsc::UnboundedSender<Told>,
    /// Whoever looks.
    pub(super) board: Board,
}

/// What a pass tells.
#[derive(Debug)]
pub(super) enum Told {
    /// How it gets on.
    Pass(Event),
    /// It is about to do this to a stage.
    Begins(StageKey, Verdict),
    /// A condition was kept beside all passes: whoever has no more use for the store lets go of it.
    Noted,
}

/// What a pass of the daemon's own converges.
pub(super) struct Job {
    pub(super) places: Places,
    pub(super) loaded: Arc<Loaded>,
    pub(super) selection: Selection,
    /// Stages of which registries are asked.
    pub(super) ask: BTreeSet<StageKey>,
    pub(super) rests: BTreeMap<StageKey, i64>,
    pub(super) newest: Newest,
    pub(super) known: Known,
}

/// What a pass is about. A stage that the configuration names no more is looked at with all the others: where nothing is
/// left of it, it cannot be asked for alone.
pub(super) fn selection(scope: &Scope, desired: &Desired) -> Selection {
    let is_named = |stage: &StageKey| desired.written(stage).is_some();
    match scope {
        Scope::Stages(stages) if stages.iter().all(is_named) => {
            // An instance may be gone by now; its stage is not.
            let stages: BTreeSet<StageKey> = stages.iter().map(StageKey::written).collect();
            Selection(stages.iter().map(ToString::to_string).collect())
        }
        Scope::All | Scope::Stages(_) => Selection::default(),
    }
}

/// Of whom registries are asked: nobody is not everybody, which is what no names mean.
pub(super) fn asked_for(ask: &BTreeSet<StageKey>) -> Option<Selection> {
    (!ask.is_empty()).then(|| Selection(ask.iter().map(ToString::to_string).collect()))
}

/// Converges to the configuration in force, and tells the loop when it is over.
pub(super) async fn converge(id: u64, job: Job, log: Log, tell: Teller) {
    let Job { places, loaded, selection, ask, rests, newest, known } = job;
    let ask = asked_for(&ask);
    let rests = Arc::new(rests);
    let options = Options { selection, ask, rests, secrets_needed: true, partial: true, ..Options::default() };
    let watcher = Watcher { sink: both(log.sink(), telling(id, &tell)), newest };
    let pass = reconcile::converge_to(&places, loaded, &options, watcher, "daemon");
    let outcome = match AssertUnwindSafe(pass).catch_unwind().await {
        Ok(result) => {
            match &result {
                Ok(Converged { view, .. }) => known.saw(&view.recorded, &view.observed),
                Err(error) => note(&places, Noted::Failed(error)).await,
            }
            log.ended(&result)
        }
        Err(_) => fault(),
    };
    let _ = tell.events.send(Told::Pass(Event::Over { pass: id, outcome }));
}

/// Does what a person asked for, answers, and tells the loop when it is over.
pub(super) async fn carry_out(id: u64, ask: Ask, places: Places, log: Log, tell: Teller) {
    let Ask { want, sink, answer } = ask;
    let stage = want.stage().cloned();
    let sink = both(both(log.sink(), telling(id, &tell)), sink);
    let outcome = match AssertUnwindSafe(want.carry_out(&places, sink)).catch_unwind().await {
        Ok(done) => {
            let outcome = match &done {
                Ok(Done::Converged(converged)) => log.told(converged),
                // What is looked after again, or was taken over, is looked at.
                Ok(Done::Paused(_) | Done::Host(_) | Done::Container(_)) => Outcome::Done {
                    failed: std::collections::BTreeSet::new(),
                    later: stage.into_iter().map(|key| (key, std::time::Duration::ZERO)).collect(),
                },
                Err(_) => Outcome::Failed,
            };
            // Who asked may be gone; what was asked for is done all the same.
            let _ = answer.send(done);
            outcome
        }
        Err(_) => fault(),
    };
    let _ = tell.events.send(Told::Pass(Event::Over { pass: id, outcome }));
}

/// Has it in the conditions whether the configuration or Docker is in trouble, beside all passes.
pub(super) async fn note_beside(places: Places, noted: Noted<'static>, tell: Teller) {
    note(&places, noted).await;
    let _ = tell.events.send(Told::Noted);
}

async fn note(places: &Places, noted: Noted<'_>) {
    // What is in the way of this one is in the way of passes as well, and told by them.
    if let Err(error) = reconcile::note(places, noted).await {
        tracing::debug!("a condition could not be recorded: {error}");
    }
}

/// The panic itself is in the log by then.
fn fault() -> Outcome {
    tracing::error!("a fault of Landfall itself ended the pass; please report this");
    Outcome::Failed
}

fn telling(id: u64, tell: &Teller) -> Sink {
    let tell = tell.clone();
    Sink::new(move |event| {
        tell.board.take(id, &event);
        let told = match event {
            execute::Event::Planned { stages } => Told::Pass(Event::Planned { pass: id, stages }),
            execute::Event::End { key, .. } => Told::Pass(Event::Ended { pass: id, stage: key }),
            execute::Event::Begin { key, verdict, to: _ } => Told::Begins(key, verdict),
            execute::Event::Phase { .. } | execute::Event::Line { .. } | execute::Event::Pull { .. } => return,
        };
        // The loop is gone only when the daemon stops.
        let _ = tell.events.send(told);
    })
}

fn both(one: Sink, other: Sink) -> Sink {
    Sink::new(move |event| {
        one.tell(event.clone());
        other.tell(event);
    })
}
