//! Landfall in front of a real dockerd and behind a real Caddy in a container, which finds instances by their names on
//! Landfall's network (`upstream: network`): no instance has a port of the host.

use serde_json::json;

use super::caddy_proxy::{config, lost_nothing_taken, sites, version_of};
use super::harness::{Host, Load, WEB, WEB_DOMAIN, WEB_PROD, ask, eventually};
use crate::caddy::{Caddy, Version, versions};

/// Requests of the client on either side of the swap.
const REQUESTS: u64 = 600;

/// A Caddy in the story's network, and settings that lead to it by its port of the host.
fn behind(host: &Host, version: &Version) -> Caddy {
    let network = host.text("lf-<id>");
    host.engine.create_network(&network);
    let caddy = Caddy::in_container(version, &host.engine, &network, &host.text("<images>/web:v1"), sites(":80"));
    host.settings(&format!("proxy:\n  caddy: {{ admin: \"{}\", upstream: network }}\n", caddy.url()));
    caddy
}

/// The only instance, which is at no port of the host, and where Caddy leads by its name.
fn is_reached_by_name(host: &Host, caddy: &Caddy) -> String {
    let instances = host.instances(WEB_PROD);
    let [instance] = &instances[..] else { panic!("{instances:?}") };
    assert!(config(caddy).contains(&format!("\"dial\":\"{}:8080\"", instance.name)), "{}", config(caddy));
    let inspected = host.engine.inspect(&instance.id).expect("the instance");
    let published = &inspected["HostConfig"]["PortBindings"];
    assert!(published.as_object().is_none_or(serde_json::Map::is_empty), "{published}");
    instance.id.clone()
}

fn address(host: &Host, id: &str) -> String {
    let inspected = host.engine.inspect(id).expect("a container");
    let network = &inspected["NetworkSettings"]["Networks"][host.text("lf-<id>")];
    network["IPAddress"].as_str().expect("an address").to_owned()
}

/// Started again by hand, it has another address, as another one has taken its own meanwhile; its name leads there.
fn moves(host: &Host, caddy: &Caddy, id: &str) {
    let before = address(host, id);
    host.engine.act("stop", id);
    let other = json!({ "Image": host.text("<images>/web:v1"), "HostConfig": { "NetworkMode": host.text("lf-<id>") } });
    let mut others = 0;
    eventually("somebody takes its address", || {
        others += 1;
        let taken = address(host, &host.engine.run(&host.text(&format!("other-{others}-<id>")), &other));
        (taken == before).then_some(())
    });
    host.engine.act("start", id);
    assert_ne!(address(host, id), before);
    // Caddy may hold on for a moment to connections that lead to the old one.
    eventually("it answers at its new address", || (version_of(host, caddy, WEB_DOMAIN) == "v2").then_some(()));
    host.landfall("diff").exits(0);
}

fn lives_behind(version: &Version) {
    let host = Host::without_proxy();
    let mut caddy = behind(&host, version);
    let before = config(&caddy);
    host.deployed("web.yaml", WEB);
    assert_eq!(version_of(&host, &caddy, WEB_DOMAIN), "v1");
    is_reached_by_name(&host, &caddy);

    let load = Load::start(&format!("http://{}/", caddy.addr()), &host.text(WEB_DOMAIN), &host.path(""));
    load.goes_on(REQUESTS);
    host.write("web.yaml", &WEB.replace("tag: v1", "tag: v2"));
    // Caddy tells what is in flight at a name as well.
    host.landfall("apply").exits(0).says("is idle");
    load.goes_on(REQUESTS);
    lost_nothing_taken(&load.finish(), &["v1".to_owned(), "v2".to_owned()]);
    let instance = is_reached_by_name(&host, &caddy);
    host.landfall("diff").exits(0);
    host.landfall("doctor").exits(0).says("caddy").never_says("BAD");
    moves(&host, &caddy, &instance);

    // It has its file alone then; the next pass puts back what is ours.
    caddy.restart();
    assert_eq!(config(&caddy), before);
    host.landfall("diff").exits(2);
    host.landfall("apply").exits(0);
    assert_eq!(version_of(&host, &caddy, WEB_DOMAIN), "v2");
    is_reached_by_name(&host, &caddy);

    host.write("web.yaml", "projects: {}\n");
    host.landfall("apply --allow-prune").exits(0);
    assert_eq!(config(&caddy), before);
    let answer = ask(&caddy.addr().to_string(), "GET", "hand.test", "/", "").expect("an answer");
    assert_eq!(answer.body, "by hand");
}

#[test]
fn r1_r9_r20_a_project_lives_behind_an_older_caddy_in_a_container_of_its_network() {
    lives_behind(&versions()[0]);
}

#[test]
fn r1_r9_r20_a_project_lives_behind_the_newest_caddy_in_a_container_of_its_network() {
    let all = versions();
    match &all[..] {
        [_, newest] => lives_behind(newest),
        _ => println!("skipped: the newest caddy was not fetched"),
    }
}
