//! Named volumes. They are made and looked at, never removed (R3).

use std::collections::BTreeMap;

use bollard::models::VolumeCreateRequest;

use super::{Docker, DockerError, checked};

/// A volume of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Docker {
    /// A volume by name; none when there is none.
    pub async fn volume(&self, name: &str) -> Result<Option<VolumeInfo>, DockerError> {
        let call = self.api.inspect_volume(checked::name(name)?);
        match self.call(&format!("inspect volume {name}"), self.limits.call, call).await {
            Ok(volume) => Ok(Some(VolumeInfo { labels: volume.labels.into_iter().collect() })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a local volume. One that exists is left as it is, with the labels it has.
    pub async fn create_volume(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<(), DockerError> {
        let request = VolumeCreateRequest {
            name: Some(checked::name(name)?.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        self.call(&format!("create volume {name}"), self.limits.call, self.api.create_volume(request)).await.map(drop)
    }
}
