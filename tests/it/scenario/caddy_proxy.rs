//! Landfall in front of a real dockerd and behind a real Caddy, which reaches instances by their ports on loopback.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Host, ask};
use super::swaps::swapped_beside;
use super::tunnels::opened;
use crate::caddy::{Caddy, Version, versions};

/// A Caddy that has a site of its own, and settings that lead to it.
fn behind(host: &Host, version: &Version) -> Caddy {
    let caddy = Caddy::start(version, |http, _| sites(&format!("127.0.0.1:{http}")));
    host.settings(&format!("proxy:\n  caddy: {{ admin: \"{}\" }}\n", caddy.url()));
    caddy
}

/// What a person has in it.
pub(super) fn sites(listen: &str) -> Value {
    let site = json!({
        "match": [{ "host": ["hand.test"] }],
        "handle": [{ "handler": "static_response", "body": "by hand" }],
    });
    json!({ "sites": { "listen": [listen], "routes": [site] } })
}

/// All of its configuration.
pub(super) fn config(caddy: &Caddy) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(caddy.config_text())
}

/// No request on a connection that Caddy has taken is left without an answer, and none gets a 5xx; each of these versions
/// answered. Idle connections are closed whenever its configuration changes, and connections that it has not taken yet may
/// be dropped then, since it opens its port anew: both are told, and the latter are few (R9).
#[track_caller]
pub(super) fn lost_nothing_taken(tally: &Value, tags: &[String]) {
    eprintln!(
        "{} requests at {}/s, {} dropped before they were taken, {} idle connections closed, {} closes announced",
        tally["requests"], tally["rps"], tally["lost_fresh"], tally["idle_closed"], tally["announced_closes"]
    );
    assert_eq!((&tally["lost_kept"], &tally["unexpected"]), (&json!(0), &json!(0)), "{tally}");
    // No status: the connection ended.
    assert!(tally["first_loss"].get("status").is_none_or(|status| status == 0), "{tally}");
    let count = |key: &str| tally[key].as_u64().expect("a count");
    assert!(count("requests") > 1000 && count("lost_fresh") * 200 <= count("requests"), "{tally}");
    assert!(tags.iter().all(|tag| tally["versions"][tag]["count"].as_u64() > Some(0)), "{tally}");
}

fn twenty_swaps(version: &Version, has_tunnels: bool) {
    let host = Host::without_proxy();
    let caddy = behind(&host, version);
    let before = config(&caddy);
    let (tags, tallies) = swapped_beside(&host, &caddy.addr().to_string(), has_tunnels);
    for tally in tallies {
        lost_nothing_taken(&tally, &tags);
    }
    host.landfall("diff").exits(0);
    host.landfall("doctor").exits(0).says("caddy").never_says("BAD");
    host.write("web.yaml", "projects: {}\n");
    host.landfall("apply --allow-prune").exits(0);
    assert_eq!(config(&caddy), before);
}

#[test]
fn r9_twenty_swaps_behind_an_older_caddy_lose_nothing_that_was_taken() {
    twenty_swaps(&versions()[0], false);
}

#[test]
fn r9_twenty_swaps_behind_the_newest_caddy_lose_nothing_that_was_taken() {
    let all = versions();
    match &all[..] {
        [_, newest] => twenty_swaps(newest, true),
        _ => println!("skipped: the newest caddy was not fetched"),
    }
}

/// A tunnel through Caddy over which bytes come back, until it is told to end, or is cut.
struct Tunnel {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<bool>,
}

impl Tunnel {
    fn open(caddy: &Caddy, domain: &str) -> Self {
        let mut stream = opened(&caddy.addr().to_string(), domain, Duration::from_secs(30));
        let (stop, echoes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&echoes));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut byte = [b'x'];
                if stream.write_all(&byte).is_err() || stream.read_exact(&mut byte).is_err() {
                    return false;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            true
        });
        Self { stop, echoes, thread }
    }

    /// It lives while it answers this many times more.
    fn goes_on(&self, times: u64) {
        let until = self.echoes.load(Ordering::Relaxed) + times;
        super::harness::eventually("a tunnel that goes on", || {
            assert!(!self.thread.is_finished(), "it was cut after {} answers", self.echoes.load(Ordering::Relaxed));
            (self.echoes.load(Ordering::Relaxed) >= until).then_some(())
        });
    }

    /// Ends it; true when nobody else did.
    fn close(self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a thread")
    }
}

/// Two stages that give those who are at it a minute.
fn two(one: &str, two: &str) -> String {
    format!(
        "projects:
  web-<id>:
    image: <images>/web
    port: 8080
    ready: {{ http: {{ path: /healthz }}, deadline: 20s, interval: 100ms }}
    drain: 60s
    stages:
      one: {{ track: {{ tag: {one} }}, route: {{ domains: [ one.<id>.test ] }} }}
      two: {{ track: {{ tag: {two} }}, route: {{ domains: [ two.<id>.test ] }} }}
"
    )
}

pub(super) fn version_of(host: &Host, caddy: &Caddy, domain: &str) -> String {
    ask(&caddy.addr().to_string(), "GET", &host.text(domain), "/", "").map(|answer| answer.version).unwrap_or_default()
}

#[test]
fn r9_tunnels_and_long_answers_outlive_a_swap_behind_the_newest_caddy() {
    let all = versions();
    let [_, newest] = &all[..] else {
        println!("skipped: the newest caddy was not fetched");
        return;
    };
    let host = Host::without_proxy();
    let caddy = behind(&host, newest);
    host.deployed("web.yaml", &two("v1", "v1"));
    let domain = host.text("one.<id>.test");
    let tunnels = [Tunnel::open(&caddy, &domain), Tunnel::open(&caddy, &host.text("two.<id>.test"))];
    let (addr, long) = (caddy.addr().to_string(), domain.clone());
    let slow = std::thread::spawn(move || ask(&addr, "GET", &long, "/stream?n=40&ms=100", "").expect("an answer"));
    host.write("web.yaml", &two("v2", "v1"));
    let mut apply = host.spawn("apply");
    super::harness::eventually("the new version", || {
        (version_of(&host, &caddy, "one.<id>.test") == "v2").then_some(())
    });
    // The one at the old instance, and the one of a stage that has nothing to do with it.
    for tunnel in &tunnels {
        tunnel.goes_on(200);
    }
    let answer = slow.join().expect("a thread");
    assert_eq!((answer.status, answer.version.as_str()), (200, "v1"));
    assert!(answer.body.ends_with("0\r\n\r\n"), "it is whole: {}", answer.body);
    // It waits for the tunnel, and no longer.
    assert_eq!(apply.ended(), None, "{}", apply.log());
    let [old, other] = tunnels;
    assert!(old.close(), "it was cut");
    assert_eq!(apply.ends(), Some(0), "{}", apply.log());
    apply.says("is idle");
    other.goes_on(20);
    assert!(other.close(), "it was cut");
}
