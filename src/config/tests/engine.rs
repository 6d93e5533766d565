//! Keys of the deploy engine: how many stages at once, and what a deploy waits for, runs and watches.

use super::rules::{refuses, stage, titles};
use super::*;
use crate::model::{DesiredStage, Millis};

#[test]
fn so_many_stages_at_a_time_is_a_number_from_one_to_sixty_four() {
    let settings = |lines: &str| format!("settings: {{ {lines} }}\nprojects: {{}}\n");
    let count = |lines: &str| loaded(&settings(lines)).desired.settings.max_concurrent_deploys;
    assert_eq!(["", "max_concurrent_deploys: 1", "max_concurrent_deploys: 64"].map(count), [4, 1, 64]);
    for bad in ["0", "65"] {
        let title = format!("`max_concurrent_deploys` is {bad}");
        assert_eq!(titles(&settings(&format!("max_concurrent_deploys: {bad}"))), [title]);
    }
}

#[test]
fn r10_a_new_instance_is_watched_for_as_long_as_the_stage_or_its_project_says() {
    let monitor = |lines: &str| stage(lines).monitor;
    assert_eq!(["", "monitor: 30s", "monitor: 1h"].map(monitor), [0, 30, 3600].map(Millis::secs));
    let text = "projects: { a: { image: x, monitor: 1m, stages: {
        s: { track: { tag: t } }, t: { track: { tag: t }, monitor: 0s } } } }";
    let stages = loaded(text).desired.stages;
    assert_eq!(stages.values().map(|stage| stage.monitor).collect::<Vec<_>>(), [Millis::secs(60), Millis(0)]);
    refuses(&[("monitor: 61m", "`monitor` of 1h1m is longer than 1h")]);
}

#[test]
fn specs_that_were_stored_before_a_key_was_there_have_its_default() {
    let now = stage("");
    let mut stored = serde_json::to_value(&now).unwrap();
    for key in ["monitor", "route"] {
        assert!(stored.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_value::<DesiredStage>(stored).unwrap(), now);
}
