//! What happens while a plan is carried out, told to whoever watches: the terminal, or the daemon's log.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{DeployStatus, Phase, StageKey};
use crate::plan::Verdict;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// All that a pass needs to know is known and recorded: it works on these stages, and on no other.
    Planned {
        /// Which stages.
        stages: BTreeSet<StageKey>,
    },
    /// A stage was begun.
    Begin {
        /// Which stage.
        key: StageKey,
        /// What is about to happen.
        verdict: Verdict,
        /// The version that comes.
        to: Option<String>,
    },
    /// A deploy entered a phase.
    Phase {
        /// Which stage.
        key: StageKey,
        /// Which phase.
        phase: Phase,
    },
    /// A line of the deploy log.
    Line {
        /// Which stage; none for what several share.
        key: Option<StageKey>,
        /// The line.
        text: String,
    },
    /// An image is being fetched.
    Pull {
        /// Which stage.
        key: StageKey,
        /// Bytes so far.
        current: u64,
        /// Bytes in all, as far as known.
        total: u64,
    },
    /// A stage is over.
    End {
        /// Which stage.
        key: StageKey,
        /// How it ended.
        result: StageResult,
    },
}

/// How the work on one stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageResult {
    /// A deploy ended.
    Deployed {
        /// How.
        status: DeployStatus,
        /// Its short id.
        deploy: String,
        /// Why it failed.
        reason: Option<String>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Put right, or removed.
    Done,
    /// It did not work.
    Failed {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Not tried, because a stage it waits for failed.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl StageResult {
    /// True when the stage is as it should be.
    pub const fn is_ok(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Deployed { status, .. } => matches!(status, DeployStatus::Success),
            Self::Failed { .. } | Self::Skipped { .. } => false,
        }
    }
}

/// Where events go.
#[derive(Clone)]
pub struct Sink(Arc<dyn Fn(Event) + Send + Sync>);

impl Sink {
    /// A sink that calls a function for every event; it must not block.
    pub fn new(function: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}
