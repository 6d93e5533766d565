//! Caddy's configuration → what the planner compares. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mark::Mark;
use super::place::{is_reached, server};
use super::route::{Found, of_stage};
use super::view::{all_routes, hosts, routes, servers};
use crate::model::{CaddySettings, Domain, ObservedHost, ObservedRoute, StageKey, StoreId};
use crate::proxy::ProxyError;

/// All routes by domain. Those that others made stand in the way of a stage with the same domain, and no more is said of
/// them.
pub(super) fn observed(
    config: &Value,
    settings: &CaddySettings,
    store: Option<StoreId>,
) -> BTreeMap<Domain, ObservedRoute> {
    let mut all = BTreeMap::new();
    let mut stages: Vec<(StoreId, StageKey)> = Vec::new();
    for (name, route) in all_routes(config) {
        match Mark::of(route) {
            Some(Mark { store, key, .. }) => {
                if !stages.iter().any(|(s, k)| *s == store && *k == key) {
                    stages.push((store, key));
                }
            }
            None => all.extend(others(name, route)),
        }
    }
    for (owner, key) in stages {
        let found = of_stage(all_routes(config), owner, &key);
        let values: Vec<&Value> = found.iter().map(|(_, route)| *route).collect();
        let said = Found::of(&values);
        let trouble = (Some(owner) == store).then(|| trouble(config, settings, (owner, &key), &said, &found)).flatten();
        for domain in &said.domains {
            let host = ObservedHost {
                what: "route of caddy".to_owned(),
                id: None,
                domains: said.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
                options: Some(said.options.clone()),
                trouble: trouble.clone(),
            };
            let owner = Some((owner, key.clone()));
            all.insert(domain.clone(), ObservedRoute { upstream: said.upstream.clone(), owner, host: Some(host) });
        }
    }
    all
}

/// Routes that a person made.
fn others(server: &str, route: &Value) -> Vec<(Domain, ObservedRoute)> {
    let names = hosts(route);
    let host = ObservedHost { what: by_hand(server), id: None, domains: names.clone(), options: None, trouble: None };
    let domains = names.iter().filter_map(|name| name.parse().ok());
    domains
        .map(|domain| (domain, ObservedRoute { upstream: String::new(), owner: None, host: Some(host.clone()) }))
        .collect()
}

fn by_hand(server: &str) -> String {
    format!("a route of caddy in its server `{server}`")
}

/// Why the routes of a stage of ours do not serve as they say, or may not.
fn trouble(
    config: &Value,
    settings: &CaddySettings,
    (store, key): (StoreId, &StageKey),
    said: &Found,
    found: &[(&str, &Value)],
) -> Option<String> {
    let values: Vec<&Value> = found.iter().map(|(_, route)| *route).collect();
    if !said.is_as_made(store, key, &values) {
        return Some("it was changed by hand".to_owned());
    }
    for made in said.routes(store, key) {
        let belongs = server(config, settings, made.kind).ok()?;
        let (is_in, _) = found.iter().find(|(_, route)| **route == made.value)?;
        if *is_in != belongs {
            return Some(format!("it is in server `{is_in}` and belongs into `{belongs}`"));
        }
        let all = servers(config).and_then(|all| all.get(&belongs)).map_or(&[][..], routes);
        let at = all.iter().position(|route| *route == made.value)?;
        if !is_reached(&all[..at], &made.value) {
            return Some("a route before it takes its requests".to_owned());
        }
    }
    None
}

/// A route of someone else with a domain that is wanted is a clash (R1), in whatever server it is.
pub(super) fn refuse_foreign(config: &Value, store: StoreId, domains: &[Domain]) -> Result<(), ProxyError> {
    for (name, route) in all_routes(config) {
        let mark = Mark::of(route);
        if mark.as_ref().is_some_and(|mark| mark.store == store) {
            continue;
        }
        let (names, owner) = match mark {
            Some(Mark { store, key, .. }) => {
                (super::route::own_hosts(route).map(str::to_owned).collect(), format!("{key} of store {store}"))
            }
            None => (hosts(route), format!("{}, made by hand", by_hand(name))),
        };
        if let Some(domain) = domains.iter().find(|domain| names.iter().any(|host| host == domain.as_str())) {
            return Err(ProxyError::Conflict { domain: domain.clone(), owner });
        }
    }
    Ok(())
}
