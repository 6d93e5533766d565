//! What Caddy's configuration says of servers, their ports and the hosts of their routes. Pure.

use serde_json::{Map, Value};

/// Caddy's ports, unless its configuration names others.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
/// Routes within routes that are looked into; more have no sense.
const MAX_DEPTH: usize = 16;

/// Its servers, by name; none without an app for http.
pub(super) fn servers(config: &Value) -> Option<&Map<String, Value>> {
    config.get("apps")?.get("http")?.get("servers")?.as_object()
}

/// The routes of a server, in order.
pub(super) fn routes(server: &Value) -> &[Value] {
    server.get("routes").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Every route, with the name of its server.
pub(super) fn all_routes(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let servers = servers(config).into_iter().flatten();
    servers.flat_map(|(name, server)| routes(server).iter().map(move |route| (name.as_str(), route)))
}

/// The port that Caddy takes for plain HTTP.
pub(super) fn http_port(config: &Value) -> u16 {
    port(config, "http_port").unwrap_or(HTTP)
}

/// The port that Caddy takes for https.
pub(super) fn https_port(config: &Value) -> u16 {
    port(config, "https_port").unwrap_or(HTTPS)
}

fn port(config: &Value, key: &str) -> Option<u16> {
    let port = config.get("apps")?.get("http")?.get(key)?.as_u64()?;
    u16::try_from(port).ok().filter(|port| *port > 0)
}

/// True when a server listens on a port, on whatever address.
pub(super) fn listens_on(server: &Value, port: u16) -> bool {
    list(server, "listen").filter_map(Value::as_str).any(|address| is_on(address, port))
}

/// True when a server listens nowhere else.
pub(super) fn listens_only_on(server: &Value, port: u16) -> bool {
    list(server, "listen").filter_map(Value::as_str).all(|address| ports_of(address) == Some((port, port)))
}

/// True when an address has this port among its own.
pub(super) fn is_on(address: &str, port: u16) -> bool {
    ports_of(address).is_some_and(|(first, last)| (first..=last).contains(&port))
}

/// The ports of an address such as `:80`, `tcp/127.0.0.1:8080-8085`; none for a socket, or one made of placeholders.
pub(super) fn ports_of(address: &str) -> Option<(u16, u16)> {
    let (network, rest) = address.split_once('/').unwrap_or(("tcp", address));
    if network.starts_with("unix") || network.starts_with("fd") {
        return None;
    }
    let ports = rest.rsplit_once(':')?.1;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// The hosts that a route names, in lower case; those of routes within it as well, so that a site inside of a wildcard's
/// is found.
pub(super) fn hosts(route: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(route, &mut all, MAX_DEPTH);
    all.sort();
    all.dedup();
    all
}

fn collect(route: &Value, all: &mut Vec<String>, depth: usize) {
    for set in list(route, "match") {
        all.extend(list(set, "host").filter_map(Value::as_str).map(str::to_ascii_lowercase));
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    for handler in list(route, "handle") {
        list(handler, "routes").for_each(|inner| collect(inner, all, depth));
    }
}

/// True when a route may take requests for one of these hosts, or has no word on hosts at all.
pub(super) fn may_take(route: &Value, hosts: &[&str]) -> bool {
    let takes = |set: &Value| match set.get("host").and_then(Value::as_array) {
        None => true,
        Some(names) => names
            .iter()
            .filter_map(Value::as_str)
            .any(|name| name.contains(['*', '{']) || hosts.iter().any(|host| name.eq_ignore_ascii_case(host))),
    };
    let mut sets = list(route, "match").peekable();
    sets.peek().is_none() || sets.any(takes)
}

/// The items of a list within an object; none when it is not there.
pub(super) fn list<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    object.get(key).and_then(Value::as_array).into_iter().flatten()
}
