//! `route` → the domains of a stage, and how they are routed.

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::{Domain, ProxySettings, RouteOptions};

use super::cross::Claims;
use super::options;
use super::project::Context;

/// Most domains that Nginx Proxy Manager takes for one host.
const MAX_NPM_DOMAINS: usize = 100;

/// The domains, sorted, and the options; each domain is claimed, so that two stages on one are found. Without a domain
/// nothing is routed, and the options say nothing.
pub(super) fn route(
    cx: &Context<'_>,
    route: Option<raw::Route>,
    port: Option<u16>,
    claims: &mut Claims,
) -> (Vec<Domain>, RouteOptions) {
    let Some(mut route) = route else { return (Vec::new(), RouteOptions::default()) };
    let all = domains(cx, &mut route);
    for (domain, path) in &all {
        claims.domain(cx.key, domain, cx.site.at(Part::Value, path));
    }
    let options = options::options(cx, route, &all);
    if all.is_empty() {
        return (Vec::new(), RouteOptions::default());
    }
    check_reachable(cx, port);
    let mut domains: Vec<Domain> = all.into_iter().map(|(domain, _)| domain).collect();
    domains.sort();
    domains.dedup();
    check_number(cx, domains.len());
    (domains, options)
}

/// The domains in the order that they are written in, each with its path.
fn domains(cx: &Context<'_>, route: &mut raw::Route) -> Vec<(Domain, String)> {
    let mut all = Vec::new();
    for (i, text) in route.domains.take().unwrap_or_default().iter().enumerate() {
        let path = format!("route.domains.{i}");
        all.extend(domain(cx, &path, text).map(|domain| (domain, path)));
    }
    if let Some(text) = route.subdomain.take() {
        all.extend(below(cx, &text).map(|domain| (domain, "route.subdomain".to_owned())));
    }
    all
}

fn domain(cx: &Context<'_>, path: &str, text: &str) -> Option<Domain> {
    if text.contains(['{', '}']) {
        let title = format!("placeholders as in `{}` are not supported yet", short(text));
        cx.site.refuse(code::NOT_SUPPORTED, path, title, "they arrive with previews");
        return None;
    }
    if text.contains('*') {
        let title = format!("`{}` is a wildcard, and a route needs whole names", short(text));
        cx.site.refuse(code::BAD_VALUE, path, title, "list the domains");
        return None;
    }
    cx.site.parse(path, text)
}

fn below(cx: &Context<'_>, text: &str) -> Option<Domain> {
    let name = domain(cx, "route.subdomain", text)?;
    let base = cx.settings.value.domain.as_ref();
    if base.is_none() && cx.settings.is_known {
        let help = "add `settings: { domain: apps.example.com }`, or write the whole name below `domains`";
        cx.site.refuse(code::BAD_REFERENCE, "route.subdomain", "`subdomain` needs `settings.domain`", help);
    }
    cx.site.parse("route.subdomain", &format!("{name}.{}", base?))
}

fn check_reachable(cx: &Context<'_>, port: Option<u16>) {
    if port.is_none() {
        let help = "add `port: 8080` to the project: the port that the app listens on inside its container";
        let title = format!("`{}` has a route and its project no `port`", cx.key);
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route", title).help(help));
    }
    if cx.settings.is_known && cx.settings.value.proxy == ProxySettings::None {
        let title = format!("`{}` has a route, and the settings say that there is no proxy", cx.key);
        let help = "remove the route, or `proxy: { none: {} }` from the settings";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route", title).help(help));
    }
}

fn check_number(cx: &Context<'_>, domains: usize) {
    let is_npm = match cx.settings.value.proxy {
        ProxySettings::NginxProxyManager(_) => cx.settings.is_known,
        ProxySettings::Embedded | ProxySettings::None => false,
    };
    if is_npm && domains > MAX_NPM_DOMAINS {
        let title = format!("Nginx Proxy Manager takes {MAX_NPM_DOMAINS} domains for a route, and this has {domains}");
        let help = "spread them over several stages";
        cx.site.report.add(cx.site.error_at_key(code::BAD_VALUE, "route.domains", title).help(help));
    }
}
