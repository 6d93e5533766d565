//! Stages that run several instances: which of them come, go, and stay until others serve.

use super::*;

/// A stage of which at most two tags run, at those given, routed at `<tag>.test`.
fn several(tags: &[&str]) -> World {
    with(World::new(), tags)
}

fn with(mut world: World, tags: &[&str]) -> World {
    let key = key("shop/preview");
    let track = Track::Regex(serde_json::from_str(r#"{"match":"v([0-9]+)","order":"numeric"}"#).unwrap());
    world = world.want("shop/preview", "v0");
    let mut stage = world.desired.stages.remove(&key).unwrap();
    (stage.track, stage.max_instances) = (track, 2);
    (stage.domains, stage.patterns) = (Vec::new(), vec!["{tag}.test".parse().unwrap()]);
    world.desired.stages.retain(|other, _| other.written() != key);
    world.desired.clashes.clear();
    world.desired.several.insert(key.clone(), stage);
    world.desired = world.desired.expand(tags.iter().map(|tag| (key.clone(), tag.parse().unwrap(), None)));
    world
}

/// Those of these tags run, as deploys 1, 2 and so on.
fn running(tags: &[&str]) -> World {
    let numbered = tags.iter().zip(1..);
    numbered.fold(several(tags), |world, (tag, n)| world.runs(&format!("shop/preview@{tag}"), n))
}

fn of<'a>(plan: &'a Plan, name: &str) -> &'a StagePlan {
    plan.stages.iter().find(|stage| stage.key == key(name)).unwrap()
}

#[test]
fn r4_the_oldest_instance_goes_once_the_newest_serves() {
    with(running(&["v1", "v2"]), &["v3", "v2"]).expect(
        "
            shop/preview@v3 create: first deploy
              pull reg.test/app
              create (new)
              start (new)
              gate (new) http /up within 1m
              name (new)
              switch v3.test to (new)
            shop/preview@v1 remove: newer ones take its place
              after shop/preview@v3, which takes its place
              unroute v1.test
              unname shop-preview-00000001
              drain shop-preview-00000001 within 10s
              stop shop-preview-00000001 within 10s
              remove shop-preview-00000001",
    );
}

#[test]
fn r4_an_older_instance_stays_and_is_kept_well_while_a_newer_one_is_held() {
    let world = with(running(&["v1", "v2"]), &["v3", "v2"]).failed_before("shop/preview@v3");
    let plan = world.plan();
    assert_eq!(of(&plan, "shop/preview@v3").verdict, Verdict::Held);
    assert!(matches!(of(&plan, "shop/preview@v1").held, Some(Held::Waits { .. })), "{plan}");
    assert_eq!(of(&plan, "shop/preview@v1").steps, []);
    let plan = world.container(1, |own| own.state = ContainerState::Exited).plan();
    let effects: Vec<&Effect> = of(&plan, "shop/preview@v1").steps.iter().map(|step| &step.effect).collect();
    assert!(matches!(effects[..], [Effect::Start { .. }, Effect::Gate { .. }]), "{plan}");
}

#[test]
fn an_instance_whose_tag_is_gone_goes_although_nothing_takes_its_place() {
    let plan = with(running(&["v1", "v2"]), &["v1"]).plan();
    let gone = of(&plan, "shop/preview@v2");
    assert_eq!((gone.verdict, gone.after.len(), plan.held.is_none()), (Verdict::Remove, 0, true), "{plan}");
    assert_eq!(of(&plan, "shop/preview@v1").verdict, Verdict::Unchanged);
}

#[test]
fn r4_a_stage_that_ran_one_instance_keeps_it_until_the_several_serve() {
    let world = World::new().want("shop/preview", "v1").runs("shop/preview", 1);
    let plan = with(world, &["v3", "v2"]).plan();
    let old = of(&plan, "shop/preview");
    let after: Vec<String> = old.after.iter().map(|after| after.key().to_string()).collect();
    assert_eq!((old.verdict, plan.held.is_none()), (Verdict::Remove, true), "{plan}");
    assert_eq!(after, ["shop/preview@v2", "shop/preview@v3"]);
}

#[test]
fn r3_instances_that_others_replace_are_no_prune_and_a_stage_that_is_gone_is_one() {
    let mut world = running(&["v1", "v2"]);
    world.desired.several.clear();
    world.desired.stages.clear();
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })), "{}", world.plan());
    assert_eq!(with(running(&["v1", "v2"]), &["v4", "v3"]).plan().held, None);
}

#[test]
fn two_instances_with_one_domain_are_a_clash_and_the_first_one_has_it() {
    let plan = with(running(&["v1"]), &["v1", "V1"]).plan();
    assert_eq!(of(&plan, "shop/preview@v1").verdict, Verdict::Unchanged);
    let clash = of(&plan, "shop/preview@V1");
    let Some(Held::Clash { what }) = &clash.held else { panic!("{plan}") };
    assert!(what.contains("domain v1.test is that of shop/preview@v1"), "{what}");
    assert_eq!(clash.steps, []);
}

#[test]
fn a_stage_without_a_tag_to_run_is_blocked_and_says_why() {
    let mut world = several(&[]);
    world.refused_images.insert(key("shop/preview"), Blocked { refused: false, reason: "none".into(), hint: None });
    let plan = world.plan();
    assert_eq!(of(&plan, "shop/preview").blocked.as_ref().unwrap().reason, "none");
}

#[test]
fn what_is_said_of_a_stage_holds_for_all_of_its_instances() {
    let mut world = with(running(&["v1", "v2"]), &["v3", "v2"]);
    let pause = crate::model::Pause { kind: crate::model::PauseKind::Suspended, since_ms: 0, until_ms: None };
    world.recorded.stages.entry(key("shop/preview")).or_default().pause = Some(pause);
    let plan = world.plan();
    assert_eq!(plan.stages.len(), 3);
    assert!(plan.stages.iter().all(|stage| matches!(stage.held, Some(Held::Suspended { .. }))), "{plan}");
    let picked = Selection(vec!["shop/preview".into()]);
    assert!(picked.contains(&key("shop/preview@v1")) && !picked.contains(&key("shop/preview2")));
    assert!(!Selection(vec!["shop/preview@v2".into()]).contains(&key("shop/preview@v1")));
}

#[test]
fn r4_nothing_goes_while_nobody_knows_which_tags_are_to_run() {
    let unknown = || Blocked { refused: false, reason: "503".into(), hint: None };
    let mut world = with(running(&["v1", "v2"]), &[]);
    world.refused_images.insert(key("shop/preview"), unknown());
    let plan = world.container(1, |own| own.state = ContainerState::Exited).plan();
    assert_eq!(of(&plan, "shop/preview").blocked, Some(unknown()));
    for name in ["shop/preview@v1", "shop/preview@v2"] {
        assert!(matches!(of(&plan, name).held, Some(Held::Waits { .. })), "{plan}");
    }
    assert_eq!(of(&plan, "shop/preview@v1").steps.len(), 2, "what stopped is started: {plan}");
    // A stage that ran one instance has one plan, and keeps it.
    let mut world = with(World::new().want("shop/preview", "v1").runs("shop/preview", 1), &[]);
    world.refused_images.insert(key("shop/preview"), unknown());
    let plan = world.plan();
    assert_eq!((plan.stages.len(), plan.stages[0].verdict), (1, Verdict::Blocked), "{plan}");
}
