//! What a person said about a stage beyond its configuration: that it is left alone, or that another version runs until
//! the configuration moves on (R13).

use std::borrow::Cow;

use super::stage::{keep_well, wanted};
use super::{Blocked, Cause, Held, Input, Owned, StagePlan, Verdict};
use crate::model::recorded::Choice;
use crate::model::{ChoiceKind, Desired, DesiredStage, ImageRef, PauseKind, Recorded, StageKey};

/// Why a stage is left alone, if it is: nothing of it is deployed, put right or removed.
pub(super) fn paused(input: Input<'_>, key: &StageKey) -> Option<Held> {
    let of = |key: &StageKey| input.recorded.stages.get(key)?.paused(input.now_ms);
    // What is said of a stage holds for all of its instances.
    let pause = of(key).or_else(|| key.stage.tag().and_then(|_| of(&key.written())))?;
    Some(match pause.kind {
        PauseKind::Suspended => Held::Suspended { since_ms: pause.since_ms, until_ms: pause.until_ms },
        PauseKind::Released => Held::Released { since_ms: pause.since_ms },
    })
}

/// The plan of a stage that is left alone.
pub(super) fn leave(key: &StageKey, held: Held) -> StagePlan {
    StagePlan { held: Some(held), ..StagePlan::new(key, Verdict::Held) }
}

/// The version that runs instead of the configuration's, while that leads where it led when the choice was made.
pub(super) fn chosen<'a>(
    recorded: &'a Recorded,
    stage: &DesiredStage,
    image: Option<&Result<ImageRef, Blocked>>,
) -> Option<&'a Choice> {
    let choice = recorded.stages.get(&stage.key)?.choice.as_ref()?;
    let moved = match (image, &choice.refused_digest) {
        (Some(Ok(image)), Some(refused)) => image.digest != *refused,
        // Where it leads cannot be told now: only what is written counts.
        (Some(Err(_)) | None, _) | (_, None) => false,
    };
    // A spec that cannot be read cannot be told from another; the choice stays.
    let same = serde_json::from_str(&choice.refused_json).map_or(true, |refused| is_same(refused, stage));
    (!moved && same).then_some(choice)
}

/// True when two specs run the same.
fn is_same(refused: DesiredStage, stage: &DesiredStage) -> bool {
    following(refused, stage) == *stage
}

/// An earlier spec of a stage as it would run now: how it is routed, what it depends on, when it is deployed and how many
/// images are kept is what the configuration says, whichever version runs.
pub fn following(spec: DesiredStage, stage: &DesiredStage) -> DesiredStage {
    let (domains, route, depends_on) = (stage.domains.clone(), stage.route.clone(), stage.depends_on.clone());
    let (auto_deploy, window, keep_images) = (stage.auto_deploy, stage.window.clone(), stage.keep_images);
    DesiredStage { domains, route, depends_on, auto_deploy, window, keep_images, ..spec }
}

/// What a stage should run: what was chosen while that stands, else what the configuration leads to. No spec for a choice
/// that cannot be read, no image where it cannot be told.
pub(super) fn target<'a>(
    recorded: &'a Recorded,
    stage: &'a DesiredStage,
    image: Option<&'a Result<ImageRef, Blocked>>,
) -> (Option<Cow<'a, DesiredStage>>, Option<&'a ImageRef>) {
    match chosen(recorded, stage, image) {
        Some(choice) => {
            let spec = serde_json::from_str(&choice.spec_json).ok();
            (spec.map(|spec| Cow::Owned(following(spec, stage))), Some(&choice.image))
        }
        None => (Some(Cow::Borrowed(stage)), image.and_then(|image| image.as_ref().ok())),
    }
}

/// Stages whose choice was overtaken by their configuration: it is forgotten before the plan is carried out.
pub fn overtaken<'a>(
    desired: &'a Desired,
    recorded: &'a Recorded,
    image: impl Fn(&StageKey) -> Option<&'a Result<ImageRef, Blocked>>,
) -> Vec<StageKey> {
    let has_choice = |key: &StageKey| recorded.stages.get(key).is_some_and(|stage| stage.choice.is_some());
    let stages = desired.stages.values().filter(|stage| has_choice(&stage.key));
    stages.filter(|stage| chosen(recorded, stage, image(&stage.key)).is_none()).map(|stage| stage.key.clone()).collect()
}

/// Plans a stage to the version that was chosen, and holds it there.
pub(super) fn plan(input: Input<'_>, owned: &Owned<'_>, stage: &DesiredStage, choice: &Choice) -> StagePlan {
    let held = Held::Chosen {
        kind: choice.kind,
        version: choice.image.version(),
        refused: choice.refused_version.clone(),
        chosen_at_ms: choice.chosen_at_ms,
    };
    let Ok(spec) = serde_json::from_str::<DesiredStage>(&choice.spec_json) else {
        let mut plan = leave(&stage.key, held);
        keep_well(input, stage, owned.of(&stage.key), &mut plan);
        return plan;
    };
    // Going back waits for no window: something is wrong.
    let at_any_time = choice.kind == ChoiceKind::Rollback;
    let mut plan = wanted(input, owned, &following(spec, stage), Some(&Ok(choice.image.clone())), at_any_time);
    match plan.verdict {
        Verdict::Unchanged => {
            plan.verdict = Verdict::Held;
            plan.held = Some(held);
        }
        Verdict::Create | Verdict::Replace => plan.causes.insert(0, cause(choice)),
        Verdict::Repair => plan.warnings.push(held.to_string()),
        Verdict::Held | Verdict::Blocked | Verdict::Remove => {}
    }
    plan
}

fn cause(choice: &Choice) -> Cause {
    match choice.kind {
        ChoiceKind::Rollback => Cause::GoneBack { from: choice.refused_version.clone() },
        ChoiceKind::Deploy => Cause::ByHand,
    }
}
