//! The digest of a tag: by `HEAD`, which Docker Hub does not count as a pull.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use super::ask::{Question, unexpected};
use super::{Access, Registry, RegistryError};
use crate::model::{Digest, Repository, Tag, hash};

/// The manifests we know; a registry that is not told answers with the oldest form, which has another digest.
pub(super) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// Largest manifest, in bytes: the limit that registries set themselves.
pub(super) const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// All of a question: up to three requests.
const TOTAL: Duration = Duration::from_secs(60);

impl Registry {
    /// The digest that a tag has now: of the image, or of the index when it is for several platforms.
    pub async fn head(&self, repository: &Repository, tag: &Tag, access: &Access) -> Result<Digest, RegistryError> {
        let question = async {
            let response = self.manifest(Method::HEAD, repository, tag, access).await?;
            match digest_header(response.headers()) {
                Some(digest) => Ok(digest),
                None => self.digest_of_content(repository, tag, access).await,
            }
        };
        self.in_turn(access, TOTAL, question).await
    }

    /// Whether the registry answers and its login may read a repository, whatever is in it; nothing is pulled.
    pub async fn may_read(&self, repository: &Repository, access: &Access) -> Result<(), RegistryError> {
        let question = Question::new(Method::GET, access.tags(repository, 1), "application/json");
        let image = repository.to_string();
        let asked = self.ask(question, repository, &image, access);
        self.in_turn(access, TOTAL, asked).await.map(drop)
    }

    /// For registries that leave the header out.
    async fn digest_of_content(
        &self,
        repository: &Repository,
        tag: &Tag,
        access: &Access,
    ) -> Result<Digest, RegistryError> {
        let response = self.manifest(Method::GET, repository, tag, access).await?;
        let body = self.body(access, response, MAX_MANIFEST).await?;
        let digest = format!("sha256:{}", hash::sha256_hex(&body)).parse();
        digest.map_err(|_| unexpected(access, format!("{repository}:{tag}"), "no digest"))
    }

    async fn manifest(
        &self,
        method: Method,
        repository: &Repository,
        tag: &Tag,
        access: &Access,
    ) -> Result<Response, RegistryError> {
        let question = Question::new(method, access.manifest(repository, tag.as_str()), MANIFESTS);
        self.ask(question, repository, &format!("{repository}:{tag}"), access).await
    }
}

fn digest_header(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.trim().parse().ok()
}
