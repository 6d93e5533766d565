//! Fetching an image by digest. The whole stream is read: dockerd answers 200 and tells a failure in its last line.

use std::collections::BTreeMap;

use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::pull_error::PullFailure;
use super::{Docker, DockerError};
use crate::model::{Digest, Repository};

/// Most layers that progress is kept for; an image has 127 at most.
const MAX_LAYERS: usize = 256;

/// A name and a password for a registry.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// How far a pull is, over all layers known so far; totals grow while layers are discovered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes fetched.
    pub bytes: u64,
    /// Bytes to fetch, as far as known.
    pub total_bytes: u64,
    /// Layers that are on the host.
    pub layers_done: usize,
    /// Layers in all.
    pub layers: usize,
}

impl Docker {
    /// Fetches `repository@digest`; `on_progress` is called for every line that dockerd writes.
    ///
    /// # Errors
    /// [`DockerError::Pull`] with its kind; [`DockerError::Timeout`] after a silence or in all (see
    /// [`Limits`](super::Limits)).
    pub async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        credentials: Option<&Credentials>,
        on_progress: impl FnMut(PullProgress),
    ) -> Result<(), DockerError> {
        let image = format!("{repository}@{digest}");
        let limit = self.limits.pull;
        let timeout = DockerError::Timeout { what: format!("pull {image}"), limit };
        let pull = self.pull_stream(&image, repository, digest, credentials, on_progress);
        let result = tokio::time::timeout(limit, pull).await.unwrap_or(Err(timeout));
        tracing::debug!(image, ok = result.is_ok(), "docker pull");
        let password = credentials.map_or("", |credentials| credentials.password.expose_secret());
        result.map_err(|error| classify(&image, error).without(&[password]))
    }

    async fn pull_stream(
        &self,
        image: &str,
        repository: &Repository,
        digest: &Digest,
        credentials: Option<&Credentials>,
        mut on_progress: impl FnMut(PullProgress),
    ) -> Result<(), DockerError> {
        // The digest goes where a tag would; without one, every tag would be fetched.
        let from = repository.to_string();
        let options = CreateImageOptionsBuilder::new().from_image(&from).tag(digest.as_str()).build();
        let login = credentials.map(|credentials| login(repository, credentials));
        let mut stream = std::pin::pin!(self.api.create_image(Some(options), None, login));
        let what = format!("go on pulling {image}");
        let mut layers = Layers::default();
        while let Some(line) = self.next_line(&what, stream.next()).await? {
            layers.take(line);
            on_progress(layers.progress());
        }
        Ok(())
    }

    async fn next_line(
        &self,
        what: &str,
        next: impl Future<Output = Option<Result<CreateImageInfo, bollard::errors::Error>>>,
    ) -> Result<Option<CreateImageInfo>, DockerError> {
        let limit = self.limits.pull_silence;
        match tokio::time::timeout(limit, next).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(line))) => Ok(Some(line)),
            Ok(Some(Err(error))) => Err(DockerError::from_bollard(what, &self.address, limit, error)),
            Err(_) => Err(DockerError::Timeout { what: what.to_owned(), limit }),
        }
    }
}

fn login(repository: &Repository, credentials: &Credentials) -> DockerCredentials {
    let server = match repository.host() {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    DockerCredentials {
        username: Some(credentials.username.clone()),
        password: Some(credentials.password.expose_secret().to_owned()),
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    }
}

/// Any refusal becomes a failure of the pull with its kind: dockerd answers 404, 500 or 200 for all of them, and only
/// its words differ.
fn classify(image: &str, error: DockerError) -> DockerError {
    match error {
        DockerError::Refused { message, .. } | DockerError::NotFound { message, .. } => {
            DockerError::Pull { image: image.to_owned(), kind: PullFailure::of(&message), message }
        }
        other => other,
    }
}

/// What is known of each layer.
#[derive(Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Default)]
struct Layer {
    bytes: u64,
    total: u64,
    done: bool,
}

impl Layers {
    fn take(&mut self, line: CreateImageInfo) {
        let (Some(id), Some(status)) = (line.id, line.status) else { return };
        // The first line names the digest in place of a layer.
        if status.starts_with("Pulling from") || (self.0.len() >= MAX_LAYERS && !self.0.contains_key(&id)) {
            return;
        }
        let layer = self.0.entry(id).or_default();
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        match status.as_str() {
            "Downloading" => {
                let detail = line.progress_detail.unwrap_or_default();
                layer.bytes = number(detail.current).unwrap_or(layer.bytes);
                layer.total = number(detail.total).unwrap_or(layer.total).max(layer.bytes);
            }
            "Download complete" | "Verifying Checksum" | "Extracting" => layer.bytes = layer.total,
            "Pull complete" | "Already exists" => {
                layer.bytes = layer.total;
                layer.done = true;
            }
            _ => {}
        }
    }

    fn progress(&self) -> PullProgress {
        self.0.values().fold(PullProgress::default(), |sum, layer| PullProgress {
            bytes: sum.bytes + layer.bytes,
            total_bytes: sum.total_bytes + layer.total,
            layers_done: sum.layers_done + usize::from(layer.done),
            layers: sum.layers + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        let detail = bollard::models::ProgressDetail { current: Some(current), total: Some(total) };
        CreateImageInfo {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail: Some(detail),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_counts_each_layer_once() {
        let mut layers = Layers::default();
        layers.take(line("sha256:00", "Pulling from a/b", 0, 0));
        layers.take(line("l1", "Pulling fs layer", 0, 0));
        layers.take(line("l2", "Downloading", 50, 100));
        assert_eq!(layers.progress(), PullProgress { bytes: 50, total_bytes: 100, layers_done: 0, layers: 2 });
        layers.take(line("l2", "Extracting", 7, 100));
        layers.take(line("l2", "Pull complete", 0, 0));
        layers.take(line("l1", "Already exists", 0, 0));
        assert_eq!(layers.progress(), PullProgress { bytes: 100, total_bytes: 100, layers_done: 2, layers: 2 });
    }
}
