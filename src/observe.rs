//! Docker + proxy → Observed, in a fixed number of calls however many instances there are (R22): one list of
//! containers, one of networks, one question to the proxy; one more list while a container is adopted.
//!
//! Never one inspect per instance, and never `/info` or `/version`, which cost more than the list.

use crate::docker::{Docker, DockerError};
use crate::model::{Desired, Observed, ObservedContainer, Recorded};
use crate::proxy::{Proxy, Seen};

/// What Docker reports; asked for while the configuration is still being read.
#[derive(Debug)]
pub struct Host {
    containers: Vec<ObservedContainer>,
    networks: std::collections::BTreeSet<String>,
}

impl Host {
    /// Every container with a label of ours.
    pub fn containers(&self) -> &[ObservedContainer] {
        &self.containers
    }
}

/// Asks Docker, both questions at once.
///
/// # Errors
/// Docker does not answer, or not in its own language.
pub async fn host(docker: &Docker) -> Result<Host, DockerError> {
    let (containers, networks) = tokio::try_join!(docker.list(), docker.networks())?;
    Ok(Host { containers, networks })
}

/// Adds the containers that people made and that were taken over (R5): no label tells of them, so they are asked for by
/// their ids, in one more call while there are some.
///
/// # Errors
/// Docker does not answer.
pub async fn with_adopted(docker: &Docker, mut host: Host, recorded: &Recorded) -> Result<Host, DockerError> {
    let adopted = recorded.adopted();
    if adopted.is_empty() {
        return Ok(host);
    }
    let ids: Vec<&str> = adopted.keys().copied().collect();
    for container in docker.list_these(&ids).await? {
        let labels = adopted.get(container.id.as_str()).map(|labels| (*labels).clone());
        if labels.is_some() && host.containers.iter().all(|known| known.id != container.id) {
            host.containers.push(ObservedContainer { labels, ..container });
        }
    }
    host.containers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(host)
}

/// Adds what the proxy reports; a proxy that does not answer is part of what was observed.
pub async fn with_proxy(host: Host, proxy: &Proxy, desired: &Desired, recorded: &Recorded) -> Observed {
    let Seen { proxy, certificates, access_lists, uncertified } = proxy.observe(desired, recorded).await;
    Observed { proxy, certificates, access_lists, uncertified, ..without_proxy(host) }
}

/// Docker's half alone.
pub fn without_proxy(host: Host) -> Observed {
    let Host { containers, networks } = host;
    Observed { containers, networks, ..Observed::default() }
}
