//! `route` → the domains of a stage.

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::{Domain, ProxySettings};

use super::cross::Claims;
use super::project::Context;

/// The domains, sorted; each is claimed, so that two stages on one are found.
pub(super) fn domains(
    cx: &Context<'_>,
    route: Option<raw::Route>,
    port: Option<u16>,
    claims: &mut Claims,
) -> Vec<Domain> {
    let Some(raw::Route { domains, subdomain }) = route else { return Vec::new() };
    let mut all = Vec::new();
    for (i, text) in domains.unwrap_or_default().iter().enumerate() {
        let path = format!("route.domains.{i}");
        all.extend(domain(cx, &path, text).map(|domain| (domain, path)));
    }
    if let Some(text) = subdomain {
        all.extend(below(cx, &text).map(|domain| (domain, "route.subdomain".to_owned())));
    }
    for (domain, path) in &all {
        claims.domain(cx.key, domain, cx.site.at(Part::Value, path));
    }
    if !all.is_empty() {
        check_reachable(cx, port);
    }
    let mut domains: Vec<Domain> = all.into_iter().map(|(domain, _)| domain).collect();
    domains.sort();
    domains.dedup();
    domains
}

fn domain(cx: &Context<'_>, path: &str, text: &str) -> Option<Domain> {
    if text.contains(['{', '}']) {
        let title = format!("placeholders as in `{}` are not supported yet", short(text));
        cx.site.refuse(code::NOT_SUPPORTED, path, title, "they arrive with registry polling and tag policies");
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
