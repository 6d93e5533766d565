//! Images on the host.

use bollard::query_parameters::{RemoveImageOptions, TagImageOptionsBuilder};

use super::inspect::has_healthcheck;
use super::{Docker, DockerError, accept, checked};
use crate::model::{Digest, Platform};

/// An image on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its id.
    pub id: Digest,
    /// It carries a HEALTHCHECK.
    pub has_healthcheck: bool,
    /// What it was pulled as, `repository@sha256:…`; short for Docker Hub (`nginx@sha256:…`).
    pub repo_digests: Vec<String>,
    /// Its names on the host.
    pub repo_tags: Vec<String>,
    /// The user its process runs as; empty: root.
    pub user: String,
    /// What it was built for; none where it does not say.
    pub platform: Option<Platform>,
}

impl Docker {
    /// An image by tag, digest or id; none when it is not on the host.
    pub async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DockerError> {
        let what = format!("inspect image {reference}");
        let call = self.api.inspect_image(checked::reference(reference)?);
        let image = match self.call(&what, self.limits.call, call).await {
            Ok(image) => image,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let config = image.config.unwrap_or_default();
        let id = image.id.unwrap_or_default().parse().map_err(|_| DockerError::Unreadable { what })?;
        Ok(Some(ImageInfo {
            id,
            has_healthcheck: has_healthcheck(config.healthcheck.as_ref()),
            repo_digests: image.repo_digests.unwrap_or_default(),
            repo_tags: image.repo_tags.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            platform: platform(image.os.as_deref(), image.architecture.as_deref(), image.variant.as_deref()),
        }))
    }

    /// Gives an image on the host one more name, `repository:tag` (R6).
    pub async fn tag_image(&self, reference: &str, repository: &str, tag: &str) -> Result<(), DockerError> {
        checked::reference(repository)?;
        checked::reference(tag)?;
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        let call = self.api.tag_image(checked::reference(reference)?, Some(options));
        self.call(&format!("tag image {reference} as {repository}:{tag}"), self.limits.call, call).await
    }

    /// Takes a name off an image, `repository:tag` or `repository@digest`; with its last name the image goes. A name that
    /// is not there is fine. Never by force: Docker refuses to let go of what a container uses.
    pub async fn remove_image(&self, reference: &str) -> Result<(), DockerError> {
        let call = self.api.remove_image(checked::reference(reference)?, None::<RemoveImageOptions>, None);
        let result = self.call(&format!("remove image {reference}"), self.limits.change, call).await;
        accept(result.map(drop), DockerError::is_not_found)
    }
}

fn platform(os: Option<&str>, architecture: Option<&str>, variant: Option<&str>) -> Option<Platform> {
    let (os, architecture) = (os?, architecture?);
    (!os.is_empty() && !architecture.is_empty()).then(|| Platform::new(os, architecture, variant))
}
