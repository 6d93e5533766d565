//! The keys of `settings` and of a registry.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Duration, Empty, Secret};

/// Host-wide values; in one file only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Settings {
    /// Base domain for `subdomain`.
    pub(in crate::config) domain: Option<String>,
    /// Docker network that every instance joins, made if it is absent; `landfall` by default.
    pub(in crate::config) network: Option<String>,
    /// The reverse proxy; the embedded one by default.
    pub(in crate::config) proxy: Option<Proxy>,
    /// Time between two full looks at the host; 60s by default.
    pub(in crate::config) resync: Option<Duration>,
    /// When a change that retires stages needs a second word.
    pub(in crate::config) prune: Option<Prune>,
    /// Host ports for instances behind the proxy, on loopback; `20000-29999` by default.
    #[schemars(regex(pattern = "^[0-9]+-[0-9]+$"))]
    pub(in crate::config) ports: Option<String>,
    /// Stages that are worked on at the same time; 4 by default.
    #[schemars(range(min = 1, max = 64))]
    pub(in crate::config) max_concurrent_deploys: Option<u16>,
    /// What stages may do beyond the ordinary.
    pub(in crate::config) policy: Option<Policy>,
    /// How long deploys are remembered.
    pub(in crate::config) history: Option<History>,
    /// How these files are read.
    pub(in crate::config) source: Option<Source>,
    /// Time zone of schedules, as in `Europe/Berlin`; UTC by default.
    pub(in crate::config) timezone: Option<String>,
}

/// How the files of the configuration are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Source {
    /// In a git work tree, read the files as they lie there, committed or not, and not the commit at HEAD; false by default.
    pub(in crate::config) worktree: Option<bool>,
    /// What to do when the history of a remote branch (`--git`) was rewritten; `apply` by default.
    pub(in crate::config) on_rewrite: Option<OnRewrite>,
}

/// What to do when the commit in force is not in the history of a remote branch any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OnRewrite {
    /// Take the branch as it is now, and say so (default).
    Apply,
    /// Keep what is in force until `landfall apply --allow-rewrite`.
    Hold,
}

/// How long deploys are remembered, with their logs. What runs, the newest success of a stage and the one before it stay
/// in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct History {
    /// Days since a deploy began; 90 by default.
    #[schemars(range(min = 1, max = 36500))]
    pub(in crate::config) days: Option<u32>,
    /// Deploys of each stage; 200 by default.
    #[schemars(range(min = 1, max = 100_000))]
    pub(in crate::config) per_stage: Option<u32>,
}

/// Which reverse proxy routes to the instances.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Proxy {
    /// `landfall proxy`.
    Embedded(Embedded),
    /// A Nginx Proxy Manager that is there already.
    NginxProxyManager(NginxProxyManager),
    /// A Caddy that is there already.
    Caddy(Caddy),
    /// None: a stage with a domain is an error.
    None(Empty),
}

/// `landfall proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Embedded {
    /// How it reaches instances: by a loopback port of the host (default), or by their address on Landfall's network.
    pub(in crate::config) upstream: Option<Upstream>,
}

/// A Caddy, driven over its admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Caddy {
    /// Its admin API: `http://host:port`, or `unix//` and the path of a socket; `http://127.0.0.1:2019` by default.
    #[schemars(regex(pattern = "^(http://|unix/)"))]
    pub(in crate::config) admin: Option<String>,
    /// How it reaches instances; `host` by default.
    pub(in crate::config) upstream: Option<Upstream>,
    /// The server of its configuration that routes are put into; by default the one that listens on Caddy's port for
    /// http or, with a certificate, https.
    pub(in crate::config) server: Option<String>,
    /// Where a server listens that Landfall makes because there is none, as in `":8080"`; Caddy's own ports by default.
    pub(in crate::config) listen: Option<Vec<String>>,
}

/// A Nginx Proxy Manager, driven over its API as a user of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct NginxProxyManager {
    /// Address of its admin page, as in `http://127.0.0.1:81`.
    #[schemars(required, regex(pattern = "^https?://"))]
    pub(in crate::config) url: Option<String>,
    /// Email of the user that Landfall logs in as: one of its own, without two-factor.
    #[schemars(required, regex(pattern = "^[^@ ]+@[^@ ]+$"))]
    pub(in crate::config) email: Option<String>,
    /// Password of that user.
    #[schemars(with = "Secret")]
    pub(in crate::config) password: Option<Secret>,
    /// How it reaches instances; `network` by default.
    pub(in crate::config) upstream: Option<Upstream>,
    /// `host:port` where it serves plain HTTP; the host of `url` and port 80 by default.
    #[schemars(regex(pattern = ":[0-9]+$"))]
    pub(in crate::config) probe: Option<String>,
}

/// How a proxy reaches instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Upstream {
    /// By the container's name on Landfall's network, which the proxy's own container has to join.
    Network,
    /// By a loopback port of the host.
    Host,
}

/// When a change that retires stages needs a second word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Prune {
    /// A change that retires more than one live stage and over a quarter of them, or the last one, is held (default).
    Guarded,
    /// Whatever the configuration no longer names is retired.
    Always,
    /// Nothing is ever retired.
    Never,
}

/// Exceptions, by name. Whoever may change this may become root on the host: Docker itself refuses nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Policy {
    /// Directories of the host that stages may mount from, such as `/srv/data`; what is below them is included.
    pub(in crate::config) host_paths: Option<Vec<String>>,
    /// Stages (`project/stage`) that may be privileged, add capabilities, use devices, share namespaces of the host, or
    /// run unconfined.
    pub(in crate::config) privileged: Option<Vec<String>>,
    /// Stages (`project/stage`) that may mount the Docker socket.
    pub(in crate::config) docker_socket: Option<Vec<String>>,
    /// Stages (`project/stage`) whose routes may hold configuration in the proxy's own language.
    pub(in crate::config) advanced: Option<Vec<String>>,
}

/// A registry of images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Registry {
    /// Its address, as in `https://ghcr.io`; images whose name begins with it belong to it.
    #[schemars(regex(pattern = "^https?://"))]
    pub(in crate::config) url: Option<String>,
    /// User name.
    pub(in crate::config) username: Option<String>,
    /// Password or token.
    pub(in crate::config) password: Option<Secret>,
    /// When to look for new tags: five fields of Unix cron, in `settings.timezone`; `*/5 * * * *` by default.
    pub(in crate::config) poll: Option<String>,
    /// Allows plain http to a host other than this one.
    pub(in crate::config) insecure: Option<bool>,
    /// A file on the host with the certificate, in PEM, of the authority that signed the registry's. It is for what
    /// Landfall asks itself; Docker, which pulls the images, has its own: `/etc/docker/certs.d/<host:port>/ca.crt`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) ca_file: Option<String>,
}
