//! What may be wanted of the stage, from whatever is there.

use super::super::*;
use super::starts::SHOP;

/// What is wanted, and how a world comes to want it.
#[derive(Clone, Copy)]
pub(super) struct Want {
    pub(super) name: &'static str,
    pub(super) of: fn(World) -> World,
    /// Whether the new instance is watched after the switch.
    pub(super) is_watched: bool,
    /// Whether something else may be wanted after a crash, and the pass that follows it be killed as well.
    pub(super) is_killed_twice: bool,
}

impl Want {
    const fn new(name: &'static str, of: fn(World) -> World) -> Self {
        Self { name, of, is_watched: false, is_killed_twice: false }
    }

    const fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    const fn killed_twice(self) -> Self {
        Self { is_killed_twice: true, ..self }
    }
}

/// All of them.
pub(super) const WANTS: [Want; 13] = [
    Want::new("nothing of it", |world| world.drop_stage(SHOP)),
    Want::new("v1", |world| world.want(SHOP, "v1")),
    Want::new("v1 elsewhere", |world| elsewhere(world.want(SHOP, "v1"))),
    Want::new("v1 at one domain more", |world| at(world.want(SHOP, "v1"), &["shop.test", "www.test"])),
    Want::new("v1 changed", |world| world.want(SHOP, "v1").change(SHOP, set)),
    Want::new("v1 recreate", |world| recreate(world.want(SHOP, "v1").change(SHOP, set))),
    Want::new("v2", |world| world.want(SHOP, "v2")).killed_twice(),
    Want::new("v2 elsewhere", |world| elsewhere(world.want(SHOP, "v2"))),
    Want::new("v2 unrouted", |world| at(world.want(SHOP, "v2"), &[])),
    Want::new("v2 watched", |world| watched(world.want(SHOP, "v2"))).watched().killed_twice(),
    Want::new("v2 recreate", |world| recreate(world.want(SHOP, "v2"))),
    Want::new("v2 recreate watched", |world| watched(recreate(world.want(SHOP, "v2")))).watched(),
    Want::new("v2 recreate elsewhere", |world| elsewhere(recreate(world.want(SHOP, "v2")))),
];

/// What may be wanted instead, once a pass was interrupted.
pub(super) const THEN: [Want; 4] = [
    Want::new("v1 again", |world| world.want(SHOP, "v1")),
    Want::new("v3", |world| world.want(SHOP, "v3")),
    Want::new("v3 watched", |world| watched(world.want(SHOP, "v3"))),
    Want::new("nothing of it any more", |world| world.drop_stage(SHOP)),
];

fn set(stage: &mut DesiredStage) {
    stage.container.environment = [("LOG".into(), "debug".into())].into();
}

fn at(world: World, domains: &[&str]) -> World {
    world.change(SHOP, |stage| stage.domains = domains.iter().map(|domain| domain.parse().unwrap()).collect())
}

fn elsewhere(world: World) -> World {
    at(world, &["new.test"])
}

fn recreate(world: World) -> World {
    world.change(SHOP, |stage| stage.strategy = Strategy::Recreate)
}

fn watched(world: World) -> World {
    world.change(SHOP, |stage| stage.monitor = Millis::secs(5))
}
