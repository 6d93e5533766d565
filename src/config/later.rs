//! Keys that people will write and that are not there: those that come later, and those of Compose that Landfall does
//! without, each with what to do instead. The only list of them.

/// What becomes of a key that is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes with this.
    Later(&'static str),
    /// It does not come; this is what to do instead.
    Instead(&'static str),
}

use Fate::{Instead, Later};

const DAEMON: &str = "the full daemon";

/// The type that a key is looked for in, the key, and its fate.
const TABLE: &[(&str, &str, Fate)] = &[
    // Project and stage
    // Settings
    ("Settings", "notifications", Later("notifications")),
    (
        "Settings",
        "git",
        Instead("a remote is named by `--git URL` or LANDFALL_GIT: what is read cannot say where it is read from"),
    ),
    ("Settings", "api", Later(DAEMON)),
    // Secrets
    ("Secret", "age", Later("encrypted secrets")),
    ("Secret", "exec", Later("secrets from a command")),
    ("Healthcheck", "start_interval", Later("newer Docker versions")),
    // Compose's keys that mean something else here
    (
        "Layer",
        "container_name",
        Instead("names are made by Landfall: `<project>-<stage>-<deploy>`, so that two can run side by side"),
    ),
    ("Layer", "hostname", Instead("other stages reach this one under the name `<project>-<stage>`")),
    ("Layer", "build", Instead("build the image in CI, push it, and name it with `image` and `track`")),
    ("Layer", "deploy", Instead("write `mem_limit`, `cpus`, `restart` and `strategy` directly")),
    ("Layer", "expose", Instead("write `port`; containers on one network reach every port of each other")),
    ("Layer", "links", Instead("other stages are reached under the name `<project>-<stage>`")),
    ("Layer", "external_links", Instead("other stages are reached under the name `<project>-<stage>`")),
    ("Layer", "env", Instead("the key is `environment`")),
    ("Layer", "env_vars", Instead("the key is `environment`")),
    ("Layer", "envs", Instead("the key is `environment`")),
    ("Layer", "secrets", Instead("write `secret_environment` or `secret_files`")),
    ("Layer", "configs", Instead("mount a file of the config directory: `volumes: [ \"./file:/path:ro\" ]`")),
    ("Layer", "extends", Instead("put what is shared into the project, or into an anchor below an `x-` key")),
    ("Layer", "profiles", Instead("write a stage for each variant")),
    ("Layer", "scale", Instead("each stage runs one instance of its image")),
    ("Layer", "replicas", Instead("each stage runs one instance of its image")),
    ("Layer", "domain", Instead("write `route: { domains: [ … ] }`")),
    ("Layer", "domains", Instead("write `route: { domains: [ … ] }`")),
    ("Layer", "subdomain", Instead("write `route: { subdomain: … }`")),
    ("Layer", "host", Instead("write `route: { domains: [ … ] }`")),
    ("Layer", "tag", Instead("write `track: { tag: … }` in the stage")),
    ("Layer", "version", Instead("write `track: { tag: … }` in the stage")),
    ("Layer", "digest", Instead("write `track: { digest: … }` in the stage")),
    (
        "Layer",
        "health",
        Instead("write `ready: { http: { path: … } }` for the gate of a deploy, or `healthcheck` for Docker's own"),
    ),
    ("Layer", "stop_timeout", Instead("the key is `stop_grace_period`")),
    ("Layer", "mem_reservation", Instead("write `mem_limit`")),
    ("Layer", "memory", Instead("the key is `mem_limit`")),
    ("Layer", "cpu", Instead("the key is `cpus`")),
    ("Layer", "userns_mode", Instead("Landfall leaves user namespaces to the Docker daemon")),
    ("Layer", "platform", Instead("the image's own platform is used")),
    ("Layer", "registry", Instead("the registry is found by the image's name: no key is needed")),
    ("Layer", "sysctls", Later("more of Compose")),
    ("Layer", "group_add", Later("more of Compose")),
    ("Layer", "gpus", Later("more of Compose")),
    ("Layer", "runtime", Later("more of Compose")),
    ("Layer", "memswap_limit", Later("more of Compose")),
    ("Layer", "domainname", Later("more of Compose")),
    ("Layer", "tty", Later("more of Compose")),
    ("Layer", "stdin_open", Later("more of Compose")),
    ("Layer", "cgroup_parent", Later("more of Compose")),
    ("Layer", "cpuset", Later("more of Compose")),
    ("Layer", "cpu_shares", Later("more of Compose")),
    ("Layer", "oom_score_adj", Later("more of Compose")),
    ("Layer", "dns_search", Later("more of Compose")),
    ("Layer", "dns_opt", Later("more of Compose")),
    // Keys in the wrong place
    ("Stage", "image", Instead("the image belongs to the project, since its stages run the same one")),
    ("Stage", "port", Instead("the port belongs to the project, since its stages run the same image")),
    ("Stage", "stages", Instead("stages stand in a project, not in each other")),
    ("Project", "track", Instead("each stage says what it tracks: move it into the stages")),
    // Top level
    ("File", "services", Instead("Landfall's key is `projects`; each project has `stages`")),
    (
        "File",
        "volumes",
        Instead(
            "a named volume is made when a stage uses it; for one that exists already write \
        `{ type: volume, source: name, target: /path, external: true }` there",
        ),
    ),
    (
        "File",
        "networks",
        Instead("list existing networks at the project or stage; `settings.network` is Landfall's own"),
    ),
    ("File", "secrets", Instead("refer to secrets where they are used: `secret_environment`, `secret_files`")),
    ("File", "configs", Instead("mount a file of the config directory: `volumes: [ \"./file:/path:ro\" ]`")),
    ("File", "include", Instead("every YAML file in the directory is read: no list is needed")),
    ("File", "version", Instead("no version is needed: remove it")),
    ("File", "name", Instead("a project is named by its key below `projects`")),
    ("File", "stages", Instead("stages stand in a project: `projects: { name: { stages: … } }`")),
];

/// What becomes of a key of a type, if it is one of these.
pub(super) fn fate(within: &str, key: &str) -> Option<Fate> {
    let find = |within: &str| TABLE.iter().find(|(w, k, _)| *w == within && *k == key).map(|(_, _, fate)| *fate);
    match within {
        // What holds for both is written once.
        "Project" | "Stage" => find(within).or_else(|| find("Layer")),
        _ => find(within),
    }
}

/// Every type and key of the table.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|(within, key, _)| (*within, *key))
}
