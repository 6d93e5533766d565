//! The life of a container after it was created: files in, start, stop, rename, remove.

use std::time::Duration;

use bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;

use super::create::name_conflict;
use super::{Docker, DockerError, accept, checked};

/// Pause between two looks at a container that is being removed by somebody else.
const REMOVAL_POLL: Duration = Duration::from_millis(100);
/// What dockerd says when a port of the host is taken: by another container, or by a program of the host.
const PORT_TAKEN: [&str; 2] = ["port is already allocated", "address already in use"];

impl Docker {
    /// Unpacks a tar archive at the root of a container, which need not run. Owners and modes are those in the
    /// archive. Docker refuses it for a container whose root is read-only, except into its volumes.
    pub async fn upload(&self, id: &str, tar: Vec<u8>) -> Result<(), DockerError> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let body = bollard::body_full(Bytes::from(tar));
        let call = self.api.upload_to_container(checked::name(id)?, Some(options), body);
        self.call(&format!("copy files into container {id}"), self.limits.change, call).await
    }

    /// Starts a container; one that runs stays as it is.
    pub async fn start(&self, id: &str) -> Result<(), DockerError> {
        let call = self.api.start_container(checked::name(id)?, None::<StartContainerOptions>);
        let result = self.call(&format!("start container {id}"), self.limits.change, call).await;
        result.map_err(port_taken)
    }

    /// Asks a container to end and kills it after `grace`; one that is stopped or gone is fine.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), DockerError> {
        let secs = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::new().t(i32::try_from(secs).unwrap_or(i32::MAX)).build();
        let call = self.api.stop_container(checked::name(id)?, Some(options));
        // A limit below the grace would give up while dockerd goes on stopping.
        let limit = Duration::from_secs(secs) + self.limits.stop_margin;
        let result = self.call(&format!("stop container {id}"), limit, call).await;
        accept(result, DockerError::is_not_found)
    }

    /// Sends a signal, as in `SIGHUP`; a container that does not run or is gone is fine.
    pub async fn kill(&self, id: &str, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let call = self.api.kill_container(checked::name(id)?, Some(options));
        let result = self.call(&format!("send {signal} to container {id}"), self.limits.call, call).await;
        accept(result, |error| error.is_not_found() || error.is_refused(409, "is not running"))
    }

    /// Removes a container and waits until it is gone; `force` kills it first. Its volumes stay, anonymous ones too
    /// (R3).
    pub async fn remove(&self, id: &str, force: bool) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::new().force(force).build();
        let call = self.api.remove_container(checked::name(id)?, Some(options));
        match self.call(&format!("remove container {id}"), self.limits.change, call).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.is_refused(409, "already in progress") => self.wait_until_gone(id).await,
            other => other,
        }
    }

    /// Wakes a paused container; one that is not paused stays as it is.
    pub async fn unpause(&self, id: &str) -> Result<(), DockerError> {
        let call = self.api.unpause_container(checked::name(id)?);
        let result = self.call(&format!("unpause container {id}"), self.limits.call, call).await;
        accept(result, |error| error.to_string().contains("is not paused"))
    }

    /// Gives a container another name.
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::new().name(checked::name(name)?).build();
        let call = self.api.rename_container(checked::name(id)?, options);
        let result = self.call(&format!("rename container {id} to {name}"), self.limits.call, call).await;
        result.map_err(|error| name_conflict(name, error))
    }

    async fn wait_until_gone(&self, id: &str) -> Result<(), DockerError> {
        let limit = self.limits.change;
        let gone = async {
            while self.inspect(id).await?.is_some() {
                tokio::time::sleep(REMOVAL_POLL).await;
            }
            Ok(())
        };
        let timeout = DockerError::Timeout { what: format!("remove container {id}"), limit };
        tokio::time::timeout(limit, gone).await.unwrap_or(Err(timeout))
    }
}

/// Tells a taken port from other failures of a start. dockerd keeps the container, in state `created`.
fn port_taken(error: DockerError) -> DockerError {
    match error {
        DockerError::Refused { what, message, .. } if PORT_TAKEN.iter().any(|text| message.contains(text)) => {
            DockerError::PortTaken { what, message }
        }
        other => other,
    }
}
