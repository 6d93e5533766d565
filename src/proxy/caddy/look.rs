//! Caddy's configuration → what the planner compares. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::found::{Found, own_domains};
use super::mark::Mark;
use super::place::{Placed, is_reached};
use super::route::Content;
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
        let found = Found::of(config, settings, owner, &key);
        let trouble = (Some(owner) == store).then(|| trouble(config, settings, &found)).flatten();
        let Content { domains, upstream, options, .. } = &found.content;
        for domain in domains {
            let host = ObservedHost {
                what: "route of caddy".to_owned(),
                id: None,
                domains: domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
                options: Some(options.clone()),
                trouble: trouble.clone(),
            };
            let owner = Some((owner, key.clone()));
            all.insert(domain.clone(), ObservedRoute { upstream: upstream.clone(), owner, host: Some(host) });
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
fn trouble(config: &Value, settings: &CaddySettings, found: &Found<'_>) -> Option<String> {
    let changed = found.trouble(config, settings);
    changed.or_else(|| {
        let is_hidden = |one: &Placed| {
            let all = servers(config).and_then(|all| all.get(&one.server)).map_or(&[][..], routes);
            all.iter().position(|route| *route == one.value).is_some_and(|at| !is_reached(&all[..at], &one.value))
        };
        found.routes.iter().any(is_hidden).then(|| "a route before it takes its requests".to_owned())
    })
}

/// A route of someone else with a domain that is wanted is a clash (R1), in whatever server it is.
pub(super) fn refuse_foreign(config: &Value, store: StoreId, domains: &[Domain]) -> Result<(), ProxyError> {
    for (name, route) in all_routes(config) {
        let mark = Mark::of(route);
        if mark.as_ref().is_some_and(|mark| mark.store == store) {
            continue;
        }
        let clash = match mark {
            Some(Mark { store, key, .. }) => {
                let taken: Vec<Domain> = own_domains(route).collect();
                let domain = domains.iter().find(|domain| taken.contains(domain));
                domain.map(|domain| (domain, format!("{key} of store {store}")))
            }
            None => {
                let names = hosts(route);
                let domain = domains.iter().find(|domain| names.iter().any(|name| name == domain.host()));
                domain.map(|domain| (domain, format!("{}, made by hand", by_hand(name))))
            }
        };
        if let Some((domain, owner)) = clash {
            return Err(ProxyError::Conflict { domain: domain.clone(), owner });
        }
    }
    Ok(())
}
