//! Networks: which exist, making one, and who is in it under which names.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::ListNetworksOptions;

use super::{Docker, DockerError, accept, checked};

impl Docker {
    /// The names of all networks of the host. One call.
    pub async fn networks(&self) -> Result<BTreeSet<String>, DockerError> {
        let call = self.api.list_networks(None::<ListNetworksOptions>);
        let networks = self.call("list networks", self.limits.call, call).await?;
        Ok(networks.into_iter().filter_map(|network| network.name).collect())
    }

    /// Makes a bridge network; one of that name that exists is fine, whoever made it.
    pub async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<(), DockerError> {
        let request = NetworkCreateRequest {
            name: checked::name(name)?.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let what = format!("create network {name}");
        let created = match self.call(&what, self.limits.change, self.api.create_network(request)).await {
            Err(error) if error.is_refused(409, "already exists") => return Ok(()),
            other => other?,
        };
        if created.warning.contains("already exists") {
            // Below API 1.44 a second network of the same name is made, with no more than a warning.
            self.remove_network(&created.id).await?;
        }
        Ok(())
    }

    /// Lets a container join a network under these further names; one that is in it already stays as it is.
    pub async fn connect_network(&self, network: &str, id: &str, aliases: &[String]) -> Result<(), DockerError> {
        let aliases = (!aliases.is_empty()).then(|| aliases.to_vec());
        let request = NetworkConnectRequest {
            container: checked::name(id)?.to_owned(),
            endpoint_config: Some(EndpointSettings { aliases, ..EndpointSettings::default() }),
        };
        let call = self.api.connect_network(checked::name(network)?, request);
        let result = self.call(&format!("connect container {id} to network {network}"), self.limits.call, call).await;
        accept(result, |error| {
            // Running containers are refused by libnetwork (403), stopped ones by the daemon (409).
            [403, 409].iter().any(|status| {
                error.is_refused(*status, "already exists in network")
                    || error.is_refused(*status, "is already attached")
            })
        })
    }

    /// Takes a container out of a network; one that is not in it, or a network or container that is gone, is fine.
    pub async fn disconnect_network(&self, network: &str, id: &str) -> Result<(), DockerError> {
        let request = NetworkDisconnectRequest { container: checked::name(id)?.to_owned(), force: Some(true) };
        let call = self.api.disconnect_network(checked::name(network)?, request);
        let what = format!("disconnect container {id} from network {network}");
        let result = self.call(&what, self.limits.call, call).await;
        accept(result, |error| error.is_not_found() || error.to_string().contains("is not connected to"))
    }

    async fn remove_network(&self, id: &str) -> Result<(), DockerError> {
        let call = self.api.remove_network(checked::name(id)?);
        let result = self.call(&format!("remove network {id}"), self.limits.call, call).await;
        accept(result, DockerError::is_not_found)
    }
}
