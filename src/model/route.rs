//! How a stage is reached through the proxy: what the YAML asks for, what one proxy host has, and the proxy's own address.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

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

/// The Caddy that is driven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaddySettings {
    /// Its admin API: `http://host:port` without a slash at the end, or `unix//` and the path of a socket.
    pub admin: String,
    /// How it reaches instances.
    pub upstream: Reach,
    /// The server of its configuration that routes are put into; none: the one that listens on the port in question.
    pub server: Option<String>,
    /// Where a server that Landfall makes itself listens, in Caddy's notation; none: on Caddy's own ports for http and,
    /// once a route has a certificate, https.
    pub listen: Vec<String>,
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
    /// By the container's address on Landfall's network: the proxy runs on the host, which has a way there.
    Address,
}

/// What the YAML says of a route besides its domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The proxy keeps answers that may be kept, such as images.
    #[serde(skip_serializing_if = "is_false")]
    pub caching: bool,
    /// Who may ask: the proxy's list of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_list: Option<String>,
    /// Paths that lead elsewhere, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Domains of the stage that only redirect, each to another domain of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redirects: BTreeMap<Domain, Domain>,
    /// Configuration in the proxy's own language, put into its host as it is (R32).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advanced: Option<String>,
    /// Further places where the same app runs, `host:port`, beside the instance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<String>,
    /// A client stays where it was sent first.
    #[serde(skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// The path of a domain is taken off before the app sees it.
    #[serde(skip_serializing_if = "is_false")]
    pub strip_prefix: bool,
    /// While `recreate` replaces the instance, a page says so.
    #[serde(skip_serializing_if = "is_false")]
    pub maintenance: bool,
}

/// Specs say nothing of what is not asked for: those of before these keys are equal to those of now.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}

/// What nearly every stage has, once for all of them.
static DEFAULT: LazyLock<Arc<RouteOptions>> = LazyLock::new(|| Arc::new(RouteOptions::default()));

impl RouteOptions {
    /// As the configuration says; the default is one for all.
    pub fn shared(self) -> Arc<Self> {
        if self == **DEFAULT { Arc::clone(&DEFAULT) } else { Arc::new(self) }
    }
}

/// Reads and writes what is shared like what is not.
pub(super) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::RouteOptions;

    pub(in crate::model) fn serialize<S: Serializer>(route: &Arc<RouteOptions>, to: S) -> Result<S::Ok, S::Error> {
        RouteOptions::serialize(route, to)
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<RouteOptions>, D::Error> {
        RouteOptions::deserialize(from).map(RouteOptions::shared)
    }
}

impl Default for RouteOptions {
    /// Plain HTTP, upgrades allowed: what every proxy does.
    fn default() -> Self {
        Self {
            certificate: Certificate::None,
            https: Https::Off,
            websockets: true,
            http2: false,
            hsts: false,
            block_exploits: false,
            caching: false,
            access_list: None,
            locations: Vec::new(),
            redirects: BTreeMap::new(),
            advanced: None,
            upstreams: Vec::new(),
            sticky: false,
            strip_prefix: false,
            maintenance: false,
        }
    }
}

/// A path of a host that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Where it begins, as in `/api`.
    pub path: String,
    /// Where it leads, `host:port`.
    pub upstream: String,
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
    /// One that the proxy gets from Let's Encrypt.
    Letsencrypt,
    /// A pair of files that the proxy has, by their name.
    File(String),
}

/// A certificate of a proxy that knows them by what they are for, and not by a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedCertificate {
    /// One that it gets from Let's Encrypt.
    Letsencrypt,
    /// A pair of files.
    File(String),
    /// The one that it has for a wildcard.
    Wildcard(String),
}

impl fmt::Display for NamedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letsencrypt => f.write_str("letsencrypt"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Wildcard(name) => f.write_str(name),
        }
    }
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

/// True when a wildcard such as `*.example.com` stands for this name: one label below it, no more.
pub fn covers(wildcard: &str, domain: &Domain) -> bool {
    let below = domain.host().split_once('.').map(|(_, below)| below);
    wildcard.strip_prefix("*.").is_some_and(|base| below == Some(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        let domain = |text: &str| text.parse::<Domain>().unwrap();
        assert!(covers("*.example.com", &domain("shop.example.com")));
        assert!(!covers("*.example.com", &domain("example.com")));
        assert!(!covers("*.example.com", &domain("a.shop.example.com")));
        assert!(!covers("example.com", &domain("shop.example.com")));
    }
}
