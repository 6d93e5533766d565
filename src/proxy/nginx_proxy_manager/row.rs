//! One host as the API has it, and the bodies that are written.
//!
//! What we own are its domains, where it leads, its certificate and flags, our mark in `meta`, and of the fields that
//! people set as well those that the mark names (`mark`). A write sends these and leaves out all else, which the API then
//! keeps; only `meta` is replaced whole, so its foreign keys are sent back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields;
use super::host::{Host, Kind};
use super::mark::{self, Owned, REDIRECTS};
use crate::model::{Domain, HostOptions, StageKey, StoreId};

/// The key of our mark in `meta`. Lower case and without digits: newer admin pages rewrite other spellings.
const MARK: &str = "landfall";
/// What the server writes into `meta` itself.
const SERVERS: [&str; 2] = ["nginx_online", "nginx_err"];
/// A redirect that may be remembered, and keeps the method of a request.
const PERMANENT: u64 = 308;
/// What a host is made with when it has to be made anew.
const MADE_WITH: [&str; 19] = [
    "domain_names",
    "forward_scheme",
    "forward_host",
    "forward_port",
    "forward_http_code",
    "forward_domain_name",
    "preserve_path",
    "certificate_id",
    "ssl_forced",
    "http2_support",
    "hsts_enabled",
    "hsts_subdomains",
    "allow_websocket_upgrade",
    "block_exploits",
    "caching_enabled",
    "access_list_id",
    "advanced_config",
    "locations",
    "trust_forwarded_proto",
];

/// A proxy host, or one that redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) host: Host,
    /// In lower case, sorted.
    pub(super) domains: Vec<String>,
    /// `host:port`, with the scheme before it if it is not http; of one that redirects, how and where to.
    pub(super) upstream: String,
    /// What is ours of it. Which domains redirect is not known here.
    pub(super) options: HostOptions,
    pub(super) enabled: bool,
    /// What nginx said to it last; none when it was not asked yet.
    pub(super) online: Option<bool>,
    pub(super) error: Option<String>,
    pub(super) mark: Option<(StoreId, StageKey)>,
    /// What is ours beside what always is.
    pub(super) owned: Owned,
    raw: Map<String, Value>,
}

/// What a host should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) owner: (StoreId, &'a StageKey),
    pub(super) domains: &'a [Domain],
    pub(super) leads: Leads<'a>,
    pub(super) options: &'a HostOptions,
}

/// Where a host should lead.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leads<'a> {
    /// To an instance.
    To { host: &'a str, port: u16 },
    /// To another domain, path and all.
    Redirects(&'a Domain),
}

impl Row {
    /// Reads a row of any version: flags are 0 and 1 in older ones.
    pub(super) fn parse(kind: Kind, value: &Value) -> Option<Self> {
        let raw = value.as_object()?;
        let meta = raw.get("meta").and_then(Value::as_object);
        let names = raw.get("domain_names")?.as_array()?.iter().filter_map(Value::as_str);
        let mut domains: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        domains.sort();
        let (mark, owned) = meta.and_then(|meta| mark::read(meta.get(MARK)?)).unzip();
        let owned = owned.unwrap_or_default();
        Some(Self {
            host: Host { kind, id: raw.get("id")?.as_u64()? },
            domains,
            upstream: upstream(kind, raw),
            options: HostOptions {
                certificate: raw.get("certificate_id").and_then(Value::as_u64).filter(|id| *id > 0),
                redirect: flag(raw, "ssl_forced"),
                http2: flag(raw, "http2_support"),
                hsts: flag(raw, "hsts_enabled"),
                websockets: flag(raw, "allow_websocket_upgrade"),
                block_exploits: flag(raw, "block_exploits"),
                ..fields::seen(raw, &owned)
            },
            // Missing means a version that does not know the switch: it serves.
            enabled: raw.get("enabled").is_none_or(|_| flag(raw, "enabled")),
            online: meta.and_then(|meta| meta.get(SERVERS[0])).map(is_set),
            error: meta.and_then(|meta| meta.get(SERVERS[1])?.as_str()).map(in_one_line),
            mark,
            owned,
            raw: raw.clone(),
        })
    }

    /// What people call it.
    pub(super) fn what(&self) -> String {
        format!("{} ({})", self.host, self.domains.join(", "))
    }

    /// True when it has one of these domains.
    pub(super) fn has_one_of(&self, domains: &[Domain]) -> bool {
        domains.iter().any(|domain| self.domains.iter().any(|own| own == domain.as_str()))
    }

    /// True when it has exactly these domains; both are sorted.
    pub(super) fn has_exactly(&self, domains: &[Domain]) -> bool {
        self.domains.iter().map(String::as_str).eq(domains.iter().map(Domain::as_str))
    }

    /// Where it redirects to; none for one that leads to an instance, or nowhere that a domain can be.
    pub(super) fn redirects_to(&self) -> Option<Domain> {
        self.raw.get("forward_domain_name")?.as_str()?.to_ascii_lowercase().parse().ok()
    }

    /// True when it is as wanted, and in force as far as the list can tell.
    pub(super) fn is(&self, wanted: &Wanted<'_>) -> bool {
        self.is_set(wanted) && self.enabled && self.online != Some(false)
    }

    /// True when it is set as wanted, switched on or not.
    pub(super) fn is_set(&self, wanted: &Wanted<'_>) -> bool {
        self.has_exactly(wanted.domains)
            && self.upstream == wanted.upstream()
            && self.options == wanted.comparable()
            && self.owned.has(REDIRECTS) == wanted.owned().has(REDIRECTS)
            && self.mark.as_ref().is_some_and(|(store, key)| (*store, key) == wanted.owner)
    }

    /// The body that puts back what this one changes.
    pub(super) fn as_it_was(&self, body: &Value) -> Value {
        let keys = body.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        // A release that does not know a field had none in it.
        let value = |key: &str| Some((key.to_owned(), fields::as_it_was(key, self.raw.get(key)?)));
        let mut body: Map<String, Value> = keys.filter_map(value).collect();
        body.insert("meta".to_owned(), Value::Object(self.foreign_meta(true)));
        Value::Object(body)
    }

    /// The body that makes it anew: what we own, and what people set besides.
    pub(super) fn to_make_anew(&self) -> Value {
        let there =
            MADE_WITH.iter().filter_map(|key| Some((*key, self.raw.get(*key).filter(|value| !value.is_null())?)));
        let mut body: Map<String, Value> =
            there.map(|(key, value)| (key.to_owned(), fields::as_it_was(key, value))).collect();
        body.insert("meta".to_owned(), Value::Object(self.foreign_meta(true)));
        Value::Object(body)
    }

    /// The body that takes some domains out of it.
    pub(super) fn without(&self, domains: &[Domain]) -> Value {
        let left = self.left_without(domains);
        json!({ "domain_names": left })
    }

    /// Its domains but these.
    pub(super) fn left_without(&self, domains: &[Domain]) -> Vec<&String> {
        self.domains.iter().filter(|own| !domains.iter().any(|domain| domain.as_str() == *own)).collect()
    }

    /// The body that marks it as ours, and changes nothing else.
    pub(super) fn marked(&self, whose: (StoreId, &StageKey), owned: &Owned) -> Value {
        let mut meta = self.foreign_meta(false);
        meta.insert(MARK.to_owned(), mark::of(whose, owned));
        json!({ "meta": meta })
    }

    /// The body that takes our mark off, and changes nothing else.
    pub(super) fn unmarked(&self) -> Value {
        json!({ "meta": self.foreign_meta(false) })
    }

    fn foreign_meta(&self, with_mark: bool) -> Map<String, Value> {
        let meta = self.raw.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
        meta.into_iter().filter(|(key, _)| !SERVERS.contains(&key.as_str()) && (with_mark || key != MARK)).collect()
    }
}

impl Wanted<'_> {
    /// Which kind of host this is.
    pub(super) const fn kind(&self) -> Kind {
        match self.leads {
            Leads::To { .. } => Kind::Proxy,
            Leads::Redirects(_) => Kind::Redirection,
        }
    }

    fn upstream(&self) -> String {
        match self.leads {
            Leads::To { host, port } => format!("{host}:{port}"),
            Leads::Redirects(to) => redirect(PERMANENT, scheme(self.options), to.as_str(), true),
        }
    }

    /// What a row of this has set.
    fn comparable(&self) -> HostOptions {
        match self.leads {
            Leads::To { .. } => HostOptions { redirects: BTreeMap::new(), ..self.options.clone() },
            Leads::Redirects(_) => of_a_redirection(self.options),
        }
    }

    fn owned(&self) -> Owned {
        match self.leads {
            Leads::To { .. } => Owned::asked_by(self.options),
            Leads::Redirects(_) => Owned::default(),
        }
    }

    /// The body that makes this of a host, or a new host.
    pub(super) fn body(&self, row: Option<&Row>) -> Value {
        let nothing = (Map::new(), Owned::default());
        let (raw, owned) = row.map_or((&nothing.0, &nothing.1), |row| (&row.raw, &row.owned));
        let mut meta = row.map(|row| row.foreign_meta(false)).unwrap_or_default();
        meta.insert(MARK.to_owned(), mark::of(self.owner, &self.owned()));
        let HostOptions { certificate, redirect, http2, hsts, websockets, block_exploits, .. } = self.options;
        let mut body = Map::from_iter([
            ("domain_names".to_owned(), json!(self.domains)),
            ("certificate_id".to_owned(), json!(certificate.unwrap_or_default())),
            ("ssl_forced".to_owned(), json!(redirect)),
            ("http2_support".to_owned(), json!(http2)),
            ("hsts_enabled".to_owned(), json!(hsts)),
            ("hsts_subdomains".to_owned(), json!(*hsts && flag(raw, "hsts_subdomains"))),
            ("block_exploits".to_owned(), json!(block_exploits)),
            ("meta".to_owned(), Value::Object(meta)),
        ]);
        match self.leads {
            Leads::To { host, port } => {
                body.insert("forward_scheme".to_owned(), json!("http"));
                body.insert("forward_host".to_owned(), json!(host));
                body.insert("forward_port".to_owned(), json!(port));
                body.insert("allow_websocket_upgrade".to_owned(), json!(websockets));
                fields::write(&mut body, raw, owned, self.options);
            }
            Leads::Redirects(to) => {
                body.insert("forward_scheme".to_owned(), json!(scheme(self.options)));
                body.insert("forward_http_code".to_owned(), json!(PERMANENT));
                body.insert("forward_domain_name".to_owned(), json!(to));
                body.insert("preserve_path".to_owned(), json!(true));
            }
        }
        Value::Object(body)
    }
}

/// What a host that redirects has of a stage's options: its https, and what it refuses.
pub(super) fn of_a_redirection(options: &HostOptions) -> HostOptions {
    let HostOptions { certificate, redirect, http2, hsts, block_exploits, .. } = options;
    let (certificate, redirect, http2, hsts) = (*certificate, *redirect, *http2, *hsts);
    HostOptions { certificate, redirect, http2, hsts, block_exploits: *block_exploits, ..HostOptions::PLAIN }
}

/// How a host with these options redirects to a domain, as a row says it.
pub(super) fn redirect_of(options: &HostOptions, to: &Domain) -> String {
    redirect(PERMANENT, scheme(options), to.as_str(), true)
}

/// Where plain HTTP is redirected anyway, that way is taken at once.
const fn scheme(options: &HostOptions) -> &'static str {
    if options.redirect { "https" } else { "auto" }
}

fn redirect(code: u64, scheme: &str, to: &str, with_path: bool) -> String {
    format!("{code} {scheme}://{to}{}", if with_path { "/…" } else { "" })
}

/// Where a row leads.
fn upstream(kind: Kind, raw: &Map<String, Value>) -> String {
    let text = |key: &str| raw.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| raw.get(key).and_then(Value::as_u64).unwrap_or_default();
    let scheme = text("forward_scheme");
    match kind {
        Kind::Proxy if scheme == "http" => format!("{}:{}", text("forward_host"), number("forward_port")),
        Kind::Proxy => format!("{scheme}://{}:{}", text("forward_host"), number("forward_port")),
        Kind::Redirection => {
            let to = text("forward_domain_name").to_ascii_lowercase();
            redirect(number("forward_http_code"), scheme, &to, flag(raw, "preserve_path"))
        }
    }
}

/// A switch; false when there is none of this name.
pub(super) fn flag(raw: &Map<String, Value>, key: &str) -> bool {
    raw.get(key).is_some_and(is_set)
}

fn is_set(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_u64().is_some_and(|number| number > 0))
}

/// Nginx's words come with line ends, and its own file names are of no use without its last line.
fn in_one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = lines.clone().find(|line| line.contains("[emerg]")).or_else(|| lines.next());
    telling.unwrap_or_default().chars().filter(|c| !c.is_control()).take(400).collect()
}
