//! What the YAML says, after all checks. A `Desired` can only be made by `config::resolve`, so it is always valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hash::HashInput;
use super::hook::Hooks;
use super::image::{Digest, Repository, Tag};
use super::name::{Domain, Name, StageKey};
use super::policy::{GlobPolicy, RegexPolicy, SemverPolicy};
use super::route::{CaddySettings, NpmSettings, Reach, RouteOptions};
use super::schedule::{Schedule, Window, Zone};
use super::secret::SecretRef;
use super::several::DomainPattern;
use super::spec::ContainerSpec;
use super::units::Millis;

/// The whole configuration of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Host-wide values.
    pub settings: Settings,
    /// Where images come from.
    pub registries: BTreeMap<Name, Registry>,
    /// Every stage of every project; of one that runs several instances, these, once it is known which (`several`).
    pub stages: BTreeMap<StageKey, DesiredStage>,
    /// The stages that run several instances, as they are written.
    pub several: BTreeMap<StageKey, DesiredStage>,
    /// Older instances of them that are not to run any more, and may stay until others serve.
    pub older: BTreeMap<StageKey, DesiredStage>,
    /// Instances that would have what another stage has, and what that is.
    pub clashes: BTreeMap<StageKey, String>,
    /// What the configuration is called: 64 hex digits over all files (path and content), or a commit.
    pub revision: String,
}

/// Stages that are worked on at the same time unless a number is given: dockerd on two cores starts containers fastest four
/// at a time, and above that only its latency grows.
pub const CONCURRENT_DEPLOYS: u16 = 4;

/// Images of a stage that stay on the host unless a number is given: what runs, what it replaced, and one more to go back
/// to (R24).
pub const KEPT_IMAGES: u8 = 3;

/// Host-wide values, one row in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Base domain for `subdomain`.
    pub domain: Option<Domain>,
    /// Docker network that every instance joins.
    pub network: String,
    /// The reverse proxy.
    pub proxy: ProxySettings,
    /// Time between two full looks at the world.
    pub resync: Millis,
    /// When a change that retires stages needs a second word (R3).
    pub prune: Prune,
    /// Host ports that instances are published on, both ends included; loopback only.
    pub ports: (u16, u16),
    /// Stages that are worked on at the same time, at least 1. Settings that were stored before there was a choice had
    /// none.
    #[serde(default = "concurrent_deploys")]
    pub max_concurrent_deploys: u16,
    /// What stages are allowed beyond the ordinary (R32).
    pub policy: Policy,
    /// How long deploys are remembered. Settings that were stored before there was a choice had none.
    #[serde(default)]
    pub history: History,
    /// How the configuration is read. Settings that were stored before there was a choice had none.
    #[serde(default)]
    pub source: Source,
    /// The zone of schedules. Settings that were stored before there was a choice had none.
    #[serde(default)]
    pub timezone: Zone,
}

/// How the configuration is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// In a git work tree the files count, and not the commit at HEAD.
    pub worktree: bool,
    /// What becomes of a remote branch whose history was rewritten. Settings that were stored before had no choice.
    #[serde(default)]
    pub on_rewrite: OnRewrite,
}

/// What becomes of a remote branch that does not hold the commit in force any more (R26).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRewrite {
    /// It is taken as it is, and that is said.
    #[default]
    Apply,
    /// What is in force stays, until someone says otherwise.
    Hold,
}

fn concurrent_deploys() -> u16 {
    CONCURRENT_DEPLOYS
}

impl Settings {
    /// The network that carries the stable DNS names of stages (R33).
    pub fn names_network(&self) -> String {
        format!("{}-names", self.network)
    }
}

/// Which reverse proxy routes to the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredProxy", into = "StoredProxy")]
pub enum ProxySettings {
    /// `landfall proxy`, driven over its Unix socket.
    Embedded(Reach),
    /// The user's own Nginx Proxy Manager, driven over its API.
    NginxProxyManager(NpmSettings),
    /// The user's own Caddy, driven over its admin API.
    Caddy(CaddySettings),
    /// Nothing is routed; a stage with a domain is an error.
    None,
}

/// The same as it is stored. Before there was a choice of how the embedded proxy reaches instances, it stood alone.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredProxy {
    Embedded,
    EmbeddedBy(Reach),
    NginxProxyManager(NpmSettings),
    Caddy(CaddySettings),
    None,
}

impl From<StoredProxy> for ProxySettings {
    fn from(stored: StoredProxy) -> Self {
        match stored {
            StoredProxy::Embedded => Self::Embedded(Reach::Host),
            StoredProxy::EmbeddedBy(reach) => Self::Embedded(reach),
            StoredProxy::NginxProxyManager(npm) => Self::NginxProxyManager(npm),
            StoredProxy::Caddy(caddy) => Self::Caddy(caddy),
            StoredProxy::None => Self::None,
        }
    }
}

impl From<ProxySettings> for StoredProxy {
    fn from(settings: ProxySettings) -> Self {
        match settings {
            ProxySettings::Embedded(Reach::Host) => Self::Embedded,
            ProxySettings::Embedded(reach) => Self::EmbeddedBy(reach),
            ProxySettings::NginxProxyManager(npm) => Self::NginxProxyManager(npm),
            ProxySettings::Caddy(caddy) => Self::Caddy(caddy),
            ProxySettings::None => Self::None,
        }
    }
}

impl ProxySettings {
    /// How it reaches instances; none without a proxy.
    pub const fn reach(&self) -> Option<Reach> {
        match self {
            Self::Embedded(reach) => Some(*reach),
            Self::NginxProxyManager(npm) => Some(npm.upstream),
            Self::Caddy(caddy) => Some(caddy.upstream),
            Self::None => None,
        }
    }

    /// Shortest time that an old instance is kept after a switch. Behind a proxy that reloads, requests go to it for a
    /// moment longer, and nobody can tell when it is idle (R9).
    pub const fn least_drain(&self) -> Millis {
        match self {
            Self::NginxProxyManager(_) => Millis::secs(5),
            Self::Caddy(_) => Millis::secs(1),
            Self::Embedded(_) | Self::None => Millis(0),
        }
    }
}

/// Which deploys stay in the store (R17); what is in use stays in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Those begun within so many days, at least 1.
    pub days: u32,
    /// Of these the newest of each stage, at least 1.
    pub per_stage: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { days: 90, per_stage: 200 }
    }
}

/// What happens to a change that retires many stages (R3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// A change that retires more than one live stage and over a quarter of them, or the last one, is held.
    #[default]
    Guarded,
    /// Retire whatever the configuration no longer names.
    Always,
    /// Never retire; removed stages are shown as held.
    Never,
}

/// Exceptions from the policy of R32, each by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Host directories that any stage may bind from.
    pub host_paths: Vec<String>,
    /// Stages that may be privileged, add capabilities, use devices, host namespaces or unconfined profiles.
    pub privileged: Vec<StageKey>,
    /// Stages that may mount the Docker socket.
    pub docker_socket: Vec<StageKey>,
    /// Stages whose routes may hold configuration in the proxy's own language.
    #[serde(default)]
    pub advanced: Vec<StageKey>,
}

/// A registry of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Its address, `https://…`, or `http://…` for loopback or with `insecure`.
    pub url: String,
    /// Images that belong to it begin with this: host, port and optional path, from `url`.
    pub prefix: String,
    /// User name, if it asks for one.
    pub username: Option<String>,
    /// Password or token.
    pub password: Option<SecretRef>,
    /// When to look for new tags; every five minutes when it is not said.
    pub poll: Option<Schedule>,
    /// Plain http allowed on other than loopback.
    pub insecure: bool,
    /// A file on the host with certificates, in PEM, of authorities to trust besides the system's.
    pub ca_file: Option<String>,
}

/// One stage, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredStage {
    /// Which stage.
    pub key: StageKey,
    /// The image's repository.
    pub repository: Repository,
    /// Which tag or digest of it.
    pub track: Track,
    /// When the image is fetched.
    pub pull_policy: PullPolicy,
    /// The container: most of a stage, so it is nowhere moved.
    pub container: Box<ContainerSpec>,
    /// When a new instance counts as ready.
    pub ready: Ready,
    /// How an instance is replaced.
    pub strategy: Strategy,
    /// At most this long an old instance may finish its requests after the switch.
    pub drain: Millis,
    /// At most this long an app may take to stop.
    pub stop_grace_period: Millis,
    /// So long a new instance is watched after the switch, the old one beside it (R10). Specs written before had none.
    #[serde(default)]
    pub monitor: Millis,
    /// Domains routed to it, sorted; empty: not routed.
    pub domains: Vec<Domain>,
    /// How they are routed. Specs written before there was a choice had none.
    #[serde(default, with = "super::route::shared")]
    pub route: Arc<RouteOptions>,
    /// Stages that must be healthy before a new instance of this one is made, sorted (R23). Specs written before had none.
    #[serde(default)]
    pub depends_on: Vec<StageKey>,
    /// Commands that a deploy runs once. Specs written before had none.
    #[serde(default)]
    pub hooks: Hooks,
    /// So many tags run at a time, each an instance of its own; at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub max_instances: u16,
    /// Domains of these instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<DomainPattern>,
    /// What its policy finds is deployed without being asked for.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub auto_deploy: bool,
    /// When it may be deployed; at any time unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// So many images that succeeded last stay on the host, at least 1 (R24). Specs written before had no choice.
    #[serde(default = "kept_images")]
    pub keep_images: u8,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_yes(is: &bool) -> bool {
    *is
}

const fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_one(number: &u16) -> bool {
    *number == 1
}

fn kept_images() -> u8 {
    KEPT_IMAGES
}

impl DesiredStage {
    /// True when the stage needs a port of the host to be reached by the proxy.
    pub fn is_published(&self, proxy: &ProxySettings) -> bool {
        proxy.reach() == Some(Reach::Host) && !self.domains.is_empty()
    }

    /// The name that its app is asked by: the first that does not only redirect.
    pub fn domain(&self) -> Option<&Domain> {
        self.domains.iter().find(|domain| !self.route.redirects.contains_key(*domain))
    }

    /// What its spec hash covers under these settings (R19).
    pub fn hash_input<'a>(&'a self, settings: &'a Settings) -> HashInput<'a> {
        let published = self.is_published(&settings.proxy);
        HashInput { container: &self.container, network: &settings.network, published }
    }

    /// True when another one runs the same and comes to it in the same way: how many images are kept changes neither, nor
    /// does when a deploy may begin, and on whose word.
    pub fn is_run_like(&self, other: &Self) -> bool {
        let (keep_images, auto_deploy, window) = (other.keep_images, other.auto_deploy, other.window.clone());
        let alike = Self { auto_deploy, window, keep_images, ..self.clone() };
        alike == *other
    }
}

/// Which version of the image a stage runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// A fixed tag, resolved to a digest once.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
    /// The newest version in a range.
    Semver(SemverPolicy),
    /// The newest tag that fits a pattern of the shell.
    Glob(GlobPolicy),
    /// The newest tag that fits a regular expression.
    Regex(RegexPolicy),
    /// A tag that moves, looked up anew whenever the registry is asked.
    Mutable(Tag),
    /// What ran well in another stage.
    Promote(Promote),
}

/// What another stage of the project ran well for so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promote {
    /// That stage.
    pub from: StageKey,
    /// So long it was live and healthy there.
    pub after: Millis,
}

impl Track {
    /// True where it may lead to another image though nothing here changes: registries are asked again.
    pub const fn moves(&self) -> bool {
        match self {
            Self::Tag(_) | Self::Digest(_) => false,
            Self::Semver(_) | Self::Glob(_) | Self::Regex(_) | Self::Mutable(_) => true,
            // Nobody has to be asked for it.
            Self::Promote(_) => false,
        }
    }

    /// What it takes from another stage, if it does.
    pub const fn promote(&self) -> Option<&Promote> {
        match self {
            Self::Promote(promote) => Some(promote),
            Self::Tag(_) | Self::Digest(_) => None,
            Self::Semver(_) | Self::Glob(_) | Self::Regex(_) | Self::Mutable(_) => None,
        }
    }

    /// True where it leads to what nobody wrote down: `auto_deploy` is about that.
    pub const fn finds(&self) -> bool {
        match self {
            Self::Tag(_) | Self::Digest(_) => false,
            Self::Semver(_) | Self::Glob(_) | Self::Regex(_) | Self::Mutable(_) | Self::Promote(_) => true,
        }
    }

    /// What people call what it leads to: the tag, a short digest, or how it is chosen.
    pub fn version(&self) -> String {
        match self {
            Self::Tag(tag) | Self::Mutable(tag) => tag.to_string(),
            Self::Digest(digest) => digest.short().to_owned(),
            Self::Semver(policy) => format!("the newest `{policy}`"),
            Self::Glob(policy) => format!("the newest `{policy}`"),
            Self::Regex(policy) => format!("the newest `{policy}`"),
            Self::Promote(Promote { from, after }) => format!("what ran in {from} for {after}"),
        }
    }
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// When its digest is not on the host.
    #[default]
    Missing,
    /// Before every deploy.
    Always,
    /// Never: the tag is looked up on the host and the image known by its id (R6).
    Never,
}

/// The health gate of a deploy (R8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What is looked at.
    pub check: Check,
    /// Longest time between two looks; the first ones come faster.
    pub interval: Millis,
    /// Longest time that one look may take.
    pub timeout: Millis,
    /// Longest time for all of it.
    pub deadline: Millis,
}

/// What makes an instance ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// An HTTP answer of a status in `expect` (both ends included).
    Http {
        /// Path and query, beginning with `/`.
        path: String,
        /// Accepted status codes.
        expect: (u16, u16),
        /// Host header; the stage's first domain unless given.
        host: Option<String>,
    },
    /// A connection is accepted.
    Tcp,
    /// Docker's HEALTHCHECK says healthy.
    Docker,
    /// Not given: the image's HEALTHCHECK if it has one, else 10 s of running without a restart, health `unknown`.
    Running,
}

/// How an instance is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The new one beside the old, then the switch.
    BlueGreen,
    /// The old one stops first: for a writable volume or a fixed host port.
    Recreate,
}

/// A place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// File, relative to the config directory.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_were_stored_before_a_key_was_there_have_its_default() {
        let stored = r#"{"domain":null,"network":"landfall","proxy":"embedded","resync":60000,"prune":"guarded",
            "ports":[20000,29999],"policy":{"host_paths":[],"privileged":[],"docker_socket":[]}}"#;
        let read: Settings = serde_json::from_str(stored).unwrap();
        assert_eq!((read.max_concurrent_deploys, read.history), (4, History::default()));
    }
}
