//! The keys of a route.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Domains that lead to a stage, and how. Which proxy does what is said when one is asked for what it does not do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Route {
    /// Whole domain names, each perhaps with a path below it, as in `shop.example.com/api`.
    pub(in crate::config) domains: Option<Vec<String>>,
    /// A name below `settings.domain`.
    pub(in crate::config) subdomain: Option<String>,
    /// The certificate for https; `none` by default.
    pub(in crate::config) certificate: Option<Certificate>,
    /// What https is used for: `redirect` (default with a certificate), `allow` or `off` (default without one).
    pub(in crate::config) https: Option<Https>,
    /// Connections may be upgraded; true by default.
    pub(in crate::config) websockets: Option<bool>,
    /// HTTP/2 over https; true by default with a certificate.
    pub(in crate::config) http2: Option<bool>,
    /// Browsers are told to use https only; false by default.
    pub(in crate::config) hsts: Option<bool>,
    /// Requests that look like common attacks are refused; false by default.
    pub(in crate::config) block_exploits: Option<bool>,
    /// The proxy keeps answers that may be kept, such as images; false by default.
    pub(in crate::config) caching: Option<bool>,
    /// Who may ask: the name of an access list of Nginx Proxy Manager.
    pub(in crate::config) access_list: Option<String>,
    /// Paths that lead elsewhere.
    pub(in crate::config) locations: Option<Vec<Location>>,
    /// Further domains that only redirect: each to one of the route's domains.
    pub(in crate::config) redirects: Option<BTreeMap<String, String>>,
    /// Configuration of nginx, put into the host as it is; only for stages that `settings.policy.advanced` names.
    pub(in crate::config) advanced: Option<String>,
    /// Further places where the same app runs, `host:port`.
    pub(in crate::config) upstreams: Option<Vec<String>>,
    /// A cookie keeps a client where it was sent first; false by default.
    pub(in crate::config) sticky: Option<bool>,
    /// The path of a domain is taken off before the app sees it; false by default.
    pub(in crate::config) strip_prefix: Option<bool>,
    /// A page says so while `recreate` replaces the instance; false by default.
    pub(in crate::config) maintenance: Option<bool>,
}

/// A path that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Location {
    /// Where it begins, as in `/api`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// Where it leads, `host:port`.
    pub(in crate::config) upstream: String,
}

/// Which certificate a route uses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Certificate {
    /// None: plain HTTP.
    None,
    /// One that the proxy has, by its number there.
    Id(#[schemars(range(min = 1))] u32),
    /// The one that the proxy has for a wildcard, as in `*.example.com`.
    Wildcard(#[schemars(regex(pattern = r"^\*\."))] String),
    /// One that the proxy gets from Let's Encrypt.
    Letsencrypt,
    /// A pair of files in the certificate directory of `landfall proxy`, by their name: `NAME.crt` and `NAME.key`.
    File(String),
}

/// What https is used for. `false` is `off` too: that is what older parsers of YAML, and people, take it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Https {
    /// Plain HTTP is redirected to it.
    Redirect,
    /// Beside plain HTTP.
    Allow,
    /// Not at all.
    Off,
}

impl Https {
    const NAMES: &[&str] = &["redirect", "allow", "off"];
}

impl<'de> Deserialize<'de> for Https {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByName)
    }
}

struct ByName;

impl Visitor<'_> for ByName {
    type Value = Https;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`redirect`, `allow` or `off`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Https, E> {
        match text {
            "redirect" => Ok(Https::Redirect),
            "allow" => Ok(Https::Allow),
            "off" => Ok(Https::Off),
            other => Err(E::unknown_variant(other, Https::NAMES)),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Https, E> {
        if value { Err(E::invalid_type(Unexpected::Bool(value), &self)) } else { Ok(Https::Off) }
    }
}

impl JsonSchema for Https {
    fn schema_name() -> Cow<'static, str> {
        "Https".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "What https is used for.", "enum": ["redirect", "allow", "off", false] })
    }
}
