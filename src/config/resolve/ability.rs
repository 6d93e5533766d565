//! Which proxy does what: a key that the configured one does not know is refused, with who does.

use crate::config::code;
use crate::config::raw;
use crate::model::route::Https;
use crate::model::{Domain, ProxySettings};

use super::options::{https_of, secures};
use super::project::Context;

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Whichever proxy there is.
    Any,
    /// Nginx Proxy Manager alone.
    Npm,
    /// The embedded proxy alone.
    Embedded,
    /// All but Nginx Proxy Manager.
    NotNpm,
    /// All but Caddy.
    NotCaddy,
}

impl By {
    /// Who that is, and what to do about it.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Any => ("a proxy", "remove it, or `proxy: { none: {} }` from the settings"),
            Self::Npm => (
                "Nginx Proxy Manager",
                "remove it, or drive one: `settings: { proxy: { nginx_proxy_manager: \
                 { url: …, email: …, password: { credential: … } } } }`",
            ),
            Self::Embedded => ("the embedded proxy", "remove it, or leave `proxy` out of the settings"),
            Self::NotCaddy => (
                "the embedded proxy or Nginx Proxy Manager",
                "remove it: Caddy upgrades whatever asks for it, and speaks HTTP/2 wherever it speaks https",
            ),
            Self::NotNpm => (
                "the embedded proxy or Caddy",
                "remove it, or leave `proxy` out of the settings, or write `proxy: { caddy: {} }` there",
            ),
        }
    }

    const fn is_done_by(self, proxy: &ProxySettings) -> bool {
        match (self, proxy) {
            (_, ProxySettings::None) => false,
            (Self::Any, _) => true,
            (Self::Npm, ProxySettings::NginxProxyManager(_)) => true,
            (Self::Npm, ProxySettings::Embedded(_) | ProxySettings::Caddy(_)) => false,
            (Self::Embedded | Self::NotNpm, ProxySettings::NginxProxyManager(_)) => false,
            (Self::Embedded | Self::NotNpm, ProxySettings::Embedded(_)) => true,
            (Self::Embedded, ProxySettings::Caddy(_)) => false,
            (Self::NotNpm, ProxySettings::Caddy(_)) => true,
            (Self::NotCaddy, ProxySettings::Caddy(_)) => false,
            (Self::NotCaddy, ProxySettings::Embedded(_) | ProxySettings::NginxProxyManager(_)) => true,
        }
    }
}

/// Refuses what the proxy does not do, and says whether there was something. What describes what it does anyway is fine.
pub(super) fn refuse(cx: &Context<'_>, route: &raw::Route, domains: &[(Domain, String)]) -> bool {
    if !cx.settings.is_known {
        return false;
    }
    let mut is_refused = false;
    for (what, by, is_set) in asked(route) {
        if is_set && !by.is_done_by(&cx.settings.value.proxy) {
            is_refused = true;
            refuse_one(cx, what, by);
        }
    }
    for (domain, path) in domains.iter().filter(|(domain, _)| !domain.path().is_empty()) {
        if !By::NotNpm.is_done_by(&cx.settings.value.proxy) {
            is_refused = true;
            let (who, help) = By::NotNpm.words();
            let help = format!("{help}; for another path of a host of Nginx Proxy Manager there is `locations`");
            cx.site.refuse(code::CONTRADICTION, path, format!("a path, as in `{domain}`, needs {who}"), help);
        }
    }
    is_refused
}

fn refuse_one(cx: &Context<'_>, what: &str, by: By) {
    let key = what.split(':').next().unwrap_or(what);
    let (who, help) = by.words();
    let help = match certificates(&cx.settings.value.proxy).filter(|_| what.starts_with("certificate:")) {
        Some(all) => {
            format!("this proxy takes {all}; write one of them, or {}", help.trim_start_matches("remove it, or "))
        }
        None => help.to_owned(),
    };
    let error = cx.site.error_at_key(code::CONTRADICTION, &format!("route.{key}"), format!("`{what}` needs {who}"));
    cx.site.report.add(error.help(help));
}

/// The certificates that a proxy takes.
const fn certificates(proxy: &ProxySettings) -> Option<&'static str> {
    match proxy {
        ProxySettings::Embedded(_) => Some("`letsencrypt`, `{ file: shop }` and `{ wildcard: \"*.example.com\" }`"),
        ProxySettings::Caddy(_) => Some("`letsencrypt` and `{ wildcard: \"*.example.com\" }`"),
        ProxySettings::NginxProxyManager(_) => Some("`letsencrypt`, `{ id: 3 }` and `{ wildcard: \"*.example.com\" }`"),
        ProxySettings::None => None,
    }
}

/// Every key, who does it, and whether it asks for something.
fn asked(route: &raw::Route) -> [(&'static str, By, bool); 16] {
    #[rustfmt::skip] // what there is, at a glance
    let raw::Route {
        domains: _, subdomain: _, certificate, https, websockets, http2, hsts, block_exploits, caching, access_list, locations,
        redirects, advanced, upstreams, sticky, strip_prefix, maintenance,
    } = route;
    let (named, by) = match certificate {
        Some(raw::Certificate::Id(_)) => ("certificate: { id: … }", By::Npm),
        Some(raw::Certificate::File(_)) => ("certificate: { file: … }", By::Embedded),
        None | Some(raw::Certificate::None | raw::Certificate::Wildcard(_) | raw::Certificate::Letsencrypt) => {
            ("certificate", By::Any)
        }
    };
    [
        (named, by, secures(certificate.as_ref())),
        ("https", By::Any, https_of(*https, false) != Https::Off),
        ("http2", By::Any, *http2 == Some(true)),
        ("hsts", By::Any, *hsts == Some(true)),
        ("block_exploits", By::Npm, *block_exploits == Some(true)),
        ("http2: false", By::NotCaddy, *http2 == Some(false)),
        ("websockets: false", By::NotCaddy, *websockets == Some(false)),
        ("caching", By::Npm, *caching == Some(true)),
        ("access_list", By::Npm, access_list.is_some()),
        ("locations", By::Npm, locations.as_ref().is_some_and(|all| !all.is_empty())),
        ("redirects", By::Any, redirects.as_ref().is_some_and(|all| !all.is_empty())),
        ("advanced", By::Npm, advanced.is_some()),
        ("upstreams", By::NotNpm, upstreams.as_ref().is_some_and(|all| !all.is_empty())),
        ("sticky", By::NotNpm, *sticky == Some(true)),
        ("strip_prefix", By::NotNpm, *strip_prefix == Some(true)),
        ("maintenance", By::Embedded, *maintenance == Some(true)),
    ]
}
