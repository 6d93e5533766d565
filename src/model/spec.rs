//! The container of a stage, resolved: defaults filled in, maps sorted, every value checked.
//!
//! The keys mirror the Compose specification. Everything here is part of the spec hash (R19), so a new field
//! breaks the build in `hash` until it is decided how it counts.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::secret::SecretRef;
use super::texts::Texts;
use super::units::{Bytes, Millis};

/// Everything that makes a container need recreating when it changes, except the image's digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The port that the app listens on inside the container.
    pub port: Option<u16>,
    /// Plain environment, text exactly as written; `env_file` entries are merged in below it.
    pub environment: Texts,
    /// Environment variables whose values are secrets.
    pub secret_environment: BTreeMap<String, SecretRef>,
    /// Absolute path in the container → secret; written with mode 0400, owner `user` when numeric.
    pub secret_files: BTreeMap<String, SecretRef>,
    /// Mounts, sorted by target.
    pub mounts: Vec<Mount>,
    /// Overrides the image's CMD.
    pub command: Option<Vec<String>>,
    /// Overrides the image's ENTRYPOINT.
    pub entrypoint: Option<Vec<String>>,
    /// User (and group) that the process runs as, as Docker writes it.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// The user's own labels; none begins with `landfall.`.
    pub labels: Texts,
    /// Capabilities added; refused unless the policy names the stage (R32).
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// Privileged; refused unless the policy names the stage (R32).
    pub privileged: bool,
    /// Host devices as `host:container:permissions`; refused unless the policy names the stage (R32).
    pub devices: Vec<String>,
    /// Host namespaces asked for, of `network`, `pid`, `ipc`; refused unless the policy names the stage (R32).
    pub host_namespaces: Vec<HostNamespace>,
    /// Read-only root file system.
    pub read_only: bool,
    /// Docker's own init as process 1.
    pub init: Option<bool>,
    /// Size of /dev/shm.
    pub shm_size: Option<Bytes>,
    /// Limits by name: soft and hard.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Extra `/etc/hosts` lines: name → address.
    pub extra_hosts: BTreeMap<String, String>,
    /// DNS servers.
    pub dns: Vec<String>,
    /// Log driver; json-file 10m × 3 unless given.
    #[serde(with = "shared")]
    pub logging: Arc<Logging>,
    /// Restart policy; `unless-stopped` unless given.
    pub restart: Restart,
    /// Signal that stops the app; the image's own, else SIGTERM.
    pub stop_signal: Option<String>,
    /// Security options such as `no-new-privileges:true`.
    pub security_opt: Vec<String>,
    /// Replaces the image's HEALTHCHECK.
    pub healthcheck: Option<Healthcheck>,
    /// Memory limit.
    pub mem_limit: Option<Bytes>,
    /// CPU limit in thousandths of a CPU: `cpus: 1.5` is 1500.
    pub milli_cpus: Option<u64>,
    /// Limit on processes.
    pub pids_limit: Option<i64>,
    /// Ports published on the host by number; force `recreate`.
    pub ports: Vec<PublishedPort>,
    /// Existing networks joined besides Landfall's own, sorted.
    pub networks: Vec<String>,
}

/// One mount. Docker is given these as `Mounts`, never `Binds`, so that a missing source is an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub target: String,
    /// What is mounted there.
    pub source: MountSource,
    /// Read-only for the container.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A named volume that belongs to the stage: the full name `<project>-<stage>-<name>` (R34).
    Volume(String),
    /// A volume that exists already and that Landfall neither makes nor removes.
    ExternalVolume(String),
    /// A path of the host, allowed by `settings.policy.host_paths` (R32).
    HostPath(String),
    /// A file or directory of the config tree: copied to `<data>/files/<hash>` and bound from there, read-only (R34).
    ConfigTree {
        /// Path relative to the config directory, normalised, with `/`.
        path: String,
        /// SHA-256 over the paths, execute bits and contents of its files (one file has the path `""`), 64 hex digits.
        hash: String,
    },
    /// Memory, with an optional size and mode.
    Tmpfs {
        /// Limit of its size.
        size: Option<Bytes>,
        /// Mode of its root, as in 0o1777.
        mode: Option<u32>,
    },
}

/// A namespace of the host that a container may share when the policy allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostNamespace {
    /// `network_mode: host`
    Network,
    /// `pid: host`
    Pid,
    /// `ipc: host`
    Ipc,
}

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Soft limit; -1 is unlimited.
    pub soft: i64,
    /// Hard limit; -1 is unlimited.
    pub hard: i64,
}

/// The log driver of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Driver name.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl Default for Logging {
    /// json-file, 3 files of 10 MB: Docker's own default grows without limit.
    fn default() -> Self {
        let options = [("max-size", "10m"), ("max-file", "3")];
        Self { driver: "json-file".into(), options: options.map(|(k, v)| (k.into(), v.into())).into() }
    }
}

/// What nearly every container has, once for all of them.
static DEFAULT_LOGGING: LazyLock<Arc<Logging>> = LazyLock::new(|| Arc::new(Logging::default()));

impl Logging {
    /// As the configuration says; the default is one for all.
    pub fn shared(self) -> Arc<Self> {
        if self == **DEFAULT_LOGGING { Arc::clone(&DEFAULT_LOGGING) } else { Arc::new(self) }
    }

    /// True when nothing was said.
    pub fn is_default(&self) -> bool {
        *self == **DEFAULT_LOGGING
    }
}

/// Reads and writes what is shared like what is not.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Logging;

    pub(super) fn serialize<S: Serializer>(logging: &Arc<Logging>, serializer: S) -> Result<S::Ok, S::Error> {
        Logging::serialize(logging, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Logging>, D::Error> {
        Logging::deserialize(deserializer).map(Logging::shared)
    }
}

/// When Docker restarts a container by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Never.
    No,
    /// Always, even after a stop by hand once the engine restarts.
    Always,
    /// After a failure, at most so many times (0: without limit).
    OnFailure(u32),
    /// Always, except after a stop.
    #[default]
    UnlessStopped,
}

/// Docker's health check of a container, as in Compose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]`, or `["NONE"]` to switch the image's own off.
    pub test: Vec<String>,
    /// Time between checks.
    pub interval: Option<Millis>,
    /// Time that one check may take.
    pub timeout: Option<Millis>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count.
    pub start_period: Option<Millis>,
}

/// A port published on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Address of the host to listen on; all when none.
    pub host_ip: Option<String>,
    /// Port of the host.
    pub host_port: u16,
    /// Port in the container.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}
