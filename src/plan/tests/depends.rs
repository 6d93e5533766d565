//! Stages that depend on others (R23): who waits, who is not begun at all, and why.

use super::*;
use crate::model::observed::Health;

impl World {
    /// Lets a stage depend on others.
    fn on(self, name: &str, others: &[&str]) -> Self {
        let others = others.iter().map(|other| key(other)).collect();
        self.change(name, |stage| stage.depends_on = others)
    }

    /// The plan without its steps, a line for each thing that is said.
    fn gist(&self) -> Vec<String> {
        let plan = self.plan().to_string();
        let is_said = |line: &&str| !line.starts_with("  ") || line.contains(" after ") || line.contains(" warning: ");
        plan.lines().filter(is_said).map(|line| line.trim().to_owned()).collect()
    }
}

/// Two stages, the second of which depends on the first.
fn shop_on_db() -> World {
    World::new().want("db/prod", "v1").want("shop/prod", "v1").on("shop/prod", &["db/prod"])
}

#[test]
fn r23_a_first_deploy_waits_for_that_of_what_it_depends_on() {
    shop_on_db().change("shop/prod", |s| s.domains.clear()).change("db/prod", |s| s.domains.clear()).expect(
        "
            db/prod create: first deploy
              pull reg.test/app
              create (new)
              start (new)
              gate (new) http /up within 1m
              name (new)
            shop/prod create: first deploy
              after db/prod, which it depends on
              pull reg.test/app
              create (new)
              start (new)
              gate (new) http /up within 1m
              name (new)",
    );
}

#[test]
fn r23_only_what_has_work_in_the_plan_is_waited_for() {
    let world = shop_on_db().runs("db/prod", 1);
    assert_eq!(world.gist(), ["shop/prod create: first deploy"]);
    let world = world.container(1, |c| c.state = ContainerState::Exited);
    let (db, shop) = ("db/prod repair: its container is not running", "shop/prod create: first deploy");
    assert_eq!(world.gist(), [db, shop, "after db/prod, which it depends on"]);
}

#[test]
fn r18_r23_a_changed_dependency_recreates_nothing() {
    let world = World::new().want("db/prod", "v1").runs("db/prod", 1).want("shop/prod", "v1").runs("shop/prod", 2);
    world.on("shop/prod", &["db/prod"]).expect("");
}

#[test]
fn r23_what_runs_is_put_right_without_waiting() {
    let world = shop_on_db().runs("db/prod", 1).runs("shop/prod", 2).want("db/prod", "v2");
    let world = world.container(2, |c| c.state = ContainerState::Exited);
    let (db, shop) = ("db/prod replace: version v1 → v2", "shop/prod repair: its container is not running");
    assert_eq!(world.gist(), [db, shop]);
}

#[test]
fn r23_the_old_version_of_what_is_held_is_good_enough_and_one_that_never_ran_is_not() {
    let held = "db/prod held: v2 failed (exit 1)";
    let world = shop_on_db().runs("db/prod", 1).want("db/prod", "v2").failed_before("db/prod");
    assert_eq!(world.gist(), [held, "shop/prod create: first deploy"]);
    let world = shop_on_db().want("db/prod", "v2").failed_before("db/prod");
    let why = "shop/prod blocked: it depends on db/prod, which does not run and is held: v2 failed (exit 1)";
    assert_eq!(world.gist(), [held, why]);
}

#[test]
fn r23_what_is_not_healthy_is_no_ground_to_build_on() {
    let states = [
        ("unhealthy", ContainerState::Running, Some(Health::Unhealthy)),
        ("starting", ContainerState::Running, Some(Health::Starting)),
        ("restarting", ContainerState::Restarting, None),
        ("healthy", ContainerState::Running, Some(Health::Healthy)),
    ];
    for (what, state, health) in states {
        let plan = shop_on_db().runs("db/prod", 1).container(1, |c| (c.state, c.health) = (state, health)).plan();
        let shop = plan.stages.iter().find(|stage| stage.key == key("shop/prod")).unwrap();
        assert_eq!(shop.blocked.is_none(), what == "healthy", "{what}: {plan}");
        let reason = shop.blocked.as_ref().map(|blocked| (blocked.reason.as_str(), blocked.refused));
        let wanted = (what != "healthy").then_some(("it depends on db/prod, which has no healthy instance", false));
        assert_eq!(reason, wanted, "{what}");
    }
}

#[test]
fn r23_what_is_not_picked_must_run_already_and_else_it_is_said_how_to_pick_it() {
    let mut world = shop_on_db();
    world.options.selection = Selection(vec!["shop".into()]);
    let blocked = world.plan().stages[0].blocked.clone().unwrap();
    assert_eq!(blocked.reason, "it depends on db/prod, which does not run");
    assert_eq!(blocked.hint.as_deref(), Some("`landfall apply db/prod shop/prod` brings up both"));
    assert_eq!(world.runs("db/prod", 1).gist(), ["shop/prod create: first deploy"]);
}

#[test]
fn r23_a_blocked_stage_blocks_those_behind_it_and_what_serves_of_them_is_kept_well() {
    let world = shop_on_db().want("web/prod", "v1").on("web/prod", &["shop/prod"]).runs("web/prod", 3);
    let mut world = world.want("web/prod", "v2").on("web/prod", &["shop/prod"]);
    let blocked = Blocked { refused: false, reason: "no such tag".into(), hint: None };
    world.refused_images.insert(key("db/prod"), blocked);
    let db = "db/prod blocked: no such tag";
    let shop = "it depends on db/prod, which does not run and is blocked: no such tag";
    let web = format!("it depends on shop/prod, which does not run and is blocked: {shop}");
    assert_eq!(world.gist(), [db, &format!("shop/prod blocked: {shop}"), &format!("web/prod blocked: {web}")]);
    let world = world.container(3, |c| c.state = ContainerState::Exited);
    assert!(world.plan().to_string().contains("start web-prod-00000003"), "{}", world.plan());
}

#[test]
fn r23_what_is_removed_goes_after_what_depended_on_it() {
    let gone = "not in the configuration";
    let world = World::new().want("other/prod", "v1").runs("other/prod", 9);
    let mut world = world.want("db/prod", "v1").want("shop/prod", "v1").on("shop/prod", &["db/prod"]);
    world = world.runs("db/prod", 1).runs("shop/prod", 2).drop_stage("db/prod");
    world.options.allow_prune = true;
    // The one that stays runs on as it is: the configuration says that it can.
    let mut world = world.on("shop/prod", &[]);
    assert_eq!(world.gist(), [format!("db/prod remove: {gone}")]);
    world = world.want("shop/prod", "v2");
    let after = "after shop/prod, which depends on it";
    let mut lines = world.gist();
    lines.sort();
    assert_eq!(lines, [after, &format!("db/prod remove: {gone}"), "shop/prod replace: version v1 → v2"]);
    let mut lines = world.drop_stage("shop/prod").gist();
    lines.sort();
    assert_eq!(lines, [after, &format!("db/prod remove: {gone}"), &format!("shop/prod remove: {gone}")]);
}

#[test]
fn r23_what_is_removed_stays_while_what_depends_on_it_cannot_be_replaced() {
    let world = World::new().want("db/prod", "v1").runs("db/prod", 1).want("shop/prod", "v1");
    let world = world.on("shop/prod", &["db/prod"]).runs("shop/prod", 2).drop_stage("db/prod").want("shop/prod", "v2");
    let world = world.failed_before("shop/prod");
    let (db, shop) = ("db/prod held: not in the configuration", "shop/prod held: v2 failed (exit 1)");
    let why = "shop/prod depends on it, and cannot be replaced yet";
    assert_eq!(world.gist(), [shop.to_owned(), format!("{db}: {why}")]);
}

#[test]
fn r4_r23_a_domain_that_moves_goes_before_a_dependency_and_that_is_told() {
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).want("a/prod", "v2");
    let world = world.change("a/prod", |s| s.domains = vec!["old.test".parse().unwrap()]).want("b/prod", "v1");
    let world = world.change("b/prod", |s| s.domains = vec!["a.test".parse().unwrap()]).on("b/prod", &["a/prod"]);
    let (a, b) = ("a/prod replace: version v1 → v2", "b/prod create: first deploy");
    let told = "warning: it does not wait for a/prod, which it depends on: they would wait for each other";
    assert_eq!(world.gist(), [a, "after b/prod, which takes over a domain of it", b, told]);
}

#[test]
fn r23_specs_of_different_times_cannot_make_what_is_removed_wait_for_ever() {
    let world = World::new().want("x/prod", "v1").runs("x/prod", 9).want("a/prod", "v1").want("b/prod", "v1");
    let world = world.on("a/prod", &["b/prod"]).runs("a/prod", 1).on("b/prod", &["a/prod"]).runs("b/prod", 2);
    let mut world = world.drop_stage("a/prod").drop_stage("b/prod");
    world.options.allow_prune = true;
    let plan = world.plan();
    assert!(plan.stages.iter().all(|stage| stage.after.is_empty()), "{plan}");
    assert_eq!(plan.count(Verdict::Remove), 2);
}

#[test]
fn r13_r23_a_version_that_was_chosen_waits_as_the_configuration_says() {
    use crate::model::{Choice, ChoiceKind};
    let world = shop_on_db().runs("db/prod", 1).runs("shop/prod", 2);
    let old = world.desired.stages[&key("shop/prod")].clone();
    let mut world = world.want("shop/prod", "v2");
    let refused = world.desired.stages[&key("shop/prod")].clone();
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().choice = Some(Box::new(Choice {
        kind: ChoiceKind::Rollback,
        from: None,
        image: image_of(&old),
        spec_json: serde_json::to_string(&old).unwrap(),
        refused_version: "v2".into(),
        refused_json: serde_json::to_string(&refused).unwrap(),
        refused_digest: Some(digest("v2")),
        chosen_at_ms: 0,
    }));
    world.observed.containers.retain(|c| c.id != "id2");
    // It depended on `db` when it was made, and neither the choice nor the wait hangs on that any more.
    let world = world.want("db/prod", "v2");
    let (db, shop) = ("db/prod replace: version v1 → v2", "shop/prod create: back from v2; its container is gone");
    assert_eq!(world.gist(), [db, shop]);
    let world = world.on("shop/prod", &["db/prod"]);
    assert_eq!(world.gist(), [db, shop, "after db/prod, which it depends on"]);
}
