//! Further upstreams that lead back to the proxy: a request would come in again and again, until it is given up.

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::raw;
use crate::config::report::{Part, Report};
use crate::config::syntax::short;
use crate::model::StageKey;

use super::cross::Claims;
use super::npm::host_and_port;
use super::project::Context;

/// A further upstream of a stage, and where it is written.
pub(super) struct Upstream {
    text: String,
    host: String,
    place: Place,
}

/// Notes the upstreams of a route, for when all domains are known.
pub(super) fn claim(cx: &Context<'_>, route: &raw::Route, claims: &mut Claims) {
    for (i, text) in route.upstreams.iter().flatten().enumerate() {
        // Another port of a host with such a name is not the proxy's.
        if let Some((host, Some(80 | 443))) = host_and_port(text) {
            let place = cx.site.at(Part::Value, &format!("route.upstreams.{i}"));
            claims.upstream(Upstream { text: text.clone(), host, place });
        }
    }
}

/// Several instances have a domain each, and further places of the app belong to none of them.
pub(super) fn refuse_several(cx: &Context<'_>, route: &raw::Route, max_instances: u16) {
    if max_instances > 1 && route.upstreams.as_ref().is_some_and(|all| !all.is_empty()) {
        let title = format!("`upstreams` are places of one app, and `{}` runs {max_instances} instances", cx.key);
        let help = "remove them, or list them at a stage of one instance";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route.upstreams", title).help(help));
    }
}

/// Reports every upstream whose host is a domain of some stage, at a port that the proxy serves.
pub(super) fn check(claims: &Claims, report: &Report<'_>) {
    if claims.upstreams().is_empty() {
        return;
    }
    let mut hosts: BTreeMap<&str, (&StageKey, &Place)> = BTreeMap::new();
    for (domain, claim) in claims.domains().iter().filter_map(|(domain, claims)| Some((domain, claims.first()?))) {
        hosts.entry(domain.host()).or_insert((&claim.key, &claim.place));
    }
    for Upstream { text, host, place } in claims.upstreams() {
        let Some((key, domain)) = hosts.get(host.as_str()) else { continue };
        let title = format!("`{}` leads back to the proxy: `{host}` is a domain of `{key}`", short(text));
        let help = "requests would come back here: name the host where the app listens, as in `10.0.0.5:8080`";
        let error = Diagnostic::error(code::CONTRADICTION, place.clone(), title);
        report.add(error.other(Some((*domain).clone()), "the domain").help(help));
    }
}
