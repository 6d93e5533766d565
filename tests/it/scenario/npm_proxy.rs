//! Landfall in front of a real dockerd and behind Nginx Proxy Manager, whose nginx finds instances by name.

use serde_json::{Value, json};

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, ask};
use super::swaps::swapped;
use crate::npm::{Nginx, Npm, Options};

const EMAIL: &str = "landfall@example.com";
const PASSWORD: &str = "correct-horse-battery-staple";

/// An installation whose nginx is in this network, and settings that lead to it.
pub(super) fn behind(host: &Host, network: &str) -> Npm {
    let network = host.text(network);
    host.engine.create_network(&network);
    let nginx = Nginx::Container { docker: host.docker.clone(), network, image: host.text("<images>/web:v1") };
    let npm = Npm::start(&Options::new("2.15.1", nginx));
    npm.add_user(EMAIL, PASSWORD, true, "manage");
    configure(host, &npm.url(), &npm.probe(), (EMAIL, PASSWORD), "network");
    npm
}

/// Settings that lead to an installation.
fn configure(host: &Host, url: &str, probe: &str, (email, password): (&str, &str), upstream: &str) {
    host.credential("npm_password", password);
    host.settings(&format!(
        "proxy:
  nginx_proxy_manager:
    url: {url}
    email: {email}
    password: {{ credential: npm_password }}
    upstream: {upstream}
    probe: {probe}
"
    ));
}

fn version(host: &Host, npm: &Npm, domain: &str) -> String {
    let answer = ask(&npm.probe(), "GET", &host.text(domain), "/", "").expect("an answer");
    if answer.version.is_empty() { format!("status {}", answer.status) } else { answer.version }
}

#[test]
fn r9_twenty_swaps_under_load_lose_nothing() {
    let host = Host::without_proxy();
    let npm = behind(&host, "lf-<id>");
    let by_hand = npm.by_hand().create_host(&json!({
        "domain_names": ["blog.test"], "forward_scheme": "http", "forward_host": "blog", "forward_port": 80,
    }));
    let before = npm.hosts();
    let versions = swaps(&host, &npm.probe());
    // Two were made, each swap was one write, and nothing was read more often than it had to be.
    assert_eq!(npm.writes(), 2 * versions);
    assert_eq!(npm.logins(), 1, "all runs share one token");
    let after: Vec<Value> = npm.hosts().into_iter().filter(|row| row["id"] == by_hand).collect();
    assert_eq!(after, before, "the host made by hand");
}

/// The same behind an installation of the real one, where the environment names one that can be thrown away and runs
/// in the ground: `tests/ground/enter DIR`, with the variables of `npm_contract`.
#[test]
fn r9_twenty_swaps_behind_a_real_installation_lose_nothing() {
    let Some([url, probe, email, password]) = real() else {
        println!("skipped: LANDFALL_TEST_NPM_URL and the other three name no installation");
        return;
    };
    let host = Host::without_proxy();
    configure(&host, &url, &probe, (&email, &password), "host");
    host.landfall("doctor").exits(0).never_says("BAD");
    swaps(&host, &probe);
    host.landfall("diff").exits(0);
    host.write("web.yaml", "projects: {}\n");
    host.landfall("apply --allow-prune").exits(0);
    let gone = ask(&probe, "GET", &host.text("one.<id>.test"), "/", "").expect("an answer");
    assert_eq!(gone.version, "", "its host is removed");
}

/// Address, traffic, email and password of a real installation.
fn real() -> Option<[String; 4]> {
    let read = |name: &str| std::env::var(format!("LANDFALL_TEST_NPM_{name}")).ok();
    Some([read("URL")?, read("PROBE")?, read("EMAIL")?, read("PASSWORD")?])
}

/// Many swaps; answers how many versions there were.
fn swaps(host: &Host, probe: &str) -> usize {
    let (tags, tallies) = swapped(host, probe);
    for tally in tallies {
        assert_nothing_lost(&tally, &tags);
    }
    tags.len()
}

/// Every request was answered by an app, every version answered, and none any more once the one after the next did: its
/// container was gone by then. Idle connections that nginx closed at its reloads are told, and lose nothing (R9).
pub(super) fn assert_nothing_lost(tally: &Value, tags: &[String]) {
    eprintln!(
        "{} requests at {}/s, {} lost, {} idle connections closed, {} closes announced",
        tally["requests"], tally["rps"], tally["lost"], tally["idle_closed"], tally["announced_closes"]
    );
    assert!(tally["requests"].as_u64().unwrap() > 1000, "{tally}");
    assert_eq!((&tally["lost"], &tally["unexpected"]), (&json!(0), &json!(0)), "{tally}");
    let time = |tag: &String, what: &str| {
        tally["versions"][tag][what].as_i64().unwrap_or_else(|| panic!("{tag} did not answer: {tally}"))
    };
    for tag in tags {
        assert!(tally["versions"][tag]["count"].as_u64() > Some(0), "{tag}: {tally}");
    }
    for three in tags.windows(3) {
        assert!(time(&three[0], "last_sent_ms") <= time(&three[2], "first_answer_ms"), "{three:?}: {tally}");
    }
}

#[test]
fn r9_a_proxy_outside_of_the_network_is_found_out_before_traffic_moves_and_the_doctor_says_what_to_do() {
    let host = Host::without_proxy();
    let npm = behind(&host, "elsewhere-<id>");
    host.write("web.yaml", WEB);
    host.landfall("apply").exits(1).says("502").says("Landfall's network").says("landfall doctor");
    assert_eq!(host.statuses(WEB_PROD), ["rolled_back"]);
    assert_eq!(npm.hosts(), [] as [Value; 0], "what was made for it is gone again");
    assert_eq!(host.instances(WEB_PROD), []);

    let container = npm.container().expect("a container");
    let remedy = host.text(&format!("docker network connect lf-<id> {container}"));
    host.landfall("doctor").exits(1).says(&remedy);
    let body = json!({ "Container": container });
    host.engine.done("POST", &host.text("/networks/lf-<id>/connect"), Some(&body));
    host.landfall("doctor").exits(0).says("is in lf-<id>").never_says("BAD");
    host.landfall("apply").exits(0);
    assert_eq!(version(&host, &npm, WEB_DOMAIN), "v1");
}

#[test]
fn r5_a_host_kept_by_hand_is_held_until_it_is_adopted_and_then_deployed_to() {
    let host = Host::without_proxy();
    let npm = behind(&host, "lf-<id>");
    let id = npm.by_hand().create_host(&json!({
        "domain_names": [host.text(WEB_DOMAIN)], "forward_scheme": "http", "forward_host": "the-old-one",
        "forward_port": 3000, "advanced_config": "# kept by hand", "meta": { "note": "mine" },
    }));
    let before = npm.hosts();
    host.write("web.yaml", WEB);
    host.landfall("diff").exits(2).says("made by hand").says("landfall adopt --proxy-host web-<id>/prod");
    host.landfall("status").exits(3).says("give the domain up there, or in the route");
    host.landfall("apply").exits(3);
    assert_eq!(npm.hosts(), before, "nothing was touched");

    host.landfall("adopt --proxy-host web-<id>/prod").exits(0).says("the-old-one:3000");
    host.landfall("adopt --proxy-host web-<id>/prod").exits(0).says("already");
    let adopted = host.landfall("adopt --proxy-host web-<id>/prod -o json").exits(0).json();
    assert_eq!((&adopted["proxy_host"], &adopted["adopted"]), (&json!(id), &json!(false)));
    host.landfall("apply").exits(0);
    assert_eq!(version(&host, &npm, WEB_DOMAIN), "v1");
    let row = npm.host(&host.text(WEB_DOMAIN)).expect("the host");
    assert_eq!((&row["id"], &row["advanced_config"]), (&json!(id), &json!("# kept by hand")));
    assert_eq!(row["meta"]["note"], "mine");
    host.landfall("diff").exits(0);
    host.landfall("status").exits(0).says("http://web.<id>.test");
}
