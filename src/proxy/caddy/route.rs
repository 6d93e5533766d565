//! What a stage has in Caddy: its routes as JSON, and back. What is read and made again has to be what was read, else a
//! person changed it. Pure.
//!
//! Hosts without https stand in a double negation: Caddy gets certificates for every host that it finds in a matcher of
//! a route, and does not look into `not`. What the stage had before stays as a handler that is never reached, since the
//! one in front of it answers all: Caddy counts requests in flight of the upstreams that its configuration names, and of
//! no others before 2.11.2.

use serde_json::{Value, json};

use super::mark::{ID, Mark, id};
use super::view::list;
use crate::model::{Domain, HostOptions, StageKey, StoreId};

/// How long a tunnel outlives the configuration that it was opened under. Caddy closes it at once without this, whenever
/// anything changes anywhere; that of an instance that goes is ended by its own end, after the stage's `drain`.
const STREAM_CLOSE_DELAY: &str = "24h";
/// The part of the mark of the handler that is never reached.
const BEFORE: &str = "before";

/// What a stage should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) store: StoreId,
    pub(super) key: &'a StageKey,
    /// Sorted.
    pub(super) domains: Vec<Domain>,
    pub(super) upstream: String,
    pub(super) options: HostOptions,
    /// Where it led until now, if that was somewhere else.
    pub(super) before: Option<String>,
    /// Caddy knows `stream_close_delay`.
    pub(super) delays: bool,
}

/// A route, and which kind of server it belongs into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) value: Value,
    pub(super) kind: Kind,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
}

impl Wanted<'_> {
    /// Its routes.
    pub(super) fn routes(&self) -> Vec<Made> {
        let hosts: Vec<&str> = self.domains.iter().map(Domain::as_str).collect();
        if hosts.is_empty() {
            return Vec::new();
        }
        let value = json!({
            ID: id(self.store, self.key, ""),
            "match": [{ "not": [{ "not": [{ "host": hosts }] }] }],
            "handle": self.handlers(),
            "terminal": true,
        });
        vec![Made { value, kind: Kind::Plain }]
    }

    fn handlers(&self) -> Vec<Value> {
        let mut proxy = json!({ "handler": "reverse_proxy", "upstreams": [{ "dial": self.upstream }] });
        if self.delays {
            proxy["stream_close_delay"] = STREAM_CLOSE_DELAY.into();
        }
        let mut handlers = vec![proxy];
        handlers.extend(self.before.as_ref().map(|before| {
            json!({
                ID: id(self.store, self.key, BEFORE),
                "handler": "reverse_proxy",
                "upstreams": [{ "dial": before }],
            })
        }));
        handlers
    }
}

/// What a stage has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) domains: Vec<Domain>,
    pub(super) upstream: String,
    pub(super) options: HostOptions,
    pub(super) before: Option<String>,
    pub(super) delays: bool,
}

impl Found {
    /// What these routes of one stage say.
    pub(super) fn of(routes: &[&Value]) -> Self {
        let hosts = routes.iter().flat_map(|route| own_hosts(route));
        let mut domains: Vec<Domain> = hosts.filter_map(|host| host.parse().ok()).collect();
        domains.sort();
        domains.dedup();
        let handlers = || routes.iter().flat_map(|route| list(route, "handle"));
        let proxies = || handlers().filter(|handler| handler.get("handler").is_some_and(|h| h == "reverse_proxy"));
        let is_before = |handler: &&Value| handler.get(ID).is_some();
        let proxy = proxies().find(|handler| !is_before(handler));
        Self {
            domains,
            upstream: proxy.and_then(dial).unwrap_or_default(),
            options: HostOptions { websockets: true, ..HostOptions::default() },
            before: proxies().find(is_before).and_then(dial),
            delays: proxy.is_some_and(|proxy| proxy.get("stream_close_delay").is_some()),
        }
    }

    /// The routes that say the same.
    pub(super) fn routes(&self, store: StoreId, key: &StageKey) -> Vec<Made> {
        let Self { domains, upstream, options, before, delays } = self.clone();
        Wanted { store, key, domains, upstream, options, before, delays }.routes()
    }

    /// True when nobody changed them: made again from what they say, they are the same.
    pub(super) fn is_as_made(&self, store: StoreId, key: &StageKey, routes: &[&Value]) -> bool {
        let again = self.routes(store, key);
        again.len() == routes.len() && again.iter().all(|made| routes.contains(&&made.value))
    }
}

/// The hosts of a route of ours, wherever they stand.
pub(super) fn own_hosts(route: &Value) -> impl Iterator<Item = &str> {
    list(route, "match").flat_map(|set| hosts_of(set).into_iter().flatten()).filter_map(Value::as_str)
}

/// The hosts of one set of matchers.
fn hosts_of(set: &Value) -> Option<&Vec<Value>> {
    set.get("host").or_else(|| hidden(set)?.get("host"))?.as_array()
}

fn hidden(set: &Value) -> Option<&Value> {
    set.get("not")?.get(0)?.get("not")?.get(0)
}

/// A route of another stage without some of its domains; none when it has no other.
pub(super) fn without(route: &Value, domains: &[Domain]) -> Option<Value> {
    let mut route = route.clone();
    let sets = route.get_mut("match")?.as_array_mut()?;
    for set in &mut *sets {
        let is_hidden = set.get("host").is_none();
        let holder = if is_hidden { set.pointer_mut("/not/0/not/0") } else { Some(set) };
        if let Some(Value::Array(hosts)) = holder.and_then(|holder| holder.get_mut("host")) {
            hosts.retain(|host| !domains.iter().any(|domain| host == domain.as_str()));
        }
    }
    sets.retain(|set| hosts_of(set).is_none_or(|hosts| !hosts.is_empty()));
    (!sets.is_empty()).then_some(route)
}

/// Where a proxy of ours leads first.
fn dial(handler: &Value) -> Option<String> {
    Some(handler.get("upstreams")?.get(0)?.get("dial")?.as_str()?.to_owned())
}

/// All routes of a stage, with the names of their servers.
pub(super) fn of_stage<'a>(
    all: impl Iterator<Item = (&'a str, &'a Value)>,
    store: StoreId,
    key: &StageKey,
) -> Vec<(&'a str, &'a Value)> {
    all.filter(|(_, route)| Mark::of(route).is_some_and(|mark| mark.is_of(store, key))).collect()
}
