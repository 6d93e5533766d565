//! `track: { promote: … }`: a stage runs the very image that ran well in another one for so long.
//!
//! *Guarantees*: what somebody went back from there, or chose there by hand, is promoted by nobody; what is not healthy is
//! not promoted, and begins anew.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Input;
use super::ownership::Owned;
use super::stage::is_well;
use crate::model::desired::Promote;
use crate::model::{Desired, DesiredStage, ImageRef, Millis, Observed, Recorded, StageKey};

/// What may come to a stage of its own accord, or once somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coming {
    /// A version that its policy found, and that waits for somebody (`auto_deploy: false`).
    Candidate {
        /// As people call it.
        version: String,
    },
    /// A version that has to run in another stage for some time yet.
    Soaks {
        /// As people call it.
        version: String,
        /// That stage.
        from: StageKey,
        /// So long in all.
        after: Millis,
        /// When that is over, in milliseconds since 1970 UTC.
        until_ms: i64,
    },
    /// Nothing, since another stage is not as it should be.
    Stopped {
        /// That stage.
        from: StageKey,
        /// What is wrong.
        why: String,
    },
}

impl fmt::Display for Coming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate { version } => write!(f, "{version} is there, and waits until somebody asks for it"),
            Self::Soaks { version, from, after, .. } => {
                write!(f, "{version} comes once it was live and healthy in {from} for {after}")
            }
            Self::Stopped { from, why } => write!(f, "nothing is promoted from {from}: {why}"),
        }
    }
}

/// How it is with what a stage takes from another one.
enum Soak {
    Over(ImageRef),
    On(Coming),
}

/// The images that ran long enough where they are promoted from.
pub fn promotions(
    desired: &Desired,
    recorded: &Recorded,
    observed: &Observed,
    now_ms: i64,
) -> BTreeMap<StageKey, ImageRef> {
    let stages = desired.stages.values().filter(|stage| stage.track.promote().is_some());
    let mut owned = None;
    let over = stages.filter_map(|stage| {
        let owned: &Owned<'_> = owned.get_or_insert_with(|| Owned::new(recorded, observed));
        match soak(stage.track.promote()?, recorded, owned, now_ms) {
            Soak::Over(image) if image.repository == stage.repository => Some((stage.key.clone(), image)),
            Soak::Over(_) | Soak::On(_) => None,
        }
    });
    over.collect()
}

fn soak(promote: &Promote, recorded: &Recorded, owned: &Owned<'_>, now_ms: i64) -> Soak {
    let Promote { from, after } = promote;
    let stopped = |why: &str| Soak::On(Coming::Stopped { from: from.clone(), why: why.to_owned() });
    let Some(source) = recorded.stages.get(from) else { return stopped("it never ran") };
    let Some(live) = &source.live else { return stopped("it never had a success") };
    if source.choice.is_some() {
        return stopped(&format!("somebody holds it at {}", live.image.version()));
    }
    let serves = owned.of(from).iter().any(|own| own.labels.deploy == live.id && is_well(own.container));
    if !serves {
        return stopped("it is not healthy");
    }
    let since_ms = live.since_ms.max(source.ready_since_ms.unwrap_or(i64::MIN)).min(now_ms);
    let until_ms = since_ms.saturating_add(i64::try_from(after.0).unwrap_or(i64::MAX));
    if until_ms <= now_ms {
        return Soak::Over(live.image.clone());
    }
    let version = live.image.version();
    Soak::On(Coming::Soaks { version, from: from.clone(), after: *after, until_ms })
}

/// What may come to a stage that is not what it has.
pub(super) fn coming(input: Input<'_>, owned: &Owned<'_>, stage: &DesiredStage) -> Option<Coming> {
    let recorded = input.recorded.stages.get(&stage.key);
    let candidate = recorded.and_then(|recorded| recorded.candidate.as_ref()).filter(|_| !stage.auto_deploy);
    if let Some(candidate) = candidate {
        return Some(Coming::Candidate { version: candidate.tag.to_string() });
    }
    let promote = stage.track.promote()?;
    let has = input.images.get(&stage.key).and_then(|image| image.as_ref().ok());
    let there = input.recorded.stages.get(&promote.from).and_then(|from| from.live.as_ref());
    let is_same = has.is_some() && has.map(|image| &image.digest) == there.map(|live| &live.image.digest);
    match soak(promote, input.recorded, owned, input.now_ms) {
        Soak::On(coming) if !is_same => Some(coming),
        Soak::On(_) | Soak::Over(_) => None,
    }
}
