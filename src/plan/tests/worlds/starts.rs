//! What may be there when a world begins: one stage in every state that people, Docker or an earlier run leave it in,
//! beside another stage that nothing may happen to.

use super::super::*;
use super::model::{Apps, Model};
use crate::model::observed::Health;
use crate::model::{Pause, PauseKind};

/// The stage that things happen to, and the one that nothing may happen to.
pub(super) const SHOP: &str = "shop/prod";
pub(super) const BLOG: &str = "blog/prod";
/// What the routed container of the first version is called, and its number.
const OLD: u16 = 2;
const OTHER: u16 = 3;

/// A world before anything is asked for.
pub(super) struct Start {
    pub(super) name: &'static str,
    world: World,
    /// Containers whose app is not well.
    bad: BTreeSet<String>,
    /// Names that containers without our labels have.
    taken: BTreeSet<String>,
}

impl Start {
    pub(super) fn model(&self, want: impl FnOnce(World) -> World, apps: Apps) -> Model {
        Model::new(want(self.world.clone()), self.bad.clone(), self.taken.clone(), apps)
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    fn bad(mut self, n: u16) -> Self {
        self.bad.insert(format!("id{n}"));
        self
    }

    fn taken(mut self, name: &str) -> Self {
        self.taken.insert(name.to_owned());
        self
    }
}

fn start(name: &'static str, world: World) -> Start {
    Start { name, world, bad: BTreeSet::new(), taken: BTreeSet::new() }
}

fn nothing() -> World {
    World::new().want(BLOG, "v1").runs(BLOG, 1).want(SHOP, "v1")
}

fn v1() -> World {
    nothing().runs(SHOP, OLD)
}

/// A container of a version beside the first one, which has the route and is the newest success.
fn beside(version: &str) -> World {
    nothing().want(SHOP, version).runs(SHOP, OTHER).want(SHOP, "v1").runs(SHOP, OLD)
}

fn state(world: World, n: u16, state: ContainerState) -> World {
    world.container(n, |c| {
        c.state = state;
        if !matches!(state, ContainerState::Running | ContainerState::Paused) {
            c.ports.clear();
        }
    })
}

/// Never became ready, and could not be removed.
fn failed(mut world: World, n: u16) -> World {
    let stage = world.recorded.stages.get_mut(&key(SHOP)).unwrap();
    stage.instances.get_mut(&format!("id{n}")).unwrap().status = InstanceStatus::Failed;
    world
}

fn recorded(mut world: World, change: impl FnOnce(&mut RecordedStage)) -> World {
    change(world.recorded.stages.get_mut(&key(SHOP)).unwrap());
    world
}

fn unrouted(mut world: World) -> World {
    super::act::routes(&mut world).remove(&"shop.test".parse().unwrap());
    world
}

/// The same labels on another container.
fn copied(mut world: World, n: u16, id: &str, change: impl FnOnce(&mut ObservedContainer)) -> World {
    let mut copy = world.observed.containers.iter().find(|c| c.id == format!("id{n}")).unwrap().clone();
    id.clone_into(&mut copy.id);
    copy.name = format!("{id}-by-hand");
    copy.ports.clear();
    change(&mut copy);
    world.observed.containers.push(copy);
    world
}

fn gone(mut world: World) -> World {
    world.observed.containers.retain(|c| c.id != format!("id{OLD}"));
    world
}

fn of_another_store(container: &mut ObservedContainer) {
    container.labels.as_mut().unwrap().store = StoreId(uuid::Uuid::from_u128(2));
}

/// All of them.
pub(super) fn starts() -> Vec<Start> {
    let mut all = by_people();
    all.extend(by_earlier_runs());
    all.extend(by_others());
    all
}

/// Drift: what people and Docker do to the first version.
fn by_people() -> Vec<Start> {
    let renamed = || v1().container(OLD, |c| c.name = "by-hand".into());
    let network = |name: &'static str| v1().container(OLD, move |c| rejoin(c, |all| drop(all.remove(name))));
    vec![
        start("nothing", nothing()),
        start("v1 serves", v1()),
        start("v1 is stopped", state(v1(), OLD, ContainerState::Exited)),
        start("v1 is paused", state(v1(), OLD, ContainerState::Paused)),
        start("v1 keeps restarting", state(v1(), OLD, ContainerState::Restarting)),
        start("v1 is being removed", state(v1(), OLD, ContainerState::Removing)),
        start("v1 is dead", state(v1(), OLD, ContainerState::Dead)),
        start("v1 is unhealthy", v1().container(OLD, |c| c.health = Some(Health::Unhealthy))),
        start("v1 is gone", gone(v1())),
        start("v1 is renamed", renamed()),
        start("v1 is renamed and stopped", state(renamed(), OLD, ContainerState::Exited)),
        start("v1 is in no network of instances", network("landfall")),
        start("v1 has no stable name", network(NAMES)),
        start("v1 is not routed", unrouted(v1())),
        start("v1's domain leads nowhere", v1().routes("shop.test", 9, Some((store(), key(SHOP))))),
        start("v1 has a domain too many", v1().routes("old.test", 20_002, Some((store(), key(SHOP))))),
        start("a network is gone", {
            let mut world = network(NAMES);
            world.observed.networks.remove(NAMES);
            world
        }),
        start("v1 is suspended", {
            let kind = PauseKind::Suspended;
            recorded(v1(), |stage| stage.pause = Some(Pause { kind, since_ms: 0, until_ms: None }))
        }),
    ]
}

/// What runs that did not come to their end, or failed, leave behind.
fn by_earlier_runs() -> Vec<Start> {
    let two = |version: &str| beside(version);
    let failed_v2 = || failed(two("v2"), OTHER);
    let unhealthy = |c: &mut ObservedContainer| c.health = Some(Health::Unhealthy);
    let forgotten = |world: World| recorded(world, |stage| drop(stage.instances.remove(&format!("id{OTHER}"))));
    vec![
        start("v1 runs twice", two("v1")),
        start("v1 runs twice, one unhealthy", two("v1").container(OTHER, unhealthy)).bad(OTHER),
        start("v1 runs twice, one failed", failed(two("v1"), OTHER)).bad(OTHER),
        start("v1 is stopped beside a failed twin", state(failed(two("v1"), OTHER), OLD, ContainerState::Exited))
            .bad(OTHER),
        start("v1 is gone beside a failed twin", gone(failed(two("v1"), OTHER))).bad(OTHER),
        start("v1 serves and v2 runs as well", two("v2")),
        start("v1 serves and v2 was never started", state(forgotten(two("v2")), OTHER, ContainerState::Created)),
        start("v1 serves and v2 has failed", failed_v2()).bad(OTHER),
        start("v1 serves, v2 has failed and is held", failed_v2().want(SHOP, "v2").failed_before(SHOP)).bad(OTHER),
        start("v1 serves and v2 is held", v1().want(SHOP, "v2").failed_before(SHOP)),
        start("v2 is routed and was not watched", {
            failed(two("v2"), OTHER).routes("shop.test", port(OTHER), Some((store(), key(SHOP))))
        }),
        start("v1 stands stopped beside a v2 that serves", {
            let world = two("v2").routes("shop.test", port(OTHER), Some((store(), key(SHOP))));
            state(world, OLD, ContainerState::Exited)
        }),
    ]
}

/// What belongs to somebody else.
fn by_others() -> Vec<Start> {
    let stranger = Some((StoreId(uuid::Uuid::from_u128(2)), key("other/app")));
    vec![
        start("a copy of v1's labels", copied(v1(), OLD, "copy", |_| {})),
        start("only a copy of v1's labels", gone(copied(v1(), OLD, "copy", |_| {}))),
        start("a stopped copy of v1's labels", {
            let stop = |c: &mut ObservedContainer| c.state = ContainerState::Exited;
            state(copied(v1(), OLD, "copy", stop), OLD, ContainerState::Exited)
        }),
        start("a copy of v2's labels", gone_other(copied(beside("v2"), OTHER, "copy", |_| {}))),
        start("a container of another store", copied(v1(), OLD, "other", of_another_store)),
        start("a container of another store under our name", {
            let name = |c: &mut ObservedContainer| {
                of_another_store(c);
                c.name.clone_from(&c.labels.as_ref().unwrap().own_name);
            };
            gone(copied(v1(), OLD, "other", name))
        }),
        start("another store has the domain", nothing().routes("shop.test", 9, stranger.clone())),
        start("a person has the domain", nothing().routes("shop.test", 9, None)),
        start("v1 runs and another store has its domain", unrouted(v1()).routes("shop.test", 9, stranger)),
        start("the other stage has the domain", nothing().routes("shop.test", port(1), Some((store(), key(BLOG))))),
        start("v1 is renamed, and its name is taken", v1().container(OLD, |c| c.name = "by-hand".into()))
            .taken("shop-prod-00000002"),
    ]
}

/// The container of the second version is not there any more, only what was copied from it.
fn gone_other(world: World) -> World {
    let mut world = recorded(world, |stage| drop(stage.instances.remove(&format!("id{OTHER}"))));
    world.observed.containers.retain(|c| c.id != format!("id{OTHER}"));
    world
}
