//! What changed on the host is put right (R20).

use super::*;

#[test]
fn r20_a_stopped_container_is_started_gated_and_routed_again() {
    World::new()
        .want("shop/prod", "v1")
        .runs("shop/prod", 1)
        .container(1, |c| {
            c.state = ContainerState::Exited;
            c.ports.clear();
        })
        .routes("shop.test", 1, Some((store(), key("shop/prod"))))
        .expect(
            "
            shop/prod repair: its container is not running; route: shop.test leads to 127.0.0.1:1
              start shop-prod-00000001
              gate shop-prod-00000001 http /up within 1m
              switch shop.test to shop-prod-00000001",
        );
}

#[test]
fn r20_a_paused_renamed_and_disconnected_container_is_put_right() {
    World::new()
        .want("shop/prod", "v1")
        .runs("shop/prod", 1)
        .container(1, |c| {
            c.state = ContainerState::Paused;
            c.name = "by-hand".into();
            c.networks = crate::model::Texts::default();
        })
        .expect(
            "
            shop/prod repair: its container was renamed to by-hand; its container is not in network landfall; its container is not in network landfall-names; its container is paused
              rename by-hand to shop-prod-00000001
              connect by-hand to landfall
              name by-hand
              unpause by-hand
              gate by-hand http /up within 1m",
        );
}

#[test]
fn r20_a_removed_container_is_deployed_again() {
    let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
    world.observed.containers.clear();
    let plan = world.plan();
    assert_eq!(plan.stages[0].causes, [Cause::Gone]);
    assert_eq!(plan.stages[0].verdict, Verdict::Create);
}

#[test]
fn the_healthy_twin_stays_when_two_match() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2);
    let world = world.container(2, |c| c.health = Some(crate::model::observed::Health::Unhealthy));
    let text = world.plan().to_string();
    assert!(text.contains("remove shop-prod-00000002") && !text.contains("remove shop-prod-00000001"), "{text}");
}

#[test]
fn of_two_that_are_alike_the_one_that_serves_stays_and_else_the_older_one() {
    let twins = |world: World| world.runs("shop/prod", 1).runs("shop/prod", 2).plan().to_string();
    let routed = World::new().want("shop/prod", "v1");
    // The route of these tests leads to whichever came last.
    let text = twins(routed);
    assert!(text.contains("remove shop-prod-00000001") && !text.contains("remove shop-prod-00000002"), "{text}");
    let unrouted = World::new().want("shop/prod", "v1").change("shop/prod", |stage| stage.domains.clear());
    let text = twins(unrouted);
    assert!(text.contains("remove shop-prod-00000002") && !text.contains("remove shop-prod-00000001"), "{text}");
}

#[test]
fn a_created_container_that_never_started_is_litter() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).runs("shop/prod", 2);
    let world = world.container(2, |c| {
        c.state = ContainerState::Created;
        c.ports.clear();
    });
    let world = world.routes("shop.test", 20_001, Some((store(), key("shop/prod"))));
    world.expect(
        "
            shop/prod repair: shop-prod-00000002 is left over
              remove shop-prod-00000002",
    );
}

#[test]
fn r4_traffic_that_another_instance_serves_is_taken_only_by_one_that_passes_its_gate() {
    // The first one was woken, and did not become ready: it runs, and nothing else tells it from one that is well.
    let world = World::new().want("shop/prod", "v2").runs("shop/prod", 2).want("shop/prod", "v1").runs("shop/prod", 1);
    world.routes("shop.test", port(2), Some((store(), key("shop/prod")))).expect(
        "
            shop/prod repair: route: shop.test leads to 127.0.0.1:20002; shop-prod-00000002 is left over
              gate shop-prod-00000001 http /up within 1m
              switch shop.test to shop-prod-00000001
              unname shop-prod-00000002
              drain shop-prod-00000002 within 10s
              stop shop-prod-00000002 within 10s
              remove shop-prod-00000002",
    );
}

#[test]
fn r20_what_rests_is_not_put_right_but_replaced_by_a_newer_version_all_the_same() {
    let until_ms = 5000;
    let stopped = || {
        let mut world = World::new().want("shop/prod", "v1").runs("shop/prod", 1);
        world.options.rests = std::sync::Arc::new([(key("shop/prod"), until_ms)].into());
        world.container(1, |c| c.state = ContainerState::Exited)
    };
    let plan = stopped().plan();
    let [stage] = &plan.stages[..] else { panic!("{plan}") };
    assert_eq!((stage.verdict, &stage.held), (Verdict::Held, &Some(Held::Rests { until_ms })));
    assert!(stage.steps.is_empty() && !stage.causes.is_empty(), "{plan}");
    let newer = stopped().want("shop/prod", "v2").plan();
    assert_eq!(newer.stages[0].verdict, Verdict::Replace, "{newer}");
}
