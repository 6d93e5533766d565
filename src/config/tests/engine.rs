//! Keys of the deploy engine: how many stages at once, and what a deploy waits for, runs and watches.

use super::rules::{refuses, stage, titles};
use super::*;
use crate::model::{DesiredStage, Hook, Hooks, Millis, hash};

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
    let stages = loaded(text).desired.stages.clone();
    assert_eq!(stages.values().map(|stage| stage.monitor).collect::<Vec<_>>(), [Millis::secs(60), Millis(0)]);
    refuses(&[("monitor: 61m", "`monitor` of 1h1m is longer than 1h")]);
}

#[test]
fn r24_so_many_images_are_kept_as_the_stage_or_its_project_says() {
    let kept = |lines: &str| stage(lines).keep_images;
    assert_eq!(["", "keep_images: 1", "keep_images: 100"].map(kept), [3, 1, 100]);
    let text = "projects: { a: { image: x, keep_images: 5, stages: {
        s: { track: { tag: t } }, t: { track: { tag: t }, keep_images: 2 } } } }";
    let kept: Vec<_> = loaded(text).desired.stages.values().map(|stage| stage.keep_images).collect();
    assert_eq!(kept, [5, 2]);
    refuses(&[("keep_images: 0", "`keep_images` is 0"), ("keep_images: 101", "`keep_images` is 101")]);
}

#[test]
fn r19_how_many_images_are_kept_changes_nothing_that_runs() {
    let settings = loaded("projects: {}").desired.settings.clone();
    let hash = |lines: &str| hash::spec_hash(stage(lines).hash_input(&settings));
    assert_eq!(hash("keep_images: 7"), hash(""));
    assert!(stage("keep_images: 7").is_run_like(&stage("")) && !stage("drain: 1s").is_run_like(&stage("")));
}

/// Stages by name, each with what it depends on as written.
fn depending(stages: &[(&str, &str)]) -> String {
    let line = |(name, on): &(&str, &str)| {
        let (project, stage) = name.split_once('/').unwrap();
        format!("  {project}: {{ image: x, stages: {{ {stage}: {{ track: {{ tag: t }}, depends_on: {on} }} }} }}\n")
    };
    format!("projects:\n{}", stages.iter().map(line).collect::<String>())
}

#[test]
fn r23_a_stage_depends_on_others_by_their_name_and_a_project_alone_is_its_stage_of_the_same_name() {
    let on = |text: &str| {
        let stages = loaded(text).desired.stages.clone();
        let names =
            |stage: &DesiredStage| stage.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        stages.iter().map(|(key, stage)| format!("{key}: {}", names(stage))).collect::<Vec<_>>()
    };
    assert_eq!(
        on(&depending(&[("shop/prod", "[ queue/main, db ]"), ("db/prod", "[]"), ("queue/main", "[ db/prod ]")])),
        ["db/prod: ", "queue/main: db/prod", "shop/prod: db/prod queue/main"]
    );
    // The stage's list takes the place of the project's.
    let text = "projects:
  db: { image: x, stages: { a: { track: { tag: t } }, b: { track: { tag: t } } } }
  shop:
    image: x
    depends_on: [ db ]
    stages: { a: { track: { tag: t } }, b: { track: { tag: t } }, c: { track: { tag: t }, depends_on: [ db/b ] }, d: { track: { tag: t }, depends_on: [] } }
";
    assert_eq!(on(text)[2..], ["shop/a: db/a", "shop/b: db/b", "shop/c: db/b", "shop/d: "]);
}

#[test]
fn r23_what_nobody_can_wait_for_is_refused() {
    refuses(&[
        ("depends_on: [ shop ]", "`shop/prod` depends on itself"),
        ("depends_on: [ DB ]", "`DB` is not a name"),
        ("depends_on: [ a/b/c ]", "`b/c` is not a name"),
        ("depends_on: [ db ]", "there is no stage `db/prod`"),
        ("depends_on: db", "expected a list, found the text `db`"),
    ]);
    let twice = depending(&[("db/s", "[]"), ("shop/s", "[ db, db/s ]")]);
    assert_eq!(titles(&twice), ["`db/s` is written twice"]);
    let circles =
        depending(&[("a/s", "[ b, c ]"), ("b/s", "[ c ]"), ("c/s", "[ a ]"), ("d/s", "[ e ]"), ("e/s", "[ d ]")]);
    let title = |way: &str| format!("stages wait for each other: {way}");
    assert_eq!(titles(&circles), [title("`a/s` → `b/s` → `c/s` → `a/s`"), title("`d/s` → `e/s` → `d/s`")]);
}

#[test]
fn a_hook_is_a_command_with_a_time_and_those_of_a_stage_take_the_place_of_its_project_s() {
    let hook = |hook: Option<Hook>| hook.map(|Hook { command, timeout }| format!("{} {timeout}", command.join("|")));
    let hooks = |hooks: Hooks| (hook(hooks.pre_deploy), hook(hooks.post_deploy));
    let of = |lines: &str| hooks(stage(lines).hooks);
    let line = "hooks: { pre_deploy: { command: \"./migrate 'all of it'\" }, post_deploy: { command: [ a, 1 ], timeout: 1h } }";
    assert_eq!(of(line), (Some("./migrate|all of it 5m".into()), Some("a|1 1h".into())));
    assert_eq!(of(""), (None, None));
    let text = "projects: { a: { image: x, hooks: { pre_deploy: { command: p } }, stages: {
        s: { track: { tag: t } }, t: { track: { tag: t }, hooks: {} }, u: { track: { tag: t }, hooks: { post_deploy: { command: q } } } } } }";
    let all: Vec<_> = loaded(text).desired.stages.clone().into_values().map(|stage| hooks(stage.hooks)).collect();
    let (project, own) = (Some("p 5m".to_owned()), Some("q 5m".to_owned()));
    assert_eq!(all, [(project, None), (None, None), (None, own)]);
    refuses(&[
        ("hooks: { pre_deploy: { command: [] } }", "`pre_deploy` has no command"),
        ("hooks: { pre_deploy: { command: \"a 'b\" } }", "a quote or backslash does not end"),
        ("hooks: { post_deploy: { timeout: 1s } }", "the key `command` is missing"),
        ("hooks: { post_deploy: { command: a, timeout: 0s } }", "`timeout` of 0s is not from 1ms to 6h"),
        ("hooks: { post_deploy: { command: a, timeout: 7h } }", "`timeout` of 7h is not from 1ms to 6h"),
        ("hooks: { before_deploy: { command: a } }", "unknown key `before_deploy`"),
    ]);
}

#[test]
fn specs_that_were_stored_before_a_key_was_there_have_its_default() {
    let now = stage("");
    let mut stored = serde_json::to_value(&now).unwrap();
    for key in ["monitor", "route", "depends_on", "hooks", "keep_images"] {
        assert!(stored.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_value::<DesiredStage>(stored).unwrap(), now);
}
