//! What the routes of a stage say, read back from Caddy's configuration. Made again from what they say they have to be the
//! same, else a person changed them. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::layout::{Layout, Plainly};
use super::mark::{AUTO, HTTPS, ID, MAIN, Mark, PLAIN, REDIRECT, TLS};
use super::place::Placed;
use super::route::Content;
use super::view::{all_routes, list};
use crate::model::{CaddySettings, Domain, HostOptions, NamedCertificate, StageKey, StoreId};

/// The kinds that lead to the instance, one of which a stage has.
const MAINS: &[&str] = &[MAIN, AUTO, TLS];

/// What a stage has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The routes, as they are.
    pub(super) routes: Vec<Placed>,
    /// What they say.
    pub(super) content: Content<'a>,
}

impl<'a> Found<'a> {
    /// What the configuration has of a stage.
    pub(super) fn of(config: &Value, settings: &CaddySettings, store: StoreId, key: &'a StageKey) -> Self {
        let is_its = |route: &Value| Mark::of(route).is_some_and(|mark| mark.is_of(store, key));
        let all = all_routes(config).filter(|(_, route)| is_its(route));
        let routes: Vec<Placed> =
            all.map(|(server, value)| Placed { server: server.to_owned(), value: value.clone() }).collect();
        let of_kind = |kinds: &'static [&str]| {
            let is_it = |route: &&Value| Mark::of(route).is_some_and(|mark| kinds.contains(&mark.kind()));
            routes.iter().map(|placed| &placed.value).filter(is_it)
        };
        let mut redirects = BTreeMap::new();
        for route in of_kind(&[REDIRECT]) {
            redirects.extend(own_domains(route).next().zip(target(route)));
        }
        let mut domains: Vec<Domain> = of_kind(MAINS).flat_map(own_domains).collect();
        domains.extend(redirects.keys().cloned());
        domains.sort();
        domains.dedup();
        let handlers = || of_kind(MAINS).flat_map(|route| list(route, "handle"));
        let has = |name: &str| handlers().any(|handler| is(handler, name));
        let proxies = || handlers().filter(|handler| is(handler, "reverse_proxy"));
        let proxy = proxies().find(|handler| handler.get(ID).is_none());
        let mut dials = proxy.map(dials).unwrap_or_default().into_iter();
        let upstream = dials.next().unwrap_or_default();
        let named = named(of_kind(MAINS).next());
        let is_secured = named.is_some();
        let mut options = HostOptions {
            redirect: is_secured && of_kind(&[PLAIN]).next().is_none(),
            http2: is_secured,
            named,
            hsts: has("headers"),
            websockets: true,
            redirects,
            upstreams: dials.collect(),
            sticky: proxy.is_some_and(|proxy| policy(proxy) == Some("cookie")),
            strip_prefix: has("rewrite"),
            maintenance: has("static_response"),
            ..HostOptions::default()
        };
        // Where one server answers both, nothing but a route of its own redirects.
        let is_here = Layout::of(config, settings, &options).is_ok_and(|layout| layout.plainly == Plainly::Here);
        options.redirect &= !is_here || of_kind(&[HTTPS]).next().is_some();
        let before = proxies().find(|handler| handler.get(ID).is_some());
        let before = before.and_then(|handler| dials_of(handler).next());
        let health = proxy.and_then(|proxy| proxy.pointer("/health_checks/active/uri")?.as_str().map(str::to_owned));
        let delays = proxy.is_some_and(|proxy| proxy.get("stream_close_delay").is_some());
        Self { routes, content: Content { store, key, domains, upstream, options, before, health, delays } }
    }

    /// What it says, without some of its domains.
    pub(super) fn without(self, domains: &[Domain]) -> Content<'a> {
        let mut content = self.content;
        let is_gone = |own: &Domain| domains.contains(own);
        let redirects = std::mem::take(&mut content.options.redirects);
        let (kept, lost): (BTreeMap<_, _>, BTreeMap<_, _>) =
            redirects.into_iter().partition(|(from, to)| !is_gone(from) && !is_gone(to));
        content.domains.retain(|own| !is_gone(own) && !lost.contains_key(own));
        content.options.redirects = kept;
        content
    }

    /// Why its routes do not serve as they say, or may not; none when they are as Landfall makes them.
    pub(super) fn trouble(&self, config: &Value, settings: &CaddySettings) -> Option<String> {
        let Self { routes, content } = self;
        let layout = match Layout::of(config, settings, &content.options) {
            Ok(layout) => layout,
            Err(error) => return Some(error.to_string()),
        };
        let again = content.routes(&layout);
        if again.len() == routes.len() && again.iter().all(|one| routes.contains(one)) {
            return None;
        }
        let is_elsewhere = |one: &Placed| routes.iter().any(|own| own.value == one.value && own.server != one.server);
        Some(match again.iter().find(|one| is_elsewhere(one)) {
            Some(one) => format!("it belongs into server `{}`", one.server),
            None => "it is not as Landfall makes it".to_owned(),
        })
    }
}

/// True for a route whose tunnels are given time; a redirect has none, and says nothing against it.
pub(super) fn delays(route: &Value) -> bool {
    list(route, "handle").all(|handler| {
        !is(handler, "reverse_proxy") || handler.get(ID).is_some() || handler.get("stream_close_delay").is_some()
    })
}

/// The domains of a route of ours, wherever they stand.
pub(super) fn own_domains(route: &Value) -> impl Iterator<Item = Domain> {
    list(route, "match").flat_map(|set| {
        let path = list(set, "path").next().and_then(Value::as_str).unwrap_or_default();
        let hosts = hosts_of(set).into_iter().flatten().filter_map(Value::as_str);
        hosts.filter_map(|host| format!("{host}{path}").parse().ok()).collect::<Vec<_>>()
    })
}

/// The hosts of one set of matchers.
fn hosts_of(set: &Value) -> Option<&Vec<Value>> {
    set.get("host").or_else(|| set.pointer("/not/0/not/0/host"))?.as_array()
}

fn is(handler: &Value, name: &str) -> bool {
    handler.get("handler").is_some_and(|own| own == name)
}

fn dials(handler: &Value) -> Vec<String> {
    dials_of(handler).collect()
}

/// Where a proxy of ours leads.
fn dials_of(handler: &Value) -> impl Iterator<Item = String> {
    list(handler, "upstreams").filter_map(|one| one.get("dial")?.as_str().map(str::to_owned))
}

fn policy(proxy: &Value) -> Option<&str> {
    proxy.pointer("/load_balancing/selection_policy/policy")?.as_str()
}

/// The certificate that a main route stands for. One for a wildcard is known by the names that it is for.
fn named(main: Option<&Value>) -> Option<NamedCertificate> {
    let main = main?;
    match Mark::of(main)?.kind() {
        AUTO => Some(NamedCertificate::Letsencrypt),
        TLS => {
            let domain = own_domains(main).next()?;
            let (_, below) = domain.host().split_once('.')?;
            Some(NamedCertificate::Wildcard(format!("*.{below}")))
        }
        _ => None,
    }
}

/// Where a domain that only redirects leads.
fn target(route: &Value) -> Option<Domain> {
    let to = route.pointer("/handle/0/headers/Location/0")?.as_str()?;
    let (_, rest) = to.split_once("://")?;
    rest.split(['{', ':']).next()?.parse().ok()
}
