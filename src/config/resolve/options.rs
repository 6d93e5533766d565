//! `route` besides its domains → how they are routed, with the defaults that a certificate brings.
//!
//! Must not let through what the proxy would drop in silence: no https without a certificate, and nothing that the
//! configured proxy does not do (`ability`).

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::route::{Certificate, Https, covers};
use crate::model::{Domain, RouteOptions};

use super::project::Context;
use super::redirects::part_of;
use super::{ability, elsewhere};

/// The options; those of plain HTTP when something is wrong. `domains` have the paths they are written at, and
/// `redirects` are among them.
pub(super) fn options(
    cx: &Context<'_>,
    route: raw::Route,
    domains: &[(Domain, String)],
    redirects: BTreeMap<Domain, Domain>,
) -> RouteOptions {
    if ability::refuse(cx, &route, domains) {
        return RouteOptions::default();
    }
    check(cx, &route);
    #[rustfmt::skip] // what there is, at a glance
    let raw::Route {
        domains: _, subdomain: _, certificate, https, websockets, http2, hsts, block_exploits, caching, access_list, locations,
        redirects: _, advanced, upstreams, sticky, strip_prefix, maintenance,
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
        caching: caching.unwrap_or(false),
        access_list: access_list.and_then(|name| elsewhere::access_list(cx, name)),
        locations: elsewhere::locations(cx, locations.unwrap_or_default()),
        redirects,
        advanced: advanced.and_then(|text| elsewhere::advanced(cx, &text)),
        upstreams: elsewhere::upstreams(cx, upstreams.unwrap_or_default()),
        sticky: sticky.unwrap_or(false),
        strip_prefix: strip_prefix.unwrap_or(false),
        maintenance: maintenance.unwrap_or(false),
    }
}

/// True when https is asked for.
pub(super) fn secures(certificate: Option<&raw::Certificate>) -> bool {
    match certificate {
        None | Some(raw::Certificate::None) => false,
        #[rustfmt::skip]
        Some(
            raw::Certificate::Id(_) | raw::Certificate::Wildcard(_) | raw::Certificate::Letsencrypt | raw::Certificate::File(_),
        ) => true,
    }
}

/// With a certificate plain HTTP is redirected, unless it says otherwise.
pub(super) fn https_of(raw: Option<raw::Https>, is_secured: bool) -> Https {
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
            let base = text.strip_prefix("*.").and_then(|base| Domain::name(base).ok());
            if base.is_none() {
                let title = format!("`{}` is not a wildcard", short(&text));
                let help = "write `*.` and a domain, in quotes, as in `\"*.example.com\"`";
                cx.site.refuse(code::BAD_VALUE, "route.certificate.wildcard", title, help);
            }
            base.map(|base| Certificate::Wildcard(format!("*.{base}")))
        }
        raw::Certificate::Letsencrypt => Some(Certificate::Letsencrypt),
        raw::Certificate::File(name) => elsewhere::file_name(cx, name).map(Certificate::File),
    }
}

/// Keys that contradict each other.
fn check(cx: &Context<'_>, route: &raw::Route) {
    let is_secured = secures(route.certificate.as_ref());
    let https = https_of(route.https, is_secured);
    if !is_secured && https != Https::Off {
        let help = "add `certificate: letsencrypt`, or `{ wildcard: \"*.example.com\" }`, or write `https: off`";
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
        let diagnostic = match part_of(path) {
            Part::Key => cx.site.error_at_key(code::CONTRADICTION, path, title),
            Part::Value => cx.site.error(code::CONTRADICTION, path, title),
        };
        cx.site.report.add(diagnostic.other(Some(place), "set here").help(help));
    }
}
