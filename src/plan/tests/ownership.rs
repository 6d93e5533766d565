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
    assert_eq!(gone.after, [After::TakesDomain(key("b/prod"))].into());
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

#[test]
fn r4_a_stage_keeps_its_domain_while_the_one_that_takes_it_is_blocked() {
    let domain = || vec!["a.test".parse::<Domain>().unwrap()];
    let mut world = World::new().want("a/prod", "v1").runs("a/prod", 1).want("c/prod", "v1").runs("c/prod", 2);
    world = world.drop_stage("a/prod").want("b/prod", "v1").change("b/prod", |s| s.domains = domain());
    assert_eq!(world.plan().stages.iter().find(|s| s.key == key("a/prod")).unwrap().verdict, Verdict::Remove);
    let blocked = Blocked { refused: false, reason: "no such tag".into(), hint: None };
    world.refused_images.insert(key("b/prod"), blocked);
    let plan = world.plan();
    let giver = plan.stages.iter().find(|s| s.key == key("a/prod")).unwrap();
    assert!(matches!(giver.held, Some(Held::Waits { .. })) && giver.steps.is_empty(), "{plan}");
}

#[test]
fn r4_a_chain_of_moving_domains_keeps_its_order() {
    let domains = |names: &[&str]| names.iter().map(|name| name.parse::<Domain>().unwrap()).collect::<Vec<_>>();
    let world = World::new().want("old/prod", "v1").runs("old/prod", 1).want("mid/prod", "v1").runs("mid/prod", 2);
    let world = world
        .drop_stage("old/prod")
        .want("mid/prod", "v2")
        .change("mid/prod", |s| s.domains = domains(&["old.test"]))
        .want("new/prod", "v1")
        .change("new/prod", |s| s.domains = domains(&["mid.test"]));
    let plan = world.plan();
    let after = |name: &str| plan.stages.iter().find(|s| s.key == key(name)).unwrap().after.clone();
    assert_eq!(after("old/prod"), [After::TakesDomain(key("mid/prod"))].into());
    assert_eq!(after("mid/prod"), [After::TakesDomain(key("new/prod"))].into());
}

#[test]
fn a_held_stage_does_not_take_back_a_domain_that_moved_on() {
    let world = World::new().want("a/prod", "v1").runs("a/prod", 1).want("a/prod", "v2").failed_before("a/prod");
    let world = world
        .change("a/prod", |s| s.domains.clear())
        .want("b/prod", "v1")
        .change("b/prod", |s| s.domains = vec!["a.test".parse().unwrap()])
        .runs("b/prod", 2);
    let plan = world.plan();
    assert!(!plan.to_string().contains("switch a.test"), "{plan}");
}

#[test]
fn r1_r5_a_container_that_a_person_made_is_ours_by_the_record_of_its_id_alone() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    let id = world.observed.containers[0].id.clone();
    let labels = world.observed.containers[0].labels.as_mut().unwrap();
    (labels.spec, labels.own_name) = (hash::ADOPTED.into(), "theirs".into());
    world.observed.containers[0].name = "renamed-since".into();
    let recorded = world.recorded.stages.get_mut(&key("shop/prod")).unwrap();
    recorded.live.as_mut().unwrap().spec_hash = hash::ADOPTED.into();
    let plan = world.plan();
    assert_eq!(
        (plan.stages[0].verdict, &plan.stages[0].causes[..]),
        (Verdict::Replace, &[Cause::Adopted][..]),
        "{plan}"
    );
    let last = plan.stages[0].steps.last().unwrap();
    assert!(
        matches!(&last.effect, Effect::Remove { target: Target::Existing { name, .. } } if name == "renamed-since")
    );
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().instances.remove(&id);
    assert!(!world.plan().to_string().contains("renamed-since"), "without the record it is theirs");
}
