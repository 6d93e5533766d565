//! A plan's text is the language of these tests: a world, and what must follow from it.

use std::collections::BTreeMap;

use super::*;
use crate::model::desired::{Check, Policy, Prune, PullPolicy, Ready};
use crate::model::hash::HashInput;
use crate::model::observed::{ContainerState, ObservedPort};
use crate::model::recorded::{LiveDeploy, Quarantine, RecordedInstance, RecordedStage};
use crate::model::{
    ContainerSpec, DeployId, Digest, Domain, Labels, Millis, ObservedContainer, ObservedProxy, ObservedRoute,
    ProxySettings, Settings, StoreId, Strategy, Track,
};

const NAMES: &str = "landfall-names";

/// A host with a proxy, two networks and nothing else.
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

fn key(text: &str) -> StageKey {
    text.parse().unwrap()
}

/// The digest that a version's tag stands for in these tests.
fn digest(version: &str) -> Digest {
    format!("sha256:{}", hash::sha256_hex(version.as_bytes())).parse().unwrap()
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            domain: None,
            network: "landfall".into(),
            proxy: ProxySettings::Embedded,
            resync: Millis::secs(60),
            prune: Prune::Guarded,
            ports: (20_000, 29_999),
            policy: Policy::default(),
        };
        Self {
            desired: Desired { settings, registries: BTreeMap::new(), stages: BTreeMap::new(), revision: "r1".into() },
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
            container: ContainerSpec { port: Some(8080), ..ContainerSpec::default() },
            ready: Ready {
                check: Check::Http { path: "/up".into(), expect: (200, 399), host: None },
                interval: Millis::secs(1),
                timeout: Millis::secs(2),
                deadline: Millis::secs(60),
            },
            strategy: Strategy::BlueGreen,
            drain: Millis::secs(10),
            stop_grace_period: Millis::secs(10),
            domains: vec![domain],
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
        let image = self.image(&stage);
        let hash = hash::spec_hash(HashInput {
            container: &stage.container,
            network: "landfall",
            published: stage.is_published(self.desired.settings.proxy),
        });
        let secrets = self.fingerprints.get(&stage.key).cloned();
        let port = 20_000 + n;
        let container_name = format!("{}-{}", stage.key.dns_name(), deploy_id(n.into()).short());
        let id = format!("id{n}");
        let labels = Labels {
            store: store(),
            key: stage.key.clone(),
            instance: image.version(),
            deploy: deploy_id(n.into()),
            spec: hash.clone(),
            image: image.to_string(),
            digest: image.digest.to_string(),
            secrets: hash::secrets_label(secrets.as_ref()),
            config: "r0".into(),
            own_name: container_name.clone(),
        };
        self.observed.containers.push(ObservedContainer {
            id: id.clone(),
            name: container_name.clone(),
            labels: Some(labels),
            state: ContainerState::Running,
            health: None,
            status_text: "Up".into(),
            networks: [("landfall".to_owned(), "10.0.0.2".to_owned()), (NAMES.to_owned(), "10.1.0.2".to_owned())]
                .into(),
            ports: vec![ObservedPort {
                host_ip: "127.0.0.1".into(),
                host_port: port,
                container_port: 8080,
                is_tcp: true,
            }],
            created_ms: i64::from(n),
        });
        for domain in &stage.domains {
            self = self.routes(domain.as_str(), port, Some((store(), stage.key.clone())));
        }
        let recorded: &mut RecordedStage = self.recorded.stages.entry(stage.key.clone()).or_default();
        let instance = RecordedInstance { name: container_name, host_port: Some(port), deploy: deploy_id(n.into()) };
        recorded.instances.insert(id, instance);
        recorded.live = Some(LiveDeploy {
            id: deploy_id(n.into()),
            spec_json: serde_json::to_string(&stage).unwrap(),
            image,
            spec_hash: hash,
            secrets,
        });
        self
    }

    fn routes(mut self, domain: &str, port: u16, owner: Option<(StoreId, StageKey)>) -> Self {
        if let ObservedProxy::Routes(routes) = &mut self.observed.proxy {
            let route = ObservedRoute { upstream: format!("127.0.0.1:{port}"), owner };
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

    fn image(&self, stage: &DesiredStage) -> ImageRef {
        let Track::Tag(tag) = &stage.track else { panic!("these tests track tags") };
        ImageRef {
            repository: stage.repository.clone(),
            tag: Some(tag.clone()),
            digest: digest(tag.as_str()),
            local: false,
        }
    }

    fn plan(&self) -> Plan {
        let images = self.desired.stages.values().map(|stage| {
            let image = self.refused_images.get(&stage.key).cloned().map_or_else(|| Ok(self.image(stage)), Err);
            (stage.key.clone(), image)
        });
        plan(Input {
            desired: &self.desired,
            recorded: &self.recorded,
            observed: &self.observed,
            images: &images.collect(),
            fingerprints: &self.fingerprints,
            unreadable: &BTreeMap::new(),
            options: &self.options,
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

#[test]
fn r18_nothing_follows_from_a_world_that_is_as_wanted() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.expect("");
    assert!(world.plan().is_noop());
}

#[test]
fn the_first_deploy_pulls_creates_gates_and_switches() {
    World::new().want("shop/prod", "v1").expect(
        "
            shop/prod create: first deploy
              pull reg.test/app
              create (new)
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)",
    );
}

#[test]
fn missing_networks_are_made_before_anything_joins_them() {
    let mut world = World::new().want("shop/prod", "v1");
    world.observed.networks.clear();
    assert!(world.plan().to_string().starts_with("network landfall\nnetwork landfall-names\n"));
}

#[test]
fn r4_r9_a_replaced_instance_goes_only_after_the_new_one_has_the_traffic() {
    World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2").expect(
        "
            shop/prod replace: version v1 → v2
              ~ track.tag  v1 → v2
              pull reg.test/app
              create (new) next to shop-prod-00000001
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
}

#[test]
fn recreate_stops_the_old_one_first_and_removes_it_last() {
    let recreate = |stage: &mut DesiredStage| stage.strategy = Strategy::Recreate;
    World::new()
        .want("db/prod", "v1")
        .change("db/prod", recreate)
        .runs("db/prod", 1)
        .want("db/prod", "v2")
        .change("db/prod", recreate)
        .expect(
            "
            db/prod replace: version v1 → v2
              ~ track.tag  v1 → v2
              pull reg.test/app
              stop db-prod-00000001 within 10s
              create (new)
              name (new)
              start (new)
              gate (new) http /up within 1m
              switch db.test to (new)
              remove db-prod-00000001",
        );
}

#[test]
fn a_changed_field_is_shown_by_its_path() {
    let level = |text: &'static str| {
        move |stage: &mut DesiredStage| drop(stage.container.environment.insert("LEVEL".into(), text.into()))
    };
    let world = World::new().want("shop/prod", "v1").change("shop/prod", level("info")).runs("shop/prod", 1);
    let plan = world.change("shop/prod", level("warn")).plan();
    assert_eq!(plan.stages[0].causes, [Cause::Spec]);
    assert_eq!(plan.stages[0].changes[0].to_string(), "environment.LEVEL  info → warn");
}

#[test]
fn r28_a_changed_secret_is_named_and_never_shown() {
    let print =
        |value: &str| Fingerprint { key_id: "k".into(), values: [("PASSWORD".to_owned(), value.to_owned())].into() };
    let secret = |stage: &mut DesiredStage| {
        let reference = crate::model::SecretRef::Credential("db".into());
        stage.container.secret_environment.insert("PASSWORD".into(), reference);
    };
    let mut world = World::new().want("shop/prod", "v1").change("shop/prod", secret);
    world.fingerprints.insert(key("shop/prod"), print("aaaa"));
    let mut world = world.runs("shop/prod", 1);
    world.expect("");
    world.fingerprints.insert(key("shop/prod"), print("bbbb"));
    let text = world.plan().to_string();
    assert!(text.starts_with("shop/prod replace: secret changed: PASSWORD\n"), "{text}");
    assert!(!text.contains("aaaa") && !text.contains("bbbb"));
}

#[test]
fn r20_a_stopped_container_is_started_gated_and_routed_again() {
    World::new()
        .want("shop/prod", "v1")
        .runs("shop/prod", 1)
        .container(1, |c| {
            c.state = ContainerState::Exited;
            c.ports.clear();
        })
        .routes("shop.test", 1, Some((store(), key("shop/prod"))))
        .expect(
            "
            shop/prod repair: its container is not running; route: shop.test leads to 127.0.0.1:1
              start shop-prod-00000001
              gate shop-prod-00000001 http /up within 1m
              switch shop.test to shop-prod-00000001",
        );
}

#[test]
fn r20_a_paused_renamed_and_disconnected_container_is_put_right() {
    World::new()
        .want("shop/prod", "v1")
        .runs("shop/prod", 1)
        .container(1, |c| {
            c.state = ContainerState::Paused;
            c.name = "by-hand".into();
            c.networks.clear();
        })
        .expect(
            "
            shop/prod repair: its container was renamed to by-hand; its container is not in network landfall; its container is not in network landfall-names; its container is paused
              rename by-hand to shop-prod-00000001
              connect by-hand to landfall
              name by-hand
              unpause by-hand
              gate by-hand http /up within 1m",
        );
}

#[test]
fn r20_a_removed_container_is_deployed_again() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.observed.containers.clear();
    let plan = world.plan();
    assert_eq!(plan.stages[0].causes, [Cause::Gone]);
    assert_eq!(plan.stages[0].verdict, Verdict::Create);
}

#[test]
fn r1_a_container_with_copied_labels_is_never_named_in_a_step() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    let mut copy = world.observed.containers[0].clone();
    copy.id = "foreign".into();
    copy.name = "web-1".into();
    let mut world = world;
    world.observed.containers.push(copy);
    world.expect("");
    let gone = world.drop_stage("shop/prod").want("other/prod", "v1").runs("other/prod", 2);
    assert!(!gone.plan().to_string().contains("web-1"));
}

#[test]
fn r1_a_container_of_another_store_is_never_named_in_a_step() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.recorded.store = Some(StoreId(uuid::Uuid::from_u128(2)));
    world.recorded.stages.clear();
    let text = world.drop_stage("shop/prod").plan().to_string();
    assert_eq!(text, "");
}

#[test]
fn r1_a_domain_of_someone_else_is_a_held_clash_that_names_the_owner() {
    let other = StoreId(uuid::Uuid::from_u128(2));
    World::new().want("shop/prod", "v1").routes("shop.test", 9, Some((other, key("blog/prod")))).expect(
        "
            shop/prod held: domain shop.test belongs to blog/prod of store 00000000-0000-0000-0000-000000000002",
    );
}

#[test]
fn r12_a_failed_combination_is_held_until_it_changes_or_someone_says_retry() {
    let held = |world: World| {
        let failed = world.plan().stages[0].deploy.clone().unwrap();
        let mut world = world;
        world.recorded.stages.entry(key("shop/prod")).or_default().quarantine.push(Quarantine {
            spec_hash: failed.spec_hash,
            digest: failed.image.digest,
            secrets: String::new(),
            deploy: deploy_id(7),
            failed_at_ms: 0,
            version: "v2".into(),
            reason: "exit 1".into(),
        });
        world
    };
    let world = held(World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2"));
    world.expect(
        "
            shop/prod held: v2 failed (exit 1)",
    );
    let mut again = held(World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2"));
    again.options.retry = true;
    assert_eq!(again.plan().stages[0].verdict, Verdict::Replace);
    let moved_on = world.want("shop/prod", "v3");
    assert_eq!(moved_on.plan().stages[0].verdict, Verdict::Replace);
}

#[test]
fn what_serves_is_kept_well_while_its_successor_is_held() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let failed = world.plan().stages[0].deploy.clone().unwrap();
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().quarantine.push(Quarantine {
        spec_hash: failed.spec_hash,
        digest: failed.image.digest,
        secrets: String::new(),
        deploy: deploy_id(7),
        failed_at_ms: 0,
        version: "v2".into(),
        reason: "exit 1".into(),
    });
    world.container(1, |c| c.state = ContainerState::Exited).expect(
        "
            shop/prod held: its container is not running: v2 failed (exit 1)
              start shop-prod-00000001
              gate shop-prod-00000001 http /up within 1m",
    );
}

#[test]
fn the_healthy_twin_stays_when_two_match() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2);
    let world = world.container(2, |c| c.health = Some(crate::model::observed::Health::Unhealthy));
    let text = world.plan().to_string();
    assert!(text.contains("remove shop-prod-00000002") && !text.contains("remove shop-prod-00000001"), "{text}");
}

#[test]
fn r3_retiring_one_of_five_is_done_and_two_of_five_is_held_whole() {
    let mut world = World::new();
    for (n, name) in ["a/prod", "b/prod", "c/prod", "d/prod", "e/prod"].into_iter().enumerate() {
        world = world.want(name, "v1").runs(name, u16::try_from(n).unwrap() + 1);
    }
    let world = world.drop_stage("a/prod");
    assert_eq!(world.plan().held, None);
    world.expect(
        "
            a/prod remove: not in the configuration
              unroute a.test
              unname a-prod-00000001
              drain a-prod-00000001 within 10s
              stop a-prod-00000001 within 10s
              remove a-prod-00000001",
    );
    let mut world = world.drop_stage("b/prod");
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })));
    world.options.allow_prune = true;
    assert_eq!(world.plan().held, None);
}

#[test]
fn r3_the_last_live_stage_is_never_retired_without_a_second_word() {
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).drop_stage("a/prod");
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })));
}

#[test]
fn a_domain_that_moves_is_served_by_the_old_stage_until_the_new_one_takes_it() {
    let domain = |text: &str| text.parse::<Domain>().unwrap();
    let world =
        World::new().want("a/prod", "v1").change("a/prod", |s| s.domains.push(domain("www.test"))).runs("a/prod", 1);
    let world = world
        .change("a/prod", |s| s.domains.retain(|d| d.as_str() != "www.test"))
        .want("b/prod", "v1")
        .change("b/prod", |s| s.domains.push(domain("www.test")));
    let plan = world.plan();
    assert_eq!(plan.stages[0].verdict, Verdict::Unchanged, "{plan}");
    let leaving = world.drop_stage("a/prod").plan();
    let gone = leaving.stages.iter().find(|s| s.key == key("a/prod")).unwrap();
    assert_eq!(gone.after, [key("b/prod")].into());
}

#[test]
fn stages_that_exchange_domains_do_not_wait_for_each_other() {
    let swap = |world: World| {
        world
            .change("a/prod", |s| s.domains = vec!["b.test".parse().unwrap()])
            .change("b/prod", |s| s.domains = vec!["a.test".parse().unwrap()])
    };
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).want("b/prod", "v1").runs("b/prod", 2);
    assert!(swap(world).plan().stages.iter().all(|s| s.after.is_empty()));
}

#[test]
fn a_stage_with_a_domain_is_refused_when_the_proxy_does_not_answer() {
    let mut world = World::new().want("shop/prod", "v1");
    world.observed.proxy = ObservedProxy::Unreachable("connection refused".into());
    let plan = world.plan();
    assert!(plan.stages[0].blocked.as_ref().is_some_and(|b| b.refused));
    assert!(plan.stages[0].steps.is_empty() && plan.shared.is_empty());
}

#[test]
fn a_stage_whose_image_is_unknown_is_blocked_and_touches_no_other() {
    let mut world = World::new().want("a/prod", "v1").want("b/prod", "v1");
    let blocked = Blocked { refused: false, reason: "the registry does not answer".into(), hint: None };
    world.refused_images.insert(key("a/prod"), blocked);
    let plan = world.plan();
    assert_eq!(plan.stages[0].verdict, Verdict::Blocked);
    assert_eq!(plan.stages[1].verdict, Verdict::Create);
}

#[test]
fn an_unknown_hash_version_recreates_nothing() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.container(1, |c| c.labels.as_mut().unwrap().spec = "v9:abc".into()).expect("");
}

#[test]
fn a_created_container_that_never_started_is_litter() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2);
    let world = world.container(2, |c| {
        c.state = ContainerState::Created;
        c.ports.clear();
    });
    let world = world.routes("shop.test", 20_001, Some((store(), key("shop/prod"))));
    world.expect(
        "
            shop/prod repair: shop-prod-00000002 is left over
              remove shop-prod-00000002",
    );
}

#[test]
fn a_selection_leaves_everything_else_alone() {
    let mut world = World::new().want("a/prod", "v1").want("b/prod", "v1");
    world.options.selection = Selection(vec!["b".into()]);
    let plan = world.plan();
    assert_eq!(plan.stages.len(), 1);
    assert_eq!(plan.stages[0].key, key("b/prod"));
}

#[test]
fn the_same_world_always_gives_the_same_plan_and_name() {
    let world = || World::new().want("a/prod", "v1").want("b/prod", "v1").runs("a/prod", 1).want("a/prod", "v2");
    assert_eq!(world().plan(), world().plan());
    assert_eq!(world().plan().id(), world().plan().id());
}
