//! Containers of ours that the store does not know: it was lost, or an older one restored. What their labels say is
//! remembered again, so that they run on without one restart (R16). Pure; `record` writes it down.
//!
//! *Guarantees*: of several containers of a stage, one that does not serve beside one that does is never taken for a
//! success: nobody knows whether it passed its gate. *Must not*: touch a container.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::desired::PullPolicy;
use crate::model::hash;
use crate::model::observed::Health;
use crate::model::policy::accepts;
use crate::model::recorded::{Pin, RecordedInstance};
use crate::model::secret::Fingerprint;
use crate::model::{
    ContainerState, DeployId, Desired, DesiredStage, ImageRef, InstanceStatus, Observed, ObservedProxy, ProxySettings,
    Recorded, RecordedHost, Repository, StageKey, Tag, Track,
};
use crate::plan::{Own, Owned};

/// What was found of containers that the store does not know.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Those that are taken over as they run, at most one of each stage.
    pub adopted: Vec<Adopted>,
    /// Digests that tags stood for when they were deployed.
    pub(super) pins: BTreeMap<StageKey, Pin>,
    /// Hosts in the proxy that carry the mark of a stage, and are not remembered.
    pub(super) hosts: BTreeMap<StageKey, RecordedHost>,
    /// Containers that do not serve beside one that does.
    pub(super) unproven: Vec<(StageKey, String, RecordedInstance)>,
    /// True when there are others that are not taken over: what they mount is not known either.
    pub is_partial: bool,
    /// The highest loopback port that a container of ours has.
    pub(super) highest_port: Option<u16>,
}

/// A container that is taken over.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Its stage.
    pub key: StageKey,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub image: ImageRef,
    pub(super) deploy: DeployId,
    pub(super) container_id: String,
    pub(super) host_port: Option<u16>,
    pub(super) spec: DesiredStage,
    pub(super) spec_hash: String,
    pub(super) secrets: Option<Fingerprint>,
    pub(super) secrets_label: String,
    pub(super) revision: String,
}

impl Found {
    /// Leaves out the stages that are not to run: older instances than the newest.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&StageKey) -> bool) {
        let before = self.adopted.len();
        self.adopted.retain(|one| is_kept(&one.key));
        self.pins.retain(|key, _| is_kept(key));
        self.hosts.retain(|key, _| is_kept(key));
        self.is_partial |= self.adopted.len() < before;
    }
}

/// Deploys of our containers, under their own names, that have no instance in the store; nearly always none. One that is
/// just being made is not lost: stages that others work on do not count.
pub(super) fn candidates(recorded: &Recorded, observed: &Observed, busy: &BTreeSet<StageKey>) -> BTreeSet<DeployId> {
    let deploys = observed.containers.iter().filter_map(|container| {
        let labels = container.labels.as_ref()?;
        let is_ours = recorded.store == Some(labels.store) && labels.own_name == container.name;
        let is_known = recorded.stages.get(&labels.key).is_some_and(|s| s.instances.contains_key(&container.id));
        (is_ours && !is_known && !busy.contains(&labels.key)).then_some(labels.deploy)
    });
    deploys.collect()
}

/// What follows from containers whose deploys the store has no row of.
pub(super) fn find(
    desired: &Desired,
    recorded: &Recorded,
    observed: &Observed,
    fingerprints: &BTreeMap<StageKey, Fingerprint>,
    unknown: &BTreeSet<DeployId>,
) -> Found {
    let mut found = Found::default();
    if unknown.is_empty() {
        return found;
    }
    let owned = Owned::new(recorded, observed);
    for key in owned.stages() {
        let all = owned.of(key);
        found.highest_port = found.highest_port.max(all.iter().filter_map(loopback_port).max());
        let rank = |own: &&Own<'_>| (proof(desired, observed, own), is_well(own), own.labels.deploy);
        let Some(best) = all.iter().filter(|own| !recorded.has_failed(key, &own.container.id)).max_by_key(rank) else {
            continue;
        };
        let is_less = |own: &&Own<'_>| proof(desired, observed, own) < proof(desired, observed, best);
        for other in all.iter().filter(|own| unknown.contains(&own.labels.deploy)).filter(is_less) {
            found.unproven.push((key.clone(), other.container.id.clone(), instance(other, InstanceStatus::Failed)));
        }
        let digest = best.labels.digest.parse().ok();
        let stage = desired.stage(key, digest.as_ref()).filter(|_| unknown.contains(&best.labels.deploy));
        if let Some((stage, image)) = stage.as_deref().and_then(|stage| Some((stage, image(stage, best)?))) {
            let pin = pin(stage, &image, recorded);
            found.pins.extend(pin.map(|pin| (key.clone(), pin)));
            found.hosts.extend(host(desired, recorded, observed, key).map(|host| (key.clone(), host)));
            let fingerprint = fingerprints.get(key).or_else(|| fingerprints.get(&key.written()));
            found.adopted.extend(adopt(desired, stage, best, image, fingerprint));
        }
    }
    found.is_partial = found.adopted.len() < unknown.len();
    found
}

/// How sure it is that a container passed its gate: the proxy leads to it, or the name of the stage does.
fn proof(desired: &Desired, observed: &Observed, own: &Own<'_>) -> (bool, bool) {
    (observed.proxy.leads_to(own.container), own.container.networks.contains_key(&desired.settings.names_network()))
}

fn is_well(own: &Own<'_>) -> (bool, bool) {
    let container = own.container;
    (container.state == ContainerState::Running, container.health != Some(Health::Unhealthy))
}

fn loopback_port(own: &Own<'_>) -> Option<u16> {
    own.container.ports.iter().filter(|p| p.is_tcp && p.host_ip == "127.0.0.1").map(|p| p.host_port).max()
}

/// The image that a container was made from, by its labels; none when they contradict each other.
fn image(stage: &DesiredStage, own: &Own<'_>) -> Option<ImageRef> {
    let image: ImageRef = own.labels.image.parse().ok()?;
    let local = image.tag.is_some() && stage.pull_policy == PullPolicy::Never;
    (image.digest.as_str() == own.labels.digest).then_some(ImageRef { local, ..image })
}

/// What the tag of a stage stood for when its container was made; none where that is known, or it tracks another by now.
fn pin(stage: &DesiredStage, image: &ImageRef, recorded: &Recorded) -> Option<Pin> {
    let is_wanted = |repository: &Repository, tag: &Tag| *repository == stage.repository && accepts(&stage.track, tag);
    let known = recorded.stages.get(&stage.key).and_then(|stage| stage.pin.as_ref());
    let is_known = known.is_some_and(|pin| is_wanted(&pin.repository, &pin.tag));
    let pin = Pin::of(image)?;
    (!is_known && is_wanted(&pin.repository, &pin.tag)).then_some(pin)
}

/// The host that carries the mark of a stage, unless the store remembers one that is there.
fn host(desired: &Desired, recorded: &Recorded, observed: &Observed, key: &StageKey) -> Option<RecordedHost> {
    let ProxySettings::NginxProxyManager(npm) = &desired.settings.proxy else { return None };
    let ObservedProxy::Routes(routes) = &observed.proxy else { return None };
    let owner = Some((recorded.store?, key.clone()));
    let own = || routes.values().filter(|route| route.owner == owner).filter_map(|route| route.host.as_ref());
    let known = recorded.stages.get(key).and_then(|stage| stage.host.as_ref());
    if known.is_some_and(|known| known.proxy == npm.url && own().any(|host| host.id == known.id)) {
        return None;
    }
    let host = own().find(|host| host.id.is_some())?;
    let domains = host.domains.iter().filter_map(|domain| domain.parse().ok()).collect();
    Some(RecordedHost { proxy: npm.url.clone(), id: host.id, domains, dirty: false })
}

/// Takes a container over when it is what the stage says now, version aside: else nobody knows its spec.
fn adopt(
    desired: &Desired,
    stage: &DesiredStage,
    own: &Own<'_>,
    image: ImageRef,
    fingerprint: Option<&Fingerprint>,
) -> Option<Adopted> {
    let settings = &desired.settings;
    let published = stage.is_published(&settings.proxy);
    if !own.container.state.was_started() || !hash::matches(&own.labels.spec, stage.hash_input(settings)) {
        return None;
    }
    let track = image.tag.clone().map_or_else(|| Track::Digest(image.digest.clone()), Track::Tag);
    let spec = DesiredStage { repository: image.repository.clone(), track, ..stage.clone() };
    let labels = own.labels.clone();
    Some(Adopted {
        key: labels.key,
        name: own.container.name.clone(),
        image,
        deploy: labels.deploy,
        container_id: own.container.id.clone(),
        host_port: host_port(stage, own).filter(|_| published),
        spec,
        spec_hash: labels.spec,
        secrets: fingerprint.filter(|now| hash::secrets_label(Some(now)) == labels.secrets).cloned(),
        secrets_label: labels.secrets,
        revision: labels.config,
    })
}

fn host_port(stage: &DesiredStage, own: &Own<'_>) -> Option<u16> {
    stage.container.port.and_then(|port| own.container.loopback_port(port))
}

fn instance(own: &Own<'_>, status: InstanceStatus) -> RecordedInstance {
    RecordedInstance {
        name: own.container.name.clone(),
        host_port: None,
        deploy: own.labels.deploy,
        status,
        adopted: None,
    }
}
