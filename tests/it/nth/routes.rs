//! Scenarios in which a route has more than its domains: paths, redirects, a certificate, and options that change while
//! what runs stays, so that a write of options alone meets each fault.

use landfall::reconcile::{Order, RouteTo};

use super::run::every_nth;
use super::scenario::Scenario;
use super::scenarios::replace;
use crate::execute::ground::{REPOSITORY, image, web};

/// `web/prod` at a version, with all of a route that the embedded proxy has for it.
fn whole(version: &str) -> String {
    let route = "domains: [ web.test, web.test/api ], redirects: { www.web.test: web.test }, sticky: true, \
                 certificate: { file: web.test }, hsts: true, upstreams: []";
    web(version, "").replace("domains: [ web.test ]", route)
}

/// Stages that stay at the first version, with these routes; the last one is replaced by `recreate`.
fn routed(routes: [(&str, &str); 3]) -> String {
    let ready = "{ http: { path: / }, interval: 20ms, timeout: 1s, deadline: 5s }";
    let head = format!("projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {ready}\n    stages:\n");
    let track = format!("{{ digest: \"{}\" }}", image("v1").digest);
    let one = |(name, route): (&str, &str)| {
        let strategy = if name == "c" { "strategy: recreate, " } else { "" };
        format!("      {name}: {{ {strategy}track: {track}, route: {{ {route} }} }}\n")
    };
    head + &routes.map(one).concat()
}

#[test]
fn r9_r15_a_replace_behind_a_route_with_all_there_is_survives_a_fault_at_every_operation() {
    every_nth(&Scenario {
        before: Some(whole("v1")),
        wanted: whole("v2"),
        served: &["https://web.test", "https://web.test/api"],
        certificates: &[&["web.test", "www.web.test"]],
        ..replace("replace with a whole route", "")
    });
}

#[test]
fn r9_r15_routes_that_change_alone_survive_a_fault_at_every_operation() {
    let before = [("a", "domains: [ a.test, a.test/old ]"), ("b", "domains: [ b.test ]"), ("c", "domains: [ c.test ]")];
    let wanted = [
        ("a", "domains: [ a.test, a.test/new ], redirects: { www.a.test: a.test }, sticky: true"),
        ("b", "domains: [ b.test ], certificate: { file: b.test }, https: allow, websockets: false"),
        ("c", "domains: [ c.test ], maintenance: true"),
    ];
    every_nth(&Scenario {
        images: vec![image("v1")],
        before: Some(routed(before)),
        served: &["a.test", "b.test", "c.test"],
        certificates: &[&["b.test"]],
        ..Scenario::new("routes that change", routed(wanted))
    });
}

#[test]
fn r9_r15_a_page_in_place_of_the_app_survives_a_fault_at_every_operation() {
    every_nth(&Scenario {
        images: vec![image("v1")],
        before: Some(web("v1", "")),
        order: Some(("web/prod", Order::Route { to: RouteTo::Maintenance })),
        ..Scenario::new("page by hand", web("v1", ""))
    });
}
