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
//! | `GET /inflight?upstream=host:port` | → [`InFlightCount`] |
//! | `GET /drained?upstream=host:port&timeout_ms=n` | → [`Drained`], when idle or out of time |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::name::InvalidName;
use crate::model::{Domain, Name, StageKey, StageName, StoreId};

/// Longest text of an upstream: a domain name and a port.
const MAX_UPSTREAM: usize = 260;

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
pub struct Route {
    /// Where its requests go; none: answered with a 503 page.
    pub upstream: Option<UpstreamAddr>,
    /// Whose it is.
    pub owner: Owner,
}

/// "This stage has exactly these domains, at this upstream."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRoutes {
    /// The stage.
    pub owner: Owner,
    /// All its domains; others it had are dropped, and those of other stages of its store move over.
    pub domains: BTreeSet<Domain>,
    /// Where they lead; none: a 503 page.
    pub upstream: Option<UpstreamAddr>,
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
}

/// Requests and tunnels in flight at one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightCount {
    /// How many.
    pub in_flight: u64,
}

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
        for bad in
            ["", "a", "a:", "a:0", "a:65536", "a:+80", "http://a:80", "a@b:80", "a b:80", "::1:80", "[x]:80", ":80"]
        {
            assert!(bad.parse::<UpstreamAddr>().is_err(), "{bad}");
        }
    }
}
