//! Where routes of ours go, and how they leave: before whatever others have in the server, and without a trace. Pure.
//!
//! A server is made only where none listens on the port in question; its own `@id` says what had to be made around it, so
//! that it all goes with the last route in it.

use serde_json::{Map, Value, json};

use super::error::CaddyError;
use super::mark::{ID, Mark};
use super::route::{Kind, own_hosts};
use super::view::{http_port, listens_on, may_take, ports_of, routes, servers};
use crate::model::CaddySettings;

/// The name of a server that is ours.
const OURS: &str = "landfall";
/// What is made around a server where it is not there, and what the `@id` of ours says then. The outermost comes first.
const AROUND: [&str; 4] = ["config", "apps", "http", "servers"];

/// A route, and the server it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) server: String,
    pub(super) value: Value,
}

/// The server that routes of a kind belong into: the one of the settings, or the first that listens on the port, or ours.
pub(super) fn server(config: &Value, settings: &CaddySettings, kind: Kind) -> Result<String, CaddyError> {
    let all = servers(config);
    if let Some(name) = &settings.server {
        if all.is_some_and(|all| all.contains_key(name)) {
            return Ok(name.clone());
        }
        let known: Vec<&str> = all.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CaddyError::NoServer { name: name.clone(), known });
    }
    let (what, port) = match kind {
        Kind::Plain => ("http", http_port(config)),
    };
    let mut others = all.into_iter().flatten().filter(|(_, server)| !is_ours(server));
    if let Some((name, _)) = others.find(|(_, server)| listens_on(server, port)) {
        return Ok(name.clone());
    }
    match all.and_then(|all| all.get(OURS)) {
        Some(server) if !is_ours(server) => Err(CaddyError::ServerTaken { name: OURS.to_owned() }),
        Some(_) | None if listen(config, settings).is_empty() => Err(CaddyError::NoPort { what, port }),
        Some(_) | None => Ok(OURS.to_owned()),
    }
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
        let routes = make_server(&mut after, &one.server);
        let at = routes.iter().position(|route| Mark::of(route).is_none()).unwrap_or(routes.len());
        routes.insert(at, one.value.clone());
    }
    tidy_up(&mut after, settings);
    after
}

/// True when no route of others before it takes its requests.
pub(super) fn is_reached(before: &[Value], route: &Value) -> bool {
    let hosts: Vec<&str> = own_hosts(route).collect();
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
    let addresses = listen(config, settings);
    let Some(server) = servers_mut(config).and_then(|all| all.get_mut(OURS)).filter(|server| is_ours(server)) else {
        return;
    };
    if !routes(server).is_empty() {
        server["listen"] = addresses.into();
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

/// Where our server listens: nowhere that another one does.
fn listen(config: &Value, settings: &CaddySettings) -> Vec<String> {
    let usual = || vec![format!(":{}", http_port(config))];
    let wanted = if settings.listen.is_empty() { usual() } else { settings.listen.clone() };
    let others: Vec<&Value> = servers(config).into_iter().flatten().map(|(_, s)| s).filter(|s| !is_ours(s)).collect();
    let is_free = |address: &String| {
        ports_of(address).is_some_and(|(port, _)| !others.iter().any(|server| listens_on(server, port)))
    };
    wanted.into_iter().filter(is_free).collect()
}

fn servers_mut(config: &mut Value) -> Option<&mut Map<String, Value>> {
    config.get_mut("apps")?.get_mut("http")?.get_mut("servers")?.as_object_mut()
}

/// True for a server that Landfall made.
pub(super) fn is_ours(server: &Value) -> bool {
    let id = server.get(ID).and_then(Value::as_str);
    id.is_some_and(|id| id == own_id(OURS) || AROUND.iter().any(|what| id == own_id(what)))
}

fn own_id(made: &str) -> String {
    format!("{OURS}:{made}:made")
}
