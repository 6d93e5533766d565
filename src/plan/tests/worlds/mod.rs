//! Every small world: whatever is there, whatever is wanted, however the apps turn out, and wherever a pass is killed, it
//! converges, without an outage, and touches nothing foreign.
//!
//! *Method.* `model` is Docker, the proxy and the store as one value, without I/O; `act` does to it what each effect of a
//! plan does, `pass` is the order of `reconcile` and `execute`, and `recover` is `execute::recover`. A world is a start
//! (`starts`), a want (`wants`), apps that are well or not, and crashes before some operations. `run` makes every one of
//! them, and `judge` says what is wrong at the end. At every operation `model` sees to it that who is served stays served,
//! and that what is foreign stays as it is.
//!
//! *Must not*: know how the planner decides. What is said here about a plan is what a user would say.

mod act;
mod judge;
mod model;
mod pass;
#[cfg(feature = "planted")]
mod planted;
mod recover;
mod run;
mod starts;
mod wants;

use run::{Found, every};
use starts::starts;
use wants::{WANTS, Want};

/// Problems that are shown in full.
const SHOWN: usize = 3;

/// Every world of some wants, from every start. There are at least so many: an enumeration that shrinks by accident would
/// pass.
fn hold(at_least: usize, wants: &[&str]) {
    let wants: Vec<Want> = WANTS.into_iter().filter(|want| wants.contains(&want.name)).collect();
    let mut found = Found::default();
    for (start, want) in starts().iter().flat_map(|start| wants.iter().map(move |want| (start, want))) {
        found.add(every(start, *want));
    }
    let shown = found.problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(found.problems.is_empty(), "{} of {} worlds do not hold\n\n{shown}", found.problems.len(), found.worlds);
    assert!(found.worlds >= at_least, "{} worlds, and there were {at_least}", found.worlds);
}

#[test]
fn r4_r15_r18_every_small_world_in_which_a_stage_stays_as_it_is_converges() {
    hold(2210, &["v1", "v1 elsewhere", "v1 at one domain more"]);
}

#[test]
fn r4_r15_r17_every_small_world_in_which_a_stage_goes_converges() {
    hold(634, &["nothing of it"]);
}

#[test]
fn r4_r15_r18_every_small_world_in_which_the_new_one_starts_beside_the_old_converges_without_an_outage() {
    hold(5088, &["v1 changed", "v2 elsewhere", "v2 unrouted"]);
}

#[test]
fn r4_r15_r18_every_small_world_in_which_a_pass_is_killed_twice_converges_without_an_outage() {
    hold(7931, &["v2"]);
}

#[test]
fn r10_r15_every_small_world_in_which_the_new_one_is_watched_converges_without_an_outage() {
    hold(9601, &["v2 watched"]);
}

#[test]
fn r11_r15_every_small_world_in_which_the_old_one_stops_first_converges() {
    hold(8073, &["v1 recreate", "v2 recreate", "v2 recreate watched", "v2 recreate elsewhere"]);
}

#[test]
fn every_want_is_in_one_of_these_tests() {
    let source = include_str!("mod.rs");
    for want in WANTS {
        assert!(source.contains(&format!("\"{}\"", want.name)), "{}", want.name);
    }
}

#[test]
fn r18_the_same_world_gives_the_same_plan_in_whatever_order_docker_lists_it() {
    for start in starts() {
        for want in WANTS {
            let mut world = (want.of)(start.world().clone());
            let plan = world.plan();
            assert_eq!(world.plan(), plan, "{}, {}", start.name, want.name);
            world.observed.containers.reverse();
            assert_eq!(world.plan().id(), plan.id(), "{}, {}:\n{plan}\n{}", start.name, want.name, world.plan());
        }
    }
}
