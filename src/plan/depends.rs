//! Stages that depend on others (R23): a new instance is made once all it depends on serve, and what goes stays while
//! something that serves still depends on it.
//!
//! What serves already is put right without waiting: better without what it depends on than not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership::Own;
use super::retire::is_running;
use super::stage::{block, is_well};
use super::{After, Blocked, Effect, Held, Input, Owned, PlannedDeploy, StagePlan, Verdict};
use crate::model::StageKey;
use crate::model::recorded::LiveDeploy;

/// Blocks every deploy that depends on what neither serves nor is brought up in this plan.
pub(super) fn hold_back(input: Input<'_>, owned: &Owned<'_>, stages: &mut [StagePlan]) {
    if stages.iter().all(|stage| waits_for(stage).is_empty()) {
        return;
    }
    let by_key: BTreeMap<&StageKey, &StagePlan> = stages.iter().map(|stage| (&stage.key, stage)).collect();
    let why = |stage: &StagePlan| {
        let mut on = waits_for(stage).iter();
        on.find_map(|on| missing(input, owned, stage, on, by_key.get(on).copied()))
    };
    let blocked: Vec<Option<Blocked>> = stages.iter().map(why).collect();
    for (plan, blocked) in stages.iter_mut().zip(blocked) {
        let Some(blocked) = blocked else { continue };
        let Some(deploy) = plan.deploy.take() else { continue };
        let bare = StagePlan { causes: Vec::new(), changes: Vec::new(), ..plan.clone() };
        *plan = block(input, &deploy.stage, owned.of(&plan.key), blocked, bare);
    }
}

/// What a deploy waits for. One that goes on (R15) has waited, once its container is made.
fn waits_for(stage: &StagePlan) -> &[StageKey] {
    let is_made = |deploy: &PlannedDeploy| deploy.resumes.as_ref().is_some_and(|resumed| resumed.container.is_some());
    stage.deploy.as_deref().filter(|deploy| !is_made(deploy)).map_or(&[], |deploy| &deploy.stage.depends_on)
}

/// Why a stage cannot be brought up after another one, if that is so.
fn missing(
    input: Input<'_>,
    owned: &Owned<'_>,
    stage: &StagePlan,
    on: &StageKey,
    plan: Option<&StagePlan>,
) -> Option<Blocked> {
    let own = owned.of(on);
    // One that is started again must pass its gate.
    let is_gated = |plan: &StagePlan| plan.steps.iter().any(|step| matches!(step.effect, Effect::Gate { .. }));
    if own.iter().any(|own| serves(input, own)) || plan.is_some_and(is_gated) {
        return None;
    }
    let runs = if own.is_empty() { "does not run" } else { "has no healthy instance" };
    let (why, hint) = match plan {
        Some(StagePlan { blocked: Some(blocked), .. }) => (format!("{runs} and is blocked: {blocked}"), None),
        Some(StagePlan { held: Some(held), .. }) => (format!("{runs} and is held: {held}"), None),
        Some(_) => (runs.to_owned(), Some(format!("`landfall logs {on}` shows why"))),
        None => (runs.to_owned(), Some(format!("`landfall apply {on} {}` brings up both", stage.key))),
    };
    Some(Blocked { refused: false, reason: format!("it depends on {on}, which {why}"), hint })
}

/// True for an instance that others can rely on, as far as Docker and the store tell.
pub(super) fn serves(input: Input<'_>, own: &Own<'_>) -> bool {
    is_well(own.container) && !input.recorded.has_failed(&own.labels.key, &own.container.id)
}

/// Holds what is to go while something that serves depends on it, and cannot be replaced or removed in this plan.
pub(super) fn keep_needed(input: Input<'_>, owned: &Owned<'_>, stages: &mut [StagePlan]) {
    let going: BTreeSet<StageKey> = going(stages);
    if going.is_empty() {
        return;
    }
    let mut needed: BTreeMap<StageKey, StageKey> = BTreeMap::new();
    for stage in stages.iter().filter(|stage| stays_as_it_is(stage) && owned.of(&stage.key).iter().any(is_running)) {
        for on in needs(input, &stage.key).into_iter().filter(|on| going.contains(on)) {
            needed.entry(on).or_insert_with(|| stage.key.clone());
        }
    }
    for plan in stages {
        if let Some(by) = needed.get(&plan.key) {
            plan.wait(format!("{by} depends on it, and cannot be replaced yet"));
        }
    }
}

/// True when what runs of a stage stays for want of what should replace it. One that somebody holds at a version follows
/// the configuration in what it depends on.
fn stays_as_it_is(stage: &StagePlan) -> bool {
    match stage.verdict {
        Verdict::Held | Verdict::Blocked => !stage.stands_chosen(),
        Verdict::Unchanged | Verdict::Create | Verdict::Replace | Verdict::Repair | Verdict::Remove => false,
    }
}

fn going(stages: &[StagePlan]) -> BTreeSet<StageKey> {
    stages.iter().filter(|stage| stage.verdict == Verdict::Remove).map(|stage| stage.key.clone()).collect()
}

/// What the instance that serves depends on: what its configuration said when it was made.
fn needs(input: Input<'_>, key: &StageKey) -> Vec<StageKey> {
    let live = input.recorded.stages.get(key).and_then(|stage| stage.live.as_ref());
    live.and_then(LiveDeploy::spec).map(|spec| spec.depends_on).unwrap_or_default()
}

/// Lets every deploy wait for the work on what it depends on, and every removal for that on what depends on it.
pub(super) fn order(input: Input<'_>, stages: &mut [StagePlan]) {
    let has_work: BTreeSet<StageKey> =
        stages.iter().filter(|stage| !stage.steps.is_empty()).map(|stage| stage.key.clone()).collect();
    for stage in stages.iter_mut() {
        let on: Vec<StageKey> = waits_for(stage).iter().filter(|on| has_work.contains(on)).cloned().collect();
        stage.after.extend(on.into_iter().map(After::DependsOn));
    }
    let going = going(stages);
    if going.is_empty() {
        return;
    }
    let mut users: BTreeMap<StageKey, BTreeSet<After>> = BTreeMap::new();
    for user in &has_work {
        for on in needs(input, user).into_iter().filter(|on| going.contains(on) && on != user) {
            users.entry(on).or_default().insert(After::NeededBy(user.clone()));
        }
    }
    for stage in stages {
        stage.after.extend(users.remove(&stage.key).unwrap_or_default());
    }
}

impl StagePlan {
    /// Holds it, and all else it has: what it would give up is still needed.
    pub(super) fn wait(&mut self, what: String) {
        self.verdict = Verdict::Held;
        self.steps.clear();
        self.deploy = None;
        self.after.clear();
        self.held = Some(Held::Waits { what });
    }
}
