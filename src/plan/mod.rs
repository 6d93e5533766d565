//! (Desired, Recorded, Observed) → Plan: what must change, in which order, and why.
//!
//! *Flow*: `ownership` sorts the observed containers by stage, `stage` plans each one (`deploy`, `repair` and `retire`
//! write its steps), `breaker` holds a plan that would retire too much, and `text` writes it all down. What of the images
//! goes afterwards, `images` says, once the store was asked for what may.
//!
//! *Guarantees*: pure, total and deterministic; what replaces a thing is live before the thing goes (R4); nothing that
//! does not carry this store's id is ever named in a step (R1).
//!
//! *Must not*: look at the world. Everything it knows is in [`Input`].

mod after;
mod breaker;
mod by_hand;
mod cause;
mod changes;
mod depends;
mod deploy;
mod host;
mod images;
mod in_flight;
mod order;
mod ownership;
mod planted;
mod promote;
mod repair;
mod resume;
mod retire;
mod several;
mod stage;
mod step;
mod surroundings;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::hash;
use crate::model::secret::Fingerprint;
use crate::model::{ChoiceKind, DeployId, Desired, DesiredStage, ImageRef, Observed, Recorded, StageKey};

pub use after::After;
pub use by_hand::{following, overtaken};
pub use cause::Cause;
pub use changes::{FieldChange, changes, leaves};
pub use images::{ImageDrop, Shelf, Unneeded};
pub use in_flight::{Ending, Left};
pub use ownership::{Own, Owned};
pub use promote::{Coming, promotions};
pub use resume::{Resumed, WayBack};
pub use step::{Effect, Step, Target};
pub use text::age;

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the YAML says.
    pub desired: &'a Desired,
    /// What the store remembers.
    pub recorded: &'a Recorded,
    /// What Docker and the proxy report.
    pub observed: &'a Observed,
    /// The pinned image of each stage, or why there is none.
    pub images: &'a BTreeMap<StageKey, Result<ImageRef, Blocked>>,
    /// Fingerprints of the secrets of stages that have some; a missing one counts as unchanged.
    pub fingerprints: &'a BTreeMap<StageKey, Fingerprint>,
    /// Stages with a secret that cannot be read, and why.
    pub unreadable: &'a BTreeMap<StageKey, String>,
    /// What the user asked for.
    pub options: &'a Options,
    /// The time, in milliseconds since 1970 UTC.
    pub now_ms: i64,
}

/// What the user asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line of its own")]
pub struct Options {
    /// Projects and stages to look at; empty means all.
    pub selection: Selection,
    /// Try again what failed before (R12).
    pub retry: bool,
    /// Let the plan retire as much as it says (R3).
    pub allow_prune: bool,
    /// The plan is to be carried out: a secret that cannot be read blocks its stage.
    pub secrets_needed: bool,
    /// Carry out only the plan of this name.
    pub only: Option<String>,
    /// Bring a new instance of what runs, though nothing changed.
    pub renew: bool,
    /// Deploy also what is outside its window.
    pub now: bool,
    /// What is found is taken also where somebody has to ask for it: somebody does.
    pub take: bool,
    /// Stages that a pass beside this one works on: they are left to it.
    #[serde(skip)]
    pub busy: Arc<BTreeSet<StageKey>>,
    /// Stages that were put right again and again of late, and until when each is not, in milliseconds since 1970 UTC.
    #[serde(skip)]
    pub rests: Arc<BTreeMap<StageKey, i64>>,
    /// Stages of which registries are asked what may have changed since they were pinned; none for nobody (R27).
    #[serde(default)]
    pub ask: Option<Selection>,
    /// Stages that are refused do not keep the others from being converged (the daemon's way).
    pub partial: bool,
}

impl Options {
    /// True for a stage of which registries are asked.
    pub fn asks(&self, key: &StageKey) -> bool {
        self.ask.as_ref().is_some_and(|stages| stages.contains(key))
    }
}

/// Projects (`shop`) and stages (`shop/prod`) picked on the command line; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection(pub Vec<String>);

impl Selection {
    /// True when the stage was picked; an instance also with all of its stage.
    pub fn contains(&self, key: &StageKey) -> bool {
        let (text, written) = (key.to_string(), key.stage.tag().map(|_| key.written().to_string()));
        let picks = |s: &String| *s == text || *s == key.project.as_str() || Some(s) == written.as_ref();
        self.0.is_empty() || self.0.iter().any(picks)
    }
}

/// Why a stage cannot be planned or carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// True when the user must change something; false for an outside fault that passes.
    pub refused: bool,
    /// The reason.
    pub reason: String,
    /// The remedy.
    pub hint: Option<String>,
}

/// Why a change waits for a word of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// This spec and digest failed before (R12).
    Failed {
        /// What failed, as people call it.
        version: String,
        /// Why.
        reason: String,
        /// When, in milliseconds since 1970 UTC.
        failed_at_ms: i64,
        /// Which deploy, by its short id.
        deploy: String,
    },
    /// It may be deployed at other times alone.
    Window {
        /// The next such time, in milliseconds since 1970 UTC.
        opens_ms: i64,
    },
    /// Nothing is to run yet.
    Comes(Coming),
    /// Someone else owns what the stage needs (R1).
    Clash {
        /// What, and whose it is.
        what: String,
    },
    /// A domain of it moves to a stage that cannot take it yet (R4), or it is to go and still needed.
    Waits {
        /// What, and by whom.
        what: String,
    },
    /// Somebody chose another version than the configuration's, which waits until it leads elsewhere (R13).
    Chosen {
        /// How it was chosen.
        kind: ChoiceKind,
        /// What runs instead.
        version: String,
        /// What the configuration led to then.
        refused: String,
        /// When, in milliseconds since 1970 UTC.
        chosen_at_ms: i64,
    },
    /// It is left alone for a while, or until told.
    Suspended {
        /// Since when, in milliseconds since 1970 UTC.
        since_ms: i64,
        /// Until when; none until told.
        until_ms: Option<i64>,
    },
    /// It was put right again and again, and is not before a time (R20).
    Rests {
        /// That time, in milliseconds since 1970 UTC.
        until_ms: i64,
    },
    /// It is left alone for good (R5).
    Released {
        /// Since when, in milliseconds since 1970 UTC.
        since_ms: i64,
    },
    /// Retiring is switched off, or too much of it is asked for at once (R3).
    Prune {
        /// What would go.
        what: String,
    },
}

/// What will happen to a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing.
    Unchanged,
    /// It gets its first instance.
    Create,
    /// A new instance replaces the old.
    Replace,
    /// The instance it has is put right.
    Repair,
    /// It goes.
    Remove,
    /// It waits for a word of the user; there may still be steps that keep the old one well.
    Held,
    /// It cannot be done.
    Blocked,
}

/// A new instance to bring live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedDeploy {
    /// The image.
    pub image: ImageRef,
    /// The resolved stage.
    #[serde(skip)]
    pub stage: DesiredStage,
    /// Spec hash with its version.
    pub spec_hash: String,
    /// Fingerprints of the secrets.
    #[serde(skip)]
    pub secrets: Option<Fingerprint>,
    /// The interrupted deploy that this goes on with, if it does (R15).
    #[serde(skip)]
    pub resumes: Option<Resumed>,
}

/// The plan of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StagePlan {
    /// Which stage.
    pub key: StageKey,
    /// What will happen.
    pub verdict: Verdict,
    /// The version that serves now.
    pub from: Option<String>,
    /// The version that will.
    pub to: Option<String>,
    /// Why.
    pub causes: Vec<Cause>,
    /// What differs in the spec, field by field, when the old spec is known.
    pub changes: Vec<FieldChange>,
    /// In order.
    pub steps: Vec<Step>,
    /// The deploy that the steps belong to.
    pub deploy: Option<Box<PlannedDeploy>>,
    /// The deploy that made what runs, where that is what is wanted and stays.
    #[serde(skip)]
    pub keeps: Option<DeployId>,
    /// The spec that the steps keep well, where that is not what the configuration says.
    #[serde(skip)]
    pub kept: Option<Box<DesiredStage>>,
    /// Why it waits.
    pub held: Option<Held>,
    /// Why it cannot be done.
    pub blocked: Option<Blocked>,
    /// What must succeed first, and why.
    pub after: BTreeSet<After>,
    /// What may come of its own accord, or once somebody asks for it.
    pub coming: Option<Coming>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl StagePlan {
    pub(crate) fn new(key: &StageKey, verdict: Verdict) -> Self {
        Self {
            key: key.clone(),
            verdict,
            from: None,
            to: None,
            causes: Vec::new(),
            changes: Vec::new(),
            steps: Vec::new(),
            deploy: None,
            keeps: None,
            kept: None,
            held: None,
            blocked: None,
            after: BTreeSet::new(),
            coming: None,
            warnings: Vec::new(),
        }
    }

    /// When it has to be looked at again, in milliseconds since 1970 UTC, where that is known.
    pub fn due_ms(&self) -> Option<i64> {
        let soaks = |coming: &Coming| match coming {
            Coming::Soaks { until_ms, .. } => Some(*until_ms),
            Coming::Candidate { .. } | Coming::Stopped { .. } => None,
        };
        match &self.held {
            Some(Held::Suspended { until_ms, .. }) => *until_ms,
            Some(Held::Window { opens_ms }) => Some(*opens_ms),
            Some(Held::Comes(coming)) => soaks(coming),
            _ => self.coming.as_ref().and_then(soaks),
        }
    }

    /// True when it is held at the version that somebody chose.
    pub fn stands_chosen(&self) -> bool {
        matches!(self.held, Some(Held::Chosen { .. }))
    }

    fn block(mut self, blocked: Blocked) -> Self {
        self.verdict = Verdict::Blocked;
        self.steps.clear();
        self.deploy = None;
        self.blocked = Some(blocked);
        self
    }
}

/// All that must change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Steps that several stages need, done first.
    pub shared: Vec<Step>,
    /// Every selected stage, those that are removed last.
    pub stages: Vec<StagePlan>,
    /// Why nothing at all may be done (R3).
    pub held: Option<Held>,
    /// Interrupted deploys that are closed before all else.
    pub endings: Vec<Ending>,
    /// Images that go from the host once all else is done, where it succeeds (R24). Housekeeping: a plan with nothing else
    /// is one with nothing to do, and its name says nothing of it.
    pub images: Vec<ImageDrop>,
}

impl Plan {
    /// True when there is nothing to do, to hold or to complain about.
    pub fn is_noop(&self) -> bool {
        self.held.is_none() && self.shared.is_empty() && self.stages.iter().all(|s| s.verdict == Verdict::Unchanged)
    }

    /// True when something waits for a word of the user.
    pub fn is_held(&self) -> bool {
        self.held.is_some() || self.stages.iter().any(|s| s.verdict == Verdict::Held)
    }

    /// How many stages have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.stages.iter().filter(|s| s.verdict == verdict).count()
    }

    /// A short name for the plan: the same plan on the same world has the same name.
    pub fn id(&self) -> String {
        hash::sha256_hex(self.to_string().as_bytes())[..6].to_owned()
    }
}

/// Compares the three views of the world and says what must change.
pub fn plan(input: Input<'_>) -> Plan {
    let (endings, recorded, observed) = in_flight::settle(input);
    let input = Input { recorded: &recorded, observed: &observed, ..input };
    let owned = Owned::new(input.recorded, input.observed);
    let wanted = |key: &&StageKey| input.options.selection.contains(key) && !input.options.busy.contains(*key);
    let mut stages: Vec<StagePlan> = Vec::with_capacity(input.desired.stages.len());
    for (key, stage) in &input.desired.stages {
        if wanted(&key) {
            stages.push(repair::unless_resting(input, stage::plan(input, &owned, stage)));
        }
    }
    stages.extend(
        input.desired.several.keys().filter(wanted).filter_map(|key| several::without_tags(input, &owned, key)),
    );
    let mut gone: BTreeSet<StageKey> = owned.stages().cloned().collect();
    gone.extend(retire::routed_stages(input));
    let is_planned = |key: &StageKey| input.desired.stages.contains_key(key) || several::is_planned(input, key);
    for key in gone.iter().filter(|key| !is_planned(key)).filter(wanted) {
        match by_hand::paused(input, key) {
            // The configuration forgot it, too: nothing is left to be said (R5).
            Some(Held::Released { .. }) => {}
            Some(held) => stages.push(by_hand::leave(key, held)),
            None => stages.push(retire::plan(input, &owned, key)),
        }
    }
    several::settle(input, &owned, &mut stages);
    order::order(input, &owned, &mut stages);
    let held = breaker::check(input, &owned, &stages);
    Plan { shared: shared_steps(input, &stages), stages, held, endings, images: Vec::new() }
}

/// The newest successes that a plan says something of, and whose specs were not read: with them it may say more. What
/// stays as it is was compared by its hash, and no plan turns to its spec.
pub fn lacking(plan: &Plan, recorded: &Recorded) -> BTreeSet<DeployId> {
    let moving = plan.stages.iter().filter(|stage| stage.verdict != Verdict::Unchanged);
    let live = moving.filter_map(|stage| recorded.stages.get(&stage.key)?.live.as_ref());
    live.filter(|live| live.spec_json.is_none()).map(|live| live.id).collect()
}

/// The networks that instances join, when they are missing.
fn shared_steps(input: Input<'_>, stages: &[StagePlan]) -> Vec<Step> {
    let settings = &input.desired.settings;
    if !stages.iter().any(|s| !s.steps.is_empty() && s.verdict != Verdict::Remove) {
        return Vec::new();
    }
    [settings.network.clone(), settings.names_network()]
        .into_iter()
        .filter(|name| !input.observed.networks.contains(name))
        .map(|name| Step::shared(Effect::CreateNetwork { name }))
        .collect()
}
