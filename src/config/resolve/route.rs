//! `route` → the domains of a stage, and how they are routed.

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::several::DomainPattern;
use crate::model::{Domain, ProxySettings, RouteOptions};

use super::cross::Claims;
use super::project::Context;
use super::several;
use super::{elsewhere, options};

/// Most domains that Nginx Proxy Manager takes for one host.
const MAX_NPM_DOMAINS: usize = 100;

/// How a stage is routed.
#[derive(Default)]
pub(super) struct Routed {
    /// Its domains, sorted.
    pub(super) domains: Vec<Domain>,
    /// Domains of its instances, where it runs several.
    pub(super) patterns: Vec<DomainPattern>,
    /// The rest.
    pub(super) options: RouteOptions,
}

/// The domains and the options; each domain is claimed, so that two stages on one are found. Without a domain nothing is
/// routed, and the options say nothing.
pub(super) fn route(
    cx: &Context<'_>,
    route: Option<raw::Route>,
    port: Option<u16>,
    max_instances: u16,
    claims: &mut Claims,
) -> Routed {
    let Some(mut route) = route else { return Routed::default() };
    let texts = texts(cx, &mut route);
    let is_pattern = |(_, text): &(String, String)| text.contains(['{', '}']);
    let (patterns, plain): (Vec<_>, Vec<_>) = texts.into_iter().partition(is_pattern);
    let all: Vec<(Domain, String)> =
        plain.into_iter().filter_map(|(path, text)| Some((domain(cx, &path, &text)?, path))).collect();
    for (domain, path) in &all {
        claims.domain(cx.key, domain, cx.site.at(Part::Value, path));
    }
    let patterns = several::patterns(cx, max_instances, patterns, &all);
    // A certificate has to cover instances as well: an example stands for them.
    let redirects = redirects(cx, &mut route, max_instances, &all, claims);
    let examples = patterns.iter().filter_map(|(pattern, path)| Some((several::example(pattern)?, path.clone())));
    let redirected = redirects.iter().map(|(from, _, path)| (from.clone(), path.clone()));
    let with_examples: Vec<(Domain, String)> = all.iter().cloned().chain(redirected.clone()).chain(examples).collect();
    let targets = redirects.iter().map(|(from, to, _)| (from.clone(), to.clone())).collect();
    let options = options::options(cx, route, &with_examples, targets);
    if with_examples.is_empty() {
        return Routed::default();
    }
    check_reachable(cx, port);
    check_number(cx, with_examples.len());
    let mut domains: Vec<Domain> = all.into_iter().chain(redirected).map(|(domain, _)| domain).collect();
    domains.sort();
    domains.dedup();
    Routed { domains, patterns: patterns.into_iter().map(|(pattern, _)| pattern).collect(), options }
}

/// Domains that only redirect, where to, and where that is written: claimed as those that are served.
fn redirects(
    cx: &Context<'_>,
    route: &mut raw::Route,
    max_instances: u16,
    served: &[(Domain, String)],
    claims: &mut Claims,
) -> Vec<(Domain, Domain, String)> {
    let Some(raw) = route.redirects.clone().filter(|raw| !raw.is_empty()) else { return Vec::new() };
    if max_instances > 1 {
        let title = format!("`redirects` lead to one place, and `{}` runs {max_instances} instances", cx.key);
        let help = "give the domain that redirects to a stage of one instance";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route.redirects", title).help(help));
        return Vec::new();
    }
    let all = elsewhere::redirects(cx, raw, served);
    for (from, _, path) in &all {
        claims.domain(cx.key, from, cx.site.at(Part::Value, path));
    }
    all
}

/// The domains in the order that they are written in, each with its path; `{project}` and `{stage}` are filled in.
fn texts(cx: &Context<'_>, route: &mut raw::Route) -> Vec<(String, String)> {
    let fill =
        |text: &str| text.replace("{project}", cx.key.project.as_str()).replace("{stage}", cx.key.stage.as_str());
    let mut all = Vec::new();
    for (i, text) in route.domains.take().unwrap_or_default().iter().enumerate() {
        all.push((format!("route.domains.{i}"), fill(text)));
    }
    let below = route.subdomain.take().and_then(|text| below(cx, &fill(&text)));
    all.extend(below.map(|text| ("route.subdomain".to_owned(), text)));
    all
}

fn domain(cx: &Context<'_>, path: &str, text: &str) -> Option<Domain> {
    if text.contains('*') {
        let title = format!("`{}` is a wildcard, and a route needs whole names", short(text));
        cx.site.refuse(code::BAD_VALUE, path, title, "list the domains");
        return None;
    }
    cx.site.parse(path, text)
}

/// A name below `settings.domain`.
fn below(cx: &Context<'_>, text: &str) -> Option<String> {
    if !text.contains(['{', '}']) {
        domain(cx, "route.subdomain", text)?;
    }
    let base = cx.settings.value.domain.as_ref();
    if base.is_none() && cx.settings.is_known {
        let help = "add `settings: { domain: apps.example.com }`, or write the whole name below `domains`";
        cx.site.refuse(code::BAD_REFERENCE, "route.subdomain", "`subdomain` needs `settings.domain`", help);
    }
    Some(format!("{text}.{}", base?))
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
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => false,
    };
    if is_npm && domains > MAX_NPM_DOMAINS {
        let title = format!("Nginx Proxy Manager takes {MAX_NPM_DOMAINS} domains for a route, and this has {domains}");
        let help = "spread them over several stages";
        cx.site.report.add(cx.site.error_at_key(code::BAD_VALUE, "route.domains", title).help(help));
    }
}
