//! One swap after the other under load: what a single one may lose once in a while, many would show (R9).

use serde_json::Value;

use super::harness::{Host, Load, assert_lossless};
use super::tunnels::Tunnel;
use crate::walk::is_soak;

/// Swaps of each of the two stages: ten and ten, and ten times that in a soak.
const SWAPS: usize = 10;
/// Requests of each client before the first swap, beside which those during the swaps are told.
const STEADY: u64 = 1000;

/// Two stages at a version each, which both drain as short as the proxy lets them.
fn pair(tag: &str) -> String {
    format!(
        "projects:
  web-<id>:
    image: <images>/web
    port: 8080
    ready: {{ http: {{ path: /healthz }}, deadline: 20s, interval: 100ms }}
    drain: 1s
    stop_grace_period: 2s
    stages:
      one: {{ track: {{ tag: {tag} }}, route: {{ domains: [ one.<id>.test ] }} }}
      two: {{ track: {{ tag: {tag} }}, route: {{ domains: [ two.<id>.test ] }} }}
"
    )
}

/// Replaces two stages side by side, ten times each and ten times that in a soak, while a client of each asks two hundred
/// times a second and each holds a websocket, none of which is cut before its instance had drained; answers the versions
/// there were, and what the clients saw.
pub(super) fn swapped(host: &Host, probe: &str) -> (Vec<String>, [Value; 2]) {
    swapped_beside(host, probe, true)
}

/// The same, with websockets or, where a proxy cuts them at every change, without.
pub(super) fn swapped_beside(host: &Host, probe: &str, has_tunnels: bool) -> (Vec<String>, [Value; 2]) {
    let rounds = if is_soak() { SWAPS * 10 } else { SWAPS };
    let tags: Vec<String> = (0..=rounds).map(|n| format!("s{n}-{}", host.id)).collect();
    host.push(&tags[0], &[&format!("VERSION={}", tags[0])]);
    host.deployed("web.yaml", &pair(&tags[0]));
    let load = |domain: &str| Load::start(&format!("http://{probe}/"), &host.text(domain), &host.path(""));
    let clients = || [load("one.<id>.test"), load("two.<id>.test")];
    let steady = clients();
    for load in &steady {
        load.goes_on(STEADY);
    }
    told("steady", &steady.map(Load::finish));
    let loads = clients();
    for tag in &tags[1..] {
        host.push(tag, &[&format!("VERSION={tag}")]);
        let open = |name: &str| {
            Tunnel::open(probe, host.text(&format!("web-<id>/{name}")), &host.text(&format!("{name}.<id>.test")))
        };
        let names: &[&str] = if has_tunnels { &["one", "two"] } else { &[] };
        let tunnels: Vec<Tunnel> = names.iter().copied().map(open).collect();
        host.deployed("web.yaml", &pair(tag));
        for load in &loads {
            load.flows();
        }
        for tunnel in tunnels {
            tunnel.outlived_the_drain(host);
        }
    }
    let tallies = loads.map(Load::finish);
    told("during swaps", &tallies);
    (tags, tallies)
}

/// Prints what requests took: how a swap is felt by those that lose nothing by it.
fn told(when: &str, tallies: &[Value]) {
    for tally in tallies {
        let ms = |key: &str| tally[key].as_f64().unwrap_or(f64::NAN) / 1000.0;
        eprintln!(
            "{when}: half within {:.2} ms, 99 % within {:.2} ms, 99.9 % within {:.2} ms, all within {} ms",
            ms("p50_us"),
            ms("p99_us"),
            ms("p999_us"),
            tally["max_ms"]
        );
    }
}

#[test]
fn r9_twenty_swaps_behind_the_embedded_proxy_lose_nothing_and_close_no_connection() {
    let host = Host::new();
    let (tags, tallies) = swapped(&host, &host.text("127.0.0.1:<proxy>"));
    for tally in tallies {
        let (requests, rate, lost) = (&tally["requests"], &tally["rps"], &tally["lost"]);
        eprintln!("{requests} requests at {rate}/s, {lost} lost, {} idle connections closed", tally["idle_closed"]);
        assert_lossless(&tally);
        let time = |tag: &String, what: &str| {
            tally["versions"][tag][what].as_i64().unwrap_or_else(|| panic!("{tag} did not answer: {tally}"))
        };
        for two in tags.windows(2) {
            assert!(time(&two[0], "last_sent_ms") <= time(&two[1], "first_answer_ms"), "{two:?}: {tally}");
        }
    }
    host.landfall("diff").exits(0);
}
