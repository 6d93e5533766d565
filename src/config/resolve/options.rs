//! `route` besides its domains → how they are routed, with the defaults that a certificate brings.
//!
//! Must not let through what the proxy would drop in silence: no https without a certificate, and nothing that only
//! Nginx Proxy Manager does with another proxy.

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::route::{Certificate, Https, covers};
use crate::model::{Domain, ProxySettings, RouteOptions};

use super::project::Context;

/// The options; those of plain HTTP when something is wrong. `domains` have the paths they are written at.
pub(super) fn options(cx: &Context<'_>, route: raw::Route, domains: &[(Domain, String)]) -> RouteOptions {
    if refuse_what_needs_npm(cx, &route) {
        return RouteOptions::default();
    }
    check(cx, &route);
    #[rustfmt::skip] // what there is, at a glance
    let raw::Route {
        domains: _, subdomain: _, certificate, https, websockets, http2, hsts, block_exploits,
    } = route;
    let is_secured = secures(certificate.as_ref());
    let certificate = certificate.and_then(|raw| certificate_of(cx, raw)).unwrap_or_default();
    check_covered(cx, &certificate, domains);
    RouteOptions {
        certificate,
        https: https_of(https, is_secured),
        websockets: websockets.unwrap_or(true),
        http2: http2.unwrap_or(is_secured),
        hsts: hsts.unwrap_or(false),
        block_exploits: block_exploits.unwrap_or(false),
    }
}

fn secures(certificate: Option<&raw::Certificate>) -> bool {
    match certificate {
        None | Some(raw::Certificate::None) => false,
        Some(raw::Certificate::Id(_) | raw::Certificate::Wildcard(_)) => true,
    }
}

/// With a certificate plain HTTP is redirected, unless it says otherwise.
fn https_of(raw: Option<raw::Https>, is_secured: bool) -> Https {
    match raw {
        Some(raw::Https::Redirect) => Https::Redirect,
        Some(raw::Https::Allow) => Https::Allow,
        Some(raw::Https::Off) => Https::Off,
        None if is_secured => Https::Redirect,
        None => Https::Off,
    }
}

fn certificate_of(cx: &Context<'_>, raw: raw::Certificate) -> Option<Certificate> {
    match raw {
        raw::Certificate::None => Some(Certificate::None),
        raw::Certificate::Id(0) => {
            let help = "write the number that its list of certificates shows";
            cx.site.refuse(code::BAD_VALUE, "route.certificate.id", "certificates are numbered from 1", help);
            None
        }
        raw::Certificate::Id(id) => Some(Certificate::Id(u64::from(id))),
        raw::Certificate::Wildcard(text) => {
            let base = text.strip_prefix("*.").and_then(|base| base.parse::<Domain>().ok());
            if base.is_none() {
                let title = format!("`{}` is not a wildcard", short(&text));
                let help = "write `*.` and a domain, in quotes, as in `\"*.example.com\"`";
                cx.site.refuse(code::BAD_VALUE, "route.certificate.wildcard", title, help);
            }
            base.map(|base| Certificate::Wildcard(format!("*.{base}")))
        }
    }
}

/// What neither the embedded proxy nor none does; what describes what they do anyway is fine.
fn refuse_what_needs_npm(cx: &Context<'_>, route: &raw::Route) -> bool {
    match cx.settings.value.proxy {
        ProxySettings::Embedded | ProxySettings::None if cx.settings.is_known => {}
        ProxySettings::NginxProxyManager(_) | ProxySettings::Embedded | ProxySettings::None => return false,
    }
    let beyond = [
        ("certificate", secures(route.certificate.as_ref())),
        ("https", https_of(route.https, false) != Https::Off),
        ("http2", route.http2 == Some(true)),
        ("hsts", route.hsts == Some(true)),
        ("block_exploits", route.block_exploits == Some(true)),
        ("websockets: false", route.websockets == Some(false)),
    ];
    let mut is_refused = false;
    for (what, _) in beyond.into_iter().filter(|(_, is_set)| *is_set) {
        is_refused = true;
        let path = format!("route.{}", what.trim_end_matches(": false"));
        let title = format!("`{what}` needs Nginx Proxy Manager");
        let help = "remove it, or drive one: `settings: { proxy: { nginx_proxy_manager: \
                    { url: …, email: …, password: { credential: … } } } }`";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, &path, title).help(help));
    }
    is_refused
}

/// Keys that contradict each other.
fn check(cx: &Context<'_>, route: &raw::Route) {
    let is_secured = secures(route.certificate.as_ref());
    let https = https_of(route.https, is_secured);
    if !is_secured && https != Https::Off {
        let help = "add `certificate: { wildcard: \"*.example.com\" }` or `{ id: 3 }`, or write `https: off`";
        contradiction(cx, route, "https", "`https` needs a certificate", Other::Certificate, help);
    }
    if is_secured && https == Https::Off {
        let help = "remove one of the two; with a certificate `https` is `redirect` unless it is written";
        contradiction(cx, route, "https", "`https: off` leaves the certificate unused", Other::Certificate, help);
    }
    if route.hsts == Some(true) && https != Https::Redirect {
        let other = if is_secured { Other::Https } else { Other::Certificate };
        let help = "add a certificate and `https: redirect`, or remove `hsts`: \
                    a browser that was told so once does not come back to plain HTTP";
        contradiction(cx, route, "hsts", "`hsts` needs `https: redirect`", other, help);
    }
    if route.http2 == Some(true) && !is_secured {
        let help = "add a certificate, or remove `http2`: browsers speak it over https only";
        contradiction(cx, route, "http2", "`http2` needs a certificate", Other::Certificate, help);
    }
}

/// What a key contradicts.
#[derive(Clone, Copy)]
enum Other {
    Certificate,
    Https,
}

fn contradiction(cx: &Context<'_>, route: &raw::Route, key: &str, title: &str, other: Other, help: &str) {
    let (path, text) = match other {
        Other::Https => ("route.https", "set here"),
        Other::Certificate if route.certificate.is_some() => ("route.certificate", "set here"),
        Other::Certificate => ("route", "no `certificate` here"),
    };
    let diagnostic = cx.site.error_at_key(code::CONTRADICTION, &format!("route.{key}"), title);
    let place = cx.site.at(Part::Key, path);
    cx.site.report.add(diagnostic.other(Some(place), text).help(help));
}

/// A browser refuses a certificate that is not for the name it asked for.
fn check_covered(cx: &Context<'_>, certificate: &Certificate, domains: &[(Domain, String)]) {
    let Certificate::Wildcard(wildcard) = certificate else { return };
    for (domain, path) in domains.iter().filter(|(domain, _)| !covers(wildcard, domain)) {
        let title = format!("a certificate for `{wildcard}` does not cover `{domain}`");
        let help = "`*` stands for one label: name another certificate, or give the domain a stage of its own";
        let place = cx.site.at(Part::Value, "route.certificate.wildcard");
        let diagnostic = cx.site.error(code::CONTRADICTION, path, title);
        cx.site.report.add(diagnostic.other(Some(place), "set here").help(help));
    }
}
