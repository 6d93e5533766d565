//! A plan's text is the language of these tests: a world, and what must follow from it.

mod depends;
mod deploy;
mod drift;
mod held;
mod images;
mod in_flight;
mod npm;
mod ownership;
mod routing;
mod several;
mod waits;
mod whole;
mod worlds;

use std::collections::BTreeMap;

use super::*;
use crate::model::desired::{Check, Policy, Prune, PullPolicy, Ready};
use crate::model::observed::{ContainerState, ObservedPort};
use crate::model::policy::select;
use crate::model::recorded::{LiveDeploy, Quarantine, RecordedInstance, RecordedStage};
use crate::model::route::Reach;
use crate::model::{
    ContainerSpec, DeployId, Digest, Domain, Hook, Hooks, InstanceStatus, Labels, Millis, ObservedContainer,
    ObservedProxy, ObservedRoute, ProxySettings, RouteOptions, Settings, StoreId, Strategy, Track,
};

const NAMES: &str = "landfall-names";

/// A host with a proxy, two networks and nothing else.
#[derive(Clone)]
struct World {
    desired: Desired,
    recorded: Recorded,
    observed: Observed,
    options: Options,
    fingerprints: BTreeMap<StageKey, Fingerprint>,
    refused_images: BTreeMap<StageKey, Blocked>,
}

fn store() -> StoreId {
    StoreId(uuid::Uuid::from_u128(1))
}

fn deploy_id(n: u128) -> DeployId {
    DeployId(uuid::Uuid::from_u128(n))
}

/// The port of the host that deploy `n` gets.
fn port(n: u16) -> u16 {
    20_000 + n
}

fn key(text: &str) -> StageKey {
    text.parse().unwrap()
}

/// The digest that a version's tag stands for in these tests.
fn digest(version: &str) -> Digest {
    format!("sha256:{}", hash::sha256_hex(version.as_bytes())).parse().unwrap()
}

/// The image that a stage's tag stands for; a policy chooses from these three.
fn image_of(stage: &DesiredStage) -> ImageRef {
    let chosen = || select(&stage.track, ["v1", "v2", "v3"], 1).newest.pop();
    let tag = match &stage.track {
        Track::Tag(tag) => Some(tag.clone()),
        Track::Digest(_) | Track::Promote(_) => None,
        Track::Semver(_) | Track::Glob(_) | Track::Regex(_) | Track::Mutable(_) => chosen(),
    };
    let tag = tag.expect("these tests track tags");
    ImageRef { repository: stage.repository.clone(), digest: digest(tag.as_str()), tag: Some(tag), local: false }
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            domain: None,
            network: "landfall".into(),
            proxy: ProxySettings::Embedded(Reach::Host),
            resync: Millis::secs(60),
            prune: Prune::Guarded,
            ports: (20_000, 29_999),
            max_concurrent_deploys: 4,
            policy: Policy::default(),
            history: crate::model::desired::History::default(),
            source: crate::model::desired::Source::default(),
            timezone: crate::model::schedule::Zone::default(),
        };
        Self {
            desired: Desired {
                settings,
                registries: BTreeMap::new(),
                stages: BTreeMap::new(),
                several: BTreeMap::new(),
                older: BTreeMap::new(),
                clashes: BTreeMap::new(),
                revision: "r1".into(),
            },
            recorded: Recorded { store: Some(store()), ..Recorded::default() },
            observed: Observed {
                networks: ["landfall".to_owned(), NAMES.to_owned()].into(),
                proxy: ObservedProxy::Routes(BTreeMap::new()),
                ..Observed::default()
            },
            options: Options::default(),
            fingerprints: BTreeMap::new(),
            refused_images: BTreeMap::new(),
        }
    }

    /// Wants a stage at a version, routed at `<project>.test`.
    fn want(mut self, name: &str, version: &str) -> Self {
        let key = key(name);
        let domain: Domain = format!("{}.test", key.project).parse().unwrap();
        let stage = DesiredStage {
            repository: "reg.test/app".parse().unwrap(),
            track: Track::Tag(version.parse().unwrap()),
            pull_policy: PullPolicy::Missing,
            container: ContainerSpec { port: Some(8080), ..ContainerSpec::default() }.into(),
            ready: Ready {
                check: Check::Http { path: "/up".into(), expect: (200, 399), host: None },
                interval: Millis::secs(1),
                timeout: Millis::secs(2),
                deadline: Millis::secs(60),
            },
            strategy: Strategy::BlueGreen,
            drain: Millis::secs(10),
            stop_grace_period: Millis::secs(10),
            monitor: Millis(0),
            domains: vec![domain],
            route: RouteOptions::default().shared(),
            depends_on: Vec::new(),
            hooks: Hooks::default(),
            max_instances: 1,
            patterns: Vec::new(),
            auto_deploy: true,
            window: None,
            keep_images: 3,
            key: key.clone(),
        };
        self.desired.stages.insert(key, stage);
        self
    }

    fn change(mut self, name: &str, change: impl FnOnce(&mut DesiredStage)) -> Self {
        change(self.desired.stages.get_mut(&key(name)).unwrap());
        self
    }

    /// Runs what is wanted for a stage now, as deploy `n`, routed, recorded as live.
    fn runs(mut self, name: &str, n: u16) -> Self {
        let stage = self.desired.stages[&key(name)].clone();
        let container = self.instance(&stage, n);
        for domain in &stage.domains {
            self = self.routes(domain.as_str(), port(n), Some((store(), stage.key.clone())));
        }
        let live = self.deployed(&stage, n);
        let recorded: &mut RecordedStage = self.recorded.stages.entry(stage.key.clone()).or_default();
        let instance = RecordedInstance {
            name: container.name.clone(),
            host_port: Some(port(n)),
            deploy: deploy_id(n.into()),
            status: InstanceStatus::Running,
            adopted: None,
        };
        recorded.instances.insert(container.id.clone(), Box::new(instance));
        recorded.live = Some(live);
        self.observed.containers.push(container);
        self
    }

    /// The container that deploy `n` of a stage makes, running.
    fn instance(&self, stage: &DesiredStage, n: u16) -> ObservedContainer {
        let LiveDeploy { id: deploy, spec_json: _, image, spec_hash, secrets, since_ms: _ } = self.deployed(stage, n);
        let name = format!("{}-{}", stage.key.stem(), deploy.short());
        let labels = Labels {
            store: store(),
            key: stage.key.clone(),
            instance: image.version(),
            deploy,
            spec: spec_hash,
            image: image.to_string(),
            digest: image.digest.to_string(),
            secrets: hash::secrets_label(secrets.as_ref()),
            config: "r0".into(),
            own_name: name.clone(),
        };
        ObservedContainer {
            id: format!("id{n}"),
            name,
            labels: Some(labels),
            hook: None,
            state: ContainerState::Running,
            health: None,
            status_text: "Up".into(),
            networks: [("landfall".to_owned(), "10.0.0.2".to_owned()), (NAMES.to_owned(), "10.1.0.2".to_owned())]
                .into(),
            ports: vec![ObservedPort {
                host_ip: "127.0.0.1".into(),
                host_port: port(n),
                container_port: 8080,
                is_tcp: true,
            }],
            created_ms: i64::from(n),
        }
    }

    /// What deploy `n` of a stage applies.
    fn deployed(&self, stage: &DesiredStage, n: u16) -> LiveDeploy {
        LiveDeploy {
            id: deploy_id(n.into()),
            spec_json: Some(serde_json::to_string(stage).unwrap()),
            image: image_of(stage),
            spec_hash: hash::spec_hash(stage.hash_input(&self.desired.settings)),
            secrets: self.fingerprints.get(&stage.key).cloned(),
            since_ms: 0,
        }
    }

    fn routes(mut self, domain: &str, port: u16, owner: Option<(StoreId, StageKey)>) -> Self {
        if let ObservedProxy::Routes(routes) = &mut self.observed.proxy {
            let route = ObservedRoute { upstream: format!("127.0.0.1:{port}"), owner, host: None };
            routes.insert(domain.parse().unwrap(), route);
        }
        self
    }

    fn container(mut self, n: u16, change: impl FnOnce(&mut ObservedContainer)) -> Self {
        change(self.observed.containers.iter_mut().find(|c| c.id == format!("id{n}")).unwrap());
        self
    }

    fn drop_stage(mut self, name: &str) -> Self {
        self.desired.stages.remove(&key(name));
        self
    }

    /// Lets what the stage wants now count as failed before (R12).
    fn failed_before(mut self, name: &str) -> Self {
        let planned = self.plan().stages.into_iter().find(|stage| stage.key == key(name));
        let failed = planned.and_then(|stage| stage.deploy).unwrap();
        self.recorded.stages.entry(key(name)).or_default().quarantine.push(Quarantine {
            spec_hash: failed.spec_hash,
            digest: failed.image.digest,
            secrets: String::new(),
            spec_json: serde_json::to_string(&failed.stage).unwrap(),
            deploy: deploy_id(7),
            failed_at_ms: 0,
            version: failed.image.tag.unwrap().to_string(),
            reason: "exit 1".into(),
        });
        self
    }

    /// Plans, and sees that a plan that begins without the specs of the newest successes comes to the same.
    fn plan(&self) -> Plan {
        self.plan_with(&self.images())
    }

    /// The image of every stage that is wanted.
    fn images(&self) -> BTreeMap<StageKey, Result<ImageRef, Blocked>> {
        let images = self.desired.stages.values().map(|stage| (stage.key.clone(), Ok(image_of(stage))));
        images.chain(self.refused_images.iter().map(|(key, why)| (key.clone(), Err(why.clone())))).collect()
    }

    /// The same with these images.
    fn plan_with(&self, images: &BTreeMap<StageKey, Result<ImageRef, Blocked>>) -> Plan {
        let whole = self.plan_of(&self.recorded, images);
        let mut read = self.recorded.clone();
        read.stages.values_mut().filter_map(|stage| stage.live.as_mut()).for_each(|live| live.spec_json = None);
        loop {
            let plan = self.plan_of(&read, images);
            let lacking = lacking(&plan, &read);
            if lacking.is_empty() {
                assert!(plan == whole, "without the specs of what stays:\n{plan}\nwith them:\n{whole}");
                return whole;
            }
            let live = self.recorded.stages.values().filter_map(|stage| stage.live.as_ref());
            let specs = live.filter_map(|live| Some((live.id, live.spec_json.clone()?))).collect();
            read.add_specs(&lacking, specs);
        }
    }

    fn plan_of(&self, recorded: &Recorded, images: &BTreeMap<StageKey, Result<ImageRef, Blocked>>) -> Plan {
        plan(Input {
            desired: &self.desired,
            recorded,
            observed: &self.observed,
            images,
            fingerprints: &self.fingerprints,
            unreadable: &BTreeMap::new(),
            options: &self.options,
            now_ms: 1000,
        })
    }

    /// The plan as text, digests cut, one step a line.
    #[track_caller]
    fn expect(&self, text: &str) {
        let plan = self.plan().to_string();
        let cut: Vec<String> = plan.lines().map(|l| l.split("@sha256:").next().unwrap_or(l).to_owned()).collect();
        let wanted: Vec<String> =
            text.lines().map(str::trim_end).filter(|l| !l.trim().is_empty()).map(dedent).collect();
        assert_eq!(cut, wanted, "\n{plan}");
    }
}

/// Takes the indentation of the test's source away and keeps that of the plan.
fn dedent(line: &str) -> String {
    line.strip_prefix("            ").unwrap_or(line).to_owned()
}

/// Lets a container be in other networks.
fn rejoin(container: &mut ObservedContainer, change: impl FnOnce(&mut BTreeMap<String, String>)) {
    let mut networks = container.networks.iter().map(|(name, address)| (name.to_owned(), address.to_owned())).collect();
    change(&mut networks);
    container.networks = networks.into_iter().collect();
}
