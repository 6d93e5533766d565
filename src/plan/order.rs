//! Domains that move from one stage to another: who gives one up waits for who takes it, so that it is served
//! throughout (R4).

use std::collections::BTreeSet;

use super::retire::{routed_domains, taker};
use super::{Effect, Held, Input, StagePlan, Step, Verdict};
use crate::model::{Domain, StageKey};

/// Sets `after` of every stage that gives up a domain, and holds those whose domain nobody takes in this plan.
pub(super) fn order(input: Input<'_>, stages: &mut [StagePlan]) {
    let taken: BTreeSet<(StageKey, Domain)> = stages.iter().flat_map(taken_by).collect();
    for stage in stages.iter_mut().filter(|stage| gives_up(stage)) {
        for domain in routed_domains(input, &stage.key) {
            let Some(key) = taker(input, &domain).filter(|key| *key != stage.key) else { continue };
            if taken.contains(&(key.clone(), domain.clone())) {
                stage.after.insert(key);
            } else {
                wait(stage, &domain, &key);
                break;
            }
        }
    }
    break_circles(stages);
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

/// The one that should take the domain does not, now: this one keeps it, and all else it has.
fn wait(stage: &mut StagePlan, domain: &Domain, taker: &StageKey) {
    stage.verdict = Verdict::Held;
    stage.steps.clear();
    stage.deploy = None;
    stage.after.clear();
    stage.held = Some(Held::Waits { what: format!("{domain} moves to {taker}, which cannot take it yet") });
}

/// Stages that exchange domains would wait for each other for ever: those that no order can serve do not wait for
/// one another.
fn break_circles(stages: &mut [StagePlan]) {
    let mut open: BTreeSet<StageKey> = stages.iter().filter(|s| !s.after.is_empty()).map(|s| s.key.clone()).collect();
    loop {
        let is_free = |stage: &&StagePlan| open.contains(&stage.key) && stage.after.is_disjoint(&open);
        let free: Vec<StageKey> = stages.iter().filter(is_free).map(|stage| stage.key.clone()).collect();
        if free.is_empty() {
            break;
        }
        open.retain(|key| !free.contains(key));
    }
    for stage in stages.iter_mut().filter(|stage| open.contains(&stage.key)) {
        stage.after.retain(|key| !open.contains(key));
    }
}
