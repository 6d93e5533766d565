//! `route` → the domains of a stage, and how they are routed.

use crate::config::code;
use crate::config::raw;
use crate::model::route::Certificate;
use crate::model::several::DomainPattern;
use crate::model::{Domain, ProxySettings, RouteOptions};

use super::cross::Claims;
use super::project::Context;
use super::redirects::part_of;
use super::{domains, idle, options, redirects, several, upstreams};

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
    let lacks_domain = idle::lacks_domain(&route);
    let texts = domains::texts(cx, &mut route);
    let is_pattern = |(_, text): &(String, String)| text.contains(['{', '}']);
    let (patterns, plain): (Vec<_>, Vec<_>) = texts.into_iter().partition(is_pattern);
    let all: Vec<(Domain, String)> =
        plain.into_iter().filter_map(|(path, text)| Some((domains::domain(cx, &path, &text)?, path))).collect();
    for (domain, path) in &all {
        claims.domain(cx, domain, path, part_of(path));
    }
    let patterns = several::patterns(cx, max_instances, patterns, &all);
    // A certificate has to cover instances as well: an example stands for them.
    let redirects = redirects::redirects(cx, &route, max_instances, &all, claims);
    let examples = patterns.iter().filter_map(|(pattern, path)| Some((several::example(pattern)?, path.clone())));
    let redirected = redirects.iter().map(|(from, _, path)| (from.clone(), path.clone()));
    let with_examples: Vec<(Domain, String)> = all.iter().cloned().chain(redirected.clone()).chain(examples).collect();
    let targets = redirects.iter().map(|(from, to, _)| (from.clone(), to.clone())).collect();
    let written = route.clone();
    upstreams::refuse_several(cx, &route, max_instances);
    let options = options::options(cx, route, &with_examples, targets);
    if !options.upstreams.is_empty() {
        upstreams::claim(cx, &written, claims);
    }
    idle::check(cx, &written, lacks_domain, &with_examples, max_instances);
    certificates(cx, &options, &with_examples[..all.len() + redirects.len()], claims);
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

/// Hosts that a certificate is wanted for. Nginx Proxy Manager has no paths, so nobody shares a host there.
fn certificates(cx: &Context<'_>, options: &RouteOptions, domains: &[(Domain, String)], claims: &mut Claims) {
    let shares_hosts = match cx.settings.value.proxy {
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) => cx.settings.is_known,
        ProxySettings::NginxProxyManager(_) | ProxySettings::None => false,
    };
    if shares_hosts && options.certificate != Certificate::None {
        for (domain, _) in domains {
            claims.certificate(cx, domain, &options.certificate);
        }
    }
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
