//! What one host of a proxy has set, or should have, and how that follows from what the YAML asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::Domain;
use super::route::{Certificate, Https, Location, NamedCertificate, RouteOptions};

/// What a proxy host has set, or should have: flags normalised, so that equal means equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the proxy host of its own")]
pub struct HostOptions {
    /// Number of its certificate, where the proxy numbers them; none: plain HTTP.
    pub certificate: Option<u64>,
    /// Its certificate, where the proxy knows them by what they are for; none: plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<NamedCertificate>,
    /// Plain HTTP is redirected to https.
    pub redirect: bool,
    /// HTTP/2 over https.
    pub http2: bool,
    /// Browsers are told to use https only.
    pub hsts: bool,
    /// Connections may be upgraded.
    pub websockets: bool,
    /// Requests that look like common attacks are refused.
    pub block_exploits: bool,
    /// Answers that may be kept are.
    #[serde(skip_serializing_if = "super::route::is_false")]
    pub caching: bool,
    /// Number of the list of those who may ask; none: everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_list: Option<u64>,
    /// Paths that lead elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Domains that only redirect, and where to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redirects: BTreeMap<Domain, Domain>,
    /// Configuration in the proxy's own language; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advanced: String,
    /// Further upstreams, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<String>,
    /// A client stays where it was sent first.
    #[serde(skip_serializing_if = "super::route::is_false")]
    pub sticky: bool,
    /// The path of a domain is taken off.
    #[serde(skip_serializing_if = "super::route::is_false")]
    pub strip_prefix: bool,
    /// A page stands in for the app while it cannot be reached.
    #[serde(skip_serializing_if = "super::route::is_false")]
    pub page_when_away: bool,
    /// A page stands in for the app.
    #[serde(skip_serializing_if = "super::route::is_false")]
    pub maintenance: bool,
}

/// What nothing is set beside.
static PLAIN: HostOptions = HostOptions::PLAIN;

impl HostOptions {
    /// Nothing but the upstream, for who needs one to point at.
    pub fn plain() -> &'static Self {
        &PLAIN
    }

    /// Nothing but the upstream.
    pub const PLAIN: Self = Self {
        certificate: None,
        named: None,
        redirect: false,
        http2: false,
        hsts: false,
        websockets: false,
        block_exploits: false,
        caching: false,
        access_list: None,
        locations: Vec::new(),
        redirects: BTreeMap::new(),
        advanced: String::new(),
        upstreams: Vec::new(),
        sticky: false,
        strip_prefix: false,
        page_when_away: false,
        maintenance: false,
    };

    /// True when https is served.
    pub const fn is_secured(&self) -> bool {
        self.certificate.is_some() || self.named.is_some()
    }

    /// These domains, but for those that only redirect.
    pub fn served<'a>(&self, domains: &'a [Domain]) -> impl Iterator<Item = &'a Domain> {
        domains.iter().filter(|domain| !self.redirects.contains_key(*domain))
    }
}

impl RouteOptions {
    /// What a host should have in a proxy that numbers its certificates, once the number is known: without one there is
    /// no https, without the redirect no HSTS, as the proxy itself has it.
    pub fn with_certificate(&self, certificate: Option<u64>) -> HostOptions {
        self.with(certificate, None)
    }

    /// The same for a proxy that knows certificates by what they are for.
    pub fn by_name(&self) -> HostOptions {
        self.with(None, self.certificate.named())
    }

    fn with(&self, certificate: Option<u64>, named: Option<NamedCertificate>) -> HostOptions {
        #[rustfmt::skip] // what there is, at a glance
        let Self {
            certificate: _, https, websockets, http2, hsts, block_exploits, caching, access_list: _, locations, redirects,
            advanced, upstreams, sticky, strip_prefix, maintenance,
        } = self;
        let is_secured = certificate.is_some() || named.is_some();
        let redirect = is_secured && *https == Https::Redirect;
        let mut upstreams = upstreams.clone();
        upstreams.sort();
        HostOptions {
            certificate,
            named,
            redirect,
            http2: is_secured && *http2,
            hsts: redirect && *hsts,
            websockets: *websockets,
            block_exploits: *block_exploits,
            caching: *caching,
            access_list: None,
            locations: locations.clone(),
            redirects: redirects.clone(),
            advanced: advanced.clone().unwrap_or_default(),
            upstreams,
            sticky: *sticky,
            strip_prefix: *strip_prefix,
            page_when_away: *maintenance,
            maintenance: false,
        }
    }
}

impl Certificate {
    /// The same for a proxy that knows them by what they are for; one by its number is of another proxy.
    fn named(&self) -> Option<NamedCertificate> {
        match self {
            Self::None | Self::Id(_) => None,
            Self::Wildcard(name) => Some(NamedCertificate::Wildcard(name.clone())),
            Self::Letsencrypt => Some(NamedCertificate::Letsencrypt),
            Self::File(name) => Some(NamedCertificate::File(name.clone())),
        }
    }
}

impl From<NamedCertificate> for Certificate {
    fn from(named: NamedCertificate) -> Self {
        match named {
            NamedCertificate::Letsencrypt => Self::Letsencrypt,
            NamedCertificate::File(name) => Self::File(name),
            NamedCertificate::Wildcard(name) => Self::Wildcard(name),
        }
    }
}

impl From<HostOptions> for RouteOptions {
    /// What asks for the same. Who may ask is known by its number alone, and the page that stands in is no wish of the
    /// configuration's.
    fn from(options: HostOptions) -> Self {
        #[rustfmt::skip] // what there is, at a glance
        let HostOptions {
            certificate, named, redirect, http2, hsts, websockets, block_exploits, caching, access_list: _, locations,
            redirects, advanced, upstreams, sticky, strip_prefix, page_when_away, maintenance: _,
        } = options;
        let certificate = certificate.map(Certificate::Id).or(named.map(Certificate::from)).unwrap_or_default();
        let https = match certificate {
            Certificate::None => Https::Off,
            _ if redirect => Https::Redirect,
            _ => Https::Allow,
        };
        let advanced = Some(advanced).filter(|text| !text.is_empty());
        #[rustfmt::skip] // as above
        let route = Self {
            certificate, https, websockets, http2, hsts, block_exploits, caching, access_list: None, locations, redirects,
            advanced, upstreams, sticky, strip_prefix, maintenance: page_when_away,
        };
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_certificate_has_no_flag_of_https() {
        let all = RouteOptions { https: Https::Redirect, http2: true, hsts: true, ..RouteOptions::default() };
        let plain = all.with_certificate(None);
        assert_eq!(plain, HostOptions { websockets: true, ..HostOptions::default() });
        let secured = all.with_certificate(Some(3));
        assert!(secured.redirect && secured.http2 && secured.hsts);
        let allowed = RouteOptions { https: Https::Allow, ..all }.with_certificate(Some(3));
        assert!(!allowed.redirect && !allowed.hsts && allowed.http2);
    }

    #[test]
    fn what_a_host_has_asks_for_the_same_again() {
        for (redirect, hsts) in [(false, false), (true, false), (true, true)] {
            let host = HostOptions { certificate: Some(3), redirect, hsts, http2: true, ..HostOptions::default() };
            assert_eq!(RouteOptions::from(host.clone()).with_certificate(Some(3)), host);
        }
        let plain = HostOptions { block_exploits: true, ..HostOptions::default() };
        assert_eq!(RouteOptions::from(plain.clone()).with_certificate(None), plain);
    }
}
