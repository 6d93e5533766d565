//! What a person asks for by hand: another version, an earlier one, a new instance, or that a stage is left alone.
//!
//! *Expected flow*: under the lock, what was asked is checked, then recorded, then an ordinary pass over this one stage
//! carries it out. *Guarantees*: what cannot be had is refused before anything is recorded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Converged, Error, Opened, Places, Watcher, access, load, open, pass, stage_named};
use crate::config::Loaded;
use crate::execute::{self, Fetching, Newest, Sink};
use crate::model::policy::{self, Choice as Known};
use crate::model::recorded::Pin;
use crate::model::{
    Choice, ChoiceKind, DeployStatus, Desired, DesiredStage, Digest, ImageRef, Pause, PauseKind, Recorded,
    RecordedStage, StageKey, Tag, Track,
};
use crate::pin;
use crate::plan::{Options, Selection, following};
use crate::proxy::ProxyError;
use crate::secrets::Secrets;
use crate::store::{DataDir, DeployRow, Filter, Store, StoreError, now_ms};

/// Successes that are looked through for one to go back to; more than a history keeps by default.
const LOOK_BACK: usize = 1000;

/// What is asked for one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// What the configuration says, looked up anew; or another tag until the configuration moves on.
    Deploy {
        /// That tag.
        tag: Option<Tag>,
        /// Also outside the window of the stage.
        #[serde(default)]
        now: bool,
    },
    /// An earlier success; the one before what serves unless a deploy is named (R13).
    Rollback {
        /// That deploy, as people copy its id.
        to: Option<String>,
    },
    /// A new instance of what serves.
    Restart,
    /// Whether its proxy shows a page in place of the app.
    Route {
        /// What it leads to.
        to: RouteTo,
    },
}

/// What the domains of a stage lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTo {
    /// A page that says that the app is being worked on.
    Maintenance,
    /// The instance.
    Instance,
}

impl FromStr for RouteTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "maintenance" => Ok(Self::Maintenance),
            "instance" => Ok(Self::Instance),
            _ => Err("a route leads to `maintenance` or to `instance`".to_owned()),
        }
    }
}

impl fmt::Display for RouteTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Maintenance => "maintenance",
            Self::Instance => "instance",
        })
    }
}

/// Carries out what somebody asked for one stage.
///
/// # Errors
/// As a pass has them, and when what is asked for cannot be had; nothing is changed then.
pub async fn by_hand(places: &Places, key: &StageKey, order: &Order, sink: Sink) -> Result<Converged, Error> {
    let loaded = Arc::new(load(places).await?);
    if loaded.desired.several.contains_key(key) && matches!(order, Order::Deploy { tag: None, .. }) {
        let now = matches!(order, Order::Deploy { now: true, .. });
        return deploy_newest(places, loaded, key, now, sink).await;
    }
    let stage = stage_named(&loaded.desired, key)?;
    if let (Some(_), Order::Deploy { tag: Some(_), .. }) = (key.tag(), order) {
        return Err(Error::SeveralInstances(key.written()));
    }
    let command = match order {
        Order::Deploy { .. } => "deploy",
        Order::Rollback { .. } => "rollback",
        Order::Restart => "restart",
        Order::Route { .. } => "route",
    };
    let opened = open(places, &loaded.desired, command).await?;
    let recorded = opened.store.recorded().await?;
    refuse_paused(&recorded, key)?;
    refuse_gone(&loaded.desired, &recorded, key)?;
    // An instance may have its digest in its domain.
    let digest = recorded.stages.get(key).and_then(|stage| stage.pin.as_ref()).map(|pin| &pin.digest);
    let stage = loaded.desired.stage(key, digest).unwrap_or(stage);
    let desk = Desk { places, loaded: &loaded, stage: &stage, opened: &opened, recorded: &recorded };
    match order {
        Order::Deploy { tag: None, .. } => desk.look_up().await?,
        Order::Deploy { tag: Some(tag), .. } => desk.deploy(tag).await?,
        Order::Rollback { to } => desk.roll_back(to.as_deref()).await?,
        Order::Restart => {}
        Order::Route { to } => desk.route(*to).await?,
    }
    let options = Options {
        selection: Selection(vec![key.to_string()]),
        retry: !matches!(order, Order::Route { .. }),
        renew: *order == Order::Restart,
        now: matches!(order, Order::Deploy { now: true, .. }),
        take: matches!(order, Order::Deploy { tag: None, .. }),
        secrets_needed: true,
        ..Options::default()
    };
    pass(places, Arc::clone(&loaded), &options, Watcher { sink, newest: Newest::default() }, opened).await
}

/// Refuses an instance that is not among those that run: nothing is to be remembered of it.
fn refuse_gone(desired: &Desired, recorded: &Recorded, key: &StageKey) -> Result<(), Error> {
    let Some(all) = pin::as_recorded(desired, recorded).filter(|_| key.tag().is_some()) else { return Ok(()) };
    if all.stages.contains_key(key) {
        return Ok(());
    }
    Err(Error::UnknownSelection { name: key.to_string(), known: all.stages.keys().map(ToString::to_string).collect() })
}

/// Of a stage that runs several instances the newest tags are looked up anew, and what failed of them is tried again.
async fn deploy_newest(
    places: &Places,
    loaded: Arc<Loaded>,
    key: &StageKey,
    now: bool,
    sink: Sink,
) -> Result<Converged, Error> {
    let opened = open(places, &loaded.desired, "deploy").await?;
    refuse_paused(&opened.store.recorded().await?, key)?;
    let selection = Selection(vec![key.to_string()]);
    let ask = Some(selection.clone());
    let options = Options { selection, ask, now, retry: true, secrets_needed: true, ..Options::default() };
    pass(places, loaded, &options, Watcher { sink, newest: Newest::default() }, opened).await
}

fn refuse_paused(recorded: &Recorded, key: &StageKey) -> Result<(), Error> {
    let paused = |key: &StageKey| recorded.stages.get(key).and_then(|stage| stage.paused(now_ms()));
    match paused(key).or_else(|| paused(&key.written())) {
        Some(Pause { kind, .. }) => Err(Error::Paused { key: key.clone(), kind }),
        None => Ok(()),
    }
}

/// All that is needed to judge an order.
struct Desk<'a> {
    places: &'a Places,
    loaded: &'a Loaded,
    stage: &'a DesiredStage,
    opened: &'a Opened,
    recorded: &'a Recorded,
}

impl Desk<'_> {
    /// What the configuration says counts again, and its tag is looked up anew.
    async fn look_up(&self) -> Result<(), Error> {
        let key = &self.stage.key;
        // What another stage ran, the pass finds out itself.
        if !matches!(self.stage.track, Track::Promote(_)) {
            let image = self.find(self.stage).await?;
            if let Some(pin) = Pin::of(&image) {
                known(self.opened.store.set_pin(key, &pin).await)?;
            }
        }
        Ok(known(self.opened.store.choose(key, None).await)?)
    }

    /// Remembered until somebody says otherwise: deploys and passes leave the page where it is.
    async fn route(&self, to: RouteTo) -> Result<(), Error> {
        let Opened { store, .. } = self.opened;
        let key = &self.stage.key;
        if self.stage.domains.is_empty() {
            return Err(Error::NotRouted(key.clone()));
        }
        if !self.recorded.stages.contains_key(key) {
            return Err(Error::NeverApplied(key.clone()));
        }
        Ok(store.maintain(key, (to == RouteTo::Maintenance).then(now_ms)).await?)
    }

    async fn deploy(&self, tag: &Tag) -> Result<(), Error> {
        let stage = DesiredStage { track: Track::Tag(tag.clone()), ..self.stage.clone() };
        let image = self.find(&stage).await?;
        self.choose(ChoiceKind::Deploy, None, image, &stage).await
    }

    async fn roll_back(&self, to: Option<&str>) -> Result<(), Error> {
        let target = match to {
            Some(text) => self.named(text).await?,
            None => self.before().await?,
        };
        let Opened { docker, store, .. } = self.opened;
        let secrets = &Secrets::new(&self.places.credentials);
        let fetching =
            Fetching { docker, store, secrets, desired: &self.loaded.desired, pulls: &self.places.beside.pulls };
        let fetched = execute::fetch(fetching, &self.stage.key, &target.image).await;
        fetched.map_err(|error| Error::NoWayBack {
            key: Box::new(self.stage.key.clone()),
            reason: format!("{} of deploy {} cannot be had: {error}", target.image.version(), target.id.short()),
            hint: error.hint(),
        })?;
        let spec = self.opened.store.spec(target.id).await?;
        self.choose(ChoiceKind::Rollback, Some(&target), target.image.clone(), &spec).await
    }

    /// The image of what a stage tracks, from whoever has it.
    async fn find(&self, stage: &DesiredStage) -> Result<ImageRef, Error> {
        let secrets = Secrets::new(&self.places.credentials);
        let registry = self.places.beside.registry();
        let (docker, desired) = (&self.opened.docker, &self.loaded.desired);
        let asking = pin::Asking { docker, registry: &registry, secrets: &secrets, desired };
        let found = pin::look_up(asking, stage).await;
        found.map_err(|blocked| Error::NoImage { reason: blocked.reason, hint: blocked.hint })
    }

    /// A deploy that is named: a success of this stage.
    async fn named(&self, text: &str) -> Result<DeployRow, Error> {
        let deploy = self.opened.store.deploy(text).await?;
        let refuse = |reason: String| {
            Err(Error::NoWayBack { key: Box::new(self.stage.key.clone()), reason, hint: Some(self.list()) })
        };
        match deploy.status {
            _ if deploy.key != self.stage.key => refuse(format!("deploy {text} is of {}", deploy.key)),
            DeployStatus::Success => Ok(deploy),
            other => refuse(format!("deploy {text} ended {}", other.words())),
        }
    }

    /// The newest success before the one that is live, of another version or spec. Who goes back twice goes back further:
    /// what was refused is newer than what was gone back to.
    async fn before(&self) -> Result<DeployRow, Error> {
        let key = &self.stage.key;
        let refuse = |reason: &str| Error::NoWayBack {
            key: Box::new(key.clone()),
            reason: reason.to_owned(),
            hint: Some(self.list()),
        };
        let recorded = self.recorded.stages.get(key);
        let live = recorded.and_then(|stage| stage.live.as_ref()).ok_or_else(|| refuse("it never had a success"))?;
        let back_at = recorded.and_then(|stage| stage.choice.as_ref()?.from);
        let bound = back_at.unwrap_or(live.id);
        let deploys = self.opened.store.deploys(&Filter::from(key), LOOK_BACK).await?;
        let older = deploys.into_iter().filter(|deploy| deploy.status == DeployStatus::Success && deploy.id < bound);
        let differs =
            |deploy: &DeployRow| (&deploy.image.digest, &deploy.spec_hash) != (&live.image.digest, &live.spec_hash);
        let mut older = older.filter(differs);
        older.next().ok_or_else(|| refuse("no earlier version of it succeeded"))
    }

    fn list(&self) -> String {
        format!("`landfall history {}` lists its deploys", self.stage.key)
    }

    /// Remembers what was chosen; what the configuration leads to anyway needs no choice.
    async fn choose(
        &self,
        kind: ChoiceKind,
        from: Option<&DeployRow>,
        image: ImageRef,
        spec: &DesiredStage,
    ) -> Result<(), Error> {
        let key = &self.stage.key;
        let refused = self.refused();
        let same_spec =
            DesiredStage { track: self.stage.track.clone(), ..following(spec.clone(), self.stage) } == *self.stage;
        if same_spec && refused.as_ref() == Some(&image.digest) {
            return Ok(known(self.opened.store.choose(key, None).await)?);
        }
        let json =
            |spec: &DesiredStage| serde_json::to_string(spec).map_err(|error| Error::Internal(error.to_string()));
        let choice = Choice {
            kind,
            from: from.map(|deploy| deploy.id),
            image,
            spec_json: json(spec)?,
            refused_version: self.stage.track.version(),
            refused_json: json(self.stage)?,
            refused_digest: refused,
            chosen_at_ms: now_ms(),
        };
        Ok(self.opened.store.choose(key, Some(&choice)).await?)
    }

    /// The digest that the configuration leads to, as far as it is known.
    fn refused(&self) -> Option<Digest> {
        let recorded = self.recorded.stages.get(&self.stage.key);
        match policy::choose(self.stage, recorded.and_then(|stage| stage.pin.as_ref()), false) {
            Known::Known(image) => Some(image.digest),
            // What it took last.
            Known::AskStage => recorded.and_then(|stage| Some(stage.live.as_ref()?.image.digest.clone())),
            Known::AskRegistry(..) | Known::AskHost(..) | Known::AskTags { .. } | Known::AskMoved { .. } => None,
        }
    }
}

/// A stage that the store does not know yet has nothing to be forgotten, and is pinned by the pass.
fn known(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// Marks the host again that a release made somebody's, where it is still there; what is in its way, the next plan tells.
async fn take_back(places: &Places, store: &Store, key: &StageKey) -> Result<(), Error> {
    let desired = load(places).await?.desired;
    let Some(stage) = desired.stage(key, None).filter(|stage| !stage.domains.is_empty()) else { return Ok(()) };
    match access::to_change(places, &desired)
        .adopt(store.id(), key, &stage.domains, &stage.route.with_certificate(None))
        .await
    {
        Ok(adopted) => Ok(store.set_host(key, Some(&adopted.host)).await?),
        Err(ProxyError::NothingToAdopt { .. } | ProxyError::NoAdoption | ProxyError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Leaves a stage alone for a while, until told or for good (R5), or looks after it again; answers what was in force.
///
/// # Errors
/// There is no store, or it does not know the stage.
pub async fn pause(places: &Places, key: &StageKey, pause: Option<Pause>) -> Result<Option<Pause>, Error> {
    let data = DataDir::new(&places.data);
    let command = match pause.map(|pause| pause.kind) {
        Some(PauseKind::Suspended) => "suspend",
        Some(PauseKind::Released) => "release",
        None => "resume",
    };
    if !data.has_store() {
        return Err(Error::NeverApplied(key.clone()));
    }
    let lock = places.beside.lock(&data, command).await?;
    let store = places.beside.open(&data, lock).await?;
    let recorded = store.recorded().await?;
    let Some(stage) = recorded.stages.get(key) else {
        return Err(Error::NeverApplied(key.clone()));
    };
    // What is said of a stage that runs several instances is said of each: it holds also once the stage is forgotten.
    let instances = recorded.stages.iter().filter(|(other, _)| other.stage.tag().is_some() && other.written() == *key);
    for (key, stage) in std::iter::once((key, stage)).chain(instances) {
        pause_one(places, &store, (key, stage), pause).await?;
    }
    Ok(stage.paused(now_ms()))
}

async fn pause_one(
    places: &Places,
    store: &Store,
    (key, stage): (&StageKey, &RecordedStage),
    pause: Option<Pause>,
) -> Result<(), Error> {
    let is_released = |pause: Option<Pause>| pause.is_some_and(|pause| pause.kind == PauseKind::Released);
    if is_released(pause) && stage.maintenance_since_ms.is_some() {
        return Err(Error::InMaintenance(key.clone()));
    }
    if is_released(pause) && stage.host.is_some() {
        // A host in the proxy that people use as well is theirs before it is said to be.
        let desired = load(places).await?.desired;
        access::to_change(places, &desired).let_go(store.id(), key).await?;
        store.set_host(key, None).await?;
    } else if pause.is_none() && is_released(stage.pause) {
        take_back(places, store, key).await?;
    }
    store.pause(key, pause).await?;
    if is_released(pause) {
        // What a person made is ours by the record alone, and theirs again without it.
        for (id, _) in stage.instances.iter().filter(|(_, instance)| instance.adopted.is_some()) {
            store.remove_instance(id).await?;
        }
    }
    Ok(())
}
