//! What a stage has in Caddy, as routes in JSON. Pure.
//!
//! Hosts that Caddy should get no certificate for stand in a double negation: it gets one for every host that it finds in a
//! matcher of a route, and does not look into `not`. In a server for plain HTTP alone it gets none, and there they stand
//! openly: it puts its own redirects to https behind the last host that it sees. Where the stage led before stays as a handler that is never reached,
//! since the one in front of it answers all: Caddy counts requests in flight of the upstreams that its configuration
//! names, and of no others before 2.11.2.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::layout::{Layout, Plainly};
use super::mark::{AUTO, BEFORE, HTTPS, ID, MAIN, PLAIN, REDIRECT, TLS, id};
use super::place::Placed;
use crate::model::{Domain, HostOptions, NamedCertificate, StageKey, StoreId};

/// How long a tunnel outlives the configuration that it was opened under. Caddy closes it at once without this, whenever
/// anything changes anywhere; that of an instance that goes is ended by its own end, after the stage's `drain`.
const STREAM_CLOSE_DELAY: &str = "24h";
/// How long a browser keeps a redirect: without a word it would be for ever, also after the route has gone.
const KEPT: &str = "max-age=3600";
/// The header by which browsers are told to use https only.
const HSTS: &str = "Strict-Transport-Security";
/// What they are told.
const HTTPS_ONLY: &str = "max-age=31536000";
/// Time between two looks at whether one of several upstreams is well, and for each.
const HEALTH: (&str, &str) = ("10s", "5s");
/// How long one that could not be reached is left alone, where there are others.
const FAIL_DURATION: &str = "10s";
/// What is shown while the app is away.
const AWAY: &str = "This site is being worked on, and will be back in a moment.\n";

/// What the routes of a stage say, or should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content<'a> {
    pub(super) store: StoreId,
    pub(super) key: &'a StageKey,
    /// Sorted; those that only redirect are among them.
    pub(super) domains: Vec<Domain>,
    pub(super) upstream: String,
    pub(super) options: HostOptions,
    /// Where it led until now, if that was somewhere else.
    pub(super) before: Option<String>,
    /// A path that the app answers well, for several upstreams; none where there is no such path.
    pub(super) health: Option<String>,
    /// Caddy knows `stream_close_delay`.
    pub(super) delays: bool,
}

impl Content<'_> {
    /// Its routes, and where they go.
    pub(super) fn routes(&self, layout: &Layout) -> Vec<Placed> {
        let Self { domains, options, .. } = self;
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for domain in options.served(domains) {
            by_path.entry(domain.path()).or_default().push(domain.host());
        }
        let is_automatic = options.named == Some(NamedCertificate::Letsencrypt);
        let is_hidden = !is_automatic && !layout.is_plain;
        let kind = match options.is_secured() {
            false => MAIN,
            true if is_automatic => AUTO,
            true => TLS,
        };
        let mut all = Vec::new();
        for (path, hosts) in &by_path {
            let matcher = matcher(hosts, path, is_hidden);
            all.push(self.placed(&layout.main, (kind, path), &matcher, &self.handlers(kind, path)));
            all.extend(self.plainly(layout, path, hosts));
        }
        let from = options.redirects.iter().filter(|(from, _)| domains.contains(from));
        all.extend(from.flat_map(|(from, to)| self.redirect(from, to, layout, is_hidden)));
        all
    }

    /// What answers plain HTTP beside https; none where nothing does, or the same route.
    fn plainly(&self, layout: &Layout, path: &str, hosts: &[&str]) -> Option<Placed> {
        let (server, is_here) = match &layout.plainly {
            Plainly::Nowhere => return None,
            Plainly::Here => (&layout.main, true),
            Plainly::In(server, _) => (server, false),
        };
        let mut matcher = matcher(hosts, path, !matches!(layout.plainly, Plainly::In(_, true)));
        if self.options.redirect {
            matcher["protocol"] = "http".into();
            return Some(self.placed(server, (HTTPS, path), &matcher, &[moved(&at("https", "{http.request.host}"))]));
        }
        (!is_here).then(|| self.placed(server, (PLAIN, path), &matcher, &self.handlers(PLAIN, path)))
    }

    /// A domain that only redirects; where plain HTTP is answered elsewhere, or in other words, that too.
    fn redirect(&self, from: &Domain, to: &Domain, layout: &Layout, is_hidden: bool) -> Vec<Placed> {
        let (is_secured, hsts) = (self.options.is_secured(), self.options.is_secured() && self.options.hsts);
        let there = moved(&at(if is_secured { "https" } else { "http" }, to.host()));
        let mut secured = there.clone();
        if hsts {
            secured["headers"][HSTS] = json!([HTTPS_ONLY]);
        }
        let (part, plain) = (format!("/{}", from.host()), format!("/{}/{PLAIN}", from.host()));
        let main = matcher(&[from.host()], "", is_hidden);
        let mut all = vec![self.placed(&layout.main, (REDIRECT, &part), &main, &[secured])];
        match &layout.plainly {
            Plainly::In(server, is_plain) => {
                let main = matcher(&[from.host()], "", !is_plain);
                all.push(self.placed(server, (REDIRECT, &plain), &main, &[there]));
            }
            // What is said of https must not be said over plain HTTP (RFC 6797, 7.2).
            Plainly::Here if hsts => {
                let mut plainly = main;
                plainly["protocol"] = "http".into();
                all.push(self.placed(&layout.main, (REDIRECT, &plain), &plainly, &[there]));
            }
            Plainly::Here | Plainly::Nowhere => {}
        }
        all
    }

    fn placed(&self, server: &str, (kind, path): (&str, &str), matcher: &Value, handlers: &[Value]) -> Placed {
        let value = json!({
            ID: id(self.store, self.key, kind, path),
            "match": [matcher],
            "handle": handlers,
            "terminal": true,
        });
        Placed { server: server.to_owned(), value }
    }

    fn handlers(&self, kind: &str, path: &str) -> Vec<Value> {
        let HostOptions { hsts, strip_prefix, maintenance, .. } = self.options;
        let mut handlers = Vec::new();
        if hsts {
            let set = json!({ HSTS: [HTTPS_ONLY] });
            handlers.push(json!({ "handler": "headers", "response": { "deferred": true, "set": set } }));
        }
        if strip_prefix {
            handlers.push(json!({ "handler": "rewrite", "strip_path_prefix": path }));
        }
        if maintenance {
            let headers = json!({ "Retry-After": ["5"], "Cache-Control": ["no-store"] });
            handlers
                .push(json!({ "handler": "static_response", "status_code": 503, "headers": headers, "body": AWAY }));
        }
        handlers.push(self.proxy());
        handlers.extend(self.before.as_ref().map(|before| {
            let id = id(self.store, self.key, BEFORE, &format!("/{kind}{path}"));
            json!({ ID: id, "handler": "reverse_proxy", "upstreams": [{ "dial": before }] })
        }));
        handlers
    }

    fn proxy(&self) -> Value {
        let HostOptions { upstreams, sticky, .. } = &self.options;
        let all = std::iter::once(&self.upstream).chain(upstreams);
        let all: Vec<Value> = all.map(|upstream| json!({ "dial": upstream })).collect();
        let mut proxy = json!({ "handler": "reverse_proxy", "upstreams": all });
        if self.delays {
            proxy["stream_close_delay"] = STREAM_CLOSE_DELAY.into();
        }
        let policy = if *sticky { "cookie" } else { "least_conn" };
        if *sticky || !upstreams.is_empty() {
            proxy["load_balancing"] = json!({ "selection_policy": { "policy": policy } });
        }
        // With one alone this would only make 503 of 502.
        if !upstreams.is_empty() {
            proxy["load_balancing"]["retries"] = upstreams.len().into();
            proxy["health_checks"] = json!({ "passive": { "fail_duration": FAIL_DURATION } });
            if let Some(path) = &self.health {
                let (interval, timeout) = HEALTH;
                proxy["health_checks"]["active"] = json!({ "uri": path, "interval": interval, "timeout": timeout });
            }
        }
        proxy
    }
}

/// What matches hosts, below a path.
fn matcher(hosts: &[&str], path: &str, is_hidden: bool) -> Value {
    let host = json!({ "host": hosts });
    let mut set = if is_hidden { json!({ "not": [{ "not": [host] }] }) } else { host };
    if !path.is_empty() {
        set["path"] = json!([path, format!("{path}/*")]);
    }
    set
}

fn moved(to: &str) -> Value {
    let headers = json!({ "Location": [to], "Cache-Control": [KEPT] });
    json!({ "handler": "static_response", "status_code": 308, "headers": headers })
}

/// The same path and query at another place. As Caddy has it, a client does not see which ports are behind 80 and 443.
fn at(scheme: &str, host: &str) -> String {
    format!("{scheme}://{host}{{http.request.uri}}")
}
