//! The built binary killed by SIGKILL at its fail points and at any moment, in front of a real dockerd and behind either
//! proxy, and then `apply` again: the same end as without it, nothing lost (R15, R9).
//!
//! *Expected flow*: a test takes a `Story` (what is replaced, behind which proxy), which an undisturbed `apply` brings to
//! its first end; then each round replaces the version by the next one, is killed once, and goes on with the plain binary.
//! `End` is what there is afterwards, as lines that are the same after every round.

mod end;
mod round;
mod story;

use std::time::Duration;

use round::{Kill, Tally};
use story::Story;

use crate::random::Random;

/// Points that cut a replacement in every phase: nothing but its row; the image is here; what follows is not announced;
/// made, and unknown to the store; started; the switch announced and not made; made, and nothing noted of it; drained;
/// the old one gone, and still in the store; all done but the end.
const TEN: [&str; 10] = [
    "store.begin_deploy.after",
    "step.pull.after",
    "store.set_phase.before=kill:2",
    "store.add_instance.before",
    "step.start.after",
    "store.set_phase.after=kill:5",
    "step.switch.after",
    "step.stop.before",
    "store.remove_instance.before",
    "store.finish.before",
];
/// Behind a proxy that is written to in steps: the host marked as not proven, and nothing sent; nginx has it, and nothing
/// is noted; all done but the end.
const BEHIND_NGINX: [&str; 3] = ["store.set_host.after", "step.switch.after", "store.finish.before"];
/// With the old instance stopped first: stopped, and nothing made; made, and unknown to the store; the traffic moved.
const RECREATE: [&str; 3] = ["step.stop.after", "store.add_instance.before", "step.switch.after"];
/// What a soak kills one after the other.
const ALL: [fn() -> Story; 3] = [Story::replaced, Story::recreated, Story::behind_nginx];
/// Kills at random moments, in a soak.
const RANDOM: usize = 50;

#[test]
fn r15_r9_killed_at_ten_points_of_a_replacement_nothing_is_lost() {
    let mut story = Story::replaced();
    let tally = at_points(&mut story, &TEN);
    story.end(&tally, Kill::AT_A_POINT, "");
}

#[test]
fn r15_r9_killed_at_points_of_a_replacement_behind_nginx_nothing_is_lost() {
    let mut story = Story::behind_nginx();
    let tally = at_points(&mut story, &BEHIND_NGINX);
    story.end(&tally, Kill::AT_A_POINT, "");
}

#[test]
fn r15_killed_while_a_volume_changes_hands_the_next_version_has_it() {
    let mut story = Story::recreated();
    let tally = at_points(&mut story, &RECREATE);
    story.end(&tally, Kill::AT_A_POINT, "");
}

#[test]
#[ignore = "long: every passage of every point"]
fn r15_r9_killed_at_every_passage_of_every_point_nothing_is_lost() {
    for begin in ALL {
        let mut story = begin();
        let tally = at_every_passage(&mut story);
        story.end(&tally, Kill::AT_A_POINT, story::SOAK);
    }
}

#[test]
#[ignore = "long: random moments"]
fn r15_r9_killed_at_random_moments_nothing_is_lost() {
    for begin in ALL {
        let mut story = begin();
        let tally = at_random(&mut story);
        story.end(&tally, Kill::AT_A_MOMENT, story::SOAK);
    }
}

fn at_points(story: &mut Story, points: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for point in points {
        let act = if point.contains('=') { "" } else { "=kill" };
        let was_killed = story.round(&Kill::AtPoint(format!("{point}{act}")), &mut tally);
        assert!(was_killed, "{point} was never passed");
    }
    tally
}

/// The n-th passage of any point of the store, and of any step, until there is no n-th one.
fn at_every_passage(story: &mut Story) -> Tally {
    let mut tally = Tally::default();
    for prefix in ["store", "step"] {
        let mut passages = 0;
        while story.round(&Kill::AtPoint(format!("{prefix}=kill:{}", passages + 1)), &mut tally) {
            passages += 1;
        }
        assert!(passages > TEN.len(), "only {passages} points begin with {prefix}");
    }
    tally
}

/// Moments of a replacement, spread over the time that an undisturbed one takes.
fn at_random(story: &mut Story) -> Tally {
    let seed = std::env::var("LANDFALL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Random(seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().1));
    println!("LANDFALL_TEST_SEED={}", random.0);
    let mut tally = Tally::default();
    let longest = u64::try_from(story.takes().as_millis()).unwrap_or(u64::MAX).max(1);
    while tally.injected < RANDOM {
        story.round(&Kill::After(Duration::from_millis(random.next() % longest)), &mut tally);
    }
    tally
}
