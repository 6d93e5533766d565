//! Every world of a start and a want: undisturbed, and with a crash before every operation that it takes.

use super::super::*;
use super::judge::judge;
use super::model::{Apps, FIRST_NEW, Model, Stop, is_ours};
use super::starts::{SHOP, Start};
use super::wants::{THEN, Want};

/// Passes that a world may take until nothing is left to be done.
const PASSES: usize = 6;
/// Operations after a crash before which another one may come: what recovering takes, and the beginning of what follows.
const AGAIN_WITHIN: usize = 4;

/// How many worlds there were, and what was wrong with those that did not hold.
#[derive(Default)]
pub(super) struct Found {
    pub(super) worlds: usize,
    pub(super) problems: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.problems.extend(other.problems);
    }
}

/// One start and one want, whatever the apps and the crashes.
pub(super) fn every(start: &Start, want: Want) -> Found {
    let mut found = Found::default();
    let is_whole = want.is_killed_twice || std::env::var_os("LANDFALL_TEST_SOAK").is_some_and(|soak| soak == "1");
    for apps in Apps::ALL {
        let small = |crashes: &[usize], then| Small { start, want, apps, crashes: crashes.to_vec(), then };
        let ops = found.add_one(&small(&[], None));
        // Nobody watches whether a new instance stays well, and one slow wait is much like an app that is never ready.
        let is_special = match apps {
            Apps::Well | Apps::NeverReady => true,
            Apps::SickLater => want.is_watched,
            Apps::SlowOnce => is_whole,
        };
        for at in (0..ops).filter(|_| is_special) {
            found.add_one(&small(&[at], None));
        }
        for at in (0..ops).filter(|_| apps == Apps::Well && is_whole) {
            for then in THEN {
                found.add_one(&small(&[at], Some(then)));
            }
            for again in 0..AGAIN_WITHIN {
                found.add_one(&small(&[at, again], None));
            }
        }
    }
    found
}

/// One start and one want, whatever the apps, and no crash.
#[cfg(feature = "planted")]
pub(super) fn undisturbed(start: &Start, want: Want) -> Found {
    let mut found = Found::default();
    for apps in Apps::ALL {
        found.add_one(&Small { start, want, apps, crashes: Vec::new(), then: None });
    }
    found
}

/// One world.
struct Small<'a> {
    start: &'a Start,
    want: Want,
    apps: Apps,
    /// Operations before each crash, from the one before it.
    crashes: Vec<usize>,
    /// What is wanted from the first crash on.
    then: Option<Want>,
}

impl Found {
    /// One world; how many operations it took.
    fn add_one(&mut self, small: &Small<'_>) -> usize {
        let (model, problems) = small.run(false);
        // One that is over before its last crash is another one.
        if !model.crashes.is_empty() {
            return model.ops;
        }
        self.worlds += 1;
        if !problems.is_empty() {
            self.problems.push(small.report());
        }
        model.ops
    }
}

impl Small<'_> {
    fn run(&self, tells: bool) -> (Model, Vec<String>) {
        let mut model = self.start.model(self.want.of, self.apps);
        model.crashes.clone_from(&self.crashes);
        model.story = tells.then(Vec::new);
        let mut problems = converge(&mut model, self.then, self.start);
        let begun = model.next - FIRST_NEW;
        if begun > 1 && self.apps == Apps::Well && self.then.is_none() {
            problems.push(format!("{begun} deploys were begun, and one that goes on would do (R15)"));
        }
        (model, problems)
    }

    /// The same once more, with all that happens in it.
    fn report(&self) -> String {
        let Self { start, want, apps, crashes, then } = self;
        let (model, problems) = self.run(true);
        let then = then.map(|then| format!(", then {}", then.name)).unwrap_or_default();
        let what = format!("{}; wanted: {}{then}; apps: {apps:?}; crashes: {crashes:?}", start.name, want.name);
        format!("{what}\n{}\n\n{}\n", problems.join("\n"), model.story.unwrap_or_default().join("\n"))
    }
}

/// Passes until nothing is left to be done, as a daemon makes them; everything that was wrong.
fn converge(model: &mut Model, mut then: Option<Want>, start: &Start) -> Vec<String> {
    let is_undisturbed = model.crashes.is_empty();
    for _ in 0..PASSES + model.crashes.len() {
        let ended = model.pass();
        if !model.problems.is_empty() {
            return model.problems.clone();
        }
        if ended == Err(Stop::Crash)
            && let Some(then) = then.take()
        {
            model.world = (then.of)(model.world.clone());
            model.wants_now();
        }
        if docker_goes_on(model) || ended.is_err() {
            continue;
        }
        let plan = model.world.plan();
        if is_over(&plan) {
            return at_the_end(model, &plan, start, is_undisturbed);
        }
    }
    let plan = model.world.plan();
    if waits_for_a_person(model, &plan) { Vec::new() } else { vec![format!("it does not converge:\n{plan}")] }
}

/// What no pass can bring about: a name that somebody else took, and an app that is not well and may not have the traffic
/// that another instance serves.
fn waits_for_a_person(model: &Model, plan: &Plan) -> bool {
    let mut effects = plan.stages.iter().flat_map(|stage| &stage.steps).map(|step| &step.effect);
    effects.any(|effect| match effect {
        Effect::Rename { to, .. } => model.taken.contains(to),
        Effect::Gate { target: Target::Existing { id, .. }, .. } => model.bad.contains(id),
        _ => false,
    })
}

/// Nothing is left to be done, whether or not something waits for a word of the user.
fn is_over(plan: &Plan) -> bool {
    plan.shared.is_empty()
        && plan.endings.is_empty()
        && plan.stages.iter().all(|stage| stage.steps.is_empty() && stage.deploy.is_none())
}

/// What Docker does by itself meanwhile: what it removes is gone, and what it restarts is up again. True when there was
/// something of that.
fn docker_goes_on(model: &mut Model) -> bool {
    let containers = &mut model.world.observed.containers;
    let before = containers.len();
    containers.retain(|c| c.state != ContainerState::Removing);
    let is_less = containers.len() < before;
    let restarting: Vec<String> =
        containers.iter().filter(|c| c.state == ContainerState::Restarting).map(|c| c.id.clone()).collect();
    for id in &restarting {
        model.gated.insert(id.clone());
        // Not killed between two passes, but one that is on its way through them.
        let crashes = std::mem::take(&mut model.crashes);
        assert_eq!(model.start(id, format!("docker restarts {id}")), Ok(()));
        model.crashes = crashes;
    }
    is_less || !restarting.is_empty()
}

fn at_the_end(model: &mut Model, plan: &Plan, start: &Start, is_undisturbed: bool) -> Vec<String> {
    let mut wrong = judge(model, plan);
    if !model.crashes.is_empty() {
        return wrong;
    }
    let before = (model.world.recorded.clone(), model.world.observed.clone());
    let ops = model.ops;
    assert!(model.pass().is_ok(), "no crash is left");
    // The configuration is accepted, and nothing else.
    if model.ops != ops + 1 || before != (model.world.recorded.clone(), model.world.observed.clone()) {
        wrong.push("a pass more does something (R18)".to_owned());
    }
    if is_undisturbed {
        wrong.extend(recreated(model, start));
    }
    wrong
}

/// A container that is what is wanted is not made again.
fn recreated(model: &Model, start: &Start) -> Option<String> {
    let made = model.next - FIRST_NEW;
    let wanted = model.world.desired.stages.get(&key(SHOP));
    let fits = |c: &&ObservedContainer| {
        let (Some(labels), Some(stage)) = (c.labels.as_ref(), wanted) else { return false };
        is_ours(c)
            && labels.key == stage.key
            && labels.digest == image_of(stage).digest.as_str()
            && labels.spec == hash::spec_hash(stage.hash_input(&model.world.desired.settings))
            && c.state.was_started()
            && !start.world().recorded.has_failed(&stage.key, &c.id)
    };
    let is_there = start.world().observed.containers.iter().any(|c| fits(&c));
    (is_there && made > 0 && model.apps == Apps::Well)
        .then(|| format!("{made} deploys, though what is wanted was there"))
}
