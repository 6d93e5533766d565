//! Creating a container: everything about it in one call, under its deterministic name, which is the lock (R1, R7).

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard::query_parameters::CreateContainerOptionsBuilder;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Docker, DockerError, checked, spec};
use crate::model::ContainerSpec;

/// A container to be made.
#[derive(Debug)]
pub struct CreateContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its image: by digest, by image id, or by a tag on the host. It is not pulled.
    pub image: &'a str,
    /// What the configuration says.
    pub spec: &'a ContainerSpec,
    /// Our labels; they win over the spec's.
    pub labels: BTreeMap<String, String>,
    /// The network it starts in; not joined when the spec shares the host's network.
    pub network: &'a str,
    /// Its names in that network.
    pub aliases: Vec<String>,
    /// Port of the container → port of the host, on 127.0.0.1.
    pub publish: Option<(u16, u16)>,
    /// Values of the spec's secret variables, by name.
    pub secret_environment: Vec<(String, SecretString)>,
    /// Copies of the files that the spec mounts from the config tree: hash → path on the host (R34).
    pub config_files: &'a BTreeMap<String, PathBuf>,
    /// Seconds between the stop signal and the kill when somebody else stops it.
    pub stop_timeout_secs: u64,
}

impl Docker {
    /// Makes a container and returns its id. It is not started.
    ///
    /// # Errors
    /// [`DockerError::NameTaken`] when the name belongs to a container, [`DockerError::NotFound`] when the image is
    /// not on the host. An unknown network is told only at the start.
    pub async fn create(&self, container: &CreateContainer<'_>) -> Result<String, DockerError> {
        let name = checked::name(container.name)?;
        checked::reference(container.image)?;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let call = self.api.create_container(Some(options), spec::body(container)?);
        let created = self.call(&format!("create container {name}"), self.limits.change, call).await;
        let secrets: Vec<_> = container.secret_environment.iter().map(|(_, value)| value.expose_secret()).collect();
        created.map(|response| response.id).map_err(|error| name_conflict(name, error.without(&secrets)))
    }
}

/// Tells a taken name from other conflicts, and who has it.
pub(super) fn name_conflict(name: &str, error: DockerError) -> DockerError {
    if !error.is_refused(409, "is already in use") {
        return error;
    }
    let text = error.to_string();
    let holder = text.split_once("by container ").map_or("", |(_, rest)| rest);
    let is_hex = |c: &char| c.is_ascii_hexdigit();
    let holder = holder.trim_start_matches(['"', '\\']).chars().take_while(is_hex).collect();
    DockerError::NameTaken { name: name.to_owned(), holder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_a_taken_name_says_which_container_has_it() {
        let id = "ab".repeat(32);
        let message =
            format!("Conflict. The container name \"/x\" is already in use by container \"{id}\". You have to…");
        let refused =
            |status, message: &str| DockerError::Refused { what: "create".into(), status, message: message.into() };
        let taken = DockerError::NameTaken { name: "x".into(), holder: id };
        assert_eq!(name_conflict("x", refused(409, &message)), taken);
        assert_eq!(name_conflict("x", refused(409, "other")), refused(409, "other"));
    }
}
