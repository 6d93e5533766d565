//! A merged layer → everything that makes a container what it is.

use crate::config::code;
use crate::config::raw::Layer;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::ContainerSpec;
use crate::model::spec::HostNamespace;

use super::cross::Claims;
use super::policy::{Allowance, absolute};
use super::project::Context;
use super::settings::is_network;
use super::{environment, limits, mounts, ports, process, secrets};

impl Context<'_> {
    /// The policy as it applies to this stage.
    pub(super) fn allowance(&self) -> Allowance<'_> {
        Allowance { policy: &self.settings.value.policy, key: self.key, is_known: self.settings.is_known }
    }
}

/// Resolves a container. Destructures without `..`: a new key does not compile until it is resolved.
pub(super) fn container(cx: &Context<'_>, layer: Layer, port: Option<u16>, claims: &mut Claims) -> ContainerSpec {
    #[rustfmt::skip] // a list of names, not forty lines
    let Layer {
        // `ready` and what follows it belong to the stage, and were taken out of the layer before.
        environment, env_file, secret_environment, secret_files, volumes, tmpfs, command, entrypoint, user,
        working_dir, labels, cap_add, cap_drop, privileged, devices, network_mode, pid, ipc, read_only,
        init, shm_size, ulimits, extra_hosts, dns, logging, restart, stop_signal, security_opt, healthcheck,
        mem_limit, cpus, pids_limit, ports, networks, ready: _, strategy: _, drain: _, stop_grace_period: _,
        monitor: _, depends_on: _, hooks: _, route: _, pull_policy: _, max_instances: _, auto_deploy: _, window: _,
        keep_images: _,
    } = layer;
    let environment = environment::plain(cx, environment, env_file, secret_environment.as_ref());
    let spec = ContainerSpec {
        port,
        environment,
        secret_environment: secrets::references(&cx.site, "secret_environment", secret_environment.unwrap_or_default()),
        secret_files: secrets::references(&cx.site, "secret_files", secret_files.unwrap_or_default()),
        mounts: mounts::mounts(cx, volumes, tmpfs),
        command: process::words(cx, "command", command),
        entrypoint: process::words(cx, "entrypoint", entrypoint),
        user: process::user(cx, user),
        working_dir: working_dir.and_then(|path| absolute(&cx.site, Part::Value, "working_dir", &path)),
        labels: environment::labels(cx, labels),
        cap_add: capabilities(cx, "cap_add", cap_add),
        cap_drop: capabilities(cx, "cap_drop", cap_drop),
        privileged: privileged.unwrap_or(false),
        devices: self::devices(cx, devices),
        host_namespaces: host_namespaces(cx, network_mode, pid, ipc),
        read_only: read_only.unwrap_or(false),
        init,
        shm_size: limits::size(cx, "shm_size", shm_size),
        ulimits: limits::ulimits(cx, ulimits),
        extra_hosts: limits::extra_hosts(cx, extra_hosts),
        dns: limits::dns(cx, dns),
        logging: limits::logging(cx, logging).shared(),
        restart: process::restart(cx, restart.as_deref()),
        stop_signal: process::signal(cx, stop_signal),
        security_opt: security_options(cx, security_opt),
        healthcheck: process::healthcheck(cx, healthcheck),
        mem_limit: limits::memory(cx, mem_limit),
        milli_cpus: limits::milli_cpus(cx, cpus),
        pids_limit: limits::pids(cx, pids_limit),
        ports: ports::ports(cx, ports, claims),
        networks: self::networks(cx, networks),
    };
    if spec.privileged {
        cx.allowance().privileged(&cx.site, "privileged", "`privileged`");
    }
    if !spec.cap_add.is_empty() {
        cx.allowance().privileged(&cx.site, "cap_add", "`cap_add`");
    }
    secrets::check_files(cx, &spec);
    spec
}

/// Capabilities as Docker writes them: upper case, without `CAP_`, sorted.
fn capabilities(cx: &Context<'_>, path: &str, names: Option<Vec<String>>) -> Vec<String> {
    let mut all = Vec::new();
    for (i, name) in names.unwrap_or_default().iter().enumerate() {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
            let title = format!("`{}` is not a capability", short(name));
            cx.site.refuse(
                code::BAD_VALUE,
                &format!("{path}.{i}"),
                title,
                "write a name such as `NET_BIND_SERVICE`, or `ALL`",
            );
        }
        all.push(bare.to_owned());
    }
    all.sort();
    all.dedup();
    all
}

/// Devices as `host:container:permissions`.
fn devices(cx: &Context<'_>, raw: Option<Vec<String>>) -> Vec<String> {
    let mut all = Vec::new();
    for (i, text) in raw.unwrap_or_default().iter().enumerate() {
        let at = format!("devices.{i}");
        let parts: Vec<&str> = text.split(':').collect();
        let is_mode = |mode: &str| !mode.is_empty() && mode.bytes().all(|b| b"rwm".contains(&b));
        let device = match parts[..] {
            [host] => Some((host, host, "rwm")),
            [host, mode] if is_mode(mode) => Some((host, host, mode)),
            [host, container] => Some((host, container, "rwm")),
            [host, container, mode] if is_mode(mode) => Some((host, container, mode)),
            _ => None,
        };
        let Some((host, container, mode)) = device else {
            cx.site.refuse(
                code::BAD_VALUE,
                &at,
                format!("`{}` is not a device", short(text)),
                "write it like `/dev/ttyUSB0:/dev/ttyUSB0:rw`",
            );
            continue;
        };
        let host = absolute(&cx.site, Part::Value, &at, host);
        let container = absolute(&cx.site, Part::Value, &at, container);
        all.extend(host.zip(container).map(|(host, container)| format!("{host}:{container}:{mode}")));
    }
    if !all.is_empty() {
        cx.allowance().privileged(&cx.site, "devices", "`devices`");
    }
    all
}

fn host_namespaces(
    cx: &Context<'_>,
    network_mode: Option<String>,
    pid: Option<String>,
    ipc: Option<String>,
) -> Vec<HostNamespace> {
    let wanted = [
        (
            "network_mode",
            network_mode,
            HostNamespace::Network,
            "Landfall connects containers to its own network; write `networks` for more",
        ),
        ("pid", pid, HostNamespace::Pid, "every container has its own unless it shares the host's"),
        ("ipc", ipc, HostNamespace::Ipc, "every container has its own unless it shares the host's"),
    ];
    let mut all = Vec::new();
    for (path, value, namespace, help) in wanted {
        match value.as_deref() {
            None => {}
            Some("host") => {
                cx.allowance().privileged(&cx.site, path, &format!("`{path}: host`"));
                all.push(namespace);
            }
            Some(other) => {
                let title = format!("`{path}: {}` is not supported, only `host` is", short(other));
                cx.site.refuse(code::NOT_SUPPORTED, path, title, help);
            }
        }
    }
    all
}

/// Options that take something away from a container are free; every other needs the policy.
fn security_options(cx: &Context<'_>, raw: Option<Vec<String>>) -> Vec<String> {
    let mut all = raw.unwrap_or_default();
    for (i, option) in all.iter().enumerate() {
        let is_free =
            matches!(option.as_str(), "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true");
        if !is_free {
            cx.allowance().privileged(&cx.site, &format!("security_opt.{i}"), &format!("`{}`", short(option)));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Networks joined besides ours.
fn networks(cx: &Context<'_>, raw: Option<Vec<String>>) -> Vec<String> {
    let settings = &cx.settings.value;
    let mut all = Vec::new();
    for (i, name) in raw.unwrap_or_default().into_iter().enumerate() {
        let at = format!("networks.{i}");
        if name == settings.network || name == settings.names_network() {
            let title = format!("`{}` is Landfall's own network", short(&name));
            cx.site.refuse(code::CONTRADICTION, &at, title, "every instance joins it already: remove it here");
        } else if is_network(&cx.site, &at, &name) {
            all.push(name);
        }
    }
    all.sort();
    all.dedup();
    all
}
