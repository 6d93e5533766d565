//! What the embedded proxy and Caddy are told of a route, and what a person is told of it.

use std::sync::Arc;

use super::*;
use crate::model::route::{Certificate, Https};
use crate::model::{CaddySettings, HostOptions, NamedCertificate};

fn secured(stage: &mut DesiredStage) {
    let route = Arc::make_mut(&mut stage.route);
    route.certificate = Certificate::Letsencrypt;
    route.https = Https::Redirect;
}

/// What the proxy is told of the one stage that there is.
fn told(plan: &Plan) -> HostOptions {
    let mut steps = plan.stages[0].steps.iter();
    let options = steps.find_map(|step| match &step.effect {
        Effect::Switch { options, .. } => Some((**options).clone()),
        _ => None,
    });
    options.expect("a switch")
}

#[test]
fn the_embedded_proxy_is_told_of_certificates_by_name_and_gets_them_itself() {
    let world = World::new().want("shop/prod", "v1").change("shop/prod", secured);
    let plan = world.plan();
    let options = told(&plan);
    assert_eq!((options.named.clone(), options.redirect), (Some(NamedCertificate::Letsencrypt), true));
    assert!(!plan.stages[0].steps.iter().any(|step| matches!(step.effect, Effect::Certify { .. })), "{plan}");
}

#[test]
fn a_certificate_that_the_embedded_proxy_could_not_get_is_told_with_its_stage_and_blocks_nothing() {
    let mut world = World::new().want("shop/prod", "v1").want("other/prod", "v1").change("shop/prod", secured);
    for name in ["shop.test", "other.test"] {
        world.observed.uncertified.insert(name.to_owned(), "could not be had: no such name".to_owned());
    }
    let plan = world.plan();
    let warnings = |name: &str| plan.stages.iter().find(|stage| stage.key == key(name)).unwrap().warnings.clone();
    assert_eq!(warnings("shop/prod"), ["the certificate of shop.test could not be had: no such name"]);
    assert_eq!(warnings("other/prod"), [""; 0], "it asks for none");
    assert!(plan.stages.iter().all(|stage| stage.verdict == Verdict::Create), "{plan}");
}

#[test]
fn r1_a_path_of_a_name_that_somebody_else_has_is_a_clash() {
    let path = |stage: &mut DesiredStage| stage.domains = vec!["shop.test/api".parse().unwrap()];
    let world = World::new().want("api/prod", "v1").change("api/prod", path);
    assert_eq!(world.plan().stages[0].verdict, Verdict::Create);
    let of_another = World::new().want("api/prod", "v1").change("api/prod", path).routes("shop.test", 1, None);
    let plan = of_another.plan();
    assert!(matches!(&plan.stages[0].held, Some(Held::Clash { what }) if what.contains("shop.test")), "{plan}");
}

/// A configuration that asks for this is refused; a version from before Caddy was chosen goes on with it.
#[test]
fn r18_what_caddy_does_not_do_is_not_asked_of_it_for_a_version_that_is_kept() {
    let kept = |stage: &mut DesiredStage| {
        let route = Arc::make_mut(&mut stage.route);
        route.certificate = Certificate::File("shop".to_owned());
        (route.websockets, route.http2, route.caching, route.maintenance) = (false, false, true, true);
    };
    let mut world = World::new().want("shop/prod", "v1").change("shop/prod", kept);
    let admin = "http://127.0.0.1:2019".to_owned();
    let caddy = CaddySettings { admin, upstream: Reach::Host, server: None, listen: Vec::new() };
    world.desired.settings.proxy = ProxySettings::Caddy(caddy);
    let options = told(&world.plan());
    // Its https goes on, and the rest is as Caddy reads it back: nothing differs for ever.
    assert_eq!(options.named, Some(NamedCertificate::Letsencrypt));
    assert!(options.websockets && options.http2 && !options.caching && !options.page_when_away, "{options:?}");
}

#[test]
fn what_is_told_of_certificates_is_told_of_the_version_that_serves() {
    let warnings = |world: World| {
        let mut world = world.failed_before("shop/prod");
        world.observed.uncertified.insert("shop.test".to_owned(), "was not renewed: no such name".to_owned());
        let plan = world.plan();
        assert_eq!(plan.stages[0].verdict, Verdict::Held, "{plan}");
        plan.stages[0].warnings.clone()
    };
    // The version that is held asks for none any more, and the one that serves does.
    let served = World::new().want("shop/prod", "v1").change("shop/prod", secured).runs("shop/prod", 1);
    let told = ["the certificate of shop.test was not renewed: no such name"];
    assert_eq!(warnings(served.want("shop/prod", "v2")), told);
    // And the other way round.
    let plain = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    assert_eq!(warnings(plain.want("shop/prod", "v2").change("shop/prod", secured)), [""; 0]);
}
