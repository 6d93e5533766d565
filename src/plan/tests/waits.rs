//! What waits for a time, for another stage, or for somebody: windows, promotion, `auto_deploy: false`.

use super::*;
use crate::model::desired::Promote;
use crate::model::observed::Health;
use crate::model::schedule::Window;

/// A window that is open in the given minute of each hour; these tests are in the first minute of 1970.
fn window(minute: &str) -> Window {
    let timezone = crate::model::schedule::Zone::default();
    Window { cron: format!("{minute} * * * *").parse().unwrap(), timezone }
}

fn windowed(minute: &str) -> World {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    world.change("shop/prod", |stage| stage.window = Some(window(minute)))
}

#[test]
fn a_new_version_waits_for_its_window_and_what_serves_is_kept_well() {
    windowed("5").expect(
        "
            shop/prod held: its window is closed",
    );
    let plan = windowed("5").plan();
    assert_eq!(plan.stages[0].held, Some(Held::Window { opens_ms: 300_000 }));
    assert_eq!(windowed("0").plan().stages[0].verdict, Verdict::Replace);
    let stopped = windowed("5").container(1, |own| own.state = ContainerState::Exited).plan();
    assert_eq!((stopped.stages[0].verdict, stopped.stages[0].steps.len()), (Verdict::Held, 2), "{stopped}");
}

#[test]
fn what_is_asked_for_now_waits_for_no_window_and_says_so() {
    let mut world = windowed("5");
    world.options.now = true;
    let plan = world.plan();
    assert_eq!((plan.stages[0].verdict, plan.stages[0].causes.last()), (Verdict::Replace, Some(&Cause::OutsideWindow)));
    assert_eq!(Cause::trigger(&plan.stages[0].causes), crate::model::Trigger::Manual);
}

#[test]
fn r20_what_is_gone_is_made_again_outside_its_window() {
    let mut world = World::new().want("shop/prod", "v1");
    world = world.change("shop/prod", |stage| stage.window = Some(window("5"))).runs("shop/prod", 1);
    world.observed.containers.clear();
    let plan = world.plan();
    assert_eq!((plan.stages[0].verdict, &plan.stages[0].causes[..]), (Verdict::Create, &[Cause::Gone][..]), "{plan}");
    // Also where a newer one waits.
    let mut world = windowed("5");
    world.observed.containers.clear();
    let plan = world.plan();
    assert_eq!((plan.stages[0].to.as_deref(), &plan.stages[0].causes[..]), (Some("v1"), &[Cause::Gone][..]), "{plan}");
    let first =
        World::new().want("shop/prod", "v1").change("shop/prod", |stage| stage.window = Some(window("5"))).plan();
    assert!(matches!(first.stages[0].held, Some(Held::Window { .. })), "{first}");
}

/// `shop/prod` takes what ran in `shop/staging` for 30 ms; these tests are at 1,000.
fn promoting(version: &str, since_ms: i64) -> World {
    let mut world = World::new().want("shop/staging", version).change("shop/staging", |stage| stage.domains.clear());
    world = world.runs("shop/staging", 1).want("shop/prod", "v0").change("shop/prod", |stage| {
        stage.track = Track::Promote(Promote { from: key("shop/staging"), after: Millis(30) });
    });
    world.recorded.stages.get_mut(&key("shop/staging")).unwrap().live.as_mut().unwrap().since_ms = since_ms;
    world
}

fn promoted(world: &World) -> Option<String> {
    let all = promotions(&world.desired, &world.recorded, &world.observed, 1000);
    all.get(&key("shop/prod")).map(ImageRef::version)
}

fn staging(world: &mut World) -> &mut RecordedStage {
    world.recorded.stages.get_mut(&key("shop/staging")).unwrap()
}

#[test]
fn what_was_live_and_healthy_for_long_enough_is_promoted_and_not_a_moment_before() {
    assert_eq!(promoted(&promoting("v2", 970)), Some("v2".into()));
    assert_eq!(promoted(&promoting("v2", 971)), None);
    // Neither a clock that was set back nor a store that was just made again makes it old.
    assert_eq!(promoted(&promoting("v2", 5000)), None);
    assert_eq!(promoted(&promoting("v2", i64::MAX)), None);
}

#[test]
fn what_is_not_healthy_or_was_not_for_long_is_not_promoted() {
    for change in [
        |own: &mut ObservedContainer| own.state = ContainerState::Exited,
        |own: &mut ObservedContainer| own.health = Some(Health::Unhealthy),
        |own: &mut ObservedContainer| own.health = Some(Health::Starting),
    ] {
        assert_eq!(promoted(&promoting("v2", 0).container(1, change)), None);
    }
    for (ready_since_ms, is_promoted) in [(Some(970), true), (Some(971), false), (Some(i64::MAX), false), (None, true)]
    {
        let mut world = promoting("v2", 0);
        staging(&mut world).ready_since_ms = ready_since_ms;
        assert_eq!(promoted(&world).is_some(), is_promoted, "{ready_since_ms:?}");
    }
}

#[test]
fn r13_a_rollback_where_it_is_promoted_from_stops_the_promotion() {
    let mut world = promoting("v2", 0);
    let spec = serde_json::to_string(&world.desired.stages[&key("shop/staging")]).unwrap();
    staging(&mut world).choice = Some(Box::new(crate::model::Choice {
        kind: ChoiceKind::Rollback,
        from: None,
        image: ImageRef { digest: digest("v1"), ..image_of(&world.desired.stages[&key("shop/staging")]) },
        spec_json: spec.clone(),
        refused_version: "v2".into(),
        refused_json: spec,
        refused_digest: None,
        chosen_at_ms: 0,
    }));
    assert_eq!(promoted(&world), None);
    let held = with_images(&world, None).stages.into_iter().find(|stage| stage.key == key("shop/prod")).unwrap().held;
    assert!(
        matches!(&held, Some(Held::Comes(Coming::Stopped { why, .. })) if why.contains("somebody holds it")),
        "{held:?}"
    );
}

/// The plan while `shop/prod` has this image.
fn with_images(world: &World, prod: Option<&str>) -> Plan {
    let staging = &world.desired.stages[&key("shop/staging")];
    let mut images = BTreeMap::from([(key("shop/staging"), Ok(image_of(staging)))]);
    let prod = prod.map(|version| {
        let tag = Some(version.parse().unwrap());
        Ok(ImageRef { repository: "reg.test/app".parse().unwrap(), tag, digest: digest(version), local: false })
    });
    images.extend(prod.map(|image| (key("shop/prod"), image)));
    world.plan_with(&images)
}

#[test]
fn a_stage_says_what_it_waits_for_and_when_that_is_over() {
    let world = promoting("v2", 990);
    let of = |plan: &Plan| plan.stages.iter().find(|stage| stage.key == key("shop/prod")).unwrap().clone();
    let plan = of(&with_images(&world, None));
    assert!(matches!(&plan.held, Some(Held::Comes(Coming::Soaks { version, .. })) if version == "v2"), "{plan:?}");
    assert_eq!(plan.due_ms(), Some(1020));
    let plan = of(&with_images(&world, Some("v1")));
    assert!(matches!(plan.coming, Some(Coming::Soaks { until_ms: 1020, .. })), "{plan:?}");
    // The same digest is no news.
    assert_eq!(of(&with_images(&world, Some("v2"))).coming, None);
}

#[test]
fn what_somebody_has_to_ask_for_is_shown_and_waits() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world = world.change("shop/prod", |stage| stage.auto_deploy = false);
    let candidate = crate::model::recorded::Pin {
        repository: "reg.test/app".parse().unwrap(),
        tag: "v2".parse().unwrap(),
        digest: digest("v2"),
        local: false,
    };
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().candidate = Some(candidate);
    let coming = Coming::Candidate { version: "v2".into() };
    let plan = world.plan();
    assert_eq!((plan.stages[0].verdict, plan.stages[0].coming.as_ref()), (Verdict::Unchanged, Some(&coming)));
    let plan = world.plan_with(&BTreeMap::new());
    assert_eq!(plan.stages[0].held, Some(Held::Comes(coming)), "{plan}");
}
