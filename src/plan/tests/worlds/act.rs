//! What each effect does to the model, one call after the other, as `execute::perform` and its neighbours make them.

use super::super::*;
use super::model::{Apps, Done, Model, Stop, is_new, port_of};
use crate::model::{HostOptions, Phase, RecordedRoute};

/// What the work on a stage has done so far, as `execute::run::Work` has it.
pub(super) struct Work<'a> {
    pub(super) plan: &'a StagePlan,
    pub(super) deploy: Option<DeployId>,
    pub(super) container: Option<String>,
    /// Old containers that were stopped before the new one was made.
    pub(super) stopped: Vec<String>,
    /// The routes before the first switch.
    pub(super) saved: Option<BTreeMap<Domain, ObservedRoute>>,
    pub(super) proxy_touched: bool,
    pub(super) phase: Phase,
}

fn failed(why: impl Into<String>) -> Stop {
    Stop::Failed(why.into(), false)
}

impl Model {
    pub(super) fn step(&mut self, work: &mut Work<'_>, effect: &Effect) -> Done {
        let what = effect.to_string();
        match effect {
            Effect::CreateNetwork { name } => self.make_network(name),
            Effect::Pull { .. } => self.op(what, |_| {}).and_then(|()| self.op("tag".to_owned(), |_| {})),
            Effect::CreateVolume { .. } | Effect::WriteSecrets | Effect::Hook { .. } | Effect::Certify { .. } => {
                self.op(what, |_| {})
            }
            Effect::Create { .. } => self.create(work),
            Effect::Connect { target, network } => self.network(work, target, network, true),
            Effect::JoinNames { target } => self.network(work, target, NAMES, true),
            Effect::LeaveNames { target } => self.network(work, target, NAMES, false),
            Effect::Start { target } | Effect::Unpause { target } => {
                let id = Self::id(work, target)?;
                self.start(&id, what)
            }
            Effect::Rename { target, to } => self.rename(work, target, to),
            Effect::Gate { target, .. } => self.gate(&Self::id(work, target)?),
            Effect::Monitor { target, .. } => self.monitor(&Self::id(work, target)?),
            Effect::Switch { domains, options, target } => self.switch(work, domains, options, target),
            Effect::Unroute { .. } => self.unroute(work),
            Effect::Drain { .. } => Ok(()),
            Effect::Stop { target, .. } => {
                let id = Self::id(work, target)?;
                if !work.stopped.contains(&id) {
                    work.stopped.push(id.clone());
                }
                self.stop(&id, what)
            }
            Effect::Remove { target } => {
                let id = Self::id(work, target)?;
                self.remove(&id, false)
            }
        }
    }

    pub(super) fn make_network(&mut self, name: &str) -> Done {
        self.op(format!("network {name}"), |world| {
            world.observed.networks.insert(name.to_owned());
        })
    }

    pub(super) fn id(work: &Work<'_>, target: &Target) -> Result<String, Stop> {
        match target {
            Target::Existing { id, .. } => Ok(id.clone()),
            Target::New => {
                work.container.clone().ok_or_else(|| Stop::Failed("its container was not made".into(), true))
            }
        }
    }

    /// Docker's container and the row of the instance are two operations.
    fn create(&mut self, work: &mut Work<'_>) -> Done {
        let id = work.deploy.ok_or_else(|| failed("a container is only made by a deploy"))?;
        let deploy = self.deploys[&id].clone();
        let n = u16::try_from(id.0.as_u128()).unwrap();
        let host_port = deploy.stage.is_published(&self.world.desired.settings.proxy).then(|| port(n));
        if host_port.is_some() {
            self.open(id, format!("reserve port {}", port(n)), |open| open.host_port = host_port)?;
        }
        let mut made = self.world.instance(&deploy.stage, n);
        made.state = ContainerState::Created;
        made.ports.clear();
        made.networks = [("landfall".to_owned(), String::new())].into();
        let container = made.id.clone();
        if self.apps == Apps::NeverReady {
            self.bad.insert(container.clone());
        }
        self.op(format!("create {}", made.name), |world| world.observed.containers.push(made))?;
        work.container = Some(container.clone());
        self.record(id, &container, host_port)
    }

    /// The row of an instance.
    pub(super) fn record(&mut self, deploy: DeployId, container: &str, host_port: Option<u16>) -> Done {
        let (id, stage) = (container.to_owned(), self.deploys[&deploy].stage.key.clone());
        let name = format!("{}-{}", stage.dns_name(), deploy.short());
        let instance = RecordedInstance { name, host_port, deploy, status: InstanceStatus::Running, adopted: None };
        self.op(format!("record {container}"), |world| {
            world.recorded.stages.entry(stage).or_default().instances.insert(id, Box::new(instance));
        })
    }

    fn network(&mut self, work: &Work<'_>, target: &Target, network: &str, join: bool) -> Done {
        let id = Self::id(work, target)?;
        if !self.world.observed.networks.contains(network) {
            return Err(failed(format!("no network {network}")));
        }
        let verb = if join { "connect" } else { "disconnect" };
        self.change(&id, format!("{verb} {id} {network}"), |c| {
            if join {
                rejoin(c, |all| drop(all.insert(network.to_owned(), "10.0.0.3".to_owned())));
            } else {
                rejoin(c, |all| drop(all.remove(network)));
            }
        })
    }

    fn rename(&mut self, work: &Work<'_>, target: &Target, to: &str) -> Done {
        let id = Self::id(work, target)?;
        let is_taken = self.taken.contains(to) || self.world.observed.containers.iter().any(|c| c.name == to);
        if is_taken {
            return Err(failed(format!("name {to} is taken")));
        }
        self.change(&id, format!("rename {id} to {to}"), |c| to.clone_into(&mut c.name))
    }

    /// A change of one container that is there.
    pub(super) fn change(&mut self, id: &str, what: String, change: impl FnOnce(&mut ObservedContainer)) -> Done {
        if self.container(id).is_none() {
            return Err(failed(format!("no container {id}")));
        }
        self.op(what, |world| change(world.observed.containers.iter_mut().find(|c| c.id == id).unwrap()))
    }

    /// Whoever is started has to pass its gate again before it counts.
    pub(super) fn start(&mut self, id: &str, what: String) -> Done {
        let published = self.is_published(id);
        self.change(id, what, |c| {
            c.state = ContainerState::Running;
            if published {
                c.ports = vec![ObservedPort {
                    host_ip: "127.0.0.1".into(),
                    host_port: port_of(&c.id),
                    container_port: 8080,
                    is_tcp: true,
                }];
            }
        })
    }

    /// What was made with a port of the host has it whenever it runs.
    fn is_published(&self, id: &str) -> bool {
        let rows = self.world.recorded.stages.values().find_map(|stage| stage.instances.get(id));
        rows.is_some_and(|row| row.host_port.is_some())
    }

    pub(super) fn stop(&mut self, id: &str, what: String) -> Done {
        self.change(id, what, |c| {
            c.state = ContainerState::Exited;
            c.ports.clear();
        })?;
        self.gated.remove(id);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &str, force: bool) -> Done {
        let Some(container) = self.container(id) else { return self.forget(id) };
        if container.state == ContainerState::Running && !force {
            return Err(failed(format!("{id} is running")));
        }
        self.op(format!("remove {id}"), |world| world.observed.containers.retain(|c| c.id != id))?;
        self.forget(id)
    }

    /// The row of an instance goes, and with the last one the stage that nobody wants.
    pub(super) fn forget(&mut self, id: &str) -> Done {
        self.op(format!("forget {id}"), |world| {
            for stage in world.recorded.stages.values_mut() {
                stage.instances.remove(id);
            }
            forget_stages(world);
        })
    }

    pub(super) fn gate(&mut self, id: &str) -> Done {
        self.wait(id, "never ready", Apps::NeverReady)?;
        self.gated.insert(id.to_owned());
        Ok(())
    }

    fn monitor(&mut self, id: &str) -> Done {
        self.wait(id, "did not stay well", Apps::SickLater)
    }

    /// Waiting changes nothing; the app of a new instance, or the first wait of all, may not come to a good end.
    fn wait(&mut self, id: &str, why: &str, fails_with: Apps) -> Done {
        let is_up = self.container(id).is_some_and(|c| c.state == ContainerState::Running);
        let is_new = is_new(id);
        let slow = self.apps == Apps::SlowOnce;
        if slow {
            self.apps = Apps::Well;
        }
        if !is_up || slow || self.bad.contains(id) || (is_new && self.apps == fails_with) {
            self.tell(|| format!("{id} {why}"));
            return Err(Stop::Failed(format!("{id} {why}"), true));
        }
        Ok(())
    }

    fn switch(&mut self, work: &mut Work<'_>, domains: &[Domain], options: &HostOptions, target: &Target) -> Done {
        let id = Self::id(work, target)?;
        let container = self.container(&id).ok_or_else(|| failed("it is gone"))?;
        let upstream = container.ports.first().map(|p| format!("{}:{}", p.host_ip, p.host_port));
        let upstream = upstream.ok_or_else(|| failed("it publishes no port"))?;
        if self.bad.contains(&id) {
            self.problem(format!("traffic is led to {id}, which is not well"));
        }
        let taken = |domain: &&Domain| {
            let owner = self.routes().get(*domain).map(|route| route.owner.clone());
            owner.is_some_and(|owner| owner.is_none_or(|(owner, _)| owner != store()))
        };
        if let Some(domain) = domains.iter().find(taken) {
            return Err(failed(format!("{domain} belongs to somebody else")));
        }
        self.note(work, domains, options)?;
        let (key, before) = (work.plan.key.clone(), self.routes().clone());
        work.proxy_touched = true;
        self.op(format!("switch {key} to {id}"), |world| {
            let owner = Some((store(), key.clone()));
            let routes = routes(world);
            routes.retain(|_, route| route.owner != owner);
            for domain in domains {
                let route = ObservedRoute { upstream: upstream.clone(), owner: owner.clone(), host: None };
                routes.insert(domain.clone(), route);
            }
        })?;
        work.saved.get_or_insert(before);
        Ok(())
    }

    fn unroute(&mut self, work: &mut Work<'_>) -> Done {
        self.note(work, &[], HostOptions::plain())?;
        let owner = Some((store(), work.plan.key.clone()));
        work.proxy_touched = true;
        self.op(format!("unroute {}", work.plan.key), |world| routes(world).retain(|_, route| route.owner != owner))
    }

    /// A change of the route alone is remembered before it is made.
    fn note(&mut self, work: &Work<'_>, domains: &[Domain], options: &HostOptions) -> Done {
        let key = work.plan.key.clone();
        if work.deploy.is_some() || !self.world.desired.stages.contains_key(&key) {
            return Ok(());
        }
        let route = RecordedRoute { domains: domains.to_vec(), route: options.clone().into() };
        self.op(format!("note route of {key}"), |world| {
            world.recorded.stages.entry(key).or_default().route = Some(route);
        })
    }
}

pub(super) fn routes(world: &mut World) -> &mut BTreeMap<Domain, ObservedRoute> {
    let ObservedProxy::Routes(routes) = &mut world.observed.proxy else { panic!("these worlds have a proxy") };
    routes
}

/// Removed stages are listed while they have instances, or a deploy without an end.
pub(super) fn forget_stages(world: &mut World) {
    let World { desired, recorded, .. } = world;
    recorded.stages.retain(|key, stage| {
        desired.stages.contains_key(key) || !stage.instances.is_empty() || stage.in_flight.is_some()
    });
}
