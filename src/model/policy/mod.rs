//! Which image a stage should run: the pure half of pinning. Asking the registry is `registry`'s.
//!
//! A fixed tag is resolved once per stage, and the recorded digest is used from then on, so that a no-op asks no
//! registry anything and a moved tag redeploys nothing. What a policy chose is used in the same way until a pass asks.

mod glob;
mod order;
mod pattern;
mod range;

#[cfg(test)]
mod tests;

pub use glob::GlobPolicy;
pub use order::Selected;
pub use pattern::{Order, RegexPolicy};
pub use range::SemverPolicy;

use self::order::Read;
use super::desired::{DesiredStage, PullPolicy, Track};
use super::image::{ImageRef, Repository, Tag};
use super::recorded::Pin;

/// What is known about a stage's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Known without asking.
    Known(ImageRef),
    /// The registry must be asked for this tag.
    AskRegistry(Repository, Tag),
    /// The host must be asked for this tag (`pull_policy: never`).
    AskHost(Repository, Tag),
    /// The registry must be asked which tags there are, for `select` to choose from.
    AskTags {
        /// Whose tags.
        repository: Repository,
        /// What was chosen last, if the policy still accepts it: it needs no second question when it is chosen again.
        pinned: Option<ImageRef>,
    },
    /// The registry must be asked what a moving tag stands for now.
    AskMoved {
        /// Whose tag.
        repository: Repository,
        /// The tag.
        tag: Tag,
        /// What it stood for last.
        pinned: Option<ImageRef>,
    },
    /// What another stage ran, and that is for `plan::promotions` to say.
    AskStage,
}

/// Chooses a stage's image from what it tracks and what was pinned before. With `ask`, what may have changed since is
/// asked for again; without it only what nobody knows yet.
pub fn choose(stage: &DesiredStage, pin: Option<&Pin>, ask: bool) -> Choice {
    let repository = stage.repository.clone();
    let pinned = usable(stage, pin);
    match (&stage.track, pinned) {
        (Track::Digest(digest), _) => {
            Choice::Known(ImageRef { repository, tag: None, digest: digest.clone(), local: false })
        }
        (Track::Tag(_), Some(image)) => Choice::Known(image),
        (Track::Tag(tag), None) if is_local(stage) => Choice::AskHost(repository, tag.clone()),
        (Track::Tag(tag), None) => Choice::AskRegistry(repository, tag.clone()),
        (Track::Semver(_) | Track::Glob(_) | Track::Regex(_) | Track::Mutable(_), Some(image)) if !ask => {
            Choice::Known(image)
        }
        (Track::Semver(_) | Track::Glob(_) | Track::Regex(_), pinned) => Choice::AskTags { repository, pinned },
        (Track::Mutable(tag), pinned) => Choice::AskMoved { repository, tag: tag.clone(), pinned },
        // What was taken from it last is what serves; a pin would lead to what waits, or failed.
        (Track::Promote(_), _) => Choice::AskStage,
    }
}

/// What was pinned, where it is still an answer to what the stage tracks.
fn usable(stage: &DesiredStage, pin: Option<&Pin>) -> Option<ImageRef> {
    let pin @ Pin { repository, tag, digest: _, local } = pin?;
    let is_usable = *repository == stage.repository && *local == is_local(stage) && accepts(&stage.track, tag);
    is_usable.then(|| pin.image())
}

/// True for an image of the host. The configuration refuses that for what only a registry can answer.
fn is_local(stage: &DesiredStage) -> bool {
    stage.pull_policy == PullPolicy::Never
}

/// True for a tag that a stage may run by what it tracks.
pub fn accepts(track: &Track, tag: &Tag) -> bool {
    match track {
        Track::Tag(wanted) | Track::Mutable(wanted) => wanted == tag,
        Track::Digest(_) => false,
        Track::Promote(_) => true,
        Track::Semver(_) | Track::Glob(_) | Track::Regex(_) => select(track, [tag.as_str()], 1).matched > 0,
    }
}

/// The newest of these tags by what is tracked, at most so many: by the policy's order, never by when a tag was pushed. Tags
/// that are as new as each other are told apart by name. A fixed tag or a moving one is the newest where it is there; a
/// digest, or what another stage runs, has none.
pub fn select<'a>(track: &Track, tags: impl IntoIterator<Item = &'a str>, at_most: usize) -> Selected {
    match track {
        Track::Tag(tag) | Track::Mutable(tag) => {
            order::newest(tags, at_most, |text| Read::or_other((text == tag.as_str()).then_some(())))
        }
        Track::Digest(_) | Track::Promote(_) => order::newest(tags, at_most, |_| Read::<()>::Other),
        Track::Semver(policy) => policy.newest(tags, at_most),
        Track::Glob(policy) => policy.newest(tags, at_most),
        Track::Regex(policy) => policy.newest(tags, at_most),
    }
}
