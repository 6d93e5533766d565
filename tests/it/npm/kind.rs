//! The three kinds of hosts that share one space of names, and what their bodies may hold.

use super::schema::{Fields, Rule};
use super::version::Version;

/// A kind of host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Proxy,
    Redirection,
    Dead,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proxy, Self::Redirection, Self::Dead];

    /// Its path below the API.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Proxy => "/nginx/proxy-hosts",
            Self::Redirection => "/nginx/redirection-hosts",
            Self::Dead => "/nginx/dead-hosts",
        }
    }

    /// The directory of its nginx files.
    pub const fn dir(self) -> &'static str {
        match self {
            Self::Proxy => "proxy_host",
            Self::Redirection => "redirection_host",
            Self::Dead => "dead_host",
        }
    }

    /// What is true or false in a row of it.
    pub fn switches(self) -> Vec<&'static str> {
        let mut all = vec!["ssl_forced", "hsts_enabled", "hsts_subdomains", "http2_support"];
        match self {
            Self::Proxy => {
                all.extend(["block_exploits", "caching_enabled", "allow_websocket_upgrade", "trust_forwarded_proto"]);
            }
            Self::Redirection => all.extend(["block_exploits", "preserve_path"]),
            Self::Dead => {}
        }
        all
    }

    /// The rules for a new one.
    pub fn new_rules(self, version: Version) -> Fields {
        let required: &[&str] = match self {
            Self::Proxy => &["domain_names", "forward_scheme", "forward_host", "forward_port"],
            Self::Redirection => &["domain_names", "forward_scheme", "forward_http_code", "forward_domain_name"],
            Self::Dead => &["domain_names"],
        };
        Fields { required, known: self.known(version), at_least: 0 }
    }

    /// The rules for a change.
    pub fn change_rules(self, version: Version) -> Fields {
        Fields { required: &[], known: self.known(version), at_least: usize::from(version.refuses_empty_change()) }
    }

    fn known(self, version: Version) -> Vec<(&'static str, Rule)> {
        let mut known = vec![
            ("domain_names", Rule::Names { max: version.most_domains() }),
            ("certificate_id", Rule::Certificate),
            ("advanced_config", Rule::text()),
            ("meta", Rule::Free),
        ];
        let switches = self.switches().into_iter();
        let switches = switches.filter(|name| *name != "trust_forwarded_proto" || version.knows_forwarded_proto());
        known.extend(switches.map(|name| (name, Rule::Switch)));
        match self {
            Self::Proxy => {
                known.extend(target());
                known.push(("access_list_id", Rule::Number { min: 0, max: i64::MAX }));
                known.push(("enabled", Rule::Switch));
                known.push(("locations", Rule::List(location())));
            }
            Self::Redirection => {
                known.push(("forward_scheme", Rule::OneOf(&["auto", "http", "https"])));
                known.push(("forward_http_code", Rule::Number { min: 300, max: 308 }));
                let name = Rule::Text { min: 1, max: usize::MAX, forbidden: "*" };
                known.push(("forward_domain_name", name));
            }
            Self::Dead => {}
        }
        known
    }
}

fn target() -> [(&'static str, Rule); 3] {
    [
        ("forward_scheme", Rule::OneOf(&["http", "https"])),
        ("forward_host", Rule::Text { min: 1, max: 255, forbidden: "" }),
        ("forward_port", Rule::Number { min: 1, max: 65_535 }),
    ]
}

fn location() -> Fields {
    let mut known = vec![
        ("id", Rule::NumberOrNull),
        ("path", Rule::Text { min: 1, max: usize::MAX, forbidden: "" }),
        ("forward_path", Rule::text()),
        ("advanced_config", Rule::text()),
    ];
    known.extend(target());
    Fields { required: &["forward_scheme", "forward_host", "forward_port", "path"], known, at_least: 0 }
}
