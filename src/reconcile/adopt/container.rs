//! Taking over a container that a person made (R5). No label can be put on it, so that the store alone says that it is
//! ours (R1): by its id, as the newest success of its stage.
//!
//! *Guarantees*: nothing of the container is changed here. Unless it is to be kept as it is, the next pass replaces it as
//! it replaces an older version. *Caveats*: what it mounts is not compared, and is not given to its successor.

use std::sync::Arc;

use super::super::{Error, Opened, Places, accepted, load, open, stage_named};
use crate::docker::{ContainerInfo, Docker};
use crate::model::hash;
use crate::model::observed::ObservedPort;
use crate::model::policy::{accepts, select};
use crate::model::recorded::Pin;
use crate::model::secret::Fingerprint;
use crate::model::{
    ContainerState, Desired, DesiredStage, ImageRef, Recorded, Repository, StageKey, Strategy, Track, Trigger, labels,
};
use crate::plan::Owned;
use crate::secrets::{Key, Secrets, SecretsSeen};
use crate::store::{DataDir, NewDeploy, NewInstance, Readopted, new_deploy_id, now_ms};
use crate::{observe, pin};

/// The label that Compose gives to what it makes.
const COMPOSE: &str = "com.docker.compose.project";

/// A container that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedContainer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What people call what it runs.
    pub version: String,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Makes a container the instance of a stage, to be replaced by the next pass; `as_is`: to be kept until the
/// configuration of the stage changes.
///
/// # Errors
/// The configuration, Docker or the store cannot be used; there is no such stage or container; it is somebody else's, or
/// does not run, or the stage has an instance already, or it is to be kept and cannot be what the configuration says.
pub async fn adopt_container(
    places: &Places,
    key: &StageKey,
    name: &str,
    as_is: bool,
) -> Result<AdoptedContainer, Error> {
    let loaded = load(places).await?;
    let desired = &loaded.desired;
    let stage = &*stage_named(desired, key)?;
    if key.tag().is_some() {
        return Err(Error::SeveralInstances(key.written()));
    }
    let Opened { docker, host, store } = open(places, desired, "adopt").await?;
    let recorded = store.recorded().await?;
    if let Some(pause) = recorded.stages.get(key).and_then(|stage| stage.paused(now_ms())) {
        return Err(Error::Paused { key: key.clone(), kind: pause.kind });
    }
    let refuse = |(reason, hint): Refusal| Error::NotAdoptable { container: name.to_owned(), reason, hint };
    let found = docker
        .inspect(name)
        .await?
        .ok_or_else(|| refuse(("there is no such container".into(), "`docker ps` lists those that run".into())))?;
    refuse_owned(&recorded, &found).map_err(refuse)?;
    let observed = observe::without_proxy(observe::with_adopted(&docker, host, &recorded).await?);
    if let Some(own) = Owned::new(&recorded, &observed).of(key).first() {
        let hint = "a stage has one instance; `landfall release` lets go of one that was adopted".into();
        return Err(refuse((format!("{key} has {} already", own.container.name), hint)));
    }
    let image = image(&docker, stage, &found).await?;
    let new = New { places, desired, stage, found: &found, image: &image };
    let row = if as_is { new.kept().map_err(refuse)? } else { new.to_be_replaced() };
    let in_force = pin::as_recorded(desired, &recorded).map_or_else(|| Arc::clone(desired), Arc::new);
    let generation = store.accept_config(accepted(&loaded, &in_force)).await?;
    if let (true, Some(pin)) = (as_is, Pin::of(&row.deploy.image)) {
        store.set_pin(key, &pin).await?;
    }
    let deploy = NewDeploy { generation, ..row.deploy.clone() };
    store.readopt(vec![Readopted { deploy, ..row }], None).await?;
    let warnings = warnings(stage, &found, as_is);
    Ok(AdoptedContainer { id: found.id, name: found.name, version: image.version(), warnings })
}

/// Why not, and what helps.
type Refusal = (String, String);

/// Refuses what is ours, or another Landfall's, or does not run (R1).
fn refuse_owned(recorded: &Recorded, found: &ContainerInfo) -> Result<(), Refusal> {
    if let Some(labels) = recorded.adopted().get(found.id.as_str()) {
        return Err((
            format!("it belongs to {} already", labels.key),
            format!("`landfall release {}` first", labels.key),
        ));
    }
    if let Some(store) = found.labels.get(labels::STORE) {
        let ours = recorded.store.is_some_and(|own| own.to_string() == *store);
        let whose = if ours { "this Landfall made it".to_owned() } else { format!("it belongs to store {store}") };
        return Err((whose, "only what no Landfall made can be adopted".into()));
    }
    match found.state {
        ContainerState::Running => Ok(()),
        ContainerState::Created
        | ContainerState::Paused
        | ContainerState::Restarting
        | ContainerState::Exited
        | ContainerState::Removing
        | ContainerState::Dead => Err(("it does not run".into(), format!("`docker start {}` first", found.name))),
    }
}

/// What it was made from: what its repository calls it, where it is of the stage's, else the image's own id.
async fn image(docker: &Docker, stage: &DesiredStage, found: &ContainerInfo) -> Result<ImageRef, Error> {
    let info = docker.image(&found.image_id).await?;
    let (digests, tags) = info.map(|info| (info.repo_digests, info.repo_tags)).unwrap_or_default();
    let is_its = |text: &str| text.parse::<Repository>().is_ok_and(|repository| repository == stage.repository);
    let digest = digests.iter().filter_map(|text| text.split_once('@')).find(|(repository, _)| is_its(repository));
    let digest = digest.and_then(|(_, digest)| digest.parse().ok());
    let own = tags.iter().filter_map(|text| text.rsplit_once(':')).filter(|(repository, _)| is_its(repository));
    let mut own = own.map(|(_, tag)| tag);
    let tag = match &stage.track {
        Track::Tag(_) | Track::Semver(_) | Track::Glob(_) | Track::Regex(_) | Track::Mutable(_) | Track::Promote(_) => {
            let wanted = select(&stage.track, own.clone(), 1).newest.pop();
            wanted.or_else(|| own.next().and_then(|tag| tag.parse().ok()))
        }
        Track::Digest(_) => None,
    };
    let local = digest.is_none();
    let id = || {
        let bad = |_| Error::Internal(format!("{} has no image id", found.name));
        found.image_id.parse().map_err(bad)
    };
    Ok(ImageRef { repository: stage.repository.clone(), tag, digest: digest.map_or_else(id, Ok)?, local })
}

/// What is recorded.
struct New<'a> {
    places: &'a Places,
    desired: &'a Desired,
    stage: &'a DesiredStage,
    found: &'a ContainerInfo,
    image: &'a ImageRef,
}

impl New<'_> {
    fn to_be_replaced(&self) -> Readopted {
        self.row(self.image.clone(), hash::ADOPTED.to_owned(), None, "to be replaced")
    }

    /// As what the configuration says now: it must run that version, and be where the proxy reaches it.
    fn kept(&self) -> Result<Readopted, Refusal> {
        let (stage, found) = (self.stage, self.found);
        let other = || format!("leave out `--as-is`: the next apply then brings {} beside it", stage.track.version());
        let is_wanted = match &stage.track {
            Track::Tag(_)
            | Track::Semver(_)
            | Track::Glob(_)
            | Track::Regex(_)
            | Track::Mutable(_)
            | Track::Promote(_) => self.image.tag.as_ref().is_some_and(|tag| accepts(&stage.track, tag)),
            Track::Digest(digest) => self.image.digest == *digest,
        };
        if !is_wanted {
            let text =
                format!("it runs {}, and not {} of {}", self.image.version(), stage.track.version(), stage.repository);
            return Err((text, other()));
        }
        let is_published = stage.is_published(&self.desired.settings.proxy);
        if is_published && self.host_port().is_none() {
            let port = stage.container.port.unwrap_or_default();
            return Err((
                format!("port {port} of {} is not published on 127.0.0.1, where the proxy would reach it", found.name),
                other(),
            ));
        }
        let secrets = Secrets::new(&self.places.credentials);
        let key = Key::read(&DataDir::new(&self.places.data).fingerprint_key());
        let secrets = match secrets.seen(key.as_ref(), &stage.container) {
            SecretsSeen::Known(fingerprint) => Some(fingerprint),
            SecretsSeen::Unreadable(_) | SecretsSeen::None | SecretsSeen::NoKey => None,
        };
        let hash = hash::spec_hash(stage.hash_input(&self.desired.settings));
        Ok(self.row(self.image.clone(), hash, secrets, "as it is"))
    }

    fn host_port(&self) -> Option<u16> {
        let port = self.stage.container.port?;
        let on_loopback = |p: &&ObservedPort| p.container_port == port && p.is_tcp && p.host_ip == "127.0.0.1";
        self.found.ports.iter().find(on_loopback).map(|p| p.host_port)
    }

    fn row(&self, image: ImageRef, spec_hash: String, secrets: Option<Fingerprint>, how: &str) -> Readopted {
        let (key, name) = (self.stage.key.clone(), self.found.name.clone());
        let id = new_deploy_id();
        let instance = NewInstance {
            container_id: self.found.id.clone(),
            name: name.clone(),
            deploy: id,
            key: key.clone(),
            host_port: self.host_port(),
            version: image.version(),
        };
        let track = image.tag.clone().map_or_else(|| Track::Digest(image.digest.clone()), Track::Tag);
        let deploy = NewDeploy {
            id,
            key,
            trigger: Trigger::Manual,
            cause: format!("adopted {name} {how}"),
            spec: DesiredStage { track, ..self.stage.clone() },
            image,
            spec_hash,
            secrets_label: hash::secrets_label(secrets.as_ref()),
            secrets,
            container_name: name.clone(),
            config_revision: self.desired.revision.clone(),
            generation: 0,
        };
        let log = format!("{name} was made by hand and is taken over {how}");
        Readopted { deploy, instance, log, by_hand: true }
    }
}

fn warnings(stage: &DesiredStage, found: &ContainerInfo, as_is: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(project) = found.labels.get(COMPOSE) {
        warnings.push(format!(
            "{} is of the Compose project `{project}`, which makes it again at its next `up`: take it out of that file",
            found.name
        ));
    }
    if !as_is && stage.strategy == Strategy::Recreate {
        warnings.push(format!(
            "{} replaces what it has by stopping it first, and its volumes are its own: what {} keeps is not taken along",
            stage.key, found.name
        ));
    }
    warnings
}
