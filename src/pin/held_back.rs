//! `auto_deploy: false`: what is found waits until somebody asks for it, and what was taken last stays meanwhile.

use super::Pins;
use crate::model::policy::{Choice, choose};
use crate::model::recorded::Pin;
use crate::model::{DesiredStage, ImageRef, Recorded};
use crate::plan::Options;

/// True where somebody has to ask for what is found.
fn is_held_back(stage: &DesiredStage, options: &Options) -> bool {
    !stage.auto_deploy && stage.track.finds() && !options.take
}

/// True for a stage that waits for its first version: which that is, is known and not asked for again.
pub(super) fn waits(stage: &DesiredStage, recorded: &Recorded, options: &Options) -> bool {
    let has_candidate = recorded.stages.get(&stage.key).is_some_and(|known| known.candidate.is_some());
    has_candidate && is_held_back(stage, options) && !options.asks(&stage.key) && taken(stage, recorded).is_none()
}

/// What was taken last.
fn taken(stage: &DesiredStage, recorded: &Recorded) -> Option<ImageRef> {
    let known = recorded.stages.get(&stage.key)?;
    match choose(stage, known.pin.as_ref(), false) {
        Choice::Known(image) => Some(image),
        // Where somebody chose another version, that serves, and what was taken is not known.
        Choice::AskStage if known.choice.is_some() => None,
        Choice::AskStage => {
            let live = known.live.as_ref().map(|live| live.image.clone());
            live.filter(|image| image.repository == stage.repository)
        }
        Choice::AskRegistry(..) | Choice::AskHost(..) | Choice::AskTags { .. } | Choice::AskMoved { .. } => None,
    }
}

impl Pins {
    /// Lets what was found wait where somebody has to ask for it. A stage that nothing was promoted to goes on with what it
    /// has.
    pub(super) fn hold_back(&mut self, stage: &DesiredStage, recorded: &Recorded, options: &Options) {
        let (key, taken) = (&stage.key, || taken(stage, recorded));
        let Some(Ok(found)) = self.images.get(key).cloned() else {
            if let (false, Some(image)) = (self.images.contains_key(key), taken()) {
                self.images.insert(key.clone(), Ok(image));
            }
            return;
        };
        if !is_held_back(stage, options) {
            // What waited is taken, or need not wait any more.
            if recorded.stages.get(key).is_some_and(|known| known.candidate.is_some()) {
                self.candidates.insert(key.clone(), None);
            }
            return;
        }
        let taken = taken();
        if taken.as_ref() == Some(&found) {
            // A registry that did not answer has not said that there is nothing newer.
            let is_answered = matches!(self.registries.get(stage.repository.host()), Some(None));
            if options.asks(key) && is_answered {
                self.candidates.insert(key.clone(), None);
            }
            return;
        }
        self.candidates.insert(key.clone(), Pin::of(&found));
        match taken {
            Some(image) => drop(self.images.insert(key.clone(), Ok(image))),
            None => drop(self.images.remove(key)),
        }
    }
}
