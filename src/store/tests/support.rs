//! What the tests share: a scratch directory with a store, and things to put into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::model::desired::{Check, PullPolicy, Ready};
use crate::model::name::StageKey;
use crate::model::route::Reach;
use crate::model::{
    Choice, ChoiceKind, ContainerSpec, DeployId, DeployStatus, Desired, DesiredStage, ImageRef, Millis, Phase,
    ProxySettings, Recorded, Settings, Strategy, Track, Trigger,
};
use crate::store::{AcceptedConfig, DataDir, Lock, NewDeploy, NewInstance, Store, new_deploy_id};

/// A data directory that goes with the test.
pub(super) struct Scratch {
    pub(super) dir: DataDir,
    pub(super) tmp: TempDir,
}

pub(super) fn scratch() -> Scratch {
    let tmp = tempfile::tempdir().unwrap();
    Scratch { dir: DataDir::new(tmp.path().join("data")), tmp }
}

impl Scratch {
    pub(super) async fn lock(&self) -> Lock {
        Lock::acquire(&self.dir, "test", Duration::ZERO).await.unwrap()
    }

    pub(super) async fn store(&self) -> Store {
        Store::open(&self.dir, self.lock().await).await.unwrap()
    }

    /// A store with a configuration of these stages in force.
    pub(super) async fn store_with(&self, keys: &[&str]) -> Store {
        let store = self.store().await;
        store.accept_config(accepted("r1", keys)).await.unwrap();
        store
    }
}

pub(super) fn key(text: &str) -> StageKey {
    text.parse().unwrap()
}

pub(super) fn accepted(revision: &str, keys: &[&str]) -> AcceptedConfig {
    AcceptedConfig { revision: revision.into(), commit: None, desired: Arc::new(desired(revision, keys)) }
}

pub(super) fn desired(revision: &str, keys: &[&str]) -> Desired {
    let settings = Settings {
        domain: None,
        network: "landfall".into(),
        proxy: ProxySettings::Embedded(Reach::Host),
        resync: Millis::secs(60),
        prune: crate::model::desired::Prune::Guarded,
        ports: (20000, 29999),
        max_concurrent_deploys: 4,
        policy: crate::model::desired::Policy::default(),
        history: crate::model::desired::History::default(),
        source: crate::model::desired::Source::default(),
        timezone: crate::model::schedule::Zone::default(),
    };
    let stages = keys.iter().map(|text| (key(text), stage(text))).collect();
    let (several, older, clashes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    Desired { settings, registries: BTreeMap::new(), stages, several, older, clashes, revision: revision.into() }
}

pub(super) fn stage(text: &str) -> DesiredStage {
    DesiredStage {
        key: key(text),
        repository: "ghcr.io/acme/shop".parse().unwrap(),
        track: Track::Tag("v1".parse().unwrap()),
        pull_policy: PullPolicy::Missing,
        container: ContainerSpec { port: Some(8080), ..ContainerSpec::default() }.into(),
        ready: Ready {
            check: Check::Running,
            interval: Millis(1000),
            timeout: Millis(2000),
            deadline: Millis::secs(60),
        },
        strategy: Strategy::BlueGreen,
        drain: Millis::secs(10),
        stop_grace_period: Millis::secs(10),
        monitor: Millis(0),
        domains: Vec::new(),
        route: crate::model::RouteOptions::default().shared(),
        depends_on: Vec::new(),
        hooks: crate::model::Hooks::default(),
        max_instances: 1,
        patterns: Vec::new(),
        auto_deploy: true,
        window: None,
        keep_images: 3,
    }
}

pub(super) fn image(tag: &str) -> ImageRef {
    ImageRef {
        repository: "ghcr.io/acme/shop".parse().unwrap(),
        tag: Some(tag.parse().unwrap()),
        digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
        local: false,
    }
}

/// A version that somebody went back to.
pub(super) fn chosen(text: &str, from: Option<DeployId>) -> Choice {
    let spec_json = serde_json::to_string(&stage(text)).unwrap();
    Choice {
        kind: ChoiceKind::Rollback,
        from,
        image: image("v0"),
        refused_json: spec_json.clone(),
        spec_json,
        refused_version: "v1".into(),
        refused_digest: Some(image("v1").digest),
        chosen_at_ms: 5,
    }
}

pub(super) fn new_deploy(text: &str) -> NewDeploy {
    let id = new_deploy_id();
    NewDeploy {
        id,
        key: key(text),
        trigger: Trigger::Config,
        cause: "track.tag v1".into(),
        image: image("v1"),
        spec: stage(text),
        spec_hash: "v1:00".into(),
        secrets: None,
        secrets_label: String::new(),
        container_name: format!("{}-{}", key(text).dns_name(), id.short()),
        config_revision: "r1".into(),
        generation: 1,
    }
}

pub(super) fn instance(text: &str, deploy: DeployId, container_id: &str) -> NewInstance {
    NewInstance {
        container_id: container_id.into(),
        name: format!("{}-{}", key(text).dns_name(), deploy.short()),
        deploy,
        key: key(text),
        host_port: None,
        version: "v1".into(),
    }
}

/// Deploys a stage with success and answers the id.
pub(super) async fn succeeded(store: &Store, text: &str) -> DeployId {
    let id = begun(store, text).await;
    store.set_phase(id, Phase::Retiring).await.unwrap();
    store.finish(id, DeployStatus::Success, None, false).await.unwrap();
    id
}

/// Begins a deploy of a stage and answers its id.
pub(super) async fn begun(store: &Store, text: &str) -> DeployId {
    let new = new_deploy(text);
    let id = new.id;
    store.begin_deploy(new).await.unwrap();
    id
}

/// What is recorded, with the spec of every newest success.
pub(super) async fn whole(store: &Store) -> Recorded {
    let mut recorded = store.recorded().await.unwrap();
    let live = live(&recorded);
    recorded.add_specs(&live, store.specs(live.clone()).await.unwrap());
    recorded
}

/// The same, of a store that nobody has open for writing.
pub(super) fn read_whole(dir: &DataDir) -> Recorded {
    let reader = Store::open_read(dir).unwrap().unwrap();
    let mut recorded = reader.recorded().unwrap();
    let live = live(&recorded);
    recorded.add_specs(&live, reader.specs(&live).unwrap());
    recorded
}

fn live(recorded: &Recorded) -> BTreeSet<DeployId> {
    recorded.stages.values().filter_map(|stage| stage.live.as_ref()).map(|live| live.id).collect()
}
