//! When registries are asked, on a clock that the test moves.

use std::sync::Arc;

use super::*;
use crate::config::load;

const MINUTE: i64 = 60_000;
/// A whole hour, in July 2026.
const NOON: i64 = 1_783_512_000_000;
const SPREAD_MS: i64 = 30_000;

/// What these stages are, of one project, with a registry that is asked at a time or as usual.
fn desired(poll: &str, stages: &str) -> Desired {
    let text = format!(
        "settings: {{ proxy: {{ none: {{}} }}, timezone: Europe/Berlin }}\nregistries: {{ r: {{ url: \"https://r.example.com\"{poll} }} }}\n\
         projects: {{ web: {{ image: r.example.com/web, stages: {{ {stages} }} }}, other: {{ image: s.example.com/x, stages: {{ a: {{ track: {{ mutable: edge }} }} }} }} }}\n"
    );
    loaded(&text)
}

fn loaded(text: &str) -> Desired {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), text).unwrap();
    Arc::unwrap_or_clone(load(dir.path()).unwrap_or_else(|error| panic!("{error}")).desired)
}

fn keys(stages: &BTreeSet<StageKey>) -> Vec<String> {
    stages.iter().map(ToString::to_string).collect()
}

fn begun(polls: &mut Polls, pass: u64) -> Vec<String> {
    keys(&polls.begin(pass, |_| true))
}

/// The first moment from one on at which something is due, and what.
fn next(polls: &mut Polls, from: i64, dice: &mut Dice) -> (i64, Vec<String>) {
    let due = |at: i64| {
        let due = polls.due(at, dice);
        (!due.is_empty()).then(|| (at, keys(&due)))
    };
    (from..from + 3 * 24 * 60 * MINUTE).step_by(1000).find_map(due).expect("something is due")
}

#[test]
fn r27_what_follows_tags_is_asked_for_at_the_times_of_its_registry_and_nothing_else_is() {
    let mut dice = Dice::new(1);
    let mut polls = Polls::default();
    let now = desired(", poll: \"30 14 * * *\"", "a: { track: { semver: \"1\" } }, b: { track: { tag: v1 } }");
    polls.set(None, &now, NOON, &mut dice);
    assert_eq!(begun(&mut polls, 1), ["other/a", "web/a"], "what is new is asked for at once");
    polls.over(1, true);
    assert_eq!(begun(&mut polls, 2), [""; 0]);
    // The other registry says nothing: every fifth minute.
    let (at, due) = next(&mut polls, NOON, &mut dice);
    assert_eq!(due, ["other/a"]);
    assert!((NOON + 5 * MINUTE..=NOON + 5 * MINUTE + SPREAD_MS + 1000).contains(&at), "{at}");
    // Half past two in Berlin is half past twelve.
    let (mut at, mut due) = (at, due);
    while !due.contains(&"web/a".to_owned()) {
        (at, due) = next(&mut polls, at, &mut dice);
    }
    assert!((NOON + 30 * MINUTE..=NOON + 30 * MINUTE + SPREAD_MS + 1000).contains(&at), "{at}");
    assert_eq!(begun(&mut polls, 3), ["other/a", "web/a"], "with the next pass");
}

#[test]
fn what_was_missed_in_sleep_is_made_up_for_once() {
    let mut dice = Dice::new(2);
    let mut polls = Polls::default();
    polls.set(None, &desired("", "a: { track: { glob: \"v*\" } }"), NOON, &mut dice);
    let woken = NOON + 9 * 60 * MINUTE;
    assert_eq!(keys(&polls.due(woken, &mut dice)), ["other/a", "web/a"]);
    for second in 0..100 {
        assert_eq!(keys(&polls.due(woken + second * 1000, &mut dice)), [""; 0]);
    }
}

#[test]
fn a_clock_that_is_set_back_postpones_nothing() {
    let mut dice = Dice::new(3);
    let mut polls = Polls::default();
    polls.set(None, &desired("", "a: { track: { glob: \"v*\" } }"), NOON, &mut dice);
    let back = NOON - 24 * 60 * MINUTE;
    assert_eq!(keys(&polls.due(back, &mut dice)), [""; 0]);
    let (at, _) = next(&mut polls, back, &mut dice);
    assert!(at <= back + 5 * MINUTE + SPREAD_MS + 1000);
    assert!(polls.wait(at).is_some_and(|wait| wait <= LOOK));
}

#[test]
fn another_policy_is_asked_for_at_once_and_the_same_one_keeps_its_time() {
    let mut dice = Dice::new(4);
    let mut polls = Polls::default();
    let first = desired("", "a: { track: { semver: \"1\" } }, b: { track: { semver: \"1\" } }");
    polls.set(None, &first, NOON, &mut dice);
    assert_eq!(begun(&mut polls, 1), ["other/a", "web/a", "web/b"]);
    polls.over(1, true);
    let second = desired("", "a: { track: { semver: \"1\" } }, b: { track: { semver: \"2\" } }");
    let before: Vec<_> = polls.registries.values().map(|poll| poll.due_ms).collect();
    polls.set(Some(&first), &second, NOON + MINUTE, &mut dice);
    assert_eq!(begun(&mut polls, 2), ["web/b"]);
    assert_eq!(polls.registries.values().map(|poll| poll.due_ms).collect::<Vec<_>>(), before);
    polls.set(Some(&second), &desired("", "b: { track: { tag: v1 } }"), NOON + MINUTE, &mut dice);
    assert!(polls.registries.values().all(|poll| keys(&poll.stages) == ["other/a"]));
}

#[test]
fn what_a_pass_could_not_ask_for_is_asked_for_with_the_next_one_and_a_person_may_have_all_asked() {
    let mut dice = Dice::new(5);
    let mut polls = Polls::default();
    polls.set(None, &desired("", "a: { track: { semver: \"1\" } }"), NOON, &mut dice);
    assert_eq!(keys(&polls.begin(1, |key| key.project.as_str() == "web")), ["web/a"]);
    polls.over(1, false);
    assert_eq!(begun(&mut polls, 2), ["other/a", "web/a"]);
    polls.over(2, true);
    polls.ask_all();
    assert_eq!(begun(&mut polls, 3), ["other/a", "web/a"]);
}

#[test]
fn nobody_is_waited_for_where_nothing_follows_tags() {
    let mut polls = Polls::default();
    polls.set(None, &loaded("projects: {}\n"), NOON, &mut Dice::new(6));
    assert_eq!((polls.wait(NOON), keys(&polls.due(NOON, &mut Dice::new(6)))), (None, vec![]));
}

#[test]
fn another_time_zone_is_another_time_and_what_is_named_no_more_is_not_asked_for() {
    let mut dice = Dice::new(7);
    let mut polls = Polls::default();
    let berlin = desired(", poll: \"30 14 * * *\"", "a: { track: { semver: \"1\" } }");
    polls.set(None, &berlin, NOON, &mut dice);
    polls.set(Some(&berlin), &loaded("projects: {}\n"), NOON, &mut dice);
    assert_eq!(begun(&mut polls, 1), [""; 0], "though nobody asked for it yet");
    polls.set(None, &berlin, NOON, &mut dice);
    let due_at = |polls: &Polls| polls.registries["r.example.com"].due_ms.unwrap();
    let half_past = |polls: &Polls, minutes: i64| {
        let behind = due_at(polls) - (NOON + minutes * MINUTE);
        assert!((0..=SPREAD_MS).contains(&behind), "{behind} ms behind");
    };
    half_past(&polls, 30);
    let mut london = berlin.clone();
    london.settings.timezone = "Europe/London".parse().unwrap();
    polls.set(Some(&berlin), &london, NOON, &mut dice);
    half_past(&polls, 90);
}

#[test]
fn r27_hosts_with_one_schedule_do_not_ask_at_the_same_second() {
    let due_ms = |seed| {
        let mut polls = Polls::default();
        polls.set(None, &desired("", "a: { track: { semver: \"1\" } }"), NOON, &mut Dice::new(seed));
        polls.registries["s.example.com"].due_ms.unwrap() - NOON - 5 * MINUTE
    };
    let waits: Vec<i64> = (0..50).map(due_ms).collect();
    assert!(waits.iter().all(|wait| (0..=SPREAD_MS).contains(wait)), "{waits:?}");
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(most - least > SPREAD_MS / 2, "{waits:?}");
}
