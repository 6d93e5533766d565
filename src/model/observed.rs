//! What Docker and the proxy report, reduced to what plans and people need. Taken in a fixed number of calls (R22).

use std::collections::{BTreeMap, BTreeSet};

use super::host::HostOptions;
use super::id::StoreId;
use super::labels::{HookLabels, Labels};
use super::name::{Domain, StageKey};
use super::texts::Texts;

/// One look at the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Every container with a `landfall.store` label, whatever store it names.
    pub containers: Vec<ObservedContainer>,
    /// Names of all networks of the host.
    pub networks: BTreeSet<String>,
    /// The proxy.
    pub proxy: ObservedProxy,
    /// Certificates that the proxy has; empty unless a stage asks for one.
    pub certificates: Vec<ObservedCertificate>,
    /// Lists of those who may ask that the proxy has; empty unless a stage names one.
    pub access_lists: Vec<ObservedAccessList>,
    /// Names that the proxy is to serve over https and has no certificate for, each with what it says about that.
    pub uncertified: BTreeMap<String, String>,
}

/// A container that claims to be Landfall's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Docker's id, 64 hex digits.
    pub id: String,
    /// Its name now, without the leading slash.
    pub name: String,
    /// Our labels; none when they are incomplete, which makes it foreign.
    pub labels: Option<Labels>,
    /// Its labels when it runs a hook, and so is no instance.
    pub hook: Option<HookLabels>,
    /// Running, exited and so on.
    pub state: ContainerState,
    /// Docker's health, where a HEALTHCHECK exists.
    pub health: Option<Health>,
    /// Docker's own words, as in `Up 3 minutes (healthy)`.
    pub status_text: String,
    /// Network name → address in it (empty while it does not run).
    pub networks: Texts,
    /// Ports published now.
    pub ports: Vec<ObservedPort>,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_ms: i64,
}

impl ObservedContainer {
    /// The loopback port of the host that reaches this port of the container over TCP.
    pub fn loopback_port(&self, container_port: u16) -> Option<u16> {
        let matches = |p: &&ObservedPort| p.container_port == container_port && p.is_tcp && p.host_ip == "127.0.0.1";
        self.ports.iter().find(matches).map(|p| p.host_port)
    }

    /// True when this upstream of the proxy, `host:port`, is this container: by its name, by its address, or by a port it
    /// publishes.
    pub fn is_at(&self, upstream: &str) -> bool {
        let is_it =
            |host: &str| host == self.name || self.networks.iter().any(|(_, own)| !own.is_empty() && own == host);
        let by_name = upstream.rsplit_once(':').is_some_and(|(host, _)| is_it(host));
        by_name || self.ports.iter().any(|p| p.is_tcp && upstream == format!("{}:{}", p.host_ip, p.host_port))
    }
}

/// A published port of a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPort {
    /// Address of the host it listens on.
    pub host_ip: String,
    /// Port of the host.
    pub host_port: u16,
    /// Port in the container.
    pub container_port: u16,
    /// TCP rather than UDP.
    pub is_tcp: bool,
}

/// Docker's container states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Runs, frozen.
    Paused,
    /// Docker is about to start it again.
    Restarting,
    /// Ended.
    Exited,
    /// Docker is removing it.
    Removing,
    /// Docker failed to remove it.
    Dead,
}

impl ContainerState {
    /// True for one that was started at least once, and is not on its way out.
    pub const fn was_started(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting | Self::Exited => true,
            Self::Created | Self::Removing | Self::Dead => false,
        }
    }
}

/// What Docker's HEALTHCHECK says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Still within its start period.
    Starting,
    /// Good.
    Healthy,
    /// Bad.
    Unhealthy,
}

/// What the proxy reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ObservedProxy {
    /// There is none (`proxy: { none: {} }`).
    #[default]
    None,
    /// It answered.
    Routes(BTreeMap<Domain, ObservedRoute>),
    /// It did not answer; the text says why and what to do.
    Unreachable(String),
}

impl ObservedProxy {
    /// True when a domain of the proxy leads to this container.
    pub fn leads_to(&self, container: &ObservedContainer) -> bool {
        match self {
            Self::Routes(routes) => routes.values().any(|route| container.is_at(&route.upstream)),
            Self::None | Self::Unreachable(_) => false,
        }
    }
}

/// One domain in the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRoute {
    /// Where it leads, `host:port`.
    pub upstream: String,
    /// Whose it is; none when a person made it.
    pub owner: Option<(StoreId, StageKey)>,
    /// The proxy host that has it, where the proxy knows more of one than where it leads.
    pub host: Option<ObservedHost>,
}

/// A host of a proxy that people use as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedHost {
    /// What people call it, as in `proxy host 12` or `redirection host 3`.
    pub what: String,
    /// Its number, if it is a proxy host; other kinds have numbers of their own.
    pub id: Option<u64>,
    /// All its domains as they stand there, sorted: wildcards too, which no stage can have.
    pub domains: Vec<String>,
    /// What is set; none for one that leads to no container.
    pub options: Option<HostOptions>,
    /// Why it does not serve as it is set, or may not: switched off, refused by nginx, held twice.
    pub trouble: Option<String>,
}

/// A list of those who may ask, as the proxy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedAccessList {
    /// Its number there.
    pub id: u64,
    /// What people call it.
    pub name: String,
}

/// A certificate of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedCertificate {
    /// Its number there.
    pub id: u64,
    /// Names it is for, wildcards as they stand.
    pub domains: Vec<String>,
    /// When it ends, in milliseconds since 1970 UTC, if the proxy says so.
    pub expires_ms: Option<i64>,
}
