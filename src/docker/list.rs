//! Looking at all containers of ours in one call (R22).

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum as State, EndpointSettings, PortSummary, PortSummaryTypeEnum,
};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{Docker, DockerError};
use crate::model::labels::STORE;
use crate::model::observed::{ContainerState, Health, ObservedContainer, ObservedPort};
use crate::model::{HookLabels, Labels};

impl Docker {
    /// Every container that has a store label, running or not, whatever store it names; sorted by name. One call.
    pub async fn list(&self) -> Result<Vec<ObservedContainer>, DockerError> {
        let filters = HashMap::from([("label", vec![STORE])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let call = self.api.list_containers(Some(options));
        let summaries = self.call("list containers", self.limits.call, call).await?;
        let mut containers: Vec<_> = summaries.into_iter().map(observed).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }
}

impl Docker {
    /// These containers, by id, whoever made them; those that are gone are left out.
    pub async fn list_these(&self, ids: &[&str]) -> Result<Vec<ObservedContainer>, DockerError> {
        let filters = HashMap::from([("id", ids.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let summaries = self.call("list containers", self.limits.call, self.api.list_containers(Some(options))).await?;
        Ok(summaries.into_iter().map(observed).collect())
    }

    /// Every container of the host, whoever made it; for `doctor`, which looks for other people's.
    pub async fn list_all(&self) -> Result<Vec<ObservedContainer>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let summaries = self.call("list containers", self.limits.call, self.api.list_containers(Some(options))).await?;
        Ok(summaries.into_iter().map(observed).collect())
    }
}

fn observed(summary: ContainerSummary) -> ObservedContainer {
    let labels: BTreeMap<_, _> = summary.labels.unwrap_or_default().into_iter().collect();
    let status_text = summary.status.unwrap_or_default();
    ObservedContainer {
        id: summary.id.unwrap_or_default(),
        name: own_name(&summary.names.unwrap_or_default()),
        labels: Labels::parse(&labels),
        hook: HookLabels::parse(&labels),
        state: state(summary.state),
        health: health(&status_text),
        status_text,
        networks: addresses(summary.network_settings.and_then(|settings| settings.networks)),
        ports: summary.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
        created_ms: summary.created.unwrap_or_default().saturating_mul(1000),
    }
}

/// The name without its slash; legacy links add more names, with a second slash in them.
fn own_name(names: &[String]) -> String {
    let plain = |name: &&str| !name.contains('/');
    names.iter().map(|name| name.trim_start_matches('/')).find(plain).unwrap_or_default().to_owned()
}

fn state(state: Option<State>) -> ContainerState {
    match state {
        Some(State::CREATED) => ContainerState::Created,
        // A container that is being stopped still runs; the next look tells how it ended.
        Some(State::RUNNING | State::STOPPING) => ContainerState::Running,
        Some(State::PAUSED) => ContainerState::Paused,
        Some(State::RESTARTING) => ContainerState::Restarting,
        Some(State::EXITED) => ContainerState::Exited,
        Some(State::REMOVING) => ContainerState::Removing,
        Some(State::DEAD | State::EMPTY) | None => ContainerState::Dead,
    }
}

/// The health that Docker appends to the status of a running container with a HEALTHCHECK: an inspection of each
/// would cost a call each, and the field of its own exists only in newer APIs.
fn health(status: &str) -> Option<Health> {
    let (_, inner) = status.strip_suffix(')')?.rsplit_once('(')?;
    match inner {
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        "health: starting" => Some(Health::Starting),
        _ => None,
    }
}

/// Network name → address.
pub(super) fn addresses<T: FromIterator<(String, String)>>(networks: Option<HashMap<String, EndpointSettings>>) -> T {
    let address = |endpoint: EndpointSettings| endpoint.ip_address.unwrap_or_default();
    networks.unwrap_or_default().into_iter().map(|(name, endpoint)| (name, address(endpoint))).collect()
}

fn port(port: PortSummary) -> Option<ObservedPort> {
    Some(ObservedPort {
        host_ip: port.ip.unwrap_or_default(),
        host_port: port.public_port?,
        container_port: port.private_port,
        is_tcp: port.typ == Some(PortSummaryTypeEnum::TCP),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_from_the_status_text() {
        assert_eq!(health("Up 3 minutes (healthy)"), Some(Health::Healthy));
        assert_eq!(health("Up 3 minutes (unhealthy)"), Some(Health::Unhealthy));
        assert_eq!(health("Up 1 second (health: starting)"), Some(Health::Starting));
        for none in ["Up 3 minutes", "Exited (0) 3 minutes ago", "Up 2 hours (Paused)", "Created", ""] {
            assert_eq!(health(none), None, "{none}");
        }
    }

    #[test]
    fn the_names_of_legacy_links_are_not_the_container_s_own() {
        assert_eq!(own_name(&["/web/db".into(), "/db".into()]), "db");
        assert_eq!(own_name(&[]), "");
    }
}
