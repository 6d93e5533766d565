//! Where routes of ours go, and how they leave: before whatever others have in the server, and without a trace. Pure.
//!
//! A server is made only where none listens on the port in question; its own `@id` says what had to be made around it, so
//! that it all goes with the last route in it.

use serde_json::{Map, Value, json};

use super::found::own_domains;
use super::layout::{AROUND, OURS, is_ours, is_secured, listen, own_id};
use super::mark::{ID, Mark};
use super::view::{list, may_take, routes};
use crate::model::{CaddySettings, Domain};

/// A route, and the server it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) server: String,
    pub(super) value: Value,
}

/// The configuration with these routes in place of all whose marks are among `dropped`.
pub(super) fn put(
    config: &Value,
    settings: &CaddySettings,
    dropped: impl Fn(&Mark) -> bool,
    placed: &[Placed],
) -> Value {
    let mut after = config.clone();
    let mut left: Vec<&Placed> = placed.iter().collect();
    for (name, server) in servers_mut(&mut after).into_iter().flatten() {
        let Some(Value::Array(routes)) = server.get_mut("routes") else { continue };
        let before = std::mem::take(routes);
        let was_empty = before.is_empty();
        for route in before {
            if !Mark::of(&route).is_some_and(|mark| dropped(&mark)) {
                routes.push(route);
                continue;
            }
            // What stays keeps its place, so that the change is that of one object, unless it would not be reached there.
            let same = |one: &&Placed| one.server == *name && one.value.get(ID) == route.get(ID);
            if let Some(i) = left.iter().position(same).filter(|i| is_reached(routes, &left[*i].value)) {
                routes.push(left.remove(i).value.clone());
            }
        }
        if routes.is_empty() && !was_empty {
            server.as_object_mut().map(|server| server.remove("routes"));
        }
    }
    for one in left {
        let is_there = servers_mut(&mut after).is_some_and(|all| all.contains_key(&one.server));
        let routes = make_server(&mut after, if is_there { &one.server } else { OURS });
        let comes_later = |route: &Value| Mark::of(route).is_none() || rank(route) < rank(&one.value);
        let at = routes.iter().position(comes_later).unwrap_or(routes.len());
        routes.insert(at, one.value.clone());
    }
    tidy_up(&mut after, settings);
    after
}

/// Of ours, those for the longest paths come first, and what redirects to https before what it is for.
fn rank(route: &Value) -> (usize, bool) {
    let path = list(route, "match").flat_map(|set| list(set, "path")).find_map(Value::as_str).unwrap_or_default();
    let is_plain_alone = list(route, "match").any(|set| set.get("protocol").is_some());
    (path.len(), is_plain_alone)
}

/// True when no route of others before it takes its requests.
pub(super) fn is_reached(before: &[Value], route: &Value) -> bool {
    let domains: Vec<Domain> = own_domains(route).collect();
    let hosts: Vec<&str> = domains.iter().map(Domain::host).collect();
    !before.iter().any(|other| Mark::of(other).is_none() && may_take(other, &hosts))
}

/// The routes of a server, which is made when it is not there.
fn make_server<'a>(config: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    let mut made = None;
    let mut at = config;
    for (what, key) in AROUND.iter().zip(["apps", "http", "servers", name]) {
        if !at.is_object() {
            made.get_or_insert(*what);
            *at = json!({});
        }
        at = &mut at[key];
    }
    if !at.is_object() {
        *at = json!({ ID: own_id(made.unwrap_or(OURS)) });
    }
    let routes = &mut at["routes"];
    if !routes.is_array() {
        *routes = json!([]);
    }
    match routes {
        Value::Array(routes) => routes,
        _ => unreachable!("it was made an array"),
    }
}

/// Our server listens where it should, and goes when it has no routes any more, with all that was made for it.
fn tidy_up(config: &mut Value, settings: &CaddySettings) {
    let is_secured = is_secured(config);
    let addresses = listen(config, settings, is_secured);
    let Some(server) = servers_mut(config).and_then(|all| all.get_mut(OURS)).filter(|server| is_ours(server)) else {
        return;
    };
    if !routes(server).is_empty() {
        server["listen"] = addresses.into();
        if is_secured {
            server["tls_connection_policies"] = json!([{}]);
        } else {
            server.as_object_mut().map(|server| server.remove("tls_connection_policies"));
        }
        return;
    }
    let made = server.get(ID).and_then(Value::as_str).unwrap_or_default().to_owned();
    let first = AROUND.iter().position(|what| made == own_id(what));
    remove(config, &["apps", "http", "servers", OURS], first.unwrap_or(AROUND.len()));
}

/// Removes what a path leads to, and what is empty then of the objects around it that were made. Those are counted from
/// the outside.
fn remove(at: &mut Value, path: &[&str], made_from: usize) {
    let [key, rest @ ..] = path else { return };
    if let Some(next) = at.get_mut(key).filter(|_| !rest.is_empty()) {
        remove(next, rest, made_from.saturating_sub(1));
    }
    let Some(object) = at.as_object_mut() else { return };
    let is_gone = rest.is_empty() || object.get(*key).is_some_and(Value::is_null);
    if is_gone {
        object.remove(*key);
    }
    if object.is_empty() && made_from == 0 {
        *at = Value::Null;
    }
}

fn servers_mut(config: &mut Value) -> Option<&mut Map<String, Value>> {
    config.get_mut("apps")?.get_mut("http")?.get_mut("servers")?.as_object_mut()
}
