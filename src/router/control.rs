//! What is said on the control socket: the types of `landfall proxy`'s small HTTP/JSON interface, shared by both ends.
//!
//! Every value that arrives here has been checked by its type: a domain is a domain, an upstream is `host:port`.
//!
//! | request | body → answer |
//! |---|---|
//! | `GET /health` | → [`Health`] |
//! | `GET /table` | → [`super::Table`] |
//! | `PUT /routes` | [`SetRoutes`] → [`Changed`], or 409 [`Refused`] |
//! | `DELETE /routes` | [`RemoveRoutes`] → [`Changed`] |
//! | `PUT /routes/restore` | [`Saved`] → [`Changed`], or 409 [`Refused`] |
//! | `GET /certificates` | → a list of [`CertificateState`], by name |
//! | `GET /inflight?upstream=host:port` | → [`InFlightCount`] |
//! | `GET /drained?upstream=host:port&timeout_ms=n` | → [`Drained`], when idle or out of time |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

pub use super::folders::Trouble;
use crate::model::name::InvalidName;
use crate::model::{Domain, Name, StageKey, StageName, StoreId};

/// Longest text of an upstream: a domain name and a port.
const MAX_UPSTREAM: usize = 260;

/// Most upstreams of one route: instances of one app on one host. It bounds the table's file and memory.
pub const MAX_UPSTREAMS: usize = 16;

/// Longest time that one `GET /drained` may wait, in milliseconds: an hour, the longest drain that makes sense.
pub const MAX_DRAIN_MS: u64 = 3_600_000;

/// Where requests are sent: `host:port`, the host a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UpstreamAddr(String);

impl UpstreamAddr {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UpstreamAddr {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let well_formed = text.len() <= MAX_UPSTREAM
            && text.rsplit_once(':').is_some_and(|(host, port)| {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                digits && port.parse::<u16>().is_ok_and(|port| port != 0) && is_host(host)
            });
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(format!("`{text}` is not an upstream: write it as `host:port`")))
        }
    }
}

/// A name or IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => Domain::name(host).is_ok(),
    }
}

impl TryFrom<String> for UpstreamAddr {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<UpstreamAddr> for String {
    fn from(upstream: UpstreamAddr) -> Self {
        upstream.0
    }
}

impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a route is: a stage, within a store. Nothing of another store is ever changed (R1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The store.
    pub store: StoreId,
    /// The project in it.
    pub project: Name,
    /// The stage of the project.
    pub stage: StageName,
}

impl Owner {
    /// The owner of a stage's routes.
    pub fn new(store: StoreId, key: &StageKey) -> Self {
        Self { store, project: key.project.clone(), stage: key.stage.clone() }
    }

    /// The stage.
    pub fn key(&self) -> StageKey {
        StageKey::new(self.project.clone(), self.stage.clone())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} of store {}", self.project, self.stage, self.store)
    }
}

/// One domain's entry in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Route {
    /// Where its requests go, [`MAX_UPSTREAMS`] at most; none: answered with a 503 page. Tables and requests of before
    /// there were several have one `upstream`, or null.
    #[serde(default, alias = "upstream", deserialize_with = "upstreams")]
    pub upstreams: Vec<UpstreamAddr>,
    /// Whose it is.
    pub owner: Owner,
    /// Some: this entry only redirects there (308), path and query kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Domain>,
    /// None: plain HTTP only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// A cookie keeps a client at the upstream it was given first, while that is among `upstreams`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// The path of the domain is taken off before the app sees it; `X-Forwarded-Prefix` tells it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strip_prefix: bool,
    /// Upgrades are passed on.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub websockets: bool,
    /// A page stands in for the app, wherever the route leads.
    #[serde(default, skip_serializing_if = "is_false")]
    pub maintenance: bool,
    /// While the app does not answer, a 503 page says that it is being replaced, in place of a 502.
    #[serde(default, skip_serializing_if = "is_false")]
    pub page_when_away: bool,
}

impl Route {
    /// A route without a word on anything else.
    pub fn new(owner: Owner, upstreams: Vec<UpstreamAddr>) -> Self {
        let (redirect, tls, websockets) = (None, None, true);
        #[rustfmt::skip] // what there is, at a glance
        let route = Self {
            upstreams, owner, redirect, tls, sticky: false, strip_prefix: false, websockets, maintenance: false,
            page_when_away: false,
        };
        route
    }
}

/// How a domain is served over https.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// With what.
    pub certificate: TlsCertificate,
    /// Plain HTTP is redirected to https, once there is a certificate.
    #[serde(default)]
    pub redirect: bool,
    /// Browsers are told to use https only.
    #[serde(default)]
    pub hsts: bool,
    /// HTTP/2 is offered.
    #[serde(default)]
    pub http2: bool,
}

/// Which certificate a domain is served with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsCertificate {
    /// One that the proxy gets for it.
    Letsencrypt,
    /// One in the proxy's directory, by its name there.
    File(String),
    /// The one in the proxy's directory for this wildcard, as in `*.example.com`.
    Wildcard(String),
}

/// "This stage has exactly these domains, and they lead there." All its domains are alike but for redirects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "as in `Route`")]
pub struct SetRoutes {
    /// The stage.
    pub owner: Owner,
    /// All its domains; others it had are dropped, and those of other stages of its store move over.
    pub domains: BTreeSet<Domain>,
    /// Domains that only redirect, and where to; one that is among `domains` too is served and not redirected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redirects: BTreeMap<Domain, Domain>,
    /// Where they lead; none: a 503 page.
    #[serde(default, alias = "upstream", deserialize_with = "upstreams")]
    pub upstreams: Vec<UpstreamAddr>,
    /// As in [`Route`], of redirects too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// As in [`Route`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// As in [`Route`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub strip_prefix: bool,
    /// As in [`Route`].
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub websockets: bool,
    /// As in [`Route`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub maintenance: bool,
    /// As in [`Route`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub page_when_away: bool,
}

impl SetRoutes {
    /// A change without a word on anything else.
    pub fn new(owner: Owner, domains: BTreeSet<Domain>, upstreams: Vec<UpstreamAddr>) -> Self {
        let Route { upstreams, owner, redirect: _, tls, sticky, strip_prefix, websockets, maintenance, page_when_away } =
            Route::new(owner, upstreams);
        let redirects = BTreeMap::new();
        Self {
            owner,
            domains,
            redirects,
            upstreams,
            tls,
            sticky,
            strip_prefix,
            websockets,
            maintenance,
            page_when_away,
        }
    }

    /// The entries that it asks for.
    pub fn routes(&self) -> BTreeMap<Domain, Route> {
        let Self {
            owner,
            domains,
            redirects,
            upstreams,
            tls,
            sticky,
            strip_prefix,
            websockets,
            maintenance,
            page_when_away,
        } = self;
        let served = Route {
            upstreams: upstreams.clone(),
            owner: owner.clone(),
            redirect: None,
            tls: tls.clone(),
            sticky: *sticky,
            strip_prefix: *strip_prefix,
            websockets: *websockets,
            maintenance: *maintenance,
            page_when_away: *page_when_away,
        };
        let redirect = |(from, to): (&Domain, &Domain)| {
            let plain = Route::new(owner.clone(), Vec::new());
            (from.clone(), Route { redirect: Some(to.clone()), tls: tls.clone(), ..plain })
        };
        let mut routes: BTreeMap<Domain, Route> = redirects.iter().map(redirect).collect();
        routes.extend(domains.iter().map(|domain| (domain.clone(), served.clone())));
        routes
    }
}

/// Several addresses, or one, or null.
fn upstreams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<UpstreamAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an upstream is written as `host:port`, several as a list")]
    enum Written {
        Several(Vec<UpstreamAddr>),
        One(UpstreamAddr),
        None,
    }
    match Written::deserialize(deserializer)? {
        Written::Several(several) if several.len() > MAX_UPSTREAMS => {
            Err(D::Error::custom(format!("a route has {MAX_UPSTREAMS} upstreams at most, not {}", several.len())))
        }
        Written::Several(several) => Ok(several),
        Written::One(one) => Ok(vec![one]),
        Written::None => Ok(Vec::new()),
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// "This stage has no domains any more."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRoutes {
    /// The stage.
    pub owner: Owner,
}

/// What a change found where it wrote. Restoring it puts exactly that back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The store that made the change, and the only one whose entries are touched by putting it back.
    pub store: StoreId,
    /// Each domain that was written, with its entry before; none: it had none.
    pub routes: BTreeMap<Domain, Option<Route>>,
}

/// A change is in force. Read from the table that requests are routed by, after the swap: the proof of R9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The table's revision now.
    pub revision: u64,
    /// The entries in force for every domain the change was about; one that is missing has no route.
    pub in_force: BTreeMap<Domain, Route>,
    /// What was there before.
    pub saved: Saved,
}

/// The proxy is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The table's revision.
    pub revision: u64,
    /// Requests and tunnels in flight over all upstreams.
    pub in_flight: u64,
    /// What does not work, though it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
}

/// Requests and tunnels in flight at one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightCount {
    /// How many.
    pub in_flight: u64,
}

/// What is known of the certificate of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateState {
    /// A host, or `*.` and a domain.
    pub name: String,
    /// Where its certificate is from; none: it has none.
    pub from: Option<String>,
    /// The last second in which it is good, since 1970.
    pub ends: Option<u64>,
    /// By ACME: why the last order for it failed.
    pub last_failure: Option<String>,
    /// By ACME: when it is ordered, again or anew, in seconds since 1970.
    pub next_try: Option<u64>,
    /// What is wrong with it for a route that asks for one of a file: a sentence that begins with its verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a certificate is from that was issued by ACME.
pub const ACME: &str = "acme";

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Requests and tunnels still in flight; 0: the upstream is idle.
    pub left: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Why a request on the control socket was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A sentence for people.
    pub error: String,
    /// For a conflict, the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// For a conflict, who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_an_upstream_is_a_host_and_a_port_and_nothing_else() {
        for good in ["127.0.0.1:20000", "shop-prod-5c07e1aa:8080", "[::1]:80", "a.b:65535"] {
            assert!(good.parse::<UpstreamAddr>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "http://a:80",
            "a@b:80",
            "a b:80",
            "::1:80",
            "[x]:80",
            ":80",
            "a/b:80",
        ] {
            assert!(bad.parse::<UpstreamAddr>().is_err(), "{bad}");
        }
    }

    const OWNER: &str = r#"{"store":"00000000-0000-0000-0000-000000000001","project":"shop","stage":"prod"}"#;

    fn read(rest: &str) -> Result<Route, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"owner":{OWNER},{rest}}}"#))
    }

    #[test]
    fn what_was_written_before_there_were_several_upstreams_is_still_read() {
        let owner: Owner = serde_json::from_str(OWNER).unwrap();
        let one: UpstreamAddr = "h:1".parse().unwrap();
        assert_eq!(read(r#""upstream":"h:1""#).unwrap(), Route::new(owner.clone(), vec![one.clone()]));
        assert_eq!(read(r#""upstream":null"#).unwrap(), Route::new(owner.clone(), Vec::new()));
        assert_eq!(read(r#""upstreams":["h:1","h:1"]"#).unwrap(), Route::new(owner.clone(), vec![one.clone(), one]));
        let set = format!(r#"{{"owner":{OWNER},"domains":["a.test"],"upstream":"h:1"}}"#);
        let domains = ["a.test".parse().unwrap()].into();
        let wanted = SetRoutes::new(owner, domains, vec!["h:1".parse().unwrap()]);
        assert_eq!(serde_json::from_str::<SetRoutes>(&set).unwrap(), wanted);
    }

    #[test]
    fn a_route_with_everything_set_comes_back_as_it_was() {
        let text = r#""upstreams":["h:1","h:2"],"redirect":"b.test","sticky":true,"strip_prefix":true,"websockets":false,
            "tls":{"certificate":{"file":"shop"},"redirect":true,"hsts":true,"http2":true}"#;
        let route = read(text).unwrap();
        assert!(route.sticky && route.strip_prefix && !route.websockets);
        let tls = route.tls.as_ref().unwrap();
        assert_eq!(tls.certificate, TlsCertificate::File("shop".to_owned()));
        let again = serde_json::to_string(&route).unwrap();
        assert_eq!(serde_json::from_str::<Route>(&again).unwrap(), route, "{again}");
    }

    #[test]
    fn r31_a_route_has_a_bounded_number_of_upstreams() {
        let many = |count: usize| format!(r#""upstreams":[{}]"#, vec![r#""h:1""#; count].join(","));
        assert_eq!(read(&many(MAX_UPSTREAMS)).unwrap().upstreams.len(), MAX_UPSTREAMS);
        let error = read(&many(MAX_UPSTREAMS + 1)).unwrap_err().to_string();
        assert!(error.contains("16 upstreams at most, not 17"), "{error}");
        let error = read(r#""upstreams":["h"]"#).unwrap_err().to_string();
        assert!(error.contains("`host:port`"), "{error}");
    }

    #[test]
    fn all_domains_of_a_stage_are_alike_but_for_redirects() {
        let owner: Owner = serde_json::from_str(OWNER).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let mut set = SetRoutes::new(owner, names(&["a.test", "b.test"]), vec!["h:1".parse().unwrap()]);
        set.redirects = ["b.test", "www.a.test"].map(|name| (name.parse().unwrap(), "a.test".parse().unwrap())).into();
        set.sticky = true;
        let shown = |(domain, route): (Domain, Route)| {
            format!("{domain} {} {:?} {}", route.upstreams.len(), route.redirect.map(|to| to.to_string()), route.sticky)
        };
        let shown: Vec<String> = set.routes().into_iter().map(shown).collect();
        assert_eq!(shown, ["a.test 1 None true", "b.test 1 None true", r#"www.a.test 0 Some("a.test") false"#]);
    }
}
