//! One container in full: what a gate and a deploy log need to know.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerInspectResponse, ContainerState as ApiState, ContainerStateStatusEnum as Status, Health as ApiHealth,
    HealthConfig, HealthStatusEnum, PortMap,
};
use bollard::query_parameters::InspectContainerOptions;

use super::list::addresses;
use super::{Docker, DockerError, checked, error};
use crate::model::observed::{ContainerState, Health, ObservedPort};

/// A container as Docker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Docker's id, 64 hex digits.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// All labels, as they are.
    pub labels: BTreeMap<String, String>,
    /// Running, exited and so on.
    pub state: ContainerState,
    /// How often Docker has restarted it by its restart policy.
    pub restart_count: u64,
    /// Exit code of its last run; 0 while it has not ended.
    pub exit_code: i64,
    /// The kernel ended it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started; empty otherwise.
    pub error: String,
    /// Docker's health, where a HEALTHCHECK exists.
    pub health: Option<Health>,
    /// What the last health check wrote, cut.
    pub health_output: Option<String>,
    /// Network name → address in it (empty while it does not run).
    pub networks: BTreeMap<String, String>,
    /// Ports published now.
    pub ports: Vec<ObservedPort>,
    /// Id of its image, `sha256:…`.
    pub image_id: String,
    /// Start of its last run, in milliseconds since 1970 UTC; none when never started.
    pub started_at_ms: Option<i64>,
    /// End of its last run, in milliseconds since 1970 UTC; none while it runs for the first time.
    pub finished_at_ms: Option<i64>,
    /// A HEALTHCHECK is in force, of the image or of the spec.
    pub has_healthcheck: bool,
}

impl Docker {
    /// A container by id or name; none when there is none.
    pub async fn inspect(&self, id: &str) -> Result<Option<ContainerInfo>, DockerError> {
        let call = self.api.inspect_container(checked::name(id)?, None::<InspectContainerOptions>);
        match self.call(&format!("inspect container {id}"), self.limits.call, call).await {
            Ok(response) => Ok(Some(info(response))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn info(response: ContainerInspectResponse) -> ContainerInfo {
    let state = response.state.unwrap_or_default();
    let config = response.config.unwrap_or_default();
    let (networks, ports) = response.network_settings.map(|s| (s.networks, s.ports)).unwrap_or_default();
    ContainerInfo {
        id: response.id.unwrap_or_default(),
        name: response.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        restart_count: response.restart_count.and_then(|n| n.try_into().ok()).unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: error::tidy(state.error.as_deref().unwrap_or_default()),
        health: health(state.health.as_ref()),
        health_output: health_output(state.health.as_ref()),
        networks: addresses(networks),
        ports: ports.map(published).unwrap_or_default(),
        image_id: response.image.unwrap_or_default(),
        started_at_ms: state.started_at.as_deref().and_then(time_ms),
        finished_at_ms: state.finished_at.as_deref().and_then(time_ms),
        has_healthcheck: has_healthcheck(config.healthcheck.as_ref()),
        state: container_state(&state),
    }
}

fn container_state(state: &ApiState) -> ContainerState {
    match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        // As in the list: a container that is being stopped still runs.
        Some(Status::RUNNING | Status::STOPPING) => ContainerState::Running,
        Some(Status::PAUSED) => ContainerState::Paused,
        Some(Status::RESTARTING) => ContainerState::Restarting,
        Some(Status::EXITED) => ContainerState::Exited,
        Some(Status::REMOVING) => ContainerState::Removing,
        Some(Status::DEAD | Status::EMPTY) | None => ContainerState::Dead,
    }
}

fn health(health: Option<&ApiHealth>) -> Option<Health> {
    match health?.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn health_output(health: Option<&ApiHealth>) -> Option<String> {
    let last = health?.log.as_ref()?.last()?;
    last.output.as_deref().map(error::tidy).filter(|text| !text.is_empty())
}

/// A check that is not `NONE`, which switches the image's own off.
pub(super) fn has_healthcheck(config: Option<&HealthConfig>) -> bool {
    let test = config.and_then(|config| config.test.as_deref()).unwrap_or_default();
    test.first().is_some_and(|kind| kind != "NONE" && !kind.is_empty())
}

/// Ports with a binding, from `{"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20001"}]}`.
fn published(ports: PortMap) -> Vec<ObservedPort> {
    let mut published = Vec::new();
    for (key, bindings) in ports {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        for binding in bindings.unwrap_or_default() {
            let host_port = binding.host_port.unwrap_or_default();
            if let (Ok(container_port), Ok(host_port)) = (port.parse(), host_port.parse()) {
                let host_ip = binding.host_ip.unwrap_or_default();
                published.push(ObservedPort { host_ip, host_port, container_port, is_tcp: protocol == "tcp" });
            }
        }
    }
    published
        .sort_by(|a, b| (a.container_port, &a.host_ip, a.host_port).cmp(&(b.container_port, &b.host_ip, b.host_port)));
    published
}

/// Milliseconds since 1970; Docker writes year 1 for "never".
fn time_ms(text: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    (time > 0).then_some(time)
}
