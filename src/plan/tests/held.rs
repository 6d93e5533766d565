//! What waits for a word of the user: failures (R12), too much to retire (R3), blocked stages.

use super::*;

#[test]
fn r12_a_failed_combination_is_held_until_it_changes_or_someone_says_retry() {
    let world =
        || World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2").failed_before("shop/prod");
    world().expect(
        "
            shop/prod held: v2 failed (exit 1)",
    );
    let mut again = world();
    again.options.retry = true;
    assert_eq!(again.plan().stages[0].verdict, Verdict::Replace);
    assert_eq!(world().want("shop/prod", "v3").plan().stages[0].verdict, Verdict::Replace);
}

#[test]
fn what_serves_is_kept_well_while_its_successor_is_held() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    world.failed_before("shop/prod").container(1, |c| c.state = ContainerState::Exited).expect(
        "
            shop/prod held: its container is not running: v2 failed (exit 1)
              start shop-prod-00000001
              gate shop-prod-00000001 http /up within 1m",
    );
}

#[test]
fn r3_retiring_one_of_five_is_done_and_two_of_five_is_held_whole() {
    let mut world = World::new();
    for (n, name) in ["a/prod", "b/prod", "c/prod", "d/prod", "e/prod"].into_iter().enumerate() {
        world = world.want(name, "v1").runs(name, u16::try_from(n).unwrap() + 1);
    }
    let world = world.drop_stage("a/prod");
    assert_eq!(world.plan().held, None);
    world.expect(
        "
            a/prod remove: not in the configuration
              unroute a.test
              unname a-prod-00000001
              drain a-prod-00000001 within 10s
              stop a-prod-00000001 within 10s
              remove a-prod-00000001",
    );
    let mut world = world.drop_stage("b/prod");
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })));
    world.options.allow_prune = true;
    assert_eq!(world.plan().held, None);
}

#[test]
fn r3_just_a_quarter_is_done_and_a_little_more_is_held() {
    let of = |live: u16| {
        let names: Vec<String> = (1..=live).map(|n| format!("s{n}/prod")).collect();
        let numbered = names.iter().zip(1..);
        let world = numbered.fold(World::new(), |world, (name, n)| world.want(name, "v1").runs(name, n));
        world.drop_stage("s1/prod").drop_stage("s2/prod").plan().held
    };
    assert_eq!(of(8), None);
    assert!(matches!(of(7), Some(Held::Prune { .. })));
}

#[test]
fn r3_the_last_live_stage_is_never_retired_without_a_second_word() {
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).drop_stage("a/prod");
    assert!(matches!(world.plan().held, Some(Held::Prune { .. })));
}

#[test]
fn a_stage_whose_image_is_unknown_is_blocked_and_touches_no_other() {
    let mut world = World::new().want("a/prod", "v1").want("b/prod", "v1");
    let blocked = Blocked { refused: false, reason: "the registry does not answer".into(), hint: None };
    world.refused_images.insert(key("a/prod"), blocked);
    let plan = world.plan();
    assert_eq!(plan.stages[0].verdict, Verdict::Blocked);
    assert_eq!(plan.stages[1].verdict, Verdict::Create);
}

#[test]
fn r11_a_container_that_failed_and_could_not_be_removed_gets_no_traffic_and_goes() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    let recorded = world.recorded.stages.get_mut(&key("shop/prod")).unwrap();
    recorded.live = None;
    recorded.instances.get_mut("id1").unwrap().status = InstanceStatus::Failed;
    assert_eq!(world.plan().stages[0].verdict, Verdict::Replace);
    world.failed_before("shop/prod").expect(
        "
            shop/prod held: shop-prod-00000001 is left over: v1 failed (exit 1)
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001",
    );
}

#[test]
fn a_mended_gate_lifts_the_hold() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let world = world.failed_before("shop/prod");
    assert_eq!(world.plan().stages[0].verdict, Verdict::Held);
    let world = world.change("shop/prod", |s| s.ready.deadline = Millis::secs(300));
    assert_eq!(world.plan().stages[0].verdict, Verdict::Replace);
    let world = world.change("shop/prod", |s| s.ready.deadline = Millis::secs(60));
    assert_eq!(world.plan().stages[0].verdict, Verdict::Held);
    let world = world.change("shop/prod", |s| s.monitor = Millis::secs(30));
    assert_eq!(world.plan().stages[0].verdict, Verdict::Replace);
}

#[test]
fn r20_what_serves_is_repaired_while_its_successor_has_no_image() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let blocked = Blocked { refused: false, reason: "no such tag".into(), hint: None };
    world.refused_images.insert(key("shop/prod"), blocked);
    let plan = world.container(1, |c| c.state = ContainerState::Exited).plan();
    assert_eq!(plan.stages[0].verdict, Verdict::Blocked);
    assert!(plan.to_string().contains("start shop-prod-00000001"), "{plan}");
}

#[test]
fn r11_recreate_knows_what_to_start_again_when_an_interrupted_deploy_stopped_it() {
    let recreate = |stage: &mut DesiredStage| stage.strategy = Strategy::Recreate;
    let world = World::new().want("db/prod", "v1").change("db/prod", recreate).runs("db/prod", 1);
    let world =
        world.container(1, |c| c.state = ContainerState::Exited).want("db/prod", "v2").change("db/prod", recreate);
    assert!(world.plan().to_string().contains("stop db-prod-00000001"));
}

#[test]
fn what_docker_could_not_remove_is_not_kept_well_while_its_successor_is_held() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let world = world.failed_before("shop/prod").routes("shop.test", 9, Some((store(), key("shop/prod"))));
    let kept = world.clone().plan().to_string();
    assert!(kept.contains("switch shop.test to shop-prod-00000001"), "{kept}");
    let dead = world.container(1, |c| c.state = ContainerState::Dead).plan().to_string();
    assert!(!dead.contains("switch"), "{dead}");
}
