//! Whose things are (R1), and domains that move.

use super::*;

#[test]
fn r1_a_container_with_copied_labels_is_never_named_in_a_step() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    let mut copy = world.observed.containers[0].clone();
    copy.id = "foreign".into();
    copy.name = "web-1".into();
    let mut world = world;
    world.observed.containers.push(copy);
    world.expect("");
    let gone = world.drop_stage("shop/prod").want("other/prod", "v1").runs("other/prod", 2);
    assert!(!gone.plan().to_string().contains("web-1"));
}

#[test]
fn r1_a_container_of_another_store_is_never_named_in_a_step() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.recorded.store = Some(StoreId(uuid::Uuid::from_u128(2)));
    world.recorded.stages.clear();
    let text = world.drop_stage("shop/prod").plan().to_string();
    assert_eq!(text, "");
}

#[test]
fn r1_a_domain_of_someone_else_is_a_held_clash_that_names_the_owner() {
    let other = StoreId(uuid::Uuid::from_u128(2));
    World::new().want("shop/prod", "v1").routes("shop.test", 9, Some((other, key("blog/prod")))).expect(
        "
            shop/prod held: domain shop.test belongs to blog/prod of store 00000000-0000-0000-0000-000000000002",
    );
}

#[test]
fn a_domain_that_moves_is_served_by_the_old_stage_until_the_new_one_takes_it() {
    let domain = |text: &str| text.parse::<Domain>().unwrap();
    let world =
        World::new().want("a/prod", "v1").change("a/prod", |s| s.domains.push(domain("www.test"))).runs("a/prod", 1);
    let world = world
        .change("a/prod", |s| s.domains.retain(|d| d.as_str() != "www.test"))
        .want("b/prod", "v1")
        .change("b/prod", |s| s.domains.push(domain("www.test")));
    let plan = world.plan();
    assert_eq!(plan.stages[0].verdict, Verdict::Unchanged, "{plan}");
    let leaving = world.drop_stage("a/prod").plan();
    let gone = leaving.stages.iter().find(|s| s.key == key("a/prod")).unwrap();
    assert_eq!(gone.after, [key("b/prod")].into());
}

#[test]
fn stages_that_exchange_domains_do_not_wait_for_each_other() {
    let swap = |world: World| {
        world
            .change("a/prod", |s| s.domains = vec!["b.test".parse().unwrap()])
            .change("b/prod", |s| s.domains = vec!["a.test".parse().unwrap()])
    };
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).want("b/prod", "v1").runs("b/prod", 2);
    assert!(swap(world).plan().stages.iter().all(|s| s.after.is_empty()));
}

#[test]
fn a_stage_with_a_domain_is_refused_when_the_proxy_does_not_answer() {
    let mut world = World::new().want("shop/prod", "v1");
    world.observed.proxy = ObservedProxy::Unreachable("connection refused".into());
    let plan = world.plan();
    assert!(plan.stages[0].blocked.as_ref().is_some_and(|b| b.refused));
    assert!(plan.stages[0].steps.is_empty() && plan.shared.is_empty());
}
