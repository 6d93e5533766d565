//! The small worlds find a planner that is wrong: each of four mistakes turns them red, for the reason that it should.

use super::super::super::planted::{Bug, with};
use super::run::undisturbed;
use super::starts::starts;
use super::wants::WANTS;

/// A mistake turns some undisturbed world red, with these words for what is wrong.
#[track_caller]
fn is_found(bug: Bug, as_what: &str) {
    let starts = starts();
    let mut worlds = starts.iter().flat_map(|start| WANTS.map(|want| (start, want)));
    let mut problems = Vec::new();
    let said = worlds.any(|(start, want)| {
        problems = with(bug, || undisturbed(start, want)).problems;
        problems.iter().any(|problem| problem.lines().nth(1).is_some_and(|line| line.contains(as_what)))
    });
    assert!(said, "{bug:?} is not found as {as_what}, the last time as:\n{}", problems.join("\n"));
}

#[test]
fn r4_a_planner_that_retires_the_old_one_first_is_found() {
    is_found(Bug::RetiresFirst, "removal does not come last (R4)");
}

#[test]
fn r1_a_planner_that_believes_copied_labels_is_found() {
    is_found(Bug::BelievesLabels, "something foreign was touched (R1)");
}

#[test]
fn a_planner_that_keeps_what_never_became_ready_is_found() {
    is_found(Bug::KeepsFailed, "is not well");
}

#[test]
fn r20_a_planner_that_forgets_the_route_of_what_it_puts_right_is_found() {
    is_found(Bug::ForgetsRoute, "routes are");
}
