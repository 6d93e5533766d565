//! Docker: our verbs over its API, and our errors. The only place that names bollard.
//!
//! - Every request names an API version that the server knows, and every name is checked before it reaches a URL.
//! - Every call ends: each has a time limit of its own, each stream a limit on silence (see [`Limits`]).
//! - A verb whose wish already holds is a success: a network that exists, a container that is stopped or gone.
//! - Request and answer bodies are never logged: they hold secrets (R28).
//!
//! It must not decide anything: no policy (R32), no ownership (R1), no order of steps.

mod checked;
mod connect;
mod containers;
mod create;
mod error;
mod events;
mod host;
mod images;
mod inspect;
mod limits;
mod list;
mod logs;
mod mounts;
mod networks;
mod own;
mod pull;
mod pull_error;
mod spec;
mod volumes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use connect::ApiVersion;
pub use create::CreateContainer;
pub use error::DockerError;
pub use events::{ContainerEvent, Events, Happened};
pub use images::ImageInfo;
pub use inspect::ContainerInfo;
pub use limits::Limits;
pub use logs::{LogFollower, LogLine, LogStream};
pub use pull::{Credentials, PullProgress};
pub use pull_error::PullFailure;
pub use volumes::VolumeInfo;

/// A connection to one Docker daemon. Cheap to clone; it holds no socket open between calls, so it survives a
/// restart of the daemon.
#[derive(Clone)]
pub struct Docker {
    api: bollard::Docker,
    address: Arc<str>,
    version: ApiVersion,
    limits: Limits,
}

impl Docker {
    /// The address it was connected with, as in `unix:///var/run/docker.sock`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The API version that every request names.
    pub fn api_version(&self) -> ApiVersion {
        self.version
    }

    /// The same connection with other time limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs one call under its limit. `what` completes "docker did not …", as in `start container shop-1`.
    async fn call<T>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        let begin = std::time::Instant::now();
        let result = match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| DockerError::from_bollard(what, &self.address, limit, error)),
            Err(_) => Err(DockerError::Timeout { what: what.to_owned(), limit }),
        };
        tracing::debug!(what, ok = result.is_ok(), elapsed_ms = begin.elapsed().as_millis(), "docker call");
        result
    }
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Docker({}, API {})", self.address, self.version)
    }
}

/// Lets a wish that already holds count as success.
fn accept(result: Result<(), DockerError>, holds: impl FnOnce(&DockerError) -> bool) -> Result<(), DockerError> {
    match result {
        Err(error) if holds(&error) => Ok(()),
        other => other,
    }
}
