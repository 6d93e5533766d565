//! The keys of a project and of a stage. Most may stand in both, and the stage's wins: those are the `Layer`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::route::Route;
use super::values::{
    Command, Duration, Empty, Hosts, OneOrMany, Pairs, Port, Secret, Size, TestCommand, Text, Ulimit, Volume,
};

/// What only a project has, besides its stages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct ProjectKeys {
    /// The image's repository, without a tag: the tag belongs to each stage's `track`.
    pub(in crate::config) image: Option<String>,
    /// The port that the app listens on inside its container.
    #[schemars(range(min = 1))]
    pub(in crate::config) port: Option<u16>,
}

/// What only a stage has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct StageKeys {
    /// Which version of the image the stage runs.
    pub(in crate::config) track: Option<Track>,
}

/// What a project says for all of its stages, and a stage for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Layer {
    /// Environment variables, as a mapping or a list of `NAME=value`; values are text exactly as written.
    pub(in crate::config) environment: Option<Pairs>,
    /// Files of the config directory with lines `NAME=value`; `environment` wins over them.
    pub(in crate::config) env_file: Option<OneOrMany>,
    /// Environment variables whose values are secrets.
    pub(in crate::config) secret_environment: Option<BTreeMap<String, Option<Secret>>>,
    /// Files in the container whose contents are secrets, by absolute path; mode 0400.
    pub(in crate::config) secret_files: Option<BTreeMap<String, Option<Secret>>>,
    /// Mounts: files of the config directory, volumes, paths of the host.
    pub(in crate::config) volumes: Option<Vec<Volume>>,
    /// Paths in the container that are kept in memory, as in `/run:size=64m`.
    pub(in crate::config) tmpfs: Option<OneOrMany>,
    /// Overrides the image's CMD.
    pub(in crate::config) command: Option<Command>,
    /// Overrides the image's ENTRYPOINT.
    pub(in crate::config) entrypoint: Option<Command>,
    /// User (and group) that the process runs as, as in `1000` or `1000:1000` or `app`.
    pub(in crate::config) user: Option<Text>,
    /// Working directory, an absolute path in the container.
    pub(in crate::config) working_dir: Option<String>,
    /// Labels of the container, as a mapping or a list of `name=value`.
    pub(in crate::config) labels: Option<Pairs>,
    /// Capabilities added; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) cap_add: Option<Vec<String>>,
    /// Capabilities dropped, such as `ALL`.
    pub(in crate::config) cap_drop: Option<Vec<String>>,
    /// All privileges; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) privileged: Option<bool>,
    /// Devices of the host as `host[:container[:rwm]]`; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) devices: Option<Vec<String>>,
    /// `host` shares the host's network; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) network_mode: Option<String>,
    /// `host` shares the host's processes; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) pid: Option<String>,
    /// `host` shares the host's IPC; refused unless `settings.policy.privileged` names the stage.
    pub(in crate::config) ipc: Option<String>,
    /// Read-only root file system.
    pub(in crate::config) read_only: Option<bool>,
    /// Docker's own init as process 1.
    pub(in crate::config) init: Option<bool>,
    /// Size of /dev/shm.
    pub(in crate::config) shm_size: Option<Size>,
    /// Resource limits by name, such as `nofile`.
    pub(in crate::config) ulimits: Option<BTreeMap<String, Option<Ulimit>>>,
    /// Extra lines of /etc/hosts, as a mapping or a list of `name:address`.
    pub(in crate::config) extra_hosts: Option<Hosts>,
    /// DNS servers.
    pub(in crate::config) dns: Option<OneOrMany>,
    /// Log driver; json-file with 3 files of 10 MB unless given.
    pub(in crate::config) logging: Option<Logging>,
    /// `no`, `always`, `on-failure[:n]` or `unless-stopped` (default).
    #[schemars(regex(pattern = r"^(no|always|unless-stopped|on-failure(:[0-9]+)?)$"))]
    pub(in crate::config) restart: Option<String>,
    /// Signal that stops the app, such as `SIGINT`.
    pub(in crate::config) stop_signal: Option<String>,
    /// Security options, such as `no-new-privileges:true`.
    pub(in crate::config) security_opt: Option<Vec<String>>,
    /// Docker's own health check, as in Compose.
    pub(in crate::config) healthcheck: Option<Healthcheck>,
    /// Memory limit.
    pub(in crate::config) mem_limit: Option<Size>,
    /// CPU limit, such as `0.5` or `2`.
    pub(in crate::config) cpus: Option<Text>,
    /// Limit on processes; -1 is unlimited.
    pub(in crate::config) pids_limit: Option<i64>,
    /// Ports published on the host by number; they force the strategy `recreate`.
    pub(in crate::config) ports: Option<Vec<Port>>,
    /// Existing Docker networks to join besides Landfall's own.
    pub(in crate::config) networks: Option<Vec<String>>,
    /// When a new instance counts as ready for traffic.
    pub(in crate::config) ready: Option<Ready>,
    /// How an instance is replaced; `recreate` by default with a writable named volume or published ports.
    pub(in crate::config) strategy: Option<Strategy>,
    /// Longest time that an old instance may finish its requests after the switch; 10s by default.
    pub(in crate::config) drain: Option<Duration>,
    /// Longest time that the app may take to stop; 10s by default.
    pub(in crate::config) stop_grace_period: Option<Duration>,
    /// So long a new instance is watched after the switch, the old one beside it; when it fails, traffic goes back. 0s
    /// by default.
    pub(in crate::config) monitor: Option<Duration>,
    /// Stages that must be healthy before a new instance is made: `project/stage`, or `project` for its stage of the same
    /// name.
    pub(in crate::config) depends_on: Option<Vec<String>>,
    /// Commands that a deploy runs once, each in a container of the new image; a stage's take the place of its project's.
    pub(in crate::config) hooks: Option<Hooks>,
    /// Domains that lead to it, and how.
    pub(in crate::config) route: Option<Route>,
    /// When the image is fetched.
    pub(in crate::config) pull_policy: Option<PullPolicy>,
    /// So many of the newest tags run at a time, each as an instance of its own with a domain of its own, as in
    /// `route: { subdomain: "{tag}-shop" }`; 1 by default.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) max_instances: Option<u16>,
    /// With `false`, what the policy of `track` finds is listed by `landfall status` and waits for `landfall deploy`; true by
    /// default. A `tag` or `digest` that is written here is deployed in any case.
    pub(in crate::config) auto_deploy: Option<bool>,
    /// When the stage may be deployed; what drifted is put right at any time, and `landfall deploy --now` does not wait.
    pub(in crate::config) window: Option<Window>,
    /// So many images that succeeded last stay on the host; 3 by default.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) keep_images: Option<u8>,
}

/// Which version of the image a stage runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Track {
    /// A fixed tag, resolved to a digest once.
    Tag(Text),
    /// A digest: `sha256:` and 64 hex digits.
    Digest(String),
    /// The newest version in a range such as `>=1.2, <2`. A tag is a version with all three numbers, with a `v` before it or
    /// not; a pre-release is taken only where the range names one of the same version.
    Semver(Text),
    /// The newest tag that fits a pattern such as `dev-*`, by what its first `*` stands for, numbers as numbers.
    Glob(Text),
    /// The newest tag that a regular expression fits, by what it captures.
    Regex(RegexTrack),
    /// A tag that moves: its digest is looked up anew whenever the registry is asked.
    Mutable(Text),
    /// The very digest that ran well in another stage of the project.
    Promote(Promote),
}

/// Which stage, and for how long it was live and healthy there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Promote {
    /// A stage of the same project.
    #[schemars(required)]
    pub(in crate::config) from: Option<String>,
    /// So long it must have been live and healthy there, as in `30m`.
    #[schemars(required)]
    pub(in crate::config) after: Option<Duration>,
}

/// The minutes in which a stage may be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Window {
    /// Five fields of Unix cron, as in `* 9-16 * * MON-FRI`: every minute that they name.
    #[schemars(required)]
    pub(in crate::config) cron: Option<String>,
    /// Time zone of `cron`; `settings.timezone` by default.
    pub(in crate::config) timezone: Option<String>,
}

/// A regular expression for tags, and how its matches are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct RegexTrack {
    /// The expression, for the whole tag. The group named `order`, else the first one, else the whole tag orders.
    #[schemars(required)]
    pub(in crate::config) r#match: Option<String>,
    /// What comes last is the newest.
    #[schemars(required)]
    pub(in crate::config) order: Option<RegexOrder>,
}

/// How tags are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RegexOrder {
    /// As whole numbers.
    Numeric,
    /// As versions.
    Semver,
    /// As text.
    Alphabetical,
}

/// When a new instance counts as ready: at most one of `http`, `tcp` and `docker`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Ready {
    /// An HTTP answer.
    pub(in crate::config) http: Option<Http>,
    /// A connection is accepted on `port`.
    pub(in crate::config) tcp: Option<Empty>,
    /// Docker's HEALTHCHECK says healthy.
    pub(in crate::config) docker: Option<Empty>,
    /// Longest time between two looks; 1s by default.
    pub(in crate::config) interval: Option<Duration>,
    /// Longest time that one look may take; 2s by default.
    pub(in crate::config) timeout: Option<Duration>,
    /// Longest time for all of it; 60s by default.
    pub(in crate::config) deadline: Option<Duration>,
}

/// The HTTP answer that makes an instance ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Http {
    /// Path, beginning with `/`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// Accepted status codes, as in `200` or `200-399` (default).
    pub(in crate::config) expect: Option<Text>,
    /// Host header; the stage's first domain by default.
    pub(in crate::config) host: Option<String>,
}

/// Commands that a deploy runs once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Hooks {
    /// Before anything that serves is touched; when it fails, so does the deploy.
    pub(in crate::config) pre_deploy: Option<Hook>,
    /// Once the new instance serves; when it fails, that is only told.
    pub(in crate::config) post_deploy: Option<Hook>,
}

/// One command, with the environment, secrets, mounts, networks and limits of the stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Hook {
    /// Takes the place of the image's CMD; the ENTRYPOINT stays.
    pub(in crate::config) command: Command,
    /// Longest time that it may take; 5m by default.
    pub(in crate::config) timeout: Option<Duration>,
}

/// How an instance is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Strategy {
    /// The new one beside the old, then the switch.
    BlueGreen,
    /// The old one stops first.
    Recreate,
}

/// When the image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum PullPolicy {
    /// When its digest is not on the host (default).
    Missing,
    /// Before every deploy.
    Always,
    /// Never: the image must be on the host.
    Never,
}

/// The log driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Logging {
    /// Its name, such as `json-file`, `local` or `journald`.
    pub(in crate::config) driver: Option<String>,
    /// Its options.
    pub(in crate::config) options: Option<BTreeMap<String, Text>>,
}

/// Docker's health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Healthcheck {
    /// A line for the shell, or `["CMD", …]`.
    pub(in crate::config) test: Option<TestCommand>,
    /// Time between checks.
    pub(in crate::config) interval: Option<Duration>,
    /// Time that one check may take.
    pub(in crate::config) timeout: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    pub(in crate::config) retries: Option<u32>,
    /// Time after the start in which failures do not count.
    pub(in crate::config) start_period: Option<Duration>,
    /// Switches the image's own check off.
    pub(in crate::config) disable: Option<bool>,
}
