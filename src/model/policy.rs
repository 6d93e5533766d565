//! Which image a stage should run: the pure half of pinning. Asking the registry is `registry`'s.
//!
//! A fixed tag is resolved once per stage, and the recorded digest is used from then on, so that a no-op asks no
//! registry anything and a moved tag redeploys nothing.

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
}

/// Chooses a stage's image from what it tracks and what was pinned before.
pub fn choose(stage: &DesiredStage, pin: Option<&Pin>) -> Choice {
    let local = stage.pull_policy == PullPolicy::Never;
    let repository = stage.repository.clone();
    match &stage.track {
        Track::Digest(digest) => {
            Choice::Known(ImageRef { repository, tag: None, digest: digest.clone(), local: false })
        }
        Track::Tag(tag) => match pin {
            Some(pin) if pin.repository == repository && pin.tag == *tag && pin.local == local => {
                Choice::Known(ImageRef { repository, tag: Some(tag.clone()), digest: pin.digest.clone(), local })
            }
            _ if local => Choice::AskHost(repository, tag.clone()),
            _ => Choice::AskRegistry(repository, tag.clone()),
        },
    }
}
