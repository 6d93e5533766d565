//! A daemon whose configuration is changed a thousand times in every way that files are changed in, seeded: what it
//! deploys is a configuration that stood whole, no stage is ever without a container, and the last one is what runs.

mod changes;
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::execute::ground::{Daemon, Host, image};
use crate::fake_docker::Op;
use crate::random::Random;
use crate::router_support::until;
use changes::change;
use scene::{STAGES, Scene};

/// File operations of one run.
const CHANGES: usize = 1000;
/// After so many of them the files rest until what they say runs.
const REST: usize = 50;

/// The seed of a run: given, or of this moment.
fn seed() -> u64 {
    let given = std::env::var("LANDFALL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0)
}

/// The state that each stage runs at, where all that it has is one running container.
fn running(host: &Host) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for container in host.fake.containers() {
        let label = |name: &str| container.labels.get(&format!("landfall.{name}")).cloned().unwrap_or_default();
        let state = container.environment.iter().find_map(|line| line.strip_prefix("STATE=")).unwrap_or_default();
        let state = if container.is_running() { state.to_owned() } else { "stopped".to_owned() };
        found.entry(format!("{}/{}", label("project"), label("stage"))).or_default().push(state);
    }
    found.into_iter().map(|(stage, states)| (stage, states.join(" and "))).collect()
}

async fn runs(host: &Host, state: u32) {
    let all: BTreeMap<_, _> = STAGES.iter().map(|stage| ((*stage).to_owned(), state.to_string())).collect();
    let what = format!("state {state} everywhere");
    let is_there = async || running(host) == all;
    until(&what, is_there).await;
}

/// The stages that were without a running container at any moment after their first, by the calls that Docker was sent.
fn ever_without(host: &Host) -> BTreeSet<String> {
    let stage_of = |name: &str| name.rsplit_once('-').map(|(stage, _)| stage.replacen('-', "/", 1)).unwrap_or_default();
    let mut running: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for call in host.fake.calls() {
        let name = host.fake.name_of(&call.object);
        let stage = stage_of(&name);
        match call.op {
            Op::Start => drop(running.entry(stage).or_default().insert(name)),
            Op::Stop | Op::Kill | Op::Remove => {
                let left = running.get_mut(&stage);
                if left.is_some_and(|left| left.remove(&name) && left.is_empty()) {
                    without.insert(stage);
                }
            }
            _ => {}
        }
    }
    without
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_thousand_random_file_operations_end_at_the_last_state_and_nothing_is_retired_in_between() {
    let seed = seed();
    println!("LANDFALL_TEST_SEED={seed}");
    let host = Host::with(&[&image("v1")]).await;
    let mut scene = Scene::new(&host.path("config"), Random(seed));
    scene.publish();
    let daemon = Daemon::start(&host);
    runs(&host, scene.state()).await;

    let began = Instant::now();
    for number in 1..=CHANGES {
        tokio::task::block_in_place(|| change(&mut scene));
        if number % REST == 0 {
            tokio::task::block_in_place(|| scene.publish());
            runs(&host, scene.state()).await;
        }
    }
    let took = began.elapsed();
    daemon.stop().await;

    let deploys = host.deploys();
    let revisions: BTreeSet<String> = deploys.iter().map(|deploy| deploy.config_revision.clone()).collect();
    let strange: Vec<_> = revisions.difference(scene.stood()).collect();
    println!("{} configurations in force, {} deploys, {took:?}", revisions.len(), deploys.len());
    assert!(strange.is_empty(), "in force and never there whole for the quiet time: {strange:?}");
    assert!(revisions.len() >= CHANGES / REST, "the daemon slept");
    // A stage that a file left out for long enough to mean it may have gone.
    let gone: Vec<_> = ever_without(&host).into_iter().filter(|stage| !scene.left_out().contains(stage)).collect();
    assert!(gone.is_empty(), "without a container at some moment: {gone:?}");
    assert!(took > Duration::ZERO && running(&host).len() == STAGES.len());
}
