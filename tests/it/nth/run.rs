//! Runs a scenario undisturbed, and then once for every operation and every fault.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use landfall::execute::StageResult;
use landfall::reconcile::{Converged, Error};
use landfall::store::Filter;

use super::disk::Harm;
use super::front::Front;
use super::ground::{Ground, Passed};
use super::scenario::Scenario;
use super::state::State;
use super::tape::Kind;
use crate::fault_table::{self, Row};

/// Passes beyond those that the scenario needs undisturbed.
const MORE_PASSES: usize = 3;
/// Failures that are shown in full; the others are counted.
const SHOWN: usize = 6;

/// Containers that an error or a lost answer may cost beyond those of the undisturbed run: what failed is cleaned up, and
/// tried again. A crash costs none, since what was begun goes on.
const PER_FAILURE: usize = 1;
/// What is shown as it was before it was started cannot go on, and is made anew.
const PER_STALE_LIST: usize = 1;
/// And for a version that was held, and is tried again on request.
const PER_RETRY: usize = 1;

/// What is compared with.
struct Undisturbed {
    ops: Vec<String>,
    state: State,
    made: usize,
    /// What a pass does that has nothing to do.
    idle: Vec<String>,
}

/// How one run came out.
struct Outcome {
    kind: Kind,
    /// Passes after the one that was disturbed.
    passes: usize,
    millis: u128,
    /// It was held against the new version, as it may be, and `apply --retry` ended it.
    is_held: bool,
    /// Why it did not survive, with everything that helps to see why.
    problem: Option<String>,
}

/// Every run of a scenario; fails with those that did not survive.
pub fn every_nth(scenario: &Scenario) {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Stale || scenario.stale_lists);
    let file = format!("{} {}", scenario.name, scenario.behind.on());
    every(scenario, &file, &kinds.collect::<Vec<_>>(), |_| true);
}

/// The same for what befalls the files of the store, before each of its transactions.
pub fn every_nth_of_store(scenario: &Scenario, part: &str, harms: &[Harm]) {
    let kinds: Vec<Kind> = harms.iter().copied().map(Kind::Disk).collect();
    // Before the store is opened, its files are not those of an open one.
    let is_transaction = |op: &str| op.starts_with("store.") && op != "store.open";
    every(scenario, &format!("{} {part}", scenario.name), &kinds, is_transaction);
}

fn every(scenario: &Scenario, file: &str, kinds: &[Kind], is_meant: impl Fn(&str) -> bool) {
    let undisturbed = alone(undisturbed(scenario));
    let all: Vec<usize> = (1..=undisturbed.ops.len()).filter(|at| is_meant(&undisturbed.ops[at - 1])).collect();
    let runs: Vec<(usize, Kind)> = kinds.iter().flat_map(|kind| all.iter().map(|at| (*at, *kind))).collect();
    let outcomes = side_by_side(scenario, &runs, |front, (at, kind)| one(scenario, &undisturbed, front, at, kind));
    let rows: Vec<_> = kinds.iter().map(|kind| row(scenario, *kind, &outcomes)).collect();
    fault_table::write(file, &rows);
    let problems: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.problem.as_ref()).collect();
    let shown = problems.iter().take(SHOWN).map(|problem| format!("{problem}\n")).collect::<String>();
    assert!(problems.is_empty(), "{} of {} runs did not survive\n\n{shown}", problems.len(), runs.len());
}

fn row(scenario: &Scenario, kind: Kind, outcomes: &[Outcome]) -> Row<'static> {
    let these: Vec<_> = outcomes.iter().filter(|outcome| outcome.kind == kind).collect();
    let survived: Vec<_> = these.iter().filter(|outcome| outcome.problem.is_none()).collect();
    Row {
        fault: kind.name(),
        scenario: scenario.name,
        on: scenario.behind.on(),
        injected: these.len(),
        survived: survived.len(),
        held: survived.iter().filter(|outcome| outcome.is_held).count(),
        passes: survived.iter().map(|outcome| outcome.passes).max().unwrap_or(0),
        millis: survived.iter().map(|outcome| outcome.millis).max().unwrap_or(0),
    }
}

/// A run on a runtime of its own, on this thread alone: what is dropped is never polled again, and at the end nothing
/// of it is left.
fn alone<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run)
}

/// Each side has its own proxy, and its runs come one after another.
fn side_by_side<R: Copy + Sync>(
    scenario: &Scenario,
    runs: &[R],
    run: impl Fn(&Rc<Front>, R) -> Outcome + Sync,
) -> Vec<Outcome> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..scenario.behind.side_by_side() {
            scope.spawn(|| {
                let front = Rc::new(Front::start(scenario.behind));
                while let Some(one) = runs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let outcome = run(&front, *one);
                    outcomes.lock().expect("no panic while it is held").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no panic while it was held")
}

async fn undisturbed(scenario: &Scenario) -> Undisturbed {
    let ground = Ground::new(scenario).await;
    let before = ground.made();
    ground.begin(None);
    for _ in 0..scenario.passes {
        ground.pass(false).await;
    }
    let (ops, made) = (ground.tape.ops(), ground.made() - before);
    let state = State::of(&ground).await;
    let idle = idle(&ground).await;
    assert_eq!(State::of(&ground).await.differences(&state), [""; 0], "{}: a pass more changes nothing", scenario.name);
    assert_eq!(ground.harm().await, None, "{}", scenario.name);
    assert!(ops.len() > idle.len(), "{}: nothing happens in it", scenario.name);
    Undisturbed { ops, state, made, idle }
}

/// One more pass, and what it does.
async fn idle(ground: &Ground) -> Vec<String> {
    let pass = async || {
        ground.begin(None);
        ground.pass(false).await;
        ground.tape.ops()
    };
    let ops = pass().await;
    // How things are in the words of a pass that finds nothing to do, and what a disturbed one could not say any more, is
    // said once.
    if ops.iter().any(|op| op == "store.find") { pass().await } else { ops }
}

fn one(scenario: &Scenario, undisturbed: &Undisturbed, front: &Rc<Front>, at: usize, kind: Kind) -> Outcome {
    let run = || alone(disturbed(scenario, undisturbed, front, at, kind));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let problem = format!("{}: {} {at}: a panic, see above", scenario.name, kind.name());
        Outcome { kind, passes: 0, millis: 0, is_held: false, problem: Some(problem) }
    })
}

async fn disturbed(
    scenario: &Scenario,
    undisturbed: &Undisturbed,
    front: &Rc<Front>,
    at: usize,
    kind: Kind,
) -> Outcome {
    let ground = Ground::behind(front, scenario).await;
    let mut run =
        Run { scenario, undisturbed, ground: &ground, kind, at, is_held: false, interrupted: 0, story: Vec::new() };
    let clients = ground.clients(scenario.served);
    let (before, changes) = (ground.made(), ground.changes());
    ground.begin(Some((at, kind)));
    let converged = run.converge().await;
    let (made, bad) = (ground.made() - before, clients.stop(ground.changes() - changes).await);
    let (passes, millis, mut problem) = match converged {
        Ok((passes, millis)) => (passes, millis, run.judge(made, &bad).await.err()),
        Err(problem) => (0, 0, Some(problem)),
    };
    if let Some(why) = problem.take() {
        problem = Some(run.report(&why).await);
    }
    Outcome { kind, passes, millis, is_held: run.is_held, problem }
}

/// One disturbed run.
struct Run<'a> {
    scenario: &'a Scenario,
    undisturbed: &'a Undisturbed,
    ground: &'a Ground,
    kind: Kind,
    at: usize,
    is_held: bool,
    /// Deploys that were open when the pass was cut off.
    interrupted: usize,
    /// Pass by pass.
    story: Vec<String>,
}

impl Run<'_> {
    /// Passes until all is as it is without the fault: how many after the disturbed one, and how long they took.
    async fn converge(&mut self) -> Result<(usize, u128), String> {
        let (mut disturbed, mut since) = (None, Instant::now());
        let mut differences = Vec::new();
        let mut told = None;
        for pass in 1..=self.scenario.passes + MORE_PASSES {
            match self.ground.pass(self.is_held).await {
                Passed::Ended(ended) => {
                    told = told.or_else(|| self.ground.tape.hit().map(|_| words_of(&ended)));
                    self.story.push(match *ended {
                        Ok(converged) => format!("pass {pass}: {:?}", converged.results),
                        Err(error) => format!("pass {pass}: {error}"),
                    });
                }
                Passed::CutOff(open) => {
                    self.story.push(format!("pass {pass}: cut off with {open} deploys open"));
                    self.interrupted = open;
                }
            }
            if self.ground.tape.hit().is_none() {
                continue;
            }
            let disturbed = *disturbed.get_or_insert_with(|| {
                since = Instant::now();
                pass
            });
            // Whatever it looks like, nobody was shown the stale list yet.
            if pass == disturbed && self.kind == Kind::Stale {
                continue;
            }
            let millis = since.elapsed().as_millis();
            let state = State::of(self.ground).await;
            differences = state.differences(&self.undisturbed.state);
            if differences.is_empty() {
                self.tells_of_interruption()?;
                self.tells_of_harm(told.as_deref().unwrap_or_default())?;
                return Ok((pass - disturbed, millis));
            }
            self.is_held = state.holds_a_failure() && !self.undisturbed.state.holds_a_failure();
            if self.is_held && !self.may_hold() {
                return Err(format!("held though it may not be\n{}", differences.join("\n")));
            }
        }
        match self.ground.tape.hit() {
            None => Err("the operation was never reached".to_owned()),
            Some(_) => Err(format!("it does not converge\n{}", differences.join("\n"))),
        }
    }

    /// What befell the store's files is told with the file and with what helps.
    fn tells_of_harm(&self, told: &[(String, Option<String>)]) -> Result<(), String> {
        let Kind::Disk(harm) = self.kind else { return Ok(()) };
        if harm == Harm::BusyBriefly && !told.is_empty() {
            return Err(format!("it was only a moment, and yet: {told:?}"));
        }
        let is_whole = |(text, hint): &(String, Option<String>)| text.contains("landfall.db") && hint.is_some();
        let is_silent = harm.is_told() && told.is_empty();
        if is_silent || !told.iter().all(is_whole) { Err(format!("what is told: {told:?}")) } else { Ok(()) }
    }

    fn may_hold(&self) -> bool {
        let op = self.ground.tape.hit().unwrap_or_default();
        !self.kind.is_crash() && self.scenario.may_hold.iter().any(|words| op.starts_with(words))
    }

    /// R15: the log of a deploy that was interrupted says so.
    fn tells_of_interruption(&self) -> Result<(), String> {
        let interrupted = self.interrupted;
        let logs = logs(self.ground);
        let told = logs.iter().filter(|log| log.contains("interrupted")).count();
        if told < interrupted { Err(format!("{interrupted} interrupted, and {told} logs tell of it")) } else { Ok(()) }
    }

    /// Once it has converged: what it cost, who noticed, and whether it stays so.
    async fn judge(&self, made: usize, bad: &[String]) -> Result<(), String> {
        let more = if self.kind.is_crash() {
            self.scenario.made_after_a_crash + PER_STALE_LIST * usize::from(self.kind == Kind::Stale)
        } else {
            PER_FAILURE * self.scenario.per_deploy
        };
        let more = more + PER_RETRY * self.scenario.per_deploy * usize::from(self.is_held);
        let most = self.undisturbed.made + more;
        if made > most {
            return Err(format!(
                "{made} containers were made; {} without the fault, {most} at most",
                self.undisturbed.made
            ));
        }
        if !bad.is_empty() {
            return Err(format!("clients were not answered: {}", bad.join("; ")));
        }
        if let Some(harm) = self.ground.harm().await {
            return Err(harm);
        }
        let ops = idle(self.ground).await;
        if ops != self.undisturbed.idle {
            return Err(format!("a pass more does {ops:?}, and not {:?}", self.undisturbed.idle));
        }
        match State::of(self.ground).await.differences(&self.undisturbed.state) {
            changed if changed.is_empty() => Ok(()),
            changed => Err(format!("a pass more changes\n{}", changed.join("\n"))),
        }
    }

    async fn report(&self, why: &str) -> String {
        let Self { scenario, undisturbed, ground, kind, at, story, .. } = self;
        let op = ground.tape.hit().unwrap_or_else(|| "none".to_owned());
        let mut text = format!("{}: {}, {at} of {}: {op}\n{why}\n", scenario.name, kind.name(), undisturbed.ops.len());
        let _ = writeln!(text, "{}\noperations: {}", story.join("\n"), ground.tape.ops().join(", "));
        match ground.look().await {
            Ok(view) => drop(writeln!(text, "plan now:\n{}", view.plan)),
            Err(error) => drop(writeln!(text, "no plan: {error}")),
        }
        text + &logs(ground).join("\n")
    }
}

/// What a pass tells of what went wrong, each with what helps.
fn words_of(ended: &Result<Converged, Error>) -> Vec<(String, Option<String>)> {
    let of_stage = |result: &StageResult| match result {
        StageResult::Failed { reason, hint } => Some((reason.clone(), hint.clone())),
        StageResult::Deployed { reason, hint, .. } => Some((reason.clone()?, hint.clone())),
        StageResult::Skipped { .. } | StageResult::Done => None,
    };
    match ended {
        Ok(converged) => {
            let unrecorded = converged.unrecorded.iter().map(|error| (error.to_string(), error.hint()));
            converged.results.values().filter_map(of_stage).chain(unrecorded).collect()
        }
        Err(error) => vec![(error.to_string(), error.hint())],
    }
}

/// The log of every deploy, oldest first.
fn logs(ground: &Ground) -> Vec<String> {
    let Some(reader) = ground.reader() else { return Vec::new() };
    let mut deploys = reader.deploys(&Filter::default(), 100).expect("deploys");
    deploys.reverse();
    let log = |deploy: &landfall::store::DeployRow| {
        let lines = reader.log(deploy.id).expect("a log").into_iter().map(|line| format!("  {}\n", line.text));
        format!("log of {} of {}, {}:\n{}", deploy.id.short(), deploy.key, deploy.status, lines.collect::<String>())
    };
    deploys.iter().map(log).collect()
}
