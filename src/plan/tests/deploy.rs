//! New instances: which steps, in which order, and why.

use super::*;

#[test]
fn the_first_deploy_pulls_creates_gates_and_switches() {
    World::new().want("shop/prod", "v1").expect(
        "
            shop/prod create: first deploy
              pull reg.test/app
              create (new)
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)",
    );
}

#[test]
fn r4_r9_a_replaced_instance_goes_only_after_the_new_one_has_the_traffic() {
    World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2").expect(
        "
            shop/prod replace: version v1 → v2
              ~ track.tag  v1 → v2
              pull reg.test/app
              create (new) next to shop-prod-00000001
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
}

#[test]
fn recreate_stops_the_old_one_first_and_removes_it_last() {
    let recreate = |stage: &mut DesiredStage| stage.strategy = Strategy::Recreate;
    World::new()
        .want("db/prod", "v1")
        .change("db/prod", recreate)
        .runs("db/prod", 1)
        .want("db/prod", "v2")
        .change("db/prod", recreate)
        .expect(
            "
            db/prod replace: version v1 → v2
              ~ track.tag  v1 → v2
              pull reg.test/app
              stop db-prod-00000001 within 10s
              create (new)
              name (new)
              start (new)
              gate (new) http /up within 1m
              switch db.test to (new)
              remove db-prod-00000001",
        );
}

#[test]
fn a_changed_field_is_shown_by_its_path() {
    let level = |text: &'static str| {
        move |stage: &mut DesiredStage| stage.container.environment = [("LEVEL".into(), text.into())].into()
    };
    let world = World::new().want("shop/prod", "v1").change("shop/prod", level("info")).runs("shop/prod", 1);
    let plan = world.change("shop/prod", level("warn")).plan();
    assert_eq!(plan.stages[0].causes, [Cause::Spec]);
    assert_eq!(plan.stages[0].changes[0].to_string(), "environment.LEVEL  info → warn");
}

#[test]
fn a_setting_that_recreates_a_stage_is_named_and_the_spec_is_not_blamed() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.desired.settings.network = "other".into();
    let causes = |world: &World| world.plan().stages[0].causes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(causes(&world), ["network landfall → other"]);
    // Without a success that the store knows, the label alone tells.
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().live = None;
    assert_eq!(causes(&world), ["network landfall → other"]);
}

#[test]
fn a_spec_that_changes_together_with_a_setting_is_told_beside_it() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.desired.settings.network = "other".into();
    let world = world.change("shop/prod", |stage| stage.container.user = Some("1000".into()));
    let plan = world.plan();
    let network = Cause::Network { from: "landfall".into(), to: "other".into() };
    assert_eq!(plan.stages[0].causes, [network, Cause::Spec]);
    assert_eq!(plan.stages[0].changes[0].to_string(), "user  (none) → 1000");
}

#[test]
fn r28_a_changed_secret_is_named_and_never_shown() {
    let print =
        |value: &str| Fingerprint { key_id: "k".into(), values: [("PASSWORD".to_owned(), value.to_owned())].into() };
    let secret = |stage: &mut DesiredStage| {
        let reference = crate::model::SecretRef::Credential("db".into());
        stage.container.secret_environment.insert("PASSWORD".into(), reference);
    };
    let mut world = World::new().want("shop/prod", "v1").change("shop/prod", secret);
    world.fingerprints.insert(key("shop/prod"), print("aaaa"));
    let mut world = world.runs("shop/prod", 1);
    world.expect("");
    world.fingerprints.insert(key("shop/prod"), print("bbbb"));
    let text = world.plan().to_string();
    assert!(text.starts_with("shop/prod replace: secret changed: PASSWORD\n"), "{text}");
    assert!(!text.contains("aaaa") && !text.contains("bbbb"));
}

#[test]
fn r10_the_new_one_is_watched_before_anything_of_the_old_is_touched() {
    let watched = |stage: &mut DesiredStage| stage.monitor = Millis::secs(30);
    let world = || World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    world().change("shop/prod", watched).expect(
        "
            shop/prod replace: version v1 → v2
              ~ monitor  0s → 30s
              ~ track.tag  v1 → v2
              pull reg.test/app
              create (new) next to shop-prod-00000001
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              monitor (new) for 30s
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
    let recreate = |stage: &mut DesiredStage| {
        watched(stage);
        stage.strategy = Strategy::Recreate;
        stage.domains.clear();
    };
    let world = World::new().want("db/prod", "v1").change("db/prod", recreate).runs("db/prod", 1);
    world.want("db/prod", "v2").change("db/prod", recreate).expect(
        "
            db/prod replace: version v1 → v2
              ~ track.tag  v1 → v2
              pull reg.test/app
              stop db-prod-00000001 within 10s
              create (new)
              name (new)
              start (new)
              gate (new) http /up within 1m
              monitor (new) for 30s
              remove db-prod-00000001",
    );
}

#[test]
fn r18_a_change_of_the_monitor_alone_follows_nothing() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.change("shop/prod", |stage| stage.monitor = Millis::secs(30)).expect("");
}

#[test]
fn r14_of_several_old_instances_each_is_drained_before_any_is_stopped() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2).want("shop/prod", "v2");
    let phases: Vec<_> = world.plan().stages[0].steps.iter().map(|step| step.phase).collect();
    assert!(phases.is_sorted(), "{}", world.plan());
    assert_eq!(world.plan().to_string().matches("drain ").count(), 2, "{}", world.plan());
}

/// Both hooks.
fn hooked(stage: &mut DesiredStage) {
    let hook = |words: &str| Some(Hook { command: vec![words.into(), "up".into()], timeout: Millis::secs(60) });
    stage.hooks = Hooks { pre_deploy: hook("migrate"), post_deploy: hook("warm") };
}

#[test]
fn a_hook_comes_before_anything_is_touched_and_another_once_the_new_one_is_proven() {
    let watched = |stage: &mut DesiredStage| stage.monitor = Millis::secs(30);
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    world.change("shop/prod", hooked).change("shop/prod", watched).expect(
        "
            shop/prod replace: version v1 → v2
              ~ hooks.post_deploy.command  (none) → [\"warm\",\"up\"]
              ~ hooks.post_deploy.timeout  (none) → 1m
              ~ hooks.pre_deploy.command  (none) → [\"migrate\",\"up\"]
              ~ hooks.pre_deploy.timeout  (none) → 1m
              ~ monitor  0s → 30s
              ~ track.tag  v1 → v2
              pull reg.test/app
              hook pre_deploy within 1m: migrate up
              create (new) next to shop-prod-00000001
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              monitor (new) for 30s
              hook post_deploy within 1m: warm up
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
    let recreate = |stage: &mut DesiredStage| stage.strategy = Strategy::Recreate;
    let world = World::new().want("db/prod", "v1").change("db/prod", recreate).runs("db/prod", 1).want("db/prod", "v2");
    let plan = world.change("db/prod", recreate).change("db/prod", hooked).plan().to_string();
    let at = |words: &str| plan.find(words).unwrap_or_else(|| panic!("no {words} in {plan}"));
    assert!(at("hook pre_deploy") < at("stop db-prod") && at("switch") < at("hook post_deploy"), "{plan}");
    assert!(at("hook post_deploy") < at("remove db-prod"), "{plan}");
}

#[test]
fn r18_r19_a_changed_hook_alone_recreates_nothing() {
    World::new().want("shop/prod", "v1").runs("shop/prod", 1).change("shop/prod", hooked).expect("");
}

#[test]
fn r12_what_failed_with_a_hook_is_tried_again_with_another_one() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let world = world.change("shop/prod", hooked).failed_before("shop/prod");
    assert_eq!(world.plan().stages[0].verdict, Verdict::Held);
    let mended = |stage: &mut DesiredStage| stage.hooks.pre_deploy = None;
    assert_eq!(world.change("shop/prod", mended).plan().stages[0].verdict, Verdict::Replace);
}

#[test]
fn r18_r19_another_way_to_the_same_image_deploys_nothing() {
    let runs_v2 = || World::new().want("shop/prod", "v2").runs("shop/prod", 1);
    let tracks = |json: &str| {
        let track = serde_json::from_str(json).unwrap();
        move |stage: &mut DesiredStage| stage.track = track
    };
    runs_v2().change("shop/prod", tracks(r#"{"mutable":"v2"}"#)).expect("");
    runs_v2().change("shop/prod", tracks(r#"{"glob":"v[12]*"}"#)).expect("");
    let by_pattern = r#"{"regex":{"match":"v([0-2])","order":"numeric"}}"#;
    runs_v2().change("shop/prod", tracks(by_pattern)).expect("");
    let newer = runs_v2().change("shop/prod", tracks(r#"{"glob":"v*"}"#)).plan();
    assert_eq!((newer.stages[0].verdict, newer.stages[0].to.as_deref()), (Verdict::Replace, Some("v3")));
}
