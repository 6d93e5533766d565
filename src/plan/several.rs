//! Stages that run several instances: an older one goes once a newer one serves in its place (R4), and stays while none
//! does.

use std::collections::{BTreeMap, BTreeSet};

use super::depends::serves;
use super::stage::keep_well;
use super::{After, Blocked, Effect, Input, Owned, StagePlan, Verdict};
use crate::model::policy::select;
use crate::model::{RecordedStage, StageKey, Tag};

/// What is said of a stage that has no tag to run.
pub(super) fn without_tags(input: Input<'_>, owned: &Owned<'_>, key: &StageKey) -> Option<StagePlan> {
    let blocked: Blocked = input.images.get(key)?.as_ref().err()?.clone();
    let mut plan = StagePlan::new(key, Verdict::Unchanged).block(blocked);
    // It may have run one instance until now, under its own name.
    keep_served(input, owned, &mut plan);
    Some(plan)
}

/// Keeps what serves well, by the spec that it was deployed with: the configuration has none for it.
fn keep_served(input: Input<'_>, owned: &Owned<'_>, plan: &mut StagePlan) {
    let recorded = input.recorded.stages.get(&plan.key);
    if let Some(spec) = recorded.and_then(RecordedStage::served_spec) {
        let own = owned.of(&plan.key);
        keep_well(input, &spec, own, plan);
    }
}

/// True for a stage of which nobody can say which tags it is to run.
fn is_unknown(input: Input<'_>, written: &StageKey) -> bool {
    input.desired.several.contains_key(written) && input.images.get(written).is_some_and(Result::is_err)
}

/// True for what has its plan already: nothing is known of its stage.
pub(super) fn is_planned(input: Input<'_>, key: &StageKey) -> bool {
    key.stage.tag().is_none() && is_unknown(input, key)
}

/// Lets what is surplus go after what takes its place, and stay where nothing does.
pub(super) fn settle(input: Input<'_>, owned: &Owned<'_>, stages: &mut [StagePlan]) {
    let mut by_stage: BTreeMap<StageKey, Vec<StageKey>> = BTreeMap::new();
    let goes = |plan: &&StagePlan| plan.verdict == Verdict::Remove && input.desired.is_surplus(&plan.key);
    for plan in stages.iter().filter(goes) {
        by_stage.entry(plan.key.written()).or_default().push(plan.key.clone());
    }
    for (written, surplus) in by_stage {
        let places = Places::new(input, owned, stages, &written);
        for (at, key) in newest_first(input, &written, surplus).into_iter().enumerate() {
            if let Some(plan) = stages.iter_mut().find(|plan| plan.key == key) {
                places.give(input, owned, at, plan);
            }
        }
    }
}

/// A first instance that this plan brings up.
fn is_coming(plan: &StagePlan) -> bool {
    plan.steps.iter().any(|step| matches!(step.effect, Effect::Gate { .. }))
}

/// Who of a stage is to serve, and does not yet: so many older ones stay meanwhile.
struct Places {
    /// They come in this plan.
    coming: BTreeSet<StageKey>,
    /// They do not.
    missing: Vec<StageKey>,
    /// The stage, where nobody can say who it is.
    unknown: Option<StageKey>,
}

impl Places {
    fn new(input: Input<'_>, owned: &Owned<'_>, stages: &[StagePlan], written: &StageKey) -> Self {
        let wanted = input.desired.stages.keys().filter(|key| key.written() == *written);
        let rest = wanted.filter(|key| !owned.of(key).iter().any(|own| serves(input, own))).cloned();
        let comes = |key: &StageKey| stages.iter().any(|plan| plan.key == *key && is_coming(plan));
        let (coming, missing): (Vec<StageKey>, Vec<StageKey>) = rest.partition(comes);
        let unknown = is_unknown(input, written).then(|| written.clone());
        Self { coming: coming.into_iter().collect(), missing, unknown }
    }

    /// What becomes of a surplus instance, counted from the newest.
    fn give(&self, input: Input<'_>, owned: &Owned<'_>, at: usize, plan: &mut StagePlan) {
        let why = match (&self.unknown, self.missing.get(at)) {
            (Some(written), _) => Some(format!("which tags {written} is to run is not known")),
            (None, Some(missing)) => Some(format!("{missing} is to take its place, and does not serve yet")),
            (None, None) => None,
        };
        if let Some(why) = why {
            plan.wait(why);
            plan.causes.clear();
            keep_served(input, owned, plan);
        } else if at < self.missing.len() + self.coming.len() {
            plan.after.extend(self.coming.iter().cloned().map(After::TakesPlace));
        }
    }
}

/// By the order of the stage's policy; what had no tag of its own was there before all of them, and comes first: it has the
/// traffic.
fn newest_first(input: Input<'_>, written: &StageKey, surplus: Vec<StageKey>) -> Vec<StageKey> {
    let (tagged, mut all): (Vec<StageKey>, Vec<StageKey>) =
        surplus.into_iter().partition(|key| key.stage.tag().is_some());
    let Some(stage) = input.desired.written(written) else { return [all, tagged].concat() };
    let tags: Vec<Tag> = tagged.iter().filter_map(StageKey::tag).collect();
    let newest = select(&stage.track, tags.iter().map(Tag::as_str), usize::MAX).newest;
    all.extend(newest.iter().map(|tag| written.at(tag)));
    let others: Vec<StageKey> = tagged.into_iter().filter(|key| !all.contains(key)).collect();
    all.extend(others);
    all
}
