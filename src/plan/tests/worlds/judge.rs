//! What must be so once nothing is left to be done.

use super::super::*;
use super::model::{Model, is_ours, port_of};
use super::starts::{BLOG, SHOP};

/// Everything that is wrong with the end of a world.
pub(super) fn judge(model: &Model, plan: &Plan) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, deploy) in &model.deploys {
        let is_open =
            model.world.recorded.stages.values().any(|s| s.in_flight.as_ref().is_some_and(|o| o.deploy.id == *id));
        if deploy.ends.len() != 1 || is_open {
            wrong.push(format!("deploy {} has the ends {:?} (R14)", id.short(), deploy.ends));
        }
    }
    let known: BTreeSet<&String> = model.world.recorded.stages.values().flat_map(|s| s.instances.keys()).collect();
    let there: BTreeSet<&String> =
        model.world.observed.containers.iter().filter(|c| is_ours(c)).map(|c| &c.id).collect();
    if known != there {
        wrong.push(format!("the store knows {known:?}, and there are {there:?} (R15)"));
    }
    wrong.extend(serves(model, BLOG, "id1"));
    let stage = plan.stages.iter().find(|stage| stage.key == key(SHOP));
    wrong.extend(match stage {
        None => is_gone(model),
        Some(stage) => match stage.verdict {
            Verdict::Unchanged => is_as_wanted(model),
            Verdict::Held => is_held_well(model, stage),
            Verdict::Create | Verdict::Replace | Verdict::Repair | Verdict::Remove | Verdict::Blocked => {
                vec![format!("it ends in {}", stage.verdict)]
            }
        },
    });
    wrong
}

/// Our containers of the stage.
fn own(model: &Model) -> Vec<&ObservedContainer> {
    let of_shop = |c: &&ObservedContainer| c.labels.as_ref().is_some_and(|labels| labels.key == key(SHOP));
    model.world.observed.containers.iter().filter(|c| is_ours(c)).filter(of_shop).collect()
}

/// The domains that lead to a stage of ours, and where.
fn routed(model: &Model, name: &str) -> BTreeMap<Domain, String> {
    let owner = Some((store(), key(name)));
    let routes = model.routes().iter().filter(|(_, route)| route.owner == owner);
    routes.map(|(domain, route)| (domain.clone(), route.upstream.clone())).collect()
}

fn is_gone(model: &Model) -> Vec<String> {
    let (left, routes) = (own(model), routed(model, SHOP));
    if left.is_empty() && routes.is_empty() && !model.world.recorded.stages.contains_key(&key(SHOP)) {
        return Vec::new();
    }
    vec![format!("of the stage that nobody wants there are {left:?}, {routes:?}")]
}

/// Exactly one container, which matches, runs, and has the domains.
fn is_as_wanted(model: &Model) -> Vec<String> {
    let world = &model.world;
    let wanted = &world.desired.stages[&key(SHOP)];
    let [one] = own(model)[..] else {
        return vec![format!("there are {} containers in place of one", own(model).len())];
    };
    let mut wrong = serves(model, SHOP, &one.id);
    let labels = one.labels.as_ref().unwrap();
    if labels.digest != image_of(wanted).digest.as_str()
        || labels.spec != hash::spec_hash(wanted.hash_input(&world.desired.settings))
    {
        wrong.push(format!("{} is not what is wanted", one.name));
    }
    let live = world.recorded.stages.get(&key(SHOP)).and_then(|stage| stage.live.as_ref());
    let live = live.map(|live| live.id);
    if live != Some(labels.deploy) {
        wrong.push(format!("what serves is {}, and live is {live:?}", labels.deploy.short()));
    }
    let expected: BTreeMap<Domain, String> =
        wanted.domains.iter().map(|domain| (domain.clone(), format!("127.0.0.1:{}", port_of(&one.id)))).collect();
    if routed(model, SHOP) != expected {
        wrong.push(format!("routes are {:?}, and should be {expected:?}", routed(model, SHOP)));
    }
    wrong
}

/// A container runs under its own name, in both networks, and is not one that is known to be bad.
fn serves(model: &Model, name: &str, id: &str) -> Vec<String> {
    let Some(container) = model.container(id) else { return vec![format!("{id} of {name} is gone")] };
    let own_name = container.labels.as_ref().map(|labels| &labels.own_name);
    let mut wrong = Vec::new();
    if container.state != ContainerState::Running {
        wrong.push(format!("{id} is {:?}", container.state));
    }
    if own_name != Some(&container.name) {
        wrong.push(format!("{id} is called {}", container.name));
    }
    if !["landfall", NAMES].iter().all(|network| container.networks.contains_key(network)) {
        wrong.push(format!("{id} is in {:?}", container.networks));
    }
    if model.bad.contains(id) {
        wrong.push(format!("{id} is not well"));
    }
    wrong
}

/// What waits for a word of the user: what served before does, alone and where it is routed, or there was nothing.
fn is_held_well(model: &Model, stage: &StagePlan) -> Vec<String> {
    let recorded = model.world.recorded.stages.get(&key(SHOP));
    if matches!(stage.held, Some(Held::Suspended { .. })) {
        return Vec::new();
    }
    let live = recorded.and_then(|stage| stage.live.as_ref());
    let containers = own(model);
    let is_live = |c: &&&ObservedContainer| live.is_some_and(|live| c.labels.as_ref().unwrap().deploy == live.id);
    // One that Docker could not remove was not there any more before, either.
    let current = containers.iter().find(is_live).filter(|c| c.state.was_started());
    let Some(current) = current else {
        let failed = containers.iter().filter(|c| model.world.recorded.has_failed(&key(SHOP), &c.id));
        return failed.map(|c| format!("{} has failed and stays", c.id)).collect();
    };
    let mut wrong = serves(model, SHOP, &current.id);
    if containers.len() > 1 {
        wrong.push(format!("beside the one that is held there are {} more", containers.len() - 1));
    }
    let spec = live.and_then(LiveDeploy::spec).map(|spec| spec.domains).unwrap_or_default();
    let domains = recorded.and_then(|stage| stage.route.clone()).map_or(spec, |route| route.domains);
    let upstream = format!("127.0.0.1:{}", port_of(&current.id));
    let has_it = |domain: &Domain| routed(model, SHOP).get(domain) == Some(&upstream);
    let is_foreign = |domain: &Domain| {
        let owner = model.routes().get(domain).map(|route| route.owner.clone());
        owner.is_some_and(|owner| owner.is_none_or(|(owner, _)| owner != store()))
    };
    if !domains.iter().all(|domain| has_it(domain) || is_foreign(domain)) {
        wrong.push(format!("held at {}, and routed {:?}", current.id, routed(model, SHOP)));
    }
    wrong
}
