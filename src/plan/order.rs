//! Which stage waits for which: who gives up a domain waits for who takes it, so that it is served throughout (R4), and
//! who depends on another one waits for that (R23).

use std::collections::{BTreeMap, BTreeSet};

use super::retire::{routed_domains, taker};
use super::{After, Effect, Input, Owned, StagePlan, Step, Verdict, depends};
use crate::model::circle::circle;
use crate::model::{Domain, StageKey};

/// Sets `after` of every stage that waits for another one, and holds or blocks those for which it would be in vain.
pub(super) fn order(input: Input<'_>, owned: &Owned<'_>, stages: &mut [StagePlan]) {
    // One that cannot go on may be what another one waits for.
    let mut stopped = None;
    while stopped != Some(count_stopped(stages)) {
        stopped = Some(count_stopped(stages));
        depends::hold_back(input, owned, stages);
        move_domains(input, stages);
        depends::keep_needed(input, owned, stages);
    }
    depends::order(input, stages);
    break_circles(stages);
}

fn count_stopped(stages: &[StagePlan]) -> usize {
    stages.iter().filter(|stage| matches!(stage.verdict, Verdict::Held | Verdict::Blocked)).count()
}

/// Lets who gives up a domain wait for who takes it; one whose domain nobody takes in this plan keeps it, and all else
/// it has.
fn move_domains(input: Input<'_>, stages: &mut [StagePlan]) {
    let taken: BTreeSet<(StageKey, Domain)> = stages.iter().flat_map(taken_by).collect();
    for stage in stages.iter_mut().filter(|stage| gives_up(stage)) {
        for domain in routed_domains(input, &stage.key) {
            let Some(key) = taker(input, &domain).filter(|key| *key != stage.key) else { continue };
            if taken.contains(&(key.clone(), domain.clone())) {
                stage.after.insert(After::TakesDomain(key));
            } else {
                stage.wait(format!("{domain} moves to {key}, which cannot take it yet"));
                break;
            }
        }
    }
}

/// The domains that a stage's plan will lead to it.
fn taken_by(stage: &StagePlan) -> Vec<(StageKey, Domain)> {
    let domains = stage.steps.iter().filter_map(|step| match &step.effect {
        Effect::Switch { domains, .. } => Some(domains.clone()),
        _ => None,
    });
    domains.flatten().map(|domain| (stage.key.clone(), domain)).collect()
}

fn gives_up(stage: &StagePlan) -> bool {
    let writes_routes = |step: &Step| matches!(step.effect, Effect::Switch { .. } | Effect::Unroute { .. });
    stage.verdict == Verdict::Remove || stage.steps.iter().any(writes_routes)
}

/// Stages on a circle would wait for each other for ever. What stages depend on gives way to a domain that moves, and is
/// told; those that exchange domains do not wait for each other.
fn break_circles(stages: &mut [StagePlan]) {
    let waiting = stages.iter().filter(|stage| !stage.after.is_empty());
    let mut waits: BTreeMap<StageKey, BTreeSet<StageKey>> = waiting
        .map(|stage| (stage.key.clone(), stage.after.iter().map(|after| after.key().clone()).collect()))
        .collect();
    while let Some(found) = circle(&waits) {
        let found: BTreeSet<StageKey> = found.into_iter().cloned().collect();
        let is_within = |after: &After| found.contains(after.key());
        let on_it = || stages.iter().filter(|stage| found.contains(&stage.key));
        let only_traffic = on_it().flat_map(|stage| &stage.after).filter(|a| is_within(a)).all(After::is_for_traffic);
        for stage in stages.iter_mut().filter(|stage| found.contains(&stage.key)) {
            let gives_way = |after: &After| is_within(after) && after.is_for_traffic() == only_traffic;
            let dropped = stage.after.iter().filter(|after| gives_way(after) && !only_traffic);
            let told = dropped.map(|after| format!("it does not wait for {after}: they would wait for each other"));
            stage.warnings.extend(told);
            stage.after.retain(|after| !gives_way(after));
            waits.insert(stage.key.clone(), stage.after.iter().map(|after| after.key().clone()).collect());
        }
    }
}
