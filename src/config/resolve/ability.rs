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
    /// What the configured proxy does not do is said in these words, and what to do about it.
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
                "the embedded proxy",
                "remove it, or leave `proxy` out of the settings; for another path of a host of Nginx Proxy Manager there \
                 is `locations`",
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
            cx.site.refuse(code::CONTRADICTION, path, format!("a path, as in `{domain}`, needs {who}"), help);
        }
    }
    is_refused
}

fn refuse_one(cx: &Context<'_>, what: &str, by: By) {
    let key = what.split(':').next().unwrap_or(what);
    let (who, help) = by.words();
    let error = cx.site.error_at_key(code::CONTRADICTION, &format!("route.{key}"), format!("`{what}` needs {who}"));
    cx.site.report.add(error.help(help));
}

/// Every key, who does it, and whether it asks for something.
fn asked(route: &raw::Route) -> [(&'static str, By, bool); 16] {
    #[rustfmt::skip] // what there is, at a glance
    let raw::Route {
        domains: _, subdomain: _, certificate, https, websockets, http2, hsts, block_exploits, caching, access_list, locations,
        redirects, advanced, upstreams, sticky, strip_prefix, maintenance,
    } = route;
    let by = match certificate {
        Some(raw::Certificate::Id(_)) => By::Npm,
        Some(raw::Certificate::File(_)) => By::Embedded,
        None | Some(raw::Certificate::None | raw::Certificate::Wildcard(_) | raw::Certificate::Letsencrypt) => By::Any,
    };
    [
        ("certificate", by, secures(certificate.as_ref())),
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
