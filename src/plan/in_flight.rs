//! Deploys without an end: what an earlier run was in the middle of (R15). Each goes on under its own id where it is
//! still wanted, else it is closed before anything else is done.
//!
//! *Guarantees*: what may have traffic is never removed here; one that goes on, or waits, keeps its container, which no
//! other step of its stage touches.

use std::borrow::Cow;

use serde::Serialize;

use super::{Input, Own, Owned, by_hand};
use crate::model::hash::{self, SecretsMatch};
use crate::model::observed::Health;
use crate::model::recorded::{GivingUp, InFlight, LiveDeploy, Quarantine};
use crate::model::{
    ContainerState, DeployId, DeployStatus, InstanceStatus, Millis, Observed, ObservedProxy, Phase, Recorded, StageKey,
};

/// Why a deploy was closed that could not go on.
const INTERRUPTED: &str = "interrupted";
/// Why one was closed that could have.
const NOT_WANTED: &str = "interrupted, and not wanted any more";

/// How a deploy that does not go on is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Its stage.
    pub key: StageKey,
    /// Which deploy.
    pub deploy: DeployId,
    /// As what it ends.
    pub status: DeployStatus,
    /// Why; none for a success.
    pub reason: Option<String>,
    /// Its combination is not tried again (R12).
    pub hold: bool,
    /// It counts as the newest success of its stage: it passed its gate, and what it replaced may be gone.
    pub is_live: bool,
    /// What becomes of its container.
    pub container: Left,
}

/// What becomes of the container of a deploy that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// There is none.
    Nothing,
    /// It serves, and stays.
    Serves {
        /// Its name.
        name: String,
    },
    /// It stays, since traffic may lead to it.
    MayServe {
        /// Its name.
        name: String,
    },
    /// It stays until another one serves, and gets no traffic that it does not have.
    Stays {
        /// Docker's id.
        id: String,
        /// Its name.
        name: String,
        /// Why, in words.
        why: String,
    },
    /// It goes.
    Removed {
        /// Docker's id.
        id: String,
        /// Its name.
        name: String,
    },
}

impl Ending {
    /// A line of the deploy log.
    pub fn text(&self) -> String {
        match &self.container {
            Left::Nothing => "interrupted; it left no container".to_owned(),
            Left::Serves { name } => format!("interrupted; {name} serves and stays"),
            Left::MayServe { name } => format!("interrupted; {name} stays, since traffic may lead to it"),
            Left::Stays { name, why, .. } => format!("interrupted; {name} {why}"),
            Left::Removed { name, .. } => format!("interrupted; removed {name}"),
        }
    }
}

/// The world after every deploy that does not go on was closed, and how each is.
pub(super) fn settle(input: Input<'_>) -> (Vec<Ending>, Cow<'_, Recorded>, Cow<'_, Observed>) {
    let (mut recorded, mut observed) = (Cow::Borrowed(input.recorded), Cow::Borrowed(input.observed));
    let owned = Owned::new(input.recorded, input.observed);
    let open = input.recorded.stages.iter().filter_map(|(key, stage)| Some((key, stage.in_flight.as_ref()?)));
    let endings: Vec<Ending> = open.filter_map(|(key, open)| Case::new(input, &owned, key, open).judge()).collect();
    for ending in &endings {
        end(ending, input.now_ms, recorded.to_mut(), observed.to_mut());
    }
    (endings, recorded, observed)
}

/// What the store and Docker say once a deploy is closed.
fn end(ending: &Ending, now_ms: i64, recorded: &mut Recorded, observed: &mut Observed) {
    let Some(stage) = recorded.stages.get_mut(&ending.key) else { return };
    let Some(open) = stage.in_flight.take() else { return };
    match &ending.container {
        Left::Nothing | Left::Serves { .. } | Left::MayServe { .. } => {}
        Left::Stays { id, .. } => {
            if let Some(instance) = stage.instances.get_mut(id) {
                instance.status = InstanceStatus::Failed;
            }
        }
        Left::Removed { id, .. } => {
            stage.instances.remove(id);
            observed.containers.retain(|container| container.id != *id);
        }
    }
    stage.is_switch_cut_off = open.phase == Phase::Switching;
    if ending.hold {
        stage.quarantine.push(held(&open, ending, now_ms));
    }
    if ending.is_live {
        stage.live = Some(LiveDeploy { since_ms: now_ms, ..open.deploy });
        stage.route = None;
    }
}

fn held(open: &InFlight, ending: &Ending, now_ms: i64) -> Quarantine {
    Quarantine {
        spec_hash: open.deploy.spec_hash.clone(),
        digest: open.deploy.image.digest.clone(),
        secrets: open.secrets_label.clone(),
        spec_json: open.deploy.spec_json.clone().unwrap_or_default(),
        deploy: open.deploy.id,
        failed_at_ms: now_ms,
        version: open.deploy.image.version(),
        reason: ending.reason.clone().unwrap_or_default(),
    }
}

/// A deploy without an end, and what it left.
struct Case<'a> {
    input: Input<'a>,
    key: &'a StageKey,
    open: &'a InFlight,
    container: Option<Own<'a>>,
}

impl<'a> Case<'a> {
    fn new(input: Input<'a>, owned: &Owned<'a>, key: &'a StageKey, open: &'a InFlight) -> Self {
        Self { input, key, open, container: of(owned.of(key), open.deploy.id) }
    }

    /// How it is closed; none where it goes on, or waits for what keeps its stage from being looked after.
    fn judge(&self) -> Option<Ending> {
        if let Some(giving_up) = &self.open.giving_up {
            return Some(self.given_up(giving_up));
        }
        match (self.open.phase, self.is_wanted()) {
            (Phase::Draining | Phase::Retiring | Phase::Done, _) => Some(self.over()),
            (Phase::Switching | Phase::Monitoring, true) => (!self.is_up()).then(|| self.failed()),
            (Phase::Switching | Phase::Monitoring, false) => Some(self.overtaken()),
            (_, true) => (!self.is_usable()).then(|| self.failed()),
            (_, false) => Some(self.end(DeployStatus::Superseded, Some(NOT_WANTED), self.leave("is not wanted"))),
        }
    }

    /// What did not work is closed as it was to be. Of a container that works and that nobody knows to be without traffic,
    /// the plan makes what it makes of any.
    fn given_up(&self, GivingUp { status, reason, hold, is_at_fault }: &GivingUp) -> Ending {
        let left = match self.leave("did not work") {
            Left::Stays { name, .. } if !is_at_fault => Left::MayServe { name },
            left => left,
        };
        Ending { hold: *hold, ..self.end(*status, Some(reason), left) }
    }

    /// True when the stage should still run what the deploy was to bring. Where nobody can say which image that is, now,
    /// it counts as wanted and waits.
    fn is_wanted(&self) -> bool {
        let Input { desired, recorded, images, fingerprints, .. } = self.input;
        let LiveDeploy { id, image, spec_hash, .. } = &self.open.deploy;
        let Some(stage) = desired.stages.get(self.key) else { return false };
        // An older backup brings back what was overtaken long ago.
        let is_overtaken = recorded.stages[self.key].live.as_ref().is_some_and(|live| live.id > *id);
        if is_overtaken || by_hand::paused(self.input, self.key).is_some() {
            return false;
        }
        let (spec, wanted) = by_hand::target(recorded, stage, images.get(self.key));
        let now = fingerprints.get(self.key);
        wanted.is_none_or(|wanted| wanted == image)
            && self.open.deploy.spec().is_some_and(|open| {
                spec.is_some_and(|spec| open.is_run_like(&spec))
                    && hash::matches(spec_hash, open.hash_input(&desired.settings))
            })
            && hash::secrets_match(&self.open.secrets_label, now) != SecretsMatch::Changed
    }

    /// True when it can go on from what is there.
    fn is_usable(&self) -> bool {
        self.container.is_none_or(|own| {
            let is_there = own.container.state.was_started() || own.container.state == ContainerState::Created;
            is_there && self.is_its_own(&own)
        })
    }

    fn is_its_own(&self, own: &Own<'_>) -> bool {
        own.labels.spec == self.open.deploy.spec_hash && !self.input.recorded.has_failed(self.key, &own.container.id)
    }

    /// True when it has a container that can have traffic.
    fn is_up(&self) -> bool {
        self.container.is_some_and(|own| own.container.state.was_started() && self.is_its_own(&own))
    }

    fn is_well(&self) -> bool {
        self.container.is_some_and(|own| {
            own.container.state == ContainerState::Running && own.container.health != Some(Health::Unhealthy)
        })
    }

    /// It was proven and watched to the end: what of the old one is left is litter.
    fn over(&self) -> Ending {
        match self.container {
            Some(own) if self.is_up() => self.success(&own),
            Some(_) | None => self.failed(),
        }
    }

    /// Traffic may have moved to what is not wanted any more. What is seen to serve succeeded, and its monitor ends early;
    /// what may serve stays, as does what the proxy may still be about to lead to.
    fn overtaken(&self) -> Ending {
        let Some(own) = self.container.filter(|_| self.is_up()) else { return self.failed() };
        let is_proven = self.open.phase == Phase::Monitoring || (self.is_routed() && !self.says_nothing());
        if self.is_well() && is_proven {
            return self.success(&own);
        }
        if is_proven || self.says_nothing() {
            let was_to_be_watched = self.open.deploy.spec().is_none_or(|stage| stage.monitor > Millis(0));
            return if was_to_be_watched || !self.is_well() {
                self.end(
                    DeployStatus::Failed,
                    Some(INTERRUPTED),
                    stays(&own, "was not watched to the end, and serves until another one does"),
                )
            } else {
                Ending { is_live: true, ..self.end(DeployStatus::Failed, Some(INTERRUPTED), serves(&own)) }
            };
        }
        self.end(
            DeployStatus::Superseded,
            Some(NOT_WANTED),
            stays(&own, "is not wanted any more, and goes once another one serves"),
        )
    }

    fn success(&self, own: &Own<'_>) -> Ending {
        Ending { is_live: true, ..self.end(DeployStatus::Success, None, serves(own)) }
    }

    fn failed(&self) -> Ending {
        self.end(DeployStatus::Failed, Some(INTERRUPTED), self.leave("cannot go on"))
    }

    fn is_routed(&self) -> bool {
        self.container.is_some_and(|own| self.input.observed.proxy.leads_to(own.container))
    }

    /// True when the proxy does not tell where it leads, or where it will in a moment.
    fn says_nothing(&self) -> bool {
        let host = self.input.recorded.stages.get(self.key).and_then(|stage| stage.host.as_ref());
        !matches!(self.input.observed.proxy, ObservedProxy::Routes(_)) || host.is_some_and(|host| host.dirty)
    }

    /// What becomes of a container that is of no use: it goes, unless it may have traffic.
    fn leave(&self, why: &str) -> Left {
        let Some(own) = self.container else { return Left::Nothing };
        let may_have_traffic = self.open.phase >= Phase::Switching && (self.is_routed() || self.says_nothing());
        if may_have_traffic {
            return stays(&own, &format!("{why}, and stays until traffic surely goes elsewhere"));
        }
        Left::Removed { id: own.container.id.clone(), name: own.container.name.clone() }
    }

    fn end(&self, status: DeployStatus, reason: Option<&str>, container: Left) -> Ending {
        Ending {
            key: self.key.clone(),
            deploy: self.open.deploy.id,
            status,
            reason: reason.map(ToOwned::to_owned),
            hold: false,
            is_live: false,
            container,
        }
    }
}

/// The container of a deploy, among those of its stage.
pub(super) fn of<'a>(own: &[Own<'a>], deploy: DeployId) -> Option<Own<'a>> {
    own.iter().find(|own| own.labels.deploy == deploy).copied()
}

fn serves(own: &Own<'_>) -> Left {
    Left::Serves { name: own.container.name.clone() }
}

fn stays(own: &Own<'_>, why: &str) -> Left {
    Left::Stays { id: own.container.id.clone(), name: own.container.name.clone(), why: why.to_owned() }
}
