//! The prune breaker (R3): a change that would retire too much at once is held whole.

use super::retire::is_running;
use super::{Held, Input, Owned, StagePlan, Verdict};
use crate::model::StageKey;
use crate::model::desired::Prune;

/// A change that retires more than one in so many of the live stages is held.
const ONE_IN: usize = 4;

/// Why the plan as a whole must wait, if it must.
pub(super) fn check(input: Input<'_>, owned: &Owned<'_>, stages: &[StagePlan]) -> Option<Held> {
    if input.options.allow_prune || input.desired.settings.prune != Prune::Guarded {
        return None;
    }
    let is_live = |key: &StageKey| owned.of(key).iter().any(is_running);
    let live = owned.stages().filter(|key| is_live(key)).count();
    // One that waits for the proxy goes as well, later. What others of its stage take the place of is replaced, not retired.
    let goes = |s: &&StagePlan| {
        let is_gone = !input.desired.stages.contains_key(&s.key) && !input.desired.is_surplus(&s.key);
        is_gone && (s.verdict == Verdict::Remove || s.blocked.is_some())
    };
    let going: Vec<String> =
        stages.iter().filter(goes).filter(|s| is_live(&s.key)).map(|s| s.key.to_string()).collect();
    let many = going.len() > 1 && going.len() * ONE_IN > live;
    let all = !going.is_empty() && going.len() == live;
    (many || all).then(|| Held::Prune {
        what: format!("{} of {live} live stages would be retired: {}", going.len(), going.join(", ")),
    })
}
