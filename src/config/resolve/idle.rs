//! What of a route does nothing as it stands: accepted, and a warning, for it is likely not meant.
//!
//! What a project says for all of its stages may do nothing for some of them, so only what a stage says itself counts.

use crate::config::raw;
use crate::model::Domain;
use crate::model::desired::Strategy;

use super::project::Context;

/// True for a route that leads nowhere; `domains: []` says that it is meant.
pub(super) fn lacks_domain(route: &raw::Route) -> bool {
    route.domains.is_none() && route.subdomain.is_none() && route.redirects.is_none()
}

/// Keys that need something else beside them. Where something is wrong, that is said first.
pub(super) fn check(
    cx: &Context<'_>,
    route: &raw::Route,
    lacks_domain: bool,
    domains: &[(Domain, String)],
    max_instances: u16,
) {
    if lacks_domain {
        let title = format!("this route has no domain, so nothing leads to `{}`", cx.key);
        let help = "add `domains: [ shop.example.com ]` or `subdomain: shop`, or remove `route`";
        return warn(cx, "route", &title, help);
    }
    if route.strip_prefix == Some(true) && domains.iter().all(|(domain, _)| domain.path().is_empty()) {
        let help = "remove it, or write a domain with a path, as in `shop.example.com/api`";
        warn(cx, "route.strip_prefix", "`strip_prefix` takes nothing off: no domain of this route has a path", help);
    }
    let is_alone = max_instances == 1 && route.upstreams.as_ref().is_none_or(Vec::is_empty);
    if route.sticky == Some(true) && is_alone {
        let help = "remove it, or list further places of the app in `upstreams`";
        warn(cx, "route.sticky", "`sticky` keeps a client at one of several places, and there is only one", help);
    }
}

/// A page for the time between two instances, where there is none.
pub(super) fn check_maintenance(cx: &Context<'_>, is_set: bool, strategy: Strategy) {
    if is_set && strategy != Strategy::Recreate {
        let title = format!("`maintenance` does nothing: `{}` serves while it is replaced", cx.key);
        warn(cx, "route.maintenance", &title, "remove it, or write `strategy: recreate`");
    }
}

fn warn(cx: &Context<'_>, path: &str, title: &str, help: &str) {
    if !cx.site.failed.get() && !cx.site.is_taken(path) {
        cx.site.warn(path, title, help);
    }
}
