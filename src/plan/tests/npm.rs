//! Behind Nginx Proxy Manager: hosts with options, a proxy that people use as well and that cannot say who is idle.

use std::sync::Arc;

use super::*;
use crate::model::observed::ObservedCertificate;
use crate::model::route::{Certificate, Https, Reach};
use crate::model::secret::SecretRef;
use crate::model::{CertificateFailure, HostOptions, NpmSettings, ObservedHost, RecordedHost, RecordedRoute};

const URL: &str = "http://127.0.0.1:81";
fn plain() -> HostOptions {
    HostOptions { websockets: true, ..HostOptions::PLAIN }
}

fn behind(upstream: Reach) -> World {
    let mut world = World::new();
    world.desired.settings.proxy = ProxySettings::NginxProxyManager(NpmSettings {
        url: URL.into(),
        email: "landfall@example.com".into(),
        password: SecretRef::Env("NPM".into()),
        upstream,
        probe: "127.0.0.1:80".into(),
    });
    world
}

fn texts(domains: &[Domain]) -> Vec<String> {
    domains.iter().map(ToString::to_string).collect()
}

impl World {
    /// Runs what is wanted, with a host in the proxy for it that leads to it as it should.
    fn hosted(self, name: &str, n: u16) -> Self {
        let mut world = self.runs(name, n);
        let stage = world.desired.stages[&key(name)].clone();
        let by_name = world.desired.settings.proxy.reach() == Some(Reach::Network);
        let own_name = format!("{}-{}", stage.key.dns_name(), deploy_id(n.into()).short());
        if by_name {
            world = world.container(n, |c| c.ports.clear());
        }
        let upstream = if by_name { format!("{own_name}:8080") } else { format!("127.0.0.1:{}", 20_000 + n) };
        let certificate = match &stage.route.certificate {
            Certificate::Id(id) => Some(*id),
            Certificate::None | Certificate::Wildcard(_) | Certificate::Letsencrypt | Certificate::File(_) => None,
        };
        let options = stage.route.with_certificate(certificate);
        let what = format!("proxy host {n}");
        let recorded = world.recorded.stages.get_mut(&stage.key).unwrap();
        let (proxy, domains) = (URL.to_owned(), stage.domains.clone());
        recorded.host = Some(RecordedHost { proxy, id: Some(n.into()), domains, dirty: false });
        world.host(&stage.domains, &upstream, Some(&(store(), stage.key.clone())), &what, Some(options))
    }

    fn host(
        mut self,
        domains: &[Domain],
        upstream: &str,
        owner: Option<&(StoreId, StageKey)>,
        what: &str,
        options: impl Into<Option<HostOptions>>,
    ) -> Self {
        let options = options.into();
        if let ObservedProxy::Routes(routes) = &mut self.observed.proxy {
            for domain in domains {
                let options = options.clone();
                let host =
                    ObservedHost { what: what.into(), id: None, domains: texts(domains), options, trouble: None };
                let route = ObservedRoute { upstream: upstream.into(), owner: owner.cloned(), host: Some(host) };
                routes.insert(domain.clone(), route);
            }
        }
        self
    }

    fn of_host(mut self, domain: &str, change: impl FnOnce(&mut ObservedHost)) -> Self {
        let ObservedProxy::Routes(routes) = &mut self.observed.proxy else { panic!("it answers") };
        change(routes.get_mut(&domain.parse::<Domain>().unwrap()).unwrap().host.as_mut().unwrap());
        self
    }

    fn certificate(mut self, id: u64, name: &str, expires_ms: i64) -> Self {
        let one = ObservedCertificate { id, domains: vec![name.into()], expires_ms: Some(expires_ms) };
        self.observed.certificates.push(one);
        self
    }

    fn unreachable(mut self) -> Self {
        self.observed.proxy = ObservedProxy::Unreachable("nginx proxy manager does not answer".into());
        self.observed.certificates.clear();
        self
    }

    fn of(&self, name: &str) -> StagePlan {
        self.plan().stages.into_iter().find(|stage| stage.key == key(name)).unwrap()
    }
}

fn secured(stage: &mut DesiredStage) {
    Arc::make_mut(&mut stage.route).certificate = Certificate::Id(3);
    Arc::make_mut(&mut stage.route).https = Https::Redirect;
}

fn switched(plan: &StagePlan) -> Option<HostOptions> {
    plan.steps.iter().find_map(|step| match &step.effect {
        Effect::Switch { options, .. } => Some((**options).clone()),
        _ => None,
    })
}

#[test]
fn r18_nothing_follows_from_hosts_that_are_as_wanted() {
    for reach in [Reach::Network, Reach::Host] {
        let world = behind(reach).certificate(3, "a.test", 1).want("a/prod", "v1").change("a/prod", secured);
        let world = world.hosted("a/prod", 1).want("b/prod", "v1").hosted("b/prod", 2);
        assert!(world.plan().is_noop(), "{reach:?}: {}", world.plan());
    }
}

#[test]
fn r9_an_old_instance_is_drained_for_five_seconds_at_least_though_it_publishes_no_port() {
    let world = behind(Reach::Network).want("shop/prod", "v1").hosted("shop/prod", 1).want("shop/prod", "v2");
    world.change("shop/prod", |s| s.drain = Millis(0)).expect(
        "
            shop/prod replace: version v1 → v2
              ~ drain  10s → 0s
              ~ track.tag  v1 → v2
              pull reg.test/app
              create (new) next to shop-prod-00000001
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              unname shop-prod-00000001
              drain shop-prod-00000001 within 5s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
}

#[test]
fn r9_an_instance_that_was_reached_by_name_is_drained_once_ports_are_used() {
    let mut world = behind(Reach::Network).want("shop/prod", "v1").hosted("shop/prod", 1);
    world.desired.settings.proxy = behind(Reach::Host).desired.settings.proxy;
    let text = world.plan().to_string();
    assert!(text.contains("shop/prod replace: published for the proxy: no → yes"), "{text}");
    assert!(text.contains("drain shop-prod-00000001 within 10s"), "{text}");
}

#[test]
fn r20_options_trouble_and_a_renamed_container_are_put_right_by_one_switch() {
    let world = || behind(Reach::Network).want("shop/prod", "v1").hosted("shop/prod", 1);
    world()
        .of_host("shop.test", |h| h.options = Some(HostOptions { http2: true, websockets: false, ..plain() }))
        .expect(
            "
            shop/prod repair: route: proxy host 1 of shop.test: http2 on → off, websockets off → on
              switch shop.test to shop-prod-00000001",
        );
    world().of_host("shop.test", |h| h.trouble = Some("an earlier change of it was not proven".into())).expect(
        "
            shop/prod repair: route: proxy host 1 of shop.test: an earlier change of it was not proven
              switch shop.test to shop-prod-00000001",
    );
    world().container(1, |c| c.name = "by-hand".into()).expect(
        "
            shop/prod repair: its container was renamed to by-hand
              rename by-hand to shop-prod-00000001",
    );
}

#[test]
fn r1_a_host_made_by_hand_is_a_clash_and_can_be_adopted_only_with_exactly_these_domains() {
    let domains = |names: &[&str]| names.iter().map(|name| name.parse::<Domain>().unwrap()).collect::<Vec<_>>();
    let world = |names: &[&str], options| {
        behind(Reach::Host).want("shop/prod", "v1").host(&domains(names), "10.0.0.9:80", None, "proxy host 4", options)
    };
    world(&["shop.test"], Some(plain())).expect(
        "
            shop/prod held: domain shop.test belongs to proxy host 4, made by hand; `landfall adopt --proxy-host shop/prod` takes it over",
    );
    for other in [world(&["shop.test", "www.shop.test"], Some(plain())), world(&["shop.test"], None)] {
        other.expect(
            "
            shop/prod held: domain shop.test belongs to proxy host 4, made by hand",
        );
    }
}

#[test]
fn a_certificate_that_is_not_there_blocks_and_of_several_the_one_that_lasts_longest_is_taken() {
    let wildcard = |s: &mut DesiredStage| {
        Arc::make_mut(&mut s.route).certificate = Certificate::Wildcard("*.test".into());
        Arc::make_mut(&mut s.route).https = Https::Redirect;
    };
    let world = || behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", wildcard);
    let blocked = world().certificate(1, "shop.test", 9).of("shop/prod").blocked.unwrap();
    assert!(blocked.refused && blocked.reason.contains("*.test"), "{blocked:?}");
    let world = world().certificate(1, "*.test", 5).certificate(2, "*.test", 9).certificate(4, "*.test", 7);
    assert_eq!(switched(&world.of("shop/prod")).unwrap().certificate, Some(2));
}

#[test]
fn what_serves_over_https_stays_so_while_its_certificate_cannot_be_told() {
    let https = HostOptions { certificate: Some(3), redirect: true, ..plain() };
    // The configuration asks for no certificate any more, so that none is looked at; and the new version is held.
    let world = behind(Reach::Host).certificate(3, "shop.test", 1).want("shop/prod", "v1").change("shop/prod", secured);
    let mut held = world.hosted("shop/prod", 1).want("shop/prod", "v2").failed_before("shop/prod");
    held.observed.certificates.clear();
    assert_eq!(held.of("shop/prod").verdict, Verdict::Held);
    assert_eq!(held.of("shop/prod").steps, [], "{}", held.plan());
    // The certificate was removed in the proxy.
    let gone = behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", secured).hosted("shop/prod", 1);
    let plan = gone.of("shop/prod");
    assert_eq!((plan.verdict, plan.steps.len()), (Verdict::Blocked, 0), "{}", gone.plan());
    // Other things are put right meanwhile, and https is left as it is.
    let led_away = gone.host(
        &["shop.test".parse().unwrap()],
        "1.2.3.4:5",
        Some(&(store(), key("shop/prod"))),
        "it",
        Some(https.clone()),
    );
    assert_eq!(switched(&led_away.of("shop/prod")), Some(https));
}

#[test]
fn r4_a_removed_stage_stays_while_nobody_can_say_what_leads_to_it() {
    let world =
        behind(Reach::Network).want("a/prod", "v1").hosted("a/prod", 1).want("b/prod", "v1").hosted("b/prod", 2);
    // Its domain is to move: whoever takes it is blocked, and so it goes on serving.
    let world = world.drop_stage("a/prod").want("c/prod", "v1").unreachable();
    let world = world.change("c/prod", |s| s.domains = vec!["a.test".parse().unwrap()]);
    let plan = world.of("a/prod");
    assert_eq!((plan.verdict, plan.steps.len()), (Verdict::Blocked, 0), "{}", world.plan());
}

#[test]
fn r3_what_waits_for_the_proxy_counts_as_retired() {
    let mut world = behind(Reach::Network);
    for (name, n) in [("a/prod", 1), ("b/prod", 2), ("c/prod", 3)] {
        world = world.want(name, "v1").hosted(name, n);
    }
    let world = world.want("d/prod", "v1").change("d/prod", |s| s.domains.clear()).runs("d/prod", 4);
    let world = world.drop_stage("a/prod").drop_stage("d/prod").unreachable();
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })), "{}", world.plan());
}

#[test]
fn r4_a_stage_that_never_had_a_route_goes_without_the_proxy() {
    let world = behind(Reach::Network).want("a/prod", "v1").change("a/prod", |s| s.domains.clear()).runs("a/prod", 1);
    let world = world.want("b/prod", "v1").hosted("b/prod", 2).drop_stage("a/prod").unreachable();
    assert_eq!(world.of("a/prod").verdict, Verdict::Remove);
}

#[test]
fn r4_a_second_instance_stays_while_nobody_can_say_which_one_serves() {
    // A switch that was neither proven nor put back left both; then the proxy stopped answering.
    let world = behind(Reach::Network).want("shop/prod", "v1").hosted("shop/prod", 1).want("shop/prod", "v2");
    let mut world = world.hosted("shop/prod", 2).unreachable();
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().live = {
        let old = behind(Reach::Network).want("shop/prod", "v1").hosted("shop/prod", 1);
        old.recorded.stages[&key("shop/prod")].live.clone()
    };
    assert_eq!(world.of("shop/prod").steps, [], "{}", world.plan());
}

#[test]
fn r4_a_stage_that_gives_up_its_route_waits_for_the_proxy() {
    let world = behind(Reach::Network).want("a/prod", "v1").hosted("a/prod", 1).want("a/prod", "v2");
    let world = world.change("a/prod", |s| s.domains.clear());
    assert!(world.plan().to_string().contains("unroute a.test"), "{}", world.plan());
    let world = world.unreachable();
    assert_eq!((world.of("a/prod").verdict, world.of("a/prod").steps.len()), (Verdict::Blocked, 0), "{}", world.plan());
}

#[test]
fn a_removed_stage_loses_its_host_also_when_its_container_is_gone() {
    let mut world = behind(Reach::Network).want("a/prod", "v1").hosted("a/prod", 1).drop_stage("a/prod");
    world.observed.containers.clear();
    world.expect(
        "
            a/prod remove: not in the configuration
              unroute a.test",
    );
}

#[test]
fn r4_a_domain_moves_with_its_host_before_the_old_stage_goes() {
    let world =
        behind(Reach::Network).want("a/prod", "v1").hosted("a/prod", 1).want("c/prod", "v1").hosted("c/prod", 2);
    let world = world.drop_stage("a/prod").want("b/prod", "v1");
    let world = world.change("b/prod", |s| s.domains = vec!["a.test".parse().unwrap()]);
    assert_eq!(world.of("a/prod").after, [After::TakesDomain(key("b/prod"))].into());
    assert!(world.plan().to_string().contains("drain a-prod-00000001 within 10s"), "{}", world.plan());
    assert_eq!(world.plan(), world.plan());
}

#[test]
fn a_wildcard_that_a_host_has_besides_is_seen_though_no_stage_can_have_one() {
    let shop = || ["shop.test".parse::<Domain>().unwrap()];
    let with_wildcard = |h: &mut ObservedHost| h.domains = vec!["*.shop.test".into(), "shop.test".into()];
    let theirs = behind(Reach::Host).want("shop/prod", "v1");
    let theirs = theirs.host(&shop(), "10.0.0.9:80", None, "proxy host 4", Some(plain()));
    theirs.of_host("shop.test", with_wildcard).expect(
        "
            shop/prod held: domain shop.test belongs to proxy host 4, made by hand",
    );
    let ours = behind(Reach::Host).want("shop/prod", "v1").hosted("shop/prod", 1);
    ours.of_host("shop.test", with_wildcard).expect(
        "
            shop/prod repair: route: proxy host 1 of shop.test: it has *.shop.test as well
              switch shop.test to shop-prod-00000001",
    );
}

#[test]
fn https_that_a_host_has_and_its_route_does_not_ask_for_ends_with_a_warning() {
    let https = HostOptions { certificate: Some(5), redirect: true, ..plain() };
    let world = behind(Reach::Host).want("shop/prod", "v1");
    // Adopted a moment ago.
    let owner = Some((store(), key("shop/prod")));
    let world = world.host(&["shop.test".parse().unwrap()], "10.0.0.9:80", owner.as_ref(), "proxy host 4", Some(https));
    let plan = world.of("shop/prod");
    assert_eq!(switched(&plan), Some(plain()));
    let warning = "proxy host 4 has certificate 5, and the route asks for none: https ends there; `certificate: { id: 5 }` keeps it";
    assert_eq!(plan.warnings, [warning]);
}

#[test]
fn another_way_to_reach_instances_is_named_as_the_cause() {
    for (from, to, words) in [(Reach::Network, Reach::Host, "no → yes"), (Reach::Host, Reach::Network, "yes → no")]
    {
        let mut world = behind(from).want("shop/prod", "v1").hosted("shop/prod", 1);
        assert!(world.plan().is_noop(), "{}", world.plan());
        world.desired.settings.proxy = behind(to).desired.settings.proxy;
        let plan = world.plan();
        let causes: Vec<String> = plan.stages[0].causes.iter().map(ToString::to_string).collect();
        assert_eq!(causes, [format!("published for the proxy: {words}")], "{plan}");
        assert!(plan.stages[0].changes.is_empty(), "{plan}");
    }
}

fn issued(stage: &mut DesiredStage) {
    Arc::make_mut(&mut stage.route).certificate = Certificate::Letsencrypt;
    Arc::make_mut(&mut stage.route).https = Https::Redirect;
}

fn certified(plan: &StagePlan) -> Vec<String> {
    let names = plan.steps.iter().filter_map(|step| match &step.effect {
        Effect::Certify { names } => Some(names.join(" ")),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_certificate_is_made_before_the_host_and_one_that_is_there_is_used() {
    let world = behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", issued);
    let plan = world.of("shop/prod");
    assert_eq!(certified(&plan), ["shop.test"]);
    let at = |effect: fn(&Effect) -> bool| plan.steps.iter().position(|step| effect(&step.effect)).unwrap();
    let (certify, switch) = (at(|e| matches!(e, Effect::Certify { .. })), at(|e| matches!(e, Effect::Switch { .. })));
    let gate = at(|e| matches!(e, Effect::Gate { .. }));
    assert!(gate < certify && certify < switch, "{}", world.plan());
    assert_eq!(switched(&plan).unwrap(), plain(), "until it is there, plain HTTP");

    let there = world.certificate(1, "shop.test", 9_000).certificate(2, "other.test", 99_000);
    let plan = there.of("shop/prod");
    assert_eq!(certified(&plan), [""; 0]);
    let wanted = HostOptions { certificate: Some(1), redirect: true, ..plain() };
    assert_eq!(switched(&plan), Some(wanted));
}

#[test]
fn a_certificate_that_could_not_be_had_is_asked_for_again_after_a_pause_that_doubles_and_blocks_nothing() {
    let world = |times: u32, failed_at_ms: i64| {
        let world = behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", issued).hosted("shop/prod", 1);
        let failure = CertificateFailure { names: "shop.test".into(), times, failed_at_ms, reason: "too many".into() };
        let mut world = world;
        world.recorded.stages.get_mut(&key("shop/prod")).unwrap().certificate_failure = Some(Box::new(failure));
        world
    };
    let minutes = |n: i64| n * 60_000;
    for (times, ago, asks) in
        [(1, 14, false), (1, 15, true), (3, 59, false), (3, 60, true), (30, 1439, false), (30, 1440, true)]
    {
        let plan = world(times, -minutes(ago)).of("shop/prod");
        assert_eq!(!certified(&plan).is_empty(), asks, "{times} times, {ago} minutes ago");
        assert!(plan.warnings.iter().any(|note| note.contains("too many")), "{:?}", plan.warnings);
    }
    // A new version is brought meanwhile.
    let newer = world(1, 0).want("shop/prod", "v2").change("shop/prod", issued).of("shop/prod");
    assert_eq!((newer.verdict, certified(&newer).len()), (Verdict::Replace, 0));
}

#[test]
fn a_page_that_somebody_asked_for_stays_through_deploys_until_they_say_otherwise() {
    let closed = |mut world: World| {
        world.recorded.stages.get_mut(&key("shop/prod")).unwrap().maintenance_since_ms = Some(1);
        world
    };
    let world = || behind(Reach::Host).want("shop/prod", "v1").hosted("shop/prod", 1);
    let page = HostOptions { maintenance: true, ..plain() };
    assert_eq!(switched(&closed(world()).of("shop/prod")), Some(page.clone()));
    let shown = closed(world()).of_host("shop.test", |host| host.options = Some(page.clone()));
    let plan = shown.of("shop/prod");
    assert_eq!(plan.steps, [], "{}", shown.plan());
    assert!(plan.warnings.iter().any(|note| note.contains("--to instance")), "{:?}", plan.warnings);
    assert_eq!(switched(&closed(world()).want("shop/prod", "v2").of("shop/prod")), Some(page.clone()));
    let over = world().of_host("shop.test", |host| host.options = Some(page));
    assert_eq!(switched(&over.of("shop/prod")), Some(plain()));
}

#[test]
fn who_may_ask_is_kept_with_a_version_that_serves_while_another_is_held() {
    let guarded = HostOptions { access_list: Some(3), ..plain() };
    let world = behind(Reach::Host).want("shop/prod", "v1").hosted("shop/prod", 1);
    let mut world = world.of_host("shop.test", |host| host.options = Some(guarded.clone()));
    world.observed.access_lists.push(crate::model::ObservedAccessList { id: 3, name: "team".into() });
    let recorded = world.recorded.stages.get_mut(&key("shop/prod")).unwrap();
    let route = RouteOptions { access_list: Some("team".into()), ..guarded.into() };
    recorded.route = Some(RecordedRoute { domains: vec!["shop.test".parse().unwrap()], route });
    let held = world.want("shop/prod", "v2").failed_before("shop/prod");
    let plan = held.of("shop/prod");
    assert_eq!((plan.verdict, plan.steps.len()), (Verdict::Held, 0), "{}", held.plan());
}

#[test]
fn what_is_kept_well_is_led_to_by_its_own_port_and_gives_up_redirects_to_what_it_lost() {
    let redirecting = |stage: &mut DesiredStage| {
        stage.domains = ["shop.test", "www.test"].map(|name| name.parse().unwrap()).to_vec();
        let redirects = [("www.test".parse().unwrap(), "shop.test".parse().unwrap())];
        Arc::make_mut(&mut stage.route).redirects = redirects.into();
    };
    let world = behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", redirecting).hosted("shop/prod", 1);
    let world = world.want("shop/prod", "v2").change("shop/prod", |stage| {
        stage.container.port = Some(3000);
        stage.domains = vec!["new.test".parse().unwrap()];
    });
    let taken = world.want("other/prod", "v1").change("other/prod", |stage| {
        stage.domains = vec!["shop.test".parse().unwrap()];
    });
    let kept = taken.failed_before("shop/prod").of("shop/prod").kept.expect("what serves is kept well");
    assert_eq!((kept.container.port, kept.domains.as_slice()), (Some(8080), [].as_slice()));
    assert!(kept.route.redirects.is_empty());
}

#[test]
fn r18_a_path_of_a_version_that_is_kept_is_not_asked_of_a_proxy_that_has_none() {
    let paths = |stage: &mut DesiredStage| {
        stage.domains = ["shop.test", "shop.test/api"].map(|name| name.parse().unwrap()).to_vec();
    };
    let world = behind(Reach::Host).want("shop/prod", "v1").change("shop/prod", paths).runs("shop/prod", 1);
    let held = world.want("shop/prod", "v2").failed_before("shop/prod");
    let plan = held.of("shop/prod");
    let switched = plan.steps.iter().find_map(|step| match &step.effect {
        Effect::Switch { domains, .. } => Some(texts(domains)),
        _ => None,
    });
    assert_eq!(switched, Some(vec!["shop.test".to_owned()]), "{}", held.plan());
}
