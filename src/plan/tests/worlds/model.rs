//! The host, the proxy and the store as one value: every change of it is one operation that a crash can come before.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::model::DeployStatus;

/// Why the work on a stage, or the whole pass, goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process is killed: whatever was to follow does not.
    Crash,
    /// A step did not work; true when the app itself is at fault.
    Failed(String, bool),
}

pub(super) type Done = Result<(), Stop>;

/// How the app of every new instance turns out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apps {
    /// It passes its gate and stays well.
    Well,
    /// It never passes its gate.
    NeverReady,
    /// It passes its gate and does not stay well.
    SickLater,
    /// It is well, and the first wait for anything at all runs into its deadline.
    SlowOnce,
}

impl Apps {
    pub(super) const ALL: [Self; 4] = [Self::Well, Self::NeverReady, Self::SickLater, Self::SlowOnce];
}

/// The number of the first deploy that is not there when a world begins.
pub(super) const FIRST_NEW: u16 = 10;

/// A deploy as the store has it; how far it is stands beside its stage.
#[derive(Debug, Clone)]
pub(super) struct Deploy {
    pub(super) stage: DesiredStage,
    pub(super) live: LiveDeploy,
    /// Every end that it was given; one, in the end.
    pub(super) ends: Vec<DeployStatus>,
}

/// Everything there is.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) world: World,
    pub(super) deploys: BTreeMap<DeployId, Deploy>,
    pub(super) apps: Apps,
    /// The number of the next deploy, which its container and its port have as well.
    pub(super) next: u16,
    /// Operations to go before each crash, from the one before it.
    pub(super) crashes: Vec<usize>,
    /// Operations so far.
    pub(super) ops: usize,
    /// Containers that ran when the world began, or passed their gate since they were started.
    pub(super) gated: BTreeSet<String>,
    /// Containers whose app is not well whatever anybody waits for.
    pub(super) bad: BTreeSet<String>,
    /// Names that containers without our labels have.
    pub(super) taken: BTreeSet<String>,
    /// Domains that are wanted, of stages that are replaced beside the old one.
    watched: BTreeSet<Domain>,
    /// Those of them that somebody answered.
    served: BTreeSet<Domain>,
    /// The world as it was, for what of it is not ours.
    foreign: Box<World>,
    /// What happened, operation by operation; kept only where it is to be told.
    pub(super) story: Option<Vec<String>>,
    /// Rules that were broken on the way.
    pub(super) problems: Vec<String>,
}

impl Model {
    /// A world in which whatever runs is well, except `bad`.
    pub(super) fn new(world: World, bad: BTreeSet<String>, taken: BTreeSet<String>, apps: Apps) -> Self {
        let running = world.observed.containers.iter().filter(|c| c.state == ContainerState::Running);
        let gated = running.map(|c| c.id.clone()).filter(|id| !bad.contains(id)).collect();
        let mut model = Self {
            foreign: Box::new(world.clone()),
            world,
            deploys: BTreeMap::new(),
            apps,
            next: FIRST_NEW,
            crashes: Vec::new(),
            ops: 0,
            gated,
            bad,
            taken,
            watched: BTreeSet::new(),
            served: BTreeSet::new(),
            story: None,
            problems: Vec::new(),
        };
        model.remember_deploys();
        model.wants_now();
        model
    }

    /// The deploys of what is there, which all had an end.
    fn remember_deploys(&mut self) {
        for labels in self.world.observed.containers.iter().filter(|c| is_ours(c)).filter_map(|c| c.labels.as_ref()) {
            let then = self.world.clone().want(&labels.key.to_string(), &labels.instance);
            let stage = then.desired.stages[&labels.key].clone();
            let live = self.world.deployed(&stage, u16::try_from(labels.deploy.0.as_u128()).unwrap());
            let deploy = Deploy { stage, live, ends: vec![DeployStatus::Success] };
            self.deploys.insert(labels.deploy, deploy);
        }
    }

    /// From now on another configuration may be wanted: what is served by it must be from here on.
    pub(super) fn wants_now(&mut self) {
        let wanted = self.world.desired.stages.values().filter(|stage| stage.strategy == Strategy::BlueGreen);
        self.watched = wanted.flat_map(|stage| &stage.domains).cloned().collect();
        self.served = self.watched.iter().filter(|domain| self.is_served_for_good(domain)).cloned().collect();
    }

    /// One operation: something that lasts once it is done. A crash comes before it or not at all.
    pub(super) fn op(&mut self, what: String, act: impl FnOnce(&mut World)) -> Done {
        match self.crashes.first_mut() {
            Some(0) => {
                self.crashes.remove(0);
                self.tell(|| format!("crash before: {what}"));
                return Err(Stop::Crash);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.ops += 1;
        act(&mut self.world);
        self.tell(|| what);
        self.watch();
        Ok(())
    }

    pub(super) fn problem(&mut self, what: String) {
        self.tell(|| format!("PROBLEM: {what}"));
        self.problems.push(what);
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    pub(super) fn container(&self, id: &str) -> Option<&ObservedContainer> {
        self.world.observed.containers.iter().find(|c| c.id == id)
    }

    pub(super) fn routes(&self) -> &BTreeMap<Domain, ObservedRoute> {
        let ObservedProxy::Routes(routes) = &self.world.observed.proxy else { panic!("these worlds have a proxy") };
        routes
    }

    /// True when the container answers requests as it should.
    pub(super) fn is_well(&self, container: &ObservedContainer) -> bool {
        container.state == ContainerState::Running && self.gated.contains(&container.id)
    }

    /// The container behind an upstream of the proxy.
    pub(super) fn behind(&self, upstream: &str) -> Option<&ObservedContainer> {
        self.world.observed.containers.iter().find(|c| c.is_at(upstream))
    }

    /// Held at every operation: who is served stays served, and what is foreign stays as it is (R1, R4, R9).
    fn watch(&mut self) {
        let lost: Vec<Domain> = self.served.iter().filter(|domain| !self.is_served(domain)).cloned().collect();
        for domain in lost {
            self.served.remove(&domain);
            self.problem(format!("outage: nothing that is well serves {domain}"));
        }
        let fresh =
            self.watched.iter().filter(|domain| !self.served.contains(*domain) && self.is_served_for_good(domain));
        let fresh: Vec<Domain> = fresh.cloned().collect();
        self.served.extend(fresh);
        if !is_as_it_was(&self.world, &self.foreign) {
            self.problem("something foreign was touched (R1)".to_owned());
        }
    }

    /// True when somebody answers a domain who can take it back from an instance that is found sick: an older one of the
    /// stage that wants it.
    fn is_served_for_good(&self, domain: &Domain) -> bool {
        let takes_back = |route: &ObservedRoute| {
            let is_old = self.behind(&route.upstream).is_some_and(|c| !is_new(&c.id));
            is_old && route.owner.as_ref().is_some_and(|(_, owner)| self.wants(owner, domain))
        };
        self.is_served(domain) && (self.apps != Apps::SickLater || self.routes().get(domain).is_some_and(takes_back))
    }

    fn wants(&self, key: &StageKey, domain: &Domain) -> bool {
        self.world.desired.stages.get(key).is_some_and(|stage| stage.domains.contains(domain))
    }

    /// True when somebody answers a domain.
    fn is_served(&self, domain: &Domain) -> bool {
        let behind = self.routes().get(domain).and_then(|route| self.behind(&route.upstream));
        behind.is_some_and(|c| self.is_well(c))
    }
}

/// What is foreign is as it is in another world, in every detail.
fn is_as_it_was(now: &World, then: &World) -> bool {
    foreign_containers(now).eq(foreign_containers(then)) && foreign_routes(now).eq(foreign_routes(then))
}

fn foreign_containers(world: &World) -> impl Iterator<Item = &ObservedContainer> {
    world.observed.containers.iter().filter(|c| !is_ours(c))
}

fn foreign_routes(world: &World) -> impl Iterator<Item = (&Domain, &ObservedRoute)> {
    let ObservedProxy::Routes(routes) = &world.observed.proxy else { panic!("these worlds have a proxy") };
    routes.iter().filter(|(_, route)| route.owner.as_ref().is_none_or(|(owner, _)| *owner != store()))
}

/// What these worlds mean by ours, said without the planner: the container that a deploy made has its number in its id,
/// and a copy has not.
pub(super) fn is_ours(container: &ObservedContainer) -> bool {
    let number = container.labels.as_ref().map(|labels| labels.deploy.0.as_u128());
    number.is_some_and(|n| container.id == format!("id{n}"))
}

/// True for a container that was made since the world began.
pub(super) fn is_new(id: &str) -> bool {
    port_of(id) >= port(FIRST_NEW)
}

/// The port that belongs to a container made by a deploy; a foreign one has that of no deploy.
pub(super) fn port_of(id: &str) -> u16 {
    port(id.trim_start_matches("id").parse().unwrap_or_default())
}
