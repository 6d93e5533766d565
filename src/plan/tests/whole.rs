//! The plan as a whole.

use super::*;

#[test]
fn r18_nothing_follows_from_a_world_that_is_as_wanted() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.expect("");
    assert!(world.plan().is_noop());
}

#[test]
fn missing_networks_are_made_before_anything_joins_them() {
    let mut world = World::new().want("shop/prod", "v1");
    world.observed.networks.clear();
    assert!(world.plan().to_string().starts_with("network landfall\nnetwork landfall-names\n"));
}

#[test]
fn an_unknown_hash_version_recreates_nothing() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.container(1, |c| c.labels.as_mut().unwrap().spec = "v9:abc".into()).expect("");
}

#[test]
fn a_selection_leaves_everything_else_alone() {
    let mut world = World::new().want("a/prod", "v1").want("b/prod", "v1");
    world.options.selection = Selection(vec!["b".into()]);
    let plan = world.plan();
    assert_eq!(plan.stages.len(), 1);
    assert_eq!(plan.stages[0].key, key("b/prod"));
}

#[test]
fn the_same_world_always_gives_the_same_plan_and_name() {
    let world = || World::new().want("a/prod", "v1").want("b/prod", "v1").runs("a/prod", 1).want("a/prod", "v2");
    assert_eq!(world().plan(), world().plan());
    assert_eq!(world().plan().id(), world().plan().id());
}

#[test]
fn r18_a_plan_has_one_name_in_whatever_order_docker_lists_the_containers() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2).runs("shop/prod", 3);
    let id = world.plan().id();
    world.observed.containers.reverse();
    assert_eq!(world.plan().id(), id);
}
