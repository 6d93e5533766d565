//! What goes: an old instance after its successor serves, and a stage that the configuration no longer names.

use super::ownership::Own;
use super::{Blocked, Cause, Effect, Held, Input, Owned, StagePlan, Step, Verdict};
use super::{by_hand, host};
use crate::model::desired::Prune;
use crate::model::recorded::LiveDeploy;
use crate::model::{
    ContainerState, DesiredStage, Domain, Millis, ObservedHost, ObservedProxy, ObservedRoute, Phase, StageKey,
};

/// Grace for a stage whose own values are not known any more.
const DEFAULT_GRACE: Millis = Millis::secs(10);

/// Plans a stage that is not desired: its routes go, then its containers. Volumes and history stay (R3, R17).
pub(super) fn plan(input: Input<'_>, owned: &Owned<'_>, key: &StageKey) -> StagePlan {
    let mut plan = StagePlan::new(key, Verdict::Remove);
    let is_surplus = input.desired.is_surplus(key);
    plan.causes.push(if is_surplus { Cause::Surplus } else { Cause::NotDesired });
    let own = owned.of(key);
    plan.from = own.first().map(|o| o.labels.instance.clone());
    if input.desired.settings.prune == Prune::Never && !is_surplus {
        plan.verdict = Verdict::Held;
        plan.held =
            Some(Held::Prune { what: format!("{key} is not in the configuration, and `settings.prune` is never") });
        return plan;
    }
    let live = input.recorded.stages.get(key).and_then(|s| s.live.as_ref()).and_then(LiveDeploy::spec);
    if let (true, ObservedProxy::Unreachable(why)) = (may_be_routed(input, key, live.as_ref()), &input.observed.proxy) {
        let reason = format!("it is to go and may still be routed, and {why}");
        return plan.block(Blocked { refused: true, reason, hint: None });
    }
    let mut domains = routed_domains(input, key);
    if let (true, ObservedProxy::Routes(_)) = (domains.is_empty(), &input.observed.proxy) {
        // Gone already; it must not be remembered, either, or another host with its number would be taken for it.
        let host = input.recorded.stages.get(key).and_then(|stage| stage.host.as_ref());
        domains = host.map(|host| host.domains.clone()).unwrap_or_default();
    }
    if !domains.is_empty() {
        plan.steps.push(Step::new(Phase::Switching, Effect::Unroute { domains }));
    }
    let (drain, grace) = live.map_or((DEFAULT_GRACE, DEFAULT_GRACE), |s| (s.drain, s.stop_grace_period));
    plan.steps.extend(own.iter().flat_map(|old| retire_steps(input, old, drain, grace)));
    plan
}

/// True when a proxy that does not answer may lead to a stage; one that the store does not know may be routed.
fn may_be_routed(input: Input<'_>, key: &StageKey, live: Option<&DesiredStage>) -> bool {
    host::is_recorded(input, key) || live.is_none_or(|spec| !spec.domains.is_empty())
}

/// The desired stage that a domain belongs to now.
pub(super) fn taker(input: Input<'_>, domain: &Domain) -> Option<StageKey> {
    input.desired.stages.values().find(|s| s.domains.contains(domain)).map(|s| s.key.clone())
}

/// Takes a container out of service: its name, its last requests, its process, itself.
pub(super) fn retire_steps(input: Input<'_>, own: &Own<'_>, drain: Millis, grace: Millis) -> Vec<Step> {
    let target = own.target();
    let mut steps = Vec::new();
    if is_running(own) {
        if own.container.networks.contains_key(&input.desired.settings.names_network()) {
            steps.push(Step::new(Phase::Draining, Effect::LeaveNames { target: target.clone() }));
        }
        if may_have_requests(input, own) {
            let at_most = drain.max(input.desired.settings.proxy.least_drain());
            steps.push(Step::new(Phase::Draining, Effect::Drain { target: target.clone(), at_most }));
        }
        steps.push(Step::new(Phase::Retiring, Effect::Stop { target, grace }));
    }
    steps.extend(drop_steps(own));
    steps
}

/// True when the proxy may still have requests at a container: at a port of it or, by name, at one without. Which of the
/// two it is says the setting that it was made under, and that may have changed since.
fn may_have_requests(input: Input<'_>, own: &Own<'_>) -> bool {
    // A published port counts also where names are used now: another proxy, or another way, may have led to it before.
    let has_port = own.container.ports.iter().any(|p| p.is_tcp);
    let has_proxy = input.desired.settings.proxy.reach().is_some();
    has_proxy && (has_port || !routed_domains(input, &own.labels.key).is_empty())
}

/// Removes a container, unless Docker is at it already.
pub(super) fn drop_steps(own: &Own<'_>) -> Option<Step> {
    let going = own.container.state == ContainerState::Removing;
    (!going).then(|| Step::new(Phase::Retiring, Effect::Remove { target: own.target() }))
}

/// True when the container has a process.
pub(super) fn is_running(own: &Own<'_>) -> bool {
    match own.container.state {
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => true,
        ContainerState::Created | ContainerState::Exited | ContainerState::Removing | ContainerState::Dead => false,
    }
}

/// The domains that the proxy routes for a stage of ours.
pub(super) fn routed_domains(input: Input<'_>, key: &StageKey) -> Vec<Domain> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else {
        return Vec::new();
    };
    let ours = |owner: &Option<_>| owner.as_ref().is_some_and(|(s, k)| Some(*s) == input.recorded.store && k == key);
    routes.iter().filter(|(_, route)| ours(&route.owner)).map(|(domain, _)| domain.clone()).collect()
}

/// Every stage of ours that the proxy routes to.
pub(super) fn routed_stages(input: Input<'_>) -> Vec<StageKey> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else {
        return Vec::new();
    };
    let owners = routes.values().filter_map(|route| route.owner.as_ref());
    owners.filter(|(store, _)| Some(*store) == input.recorded.store).map(|(_, key)| key.clone()).collect()
}

/// A domain of the stage that someone else holds, in words that name the owner (R1).
pub(super) fn foreign_route(input: Input<'_>, stage: &DesiredStage) -> Option<String> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else {
        return None;
    };
    let is_foreign =
        |route: &ObservedRoute| route.owner.as_ref().is_none_or(|(store, _)| Some(*store) != input.recorded.store);
    // A whole name that somebody else has comes with all its paths, and the other way round.
    let shares = |domain: &Domain, other: &Domain| other != domain && other.host() == domain.host();
    let found = |domain: &Domain| {
        let by_host = || routes.iter().find(|(other, route)| shares(domain, other) && is_foreign(route));
        routes.get(domain).or_else(|| by_host().map(|(_, route)| route))
    };
    stage.domains.iter().find_map(|domain| match &found(domain)?.owner {
        Some((store, key)) if Some(*store) == input.recorded.store => {
            let held = by_hand::paused(input, key).filter(|_| *key != stage.key)?;
            Some(format!("domain {domain} belongs to {key}, which is {held}"))
        }
        Some((store, key)) => Some(format!("domain {domain} belongs to {key} of store {store}")),
        None => Some(made_by_hand(stage, domain, found(domain)?)),
    })
}

/// A host that a person made; one that could be taken over says so.
fn made_by_hand(stage: &DesiredStage, domain: &Domain, route: &ObservedRoute) -> String {
    match &route.host {
        None => format!("domain {domain} belongs to a proxy host made by hand"),
        Some(host) if host.options.is_some() && has_exactly(host, stage) => format!(
            "domain {domain} belongs to {}, made by hand; `landfall adopt --proxy-host {}` takes it over",
            host.what, stage.key
        ),
        Some(host) => format!("domain {domain} belongs to {}, made by hand", host.what),
    }
}

fn has_exactly(host: &ObservedHost, stage: &DesiredStage) -> bool {
    let served = stage.domains.iter().filter(|domain| !stage.route.redirects.contains_key(*domain));
    host.domains.iter().map(String::as_str).eq(served.map(Domain::as_str))
}
