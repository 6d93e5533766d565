//! A spec as Docker's create body. Pure. Every field is named: one that is new does not compile until it is placed.
//!
//! Mounts are given as `Mounts`, never `Binds`: for those dockerd silently makes a missing host directory.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig,
    NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use secrecy::ExposeSecret as _;

use super::mounts::mount;
use super::{CreateContainer, DockerError, checked};
use crate::model::spec::{HostNamespace, Logging, PublishedPort, Restart, Ulimit};
use crate::model::{Bytes, ContainerSpec, Millis, spec};

/// Address that instances are published on (R7): nothing outside the host reaches them but through the proxy.
const LOOPBACK: &str = "127.0.0.1";

/// The body of `POST /containers/create`.
pub(super) fn body(container: &CreateContainer<'_>) -> Result<ContainerCreateBody, DockerError> {
    let CreateContainer { spec, .. } = container;
    let host_network = shares(spec, HostNamespace::Network);
    let ports = if host_network { Vec::new() } else { bindings(container) };
    let mut body = plain(spec);
    body.image = Some(container.image.to_owned());
    body.env = Some(environment(container));
    let theirs = spec.labels.iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
    body.labels = Some(theirs.chain(container.labels.clone()).collect());
    body.exposed_ports = Some(ports.iter().map(|(port, _)| port.clone()).collect());
    body.stop_timeout = i64::try_from(container.stop_timeout_secs).ok();
    body.networking_config = if host_network { None } else { Some(first_network(container)?) };
    if let Some(host) = &mut body.host_config {
        host.network_mode = Some(if host_network { "host" } else { container.network }.to_owned());
        host.port_bindings = Some(port_map(ports));
        host.mounts = Some(spec.mounts.iter().map(|m| mount(m, container.config_files)).collect::<Result<_, _>>()?);
    }
    Ok(body)
}

/// What the spec alone decides. The fields bound to `_` are placed in [`body`], where more than the spec is known.
fn plain(spec: &ContainerSpec) -> ContainerCreateBody {
    let ContainerSpec {
        port: _,
        environment: _,
        secret_environment: _,
        // Copied into the created container by the caller, before the start.
        secret_files: _,
        mounts: _,
        command,
        entrypoint,
        user,
        working_dir,
        labels: _,
        cap_add,
        cap_drop,
        privileged,
        devices,
        host_namespaces: _,
        read_only,
        init,
        shm_size,
        ulimits,
        extra_hosts,
        dns,
        logging,
        restart,
        stop_signal,
        security_opt,
        healthcheck,
        mem_limit,
        milli_cpus,
        pids_limit,
        ports: _,
        // Joined by the caller, before the start.
        networks: _,
    } = spec;
    ContainerCreateBody {
        cmd: command.clone(),
        entrypoint: entrypoint.clone(),
        user: user.clone(),
        working_dir: working_dir.clone(),
        stop_signal: stop_signal.clone(),
        healthcheck: healthcheck.as_ref().map(health),
        host_config: Some(HostConfig {
            cap_add: some(cap_add),
            cap_drop: some(cap_drop),
            privileged: Some(*privileged),
            devices: some(devices).map(|devices| devices.iter().map(|text| device(text)).collect()),
            readonly_rootfs: Some(*read_only),
            init: *init,
            shm_size: shm_size.map(bytes),
            ulimits: Some(ulimits.iter().map(|(name, limit)| ulimit(name, *limit)).collect()),
            extra_hosts: Some(extra_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect()),
            dns: some(dns),
            log_config: Some(log_config(logging)),
            restart_policy: Some(restart_policy(*restart)),
            security_opt: some(security_opt),
            memory: mem_limit.map(bytes),
            nano_cpus: milli_cpus.map(|milli| i64::try_from(milli.saturating_mul(1_000_000)).unwrap_or(i64::MAX)),
            pids_limit: *pids_limit,
            pid_mode: shares(spec, HostNamespace::Pid).then(|| "host".to_owned()),
            ipc_mode: shares(spec, HostNamespace::Ipc).then(|| "host".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn shares(spec: &ContainerSpec, namespace: HostNamespace) -> bool {
    spec.host_namespaces.contains(&namespace)
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn bytes(size: Bytes) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

/// Plain variables, then secret ones: these leave their wrapper here, as late as can be (R28).
fn environment(container: &CreateContainer<'_>) -> Vec<String> {
    let plain = container.spec.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let secret = container.secret_environment.iter().map(|(name, value)| format!("{name}={}", value.expose_secret()));
    plain.chain(secret).collect()
}

fn first_network(container: &CreateContainer<'_>) -> Result<NetworkingConfig, DockerError> {
    let aliases = (!container.aliases.is_empty()).then(|| container.aliases.clone());
    let endpoint = EndpointSettings { aliases, ..EndpointSettings::default() };
    let network = checked::name(container.network)?.to_owned();
    Ok(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) })
}

/// `8080/tcp` with the address and port of the host it is bound to: the proxy's own first, then the user's.
fn bindings(container: &CreateContainer<'_>) -> Vec<(String, PortBinding)> {
    let binding = |port, protocol, ip: &str, host: u16| {
        let binding = PortBinding { host_ip: Some(ip.to_owned()), host_port: Some(host.to_string()) };
        (format!("{port}/{protocol}"), binding)
    };
    let proxy = container.publish.map(|(port, host)| binding(port, "tcp", LOOPBACK, host));
    let own = container.spec.ports.iter().map(|published| {
        let PublishedPort { host_ip, host_port, container_port, protocol } = published;
        binding(*container_port, protocol.as_str(), host_ip.as_deref().unwrap_or_default(), *host_port)
    });
    proxy.into_iter().chain(own).collect()
}

fn port_map(bindings: Vec<(String, PortBinding)>) -> PortMap {
    let mut map = PortMap::new();
    for (port, binding) in bindings {
        map.entry(port).or_default().get_or_insert_default().push(binding);
    }
    map
}

fn health(check: &spec::Healthcheck) -> HealthConfig {
    let spec::Healthcheck { test, interval, timeout, retries, start_period } = check;
    let nanos = |time: &Option<Millis>| time.map(|t| i64::try_from(t.duration().as_nanos()).unwrap_or(i64::MAX));
    HealthConfig {
        test: Some(test.clone()),
        interval: nanos(interval),
        timeout: nanos(timeout),
        retries: retries.map(i64::from),
        start_period: nanos(start_period),
        start_interval: None,
    }
}

/// `host:container:permissions`; the last two default to the first and to `rwm`, as in Compose.
fn device(text: &str) -> DeviceMapping {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default().to_owned();
    let inside = parts.next().map_or_else(|| host.clone(), str::to_owned);
    let permissions = parts.next().unwrap_or("rwm").to_owned();
    DeviceMapping { path_on_host: Some(host), path_in_container: Some(inside), cgroup_permissions: Some(permissions) }
}

fn ulimit(name: &str, limit: Ulimit) -> ResourcesUlimits {
    let Ulimit { soft, hard } = limit;
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) }
}

fn log_config(logging: &Logging) -> HostConfigLogConfig {
    let Logging { driver, options } = logging;
    HostConfigLogConfig { typ: Some(driver.clone()), config: Some(options.clone().into_iter().collect()) }
}

fn restart_policy(restart: Restart) -> RestartPolicy {
    let (name, maximum_retry_count) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::OnFailure(times) => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(times))),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    RestartPolicy { name: Some(name), maximum_retry_count }
}
