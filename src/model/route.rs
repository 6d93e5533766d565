//! How a stage is reached through the proxy: what the YAML asks for, what one proxy host has, and the proxy's own address.

use serde::{Deserialize, Serialize};

use super::name::Domain;
use super::secret::SecretRef;

/// The Nginx Proxy Manager that is driven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NpmSettings {
    /// Address of its admin server, `http://…` or `https://…`, without a path and without a slash at the end.
    pub url: String,
    /// Email of the user that Landfall logs in as.
    pub email: String,
    /// Password of that user.
    pub password: SecretRef,
    /// How it reaches instances.
    pub upstream: Reach,
    /// `host:port` where it serves plain HTTP: the host of `url` and port 80 unless given. A switch is proven there (R9).
    pub probe: String,
}

/// How the proxy reaches an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// By the container's name, on Landfall's network, which the proxy's own container has to join.
    #[default]
    Network,
    /// By a loopback port of the host.
    Host,
}

/// What the YAML says of a route besides its domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the YAML of its own")]
pub struct RouteOptions {
    /// The certificate for https.
    pub certificate: Certificate,
    /// What https is used for.
    pub https: Https,
    /// Connections may be upgraded.
    pub websockets: bool,
    /// HTTP/2 over https.
    pub http2: bool,
    /// Browsers are told to use https only.
    pub hsts: bool,
    /// The proxy refuses requests that look like common attacks.
    pub block_exploits: bool,
}

impl Default for RouteOptions {
    /// Plain HTTP, upgrades allowed: what the embedded proxy does.
    fn default() -> Self {
        Self {
            certificate: Certificate::None,
            https: Https::Off,
            websockets: true,
            http2: false,
            hsts: false,
            block_exploits: false,
        }
    }
}

/// Which certificate a route uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// None: plain HTTP.
    #[default]
    None,
    /// One that the proxy has, by its number there.
    Id(u64),
    /// The one that the proxy has for this wildcard, as in `*.example.com`.
    Wildcard(String),
}

/// What https is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Https {
    /// Not at all.
    #[default]
    Off,
    /// Beside plain HTTP.
    Allow,
    /// Plain HTTP is redirected to it.
    Redirect,
}

/// What a proxy host has set, or should have: flags normalised, so that equal means equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the proxy host of its own")]
pub struct HostOptions {
    /// Number of its certificate; none: plain HTTP.
    pub certificate: Option<u64>,
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
}

impl RouteOptions {
    /// What a host should have once its certificate's number is known: without one there is no https, without the
    /// redirect no HSTS, as the proxy itself has it.
    pub fn with_certificate(&self, certificate: Option<u64>) -> HostOptions {
        let Self { certificate: _, https, websockets, http2, hsts, block_exploits } = self;
        let redirect = certificate.is_some() && *https == Https::Redirect;
        HostOptions {
            certificate,
            redirect,
            http2: certificate.is_some() && *http2,
            hsts: redirect && *hsts,
            websockets: *websockets,
            block_exploits: *block_exploits,
        }
    }
}

impl From<HostOptions> for RouteOptions {
    /// What asks for exactly this.
    fn from(options: HostOptions) -> Self {
        let HostOptions { certificate, redirect, http2, hsts, websockets, block_exploits } = options;
        let https = match certificate {
            None => Https::Off,
            Some(_) if redirect => Https::Redirect,
            Some(_) => Https::Allow,
        };
        let certificate = certificate.map_or(Certificate::None, Certificate::Id);
        Self { certificate, https, websockets, http2, hsts, block_exploits }
    }
}

/// True when a wildcard such as `*.example.com` stands for this name: one label below it, no more.
pub fn covers(wildcard: &str, domain: &Domain) -> bool {
    let below = domain.as_str().split_once('.').map(|(_, below)| below);
    wildcard.strip_prefix("*.").is_some_and(|base| below == Some(base))
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
            assert_eq!(RouteOptions::from(host).with_certificate(Some(3)), host);
        }
        let plain = HostOptions { block_exploits: true, ..HostOptions::default() };
        assert_eq!(RouteOptions::from(plain).with_certificate(None), plain);
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let domain = |text: &str| text.parse::<Domain>().unwrap();
        assert!(covers("*.example.com", &domain("shop.example.com")));
        assert!(!covers("*.example.com", &domain("example.com")));
        assert!(!covers("*.example.com", &domain("a.shop.example.com")));
        assert!(!covers("example.com", &domain("shop.example.com")));
    }
}
