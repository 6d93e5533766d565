//! What the store remembers: what was applied, tried, pinned and held.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::desired::DesiredStage;
use super::host::HostOptions;
use super::id::{DeployId, StoreId};
use super::image::{Digest, ImageRef, Repository, Tag};
use super::labels::Labels;
use super::name::{Domain, StageKey};
use super::route::RouteOptions;
use super::secret::Fingerprint;
use super::status::{ChoiceKind, DeployStatus, InstanceStatus, PauseKind, Phase};

/// The store, as far as a plan needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The store's id; none while no store exists, so that nothing observed is ours.
    pub store: Option<StoreId>,
    /// Counts the configurations that were accepted.
    pub generation: i64,
    /// The revision in force; empty before the first.
    pub revision: String,
    /// Stages that are in force, and removed ones that still have instances or a host in the proxy.
    pub stages: BTreeMap<StageKey, RecordedStage>,
}

impl Recorded {
    /// The containers that people made and that were taken over, by id, with what their labels would say (R5).
    pub fn adopted(&self) -> BTreeMap<&str, &Labels> {
        let instances = self.stages.values().flat_map(|stage| &stage.instances);
        instances.filter_map(|(id, instance)| Some((id.as_str(), instance.adopted.as_deref()?))).collect()
    }

    /// Adds the specs that were read of some deploys. One of these whose spec is not there any more cannot be read by
    /// anybody.
    pub fn add_specs(&mut self, of: &BTreeSet<DeployId>, mut specs: BTreeMap<DeployId, String>) {
        for live in self.stages.values_mut().filter_map(|stage| stage.live.as_mut()) {
            if live.spec_json.is_none() && of.contains(&live.id) {
                live.spec_json = Some(specs.remove(&live.id).unwrap_or_default());
            }
        }
    }

    /// True for a container that never became ready and could not be removed: whatever it looks like now, it is not what
    /// the stage should run.
    pub fn has_failed(&self, key: &StageKey, container_id: &str) -> bool {
        let instance = self.stages.get(key).and_then(|stage| stage.instances.get(container_id));
        instance.is_some_and(|instance| instance.status == InstanceStatus::Failed)
    }
}

/// One stage in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedStage {
    /// The configuration in force does not name it any more.
    pub is_removed: bool,
    /// The tag resolved to a digest once, and used from then on.
    pub pin: Option<Pin>,
    /// A newer one that waits until somebody asks for it (`auto_deploy: false`).
    pub candidate: Option<Pin>,
    /// Since when it is ready, in milliseconds since 1970 UTC; the end of time where it is not. Looked up only where something
    /// is promoted from it; none where it is not known.
    pub ready_since_ms: Option<i64>,
    /// The newest successful deploy: what serves, or should.
    pub live: Option<LiveDeploy>,
    /// (spec hash, digest) pairs that failed and are not tried again (R12).
    pub quarantine: Vec<Quarantine>,
    /// Instances by container id.
    pub instances: BTreeMap<String, Box<RecordedInstance>>,
    /// Its host in a proxy that people use as well.
    pub host: Option<RecordedHost>,
    /// What it is routed with, where that was changed since its newest success.
    pub route: Option<RecordedRoute>,
    /// The version that somebody chose instead of the configuration's (R13).
    pub choice: Option<Box<Choice>>,
    /// That it is left alone, if it is.
    pub pause: Option<Pause>,
    /// The deploy without an end, if there is one.
    pub in_flight: Option<Box<InFlight>>,
    /// Since when a page stands in for its app, because somebody said so, in milliseconds since 1970 UTC.
    pub maintenance_since_ms: Option<i64>,
    /// That the proxy could not get a certificate for it, where it was asked to.
    pub certificate_failure: Option<Box<CertificateFailure>>,
    /// A switch of it was cut off, and the proxy may still be about to make it (R9). Never in the store: a plan finds it
    /// out.
    pub is_switch_cut_off: bool,
}

/// A version that somebody chose instead of the one that the configuration leads to. It stays until the configuration
/// of the stage leads elsewhere (R13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How.
    pub kind: ChoiceKind,
    /// The deploy that was gone back to.
    pub from: Option<DeployId>,
    /// What runs instead.
    pub image: ImageRef,
    /// Its resolved spec as JSON.
    pub spec_json: String,
    /// What people call the version that the configuration led to then.
    pub refused_version: String,
    /// The resolved spec that the configuration led to then, as JSON.
    pub refused_json: String,
    /// The digest that it led to then, where that was known.
    pub refused_digest: Option<Digest>,
    /// When, in milliseconds since 1970 UTC.
    pub chosen_at_ms: i64,
}

/// A certificate that a proxy could not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFailure {
    /// For which names, joined by `, `.
    pub names: String,
    /// How often in a row, at least 1.
    pub times: u32,
    /// When last, in milliseconds since 1970 UTC.
    pub failed_at_ms: i64,
    /// Why.
    pub reason: String,
}

/// First pause after a certificate could not be had: Let's Encrypt allows five failures an hour for a name.
const FIRST_PAUSE_MS: i64 = 15 * 60_000;
/// Longest pause between two tries.
const LONGEST_PAUSE_MS: i64 = 24 * 3_600_000;

impl CertificateFailure {
    /// When the proxy is asked again, in milliseconds since 1970 UTC: each pause is twice the one before.
    pub fn due_ms(&self) -> i64 {
        let doubled = self.times.saturating_sub(1).min(20);
        self.failed_at_ms.saturating_add((FIRST_PAUSE_MS << doubled).min(LONGEST_PAUSE_MS))
    }
}

/// A stage that is left alone: nothing of it is deployed, put right or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub kind: PauseKind,
    /// Since when, in milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// Until when; none until told.
    pub until_ms: Option<i64>,
}

impl RecordedStage {
    /// The spec of the newest success as it is routed now: its route may have been changed since it was deployed.
    pub fn served_spec(&self) -> Option<DesiredStage> {
        let mut spec = self.live.as_ref()?.spec()?;
        if let Some(RecordedRoute { domains, route }) = self.route.clone() {
            (spec.domains, spec.route) = (domains, route.shared());
        }
        Some(spec)
    }

    /// That it is left alone now, if it is.
    pub fn paused(&self, now_ms: i64) -> Option<Pause> {
        self.pause.filter(|pause| pause.until_ms.is_none_or(|until| now_ms < until))
    }
}

/// What a stage is routed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RouteRow")]
pub struct RecordedRoute {
    /// Its domains, sorted; empty: not routed.
    pub domains: Vec<Domain>,
    /// What is asked for beside them: the numbers that a proxy has for it say nothing to another one.
    pub route: RouteOptions,
}

/// The same as it was written once: what the proxy was told, with its numbers, and the name of the list of who may ask.
#[derive(Deserialize)]
struct RouteRow {
    domains: Vec<Domain>,
    route: Option<RouteOptions>,
    options: Option<HostOptions>,
    access_list: Option<String>,
}

impl From<RouteRow> for RecordedRoute {
    fn from(row: RouteRow) -> Self {
        let RouteRow { domains, route, options, access_list } = row;
        let told = || RouteOptions { access_list, ..options.map(RouteOptions::from).unwrap_or_default() };
        Self { domains, route: route.unwrap_or_else(told) }
    }
}

/// A host that was made, or taken over, in a proxy that people use as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedHost {
    /// Which proxy: numbers mean nothing in another one.
    pub proxy: String,
    /// Its number there; none while the answer to its making is not known.
    pub id: Option<u64>,
    /// The domains it was given last, sorted.
    pub domains: Vec<Domain>,
    /// A write to it was begun and not proven (R9): what is in force may differ from what the proxy lists.
    pub dirty: bool,
}

/// A tag and the digest it stood for when it was first asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Repository asked.
    pub repository: Repository,
    /// Tag asked.
    pub tag: Tag,
    /// Its answer.
    pub digest: Digest,
    /// True for an image of the host, known by its id.
    pub local: bool,
}

impl Pin {
    /// What the tag of an image stood for; none for one without a tag.
    pub fn of(image: &ImageRef) -> Option<Self> {
        let ImageRef { repository, tag, digest, local } = image;
        Some(Self { repository: repository.clone(), tag: tag.clone()?, digest: digest.clone(), local: *local })
    }

    /// The image that it stood for.
    pub fn image(&self) -> ImageRef {
        let Self { repository, tag, digest, local } = self.clone();
        ImageRef { repository, tag: Some(tag), digest, local }
    }
}

/// What a deploy applies: the newest successful one, or one under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDeploy {
    /// Which deploy.
    pub id: DeployId,
    /// Its resolved spec as JSON, secrets as references. None where nobody read it yet: what stays as it is needs none, and
    /// those of many stages are large ([`Recorded::add_specs`]).
    pub spec_json: Option<String>,
    /// Its image.
    pub image: ImageRef,
    /// Its spec hash with version.
    pub spec_hash: String,
    /// Fingerprints of its secrets.
    pub secrets: Option<Fingerprint>,
    /// Since when it is live, in milliseconds since 1970 UTC; of one under way, since when it is as it is.
    pub since_ms: i64,
}

impl LiveDeploy {
    /// The resolved spec; none when nobody read it yet, or a newer version wrote it and this one cannot read it.
    pub fn spec(&self) -> Option<DesiredStage> {
        serde_json::from_str(self.spec_json.as_deref()?).ok()
    }
}

/// A deploy without an end: under way, or interrupted (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// What it applies.
    pub deploy: LiveDeploy,
    /// The label that names its secrets.
    pub secrets_label: String,
    /// How far it is.
    pub phase: Phase,
    /// Loopback port of the host reserved for it.
    pub host_port: Option<u16>,
    /// How it will end, where it is being given up.
    pub giving_up: Option<GivingUp>,
}

/// How a deploy that is being given up will end: written before anything is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivingUp {
    /// As what.
    pub status: DeployStatus,
    /// Why.
    pub reason: String,
    /// Whether its combination is held (R12).
    pub hold: bool,
    /// Whether its container must not get traffic, should it stay.
    pub is_at_fault: bool,
}

/// A combination that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Spec hash with version.
    pub spec_hash: String,
    /// Image digest.
    pub digest: Digest,
    /// Fingerprint label of the secrets it ran with.
    pub secrets: String,
    /// Its resolved spec as JSON: what its gate was.
    pub spec_json: String,
    /// The deploy that failed.
    pub deploy: DeployId,
    /// When, in milliseconds since 1970 UTC.
    pub failed_at_ms: i64,
    /// What people call the version.
    pub version: String,
    /// Why, in short.
    pub reason: String,
}

/// An image of a registry that a stage uses or used, on the host unless a person removed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedImage {
    /// The stage.
    pub key: StageKey,
    /// The image, by the tag that it was first deployed as.
    pub image: ImageRef,
    /// How many other images of the stage succeeded after it; none for one that never did, or whose stage is gone.
    pub newer: Option<u32>,
    /// We pulled it; else it was on the host before.
    pub is_pulled: bool,
    /// When it was to go and stayed, in milliseconds since 1970 UTC.
    pub left_at_ms: Option<i64>,
}

/// An instance that the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedInstance {
    /// Its container's name.
    pub name: String,
    /// Loopback port of the host reserved for it.
    pub host_port: Option<u16>,
    /// The deploy that made it.
    pub deploy: DeployId,
    /// `failed` for one that never became ready and could not be removed: it must not get traffic.
    pub status: InstanceStatus,
    /// For a container that a person made and that was taken over (R5): what its labels would say.
    pub adopted: Option<Box<Labels>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::route::{Certificate, Https};

    #[test]
    fn a_route_that_was_noted_with_a_proxys_own_numbers_still_asks_for_the_same() {
        let text = r#"{"domains":["shop.test"],"options":{"certificate":3,"redirect":true},"access_list":"team"}"#;
        let RecordedRoute { domains, route } = serde_json::from_str(text).unwrap();
        assert_eq!(domains, ["shop.test".parse().unwrap()]);
        assert_eq!((route.certificate, route.https), (Certificate::Id(3), Https::Redirect));
        assert_eq!(route.access_list.as_deref(), Some("team"));
    }

    #[test]
    fn a_route_that_is_noted_comes_back_as_it_was_asked_for() {
        let route =
            RouteOptions { certificate: Certificate::Letsencrypt, https: Https::Redirect, ..Default::default() };
        let noted = RecordedRoute { domains: vec!["shop.test".parse().unwrap()], route };
        assert_eq!(serde_json::from_str::<RecordedRoute>(&serde_json::to_string(&noted).unwrap()).unwrap(), noted);
    }
}
