//! Drift: the instance is the right one, but stopped, renamed, disconnected or not routed to (R20).

use super::deploy::{shares_host_network, switch_to};
use super::host;
use super::ownership::Own;
use super::planted::{self, Bug};
use super::retire::{foreign_route, routed_domains, taker};
use super::stage::{others, retire_others};
use super::{Cause, Effect, Held, Input, StagePlan, Step, Target, Verdict};
use crate::model::route::Reach;
use crate::model::{ContainerState, DesiredStage, Domain, ObservedProxy};

/// Adds what puts an instance right, and what retires others of its stage once it serves.
pub(super) fn repair(input: Input<'_>, stage: &DesiredStage, current: &Own<'_>, own: &[Own<'_>], plan: &mut StagePlan) {
    name(current, plan);
    networks(input, stage, current, plan);
    let wakes = state(stage, current, plan);
    route(input, stage, current, own, wakes, plan);
    if !is_anyones_guess(input, stage) {
        retire_others(input, stage, own, current, plan);
    }
}

/// The plan of a stage without what puts it right, where it was put right again and again of late.
pub(super) fn unless_resting(input: Input<'_>, plan: StagePlan) -> StagePlan {
    let Some(until_ms) = input.options.rests.get(&plan.key).copied() else { return plan };
    match plan.verdict {
        Verdict::Repair => {
            let held = Some(Held::Rests { until_ms });
            StagePlan { verdict: Verdict::Held, held, steps: Vec::new(), ..plan }
        }
        // What it waits for is said already; the steps would keep the old one well.
        Verdict::Held | Verdict::Blocked => StagePlan { steps: Vec::new(), ..plan },
        Verdict::Unchanged | Verdict::Create | Verdict::Replace | Verdict::Remove => plan,
    }
}

/// True when the proxy does not say which of several instances it leads to: after a switch that was neither proven nor
/// put back, it may be any.
fn is_anyones_guess(input: Input<'_>, stage: &DesiredStage) -> bool {
    let is_routed = !stage.domains.is_empty() || host::is_recorded(input, &stage.key);
    is_routed && matches!(input.observed.proxy, ObservedProxy::Unreachable(_))
}

fn name(current: &Own<'_>, plan: &mut StagePlan) {
    if current.container.name != current.labels.own_name {
        plan.causes.push(Cause::Renamed { now: current.container.name.clone() });
        let effect = Effect::Rename { target: current.target(), to: current.labels.own_name.clone() };
        plan.steps.push(Step::shared(effect));
    }
}

fn networks(input: Input<'_>, stage: &DesiredStage, current: &Own<'_>, plan: &mut StagePlan) {
    if shares_host_network(stage) {
        return;
    }
    let settings = &input.desired.settings;
    let joined = &current.container.networks;
    for network in std::iter::once(&settings.network).chain(&stage.container.networks) {
        if !joined.contains_key(network) {
            plan.causes.push(Cause::Disconnected { network: network.clone() });
            let effect = Effect::Connect { target: current.target(), network: network.clone() };
            plan.steps.push(Step::shared(effect));
        }
    }
    let names = settings.names_network();
    if !joined.contains_key(&names) {
        plan.causes.push(Cause::Disconnected { network: names });
        plan.steps.push(Step::shared(Effect::JoinNames { target: current.target() }));
    }
}

/// Brings it back to running; true when it was not, so that it must pass its gate again before traffic.
fn state(stage: &DesiredStage, current: &Own<'_>, plan: &mut StagePlan) -> bool {
    let target = current.target();
    let (cause, effect) = match current.container.state {
        ContainerState::Exited => (Cause::Stopped, Effect::Start { target }),
        ContainerState::Paused => (Cause::Paused, Effect::Unpause { target }),
        ContainerState::Restarting => {
            plan.warnings.push("its container keeps restarting: `landfall logs` shows why".into());
            return false;
        }
        ContainerState::Running | ContainerState::Created | ContainerState::Removing | ContainerState::Dead => {
            return false;
        }
    };
    plan.causes.push(cause);
    plan.steps.push(Step::shared(effect));
    plan.steps.push(Step::shared(Effect::Gate { target: current.target(), ready: stage.ready.clone() }));
    true
}

fn route(
    input: Input<'_>,
    stage: &DesiredStage,
    current: &Own<'_>,
    own: &[Own<'_>],
    wakes: bool,
    plan: &mut StagePlan,
) {
    // The switch would be refused: whoever has the domain was named.
    if foreign_route(input, stage).is_some() {
        return;
    }
    let certify = host::certify(input, stage);
    let what = route_difference(input, stage, current, wakes).filter(|_| !planted::has(Bug::ForgetsRoute));
    let Some(what) = what.or_else(|| certify.is_some().then(|| "it has no certificate yet".to_owned())) else {
        return;
    };
    plan.causes.push(Cause::Route { what });
    if !wakes && is_served_by_another(input, current, own) {
        plan.steps.push(Step::shared(Effect::Gate { target: current.target(), ready: stage.ready.clone() }));
    }
    plan.steps.extend(certify.map(Step::shared));
    plan.steps.push(if stage.domains.is_empty() {
        Step::shared(Effect::Unroute { domains: routed_domains(input, &stage.key) })
    } else {
        Step::shared(switch_to(input, stage, current.target()))
    });
}

/// True when another instance has the traffic, and is not known to be bad: it is taken from it only by one that passes its
/// gate now. An earlier pass may have woken this one and found that it does not (R4).
fn is_served_by_another(input: Input<'_>, current: &Own<'_>, own: &[Own<'_>]) -> bool {
    others(own, current).any(|other| {
        other.container.state == ContainerState::Running
            && input.observed.proxy.leads_to(other.container)
            && !input.recorded.has_failed(&other.labels.key, &other.container.id)
    })
}

/// What the proxy has that it should not, or the other way round; none when all is right.
fn route_difference(input: Input<'_>, stage: &DesiredStage, current: &Own<'_>, wakes: bool) -> Option<String> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else {
        return None;
    };
    let owner = input.recorded.store.map(|store| (store, stage.key.clone()));
    let expected = upstream(input, stage, current);
    let options = host::options(input, stage);
    let is_cut_off = input.recorded.stages.get(&stage.key).is_some_and(|stage| stage.is_switch_cut_off);
    if let (true, Some(domain)) = (is_cut_off, stage.domains.first()) {
        return Some(format!("a switch of {domain} was cut off"));
    }
    for domain in &stage.domains {
        match routes.get(domain) {
            None => return Some(format!("{domain} is not routed")),
            Some(route) if route.owner != owner => return Some(format!("{domain} moves here")),
            // What only redirects, or shows a page, leads to no instance.
            Some(route) if options.maintenance || options.redirects.contains_key(domain) => {
                if let Some(what) = host::difference(domain, route, &options) {
                    return Some(what);
                }
            }
            Some(route) if wakes && expected.is_none() => return Some(format!("{domain} leads to {}", route.upstream)),
            // One that is being restarted has no address to lead to, and gets one by itself.
            Some(_) if expected.is_none() && input.desired.settings.proxy.reach() == Some(Reach::Address) => {}
            Some(route) if Some(&route.upstream) != expected.as_ref() => {
                return Some(format!("{domain} leads to {}", route.upstream));
            }
            Some(route) => {
                if let Some(what) = host::difference(domain, route, &options) {
                    return Some(what);
                }
            }
        }
    }
    // A domain that another stage takes over stays until it does: that stage's own switch moves it.
    let extra = |domain: &Domain| !stage.domains.contains(domain) && taker(input, domain).is_none();
    let extra = routed_domains(input, &stage.key).into_iter().find(extra)?;
    Some(format!("{extra} is routed"))
}

/// Where the proxy should lead: the container's own name, its address, or the loopback port that it publishes when it runs or that is
/// reserved for it.
fn upstream(input: Input<'_>, stage: &DesiredStage, current: &Own<'_>) -> Option<String> {
    match input.desired.settings.proxy.reach()? {
        Reach::Network => Some(format!("{}:{}", current.labels.own_name, stage.container.port?)),
        Reach::Address => {
            let address =
                current.container.networks.get(&input.desired.settings.network).filter(|own| !own.is_empty())?;
            Some(format!("{address}:{}", stage.container.port?))
        }
        Reach::Host => {
            // The one reserved for it first: an app may publish the same port once more on a number of its own.
            let recorded = input.recorded.stages.get(&stage.key).and_then(|s| s.instances.get(&current.container.id));
            let observed = || stage.container.port.and_then(|port| current.container.loopback_port(port));
            let port = recorded.and_then(|i| i.host_port).or_else(observed)?;
            Some(format!("127.0.0.1:{port}"))
        }
    }
}

impl Own<'_> {
    /// This container as the target of a step.
    pub fn target(&self) -> Target {
        Target::Existing {
            id: self.container.id.clone(),
            name: self.container.name.clone(),
            deploy: self.labels.deploy,
        }
    }
}
