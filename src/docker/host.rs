//! The host that the daemon runs on.

use super::{Docker, DockerError};
use crate::model::Platform;

impl Docker {
    /// What images must be built for to run here.
    ///
    /// # Errors
    /// As with every call; and an answer that names no system.
    pub async fn platform(&self) -> Result<Platform, DockerError> {
        let what = "tell its platform";
        let info = self.call(what, self.limits.call, self.api.info()).await?;
        match (info.os_type, info.architecture) {
            (Some(os), Some(machine)) => Ok(Platform::of_host(&os, &machine)),
            (None, _) | (_, None) => Err(DockerError::Unreadable { what: what.to_owned() }),
        }
    }
}
